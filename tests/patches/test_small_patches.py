"""Patches of few lines: the same values and gradients as stock, on the real classes, and everything as before after."""

from __future__ import annotations

import collections.abc
import sys

import pytest
import torch

from mx_driving._core import PatchSet
from mx_driving._core.versions import installed_version, is_installed
from mx_driving.patches import batch_matmul, load, pseudo_sampler

MMENGINE = is_installed("mmengine")
ONLY_MMENGINE = pytest.mark.skipif(not MMENGINE, reason="mmengine line")
ONLY_MMCV1 = pytest.mark.skipif(MMENGINE, reason="mmcv1 line")


@pytest.mark.parametrize("assigned", [[], [0], [3], [-1, 0, 2, 0, 1, -1, 7]], ids=str)
def test_indices_are_those_of_unique(assigned):
    assigned = torch.tensor(assigned, dtype=torch.long)
    expected = [torch.nonzero(test).squeeze(-1).unique() for test in (assigned > 0, assigned == 0)]
    for ours, stock in zip(pseudo_sampler.indices(assigned), expected):
        torch.testing.assert_close(ours, stock)


def sampled():
    """What the installed mmdet's sampler makes of five boxes, two of them objects."""
    boxes, truth = torch.rand(5, 4), torch.rand(2, 4)
    assigned = torch.tensor([0, 2, -1, 1, 0])
    if MMENGINE:
        from mmdet.models.task_modules.assigners import AssignResult
        from mmdet.models.task_modules.samplers import PseudoSampler
        from mmengine.structures import InstanceData

        result = AssignResult(2, assigned, None, labels=torch.tensor([0, 1, 0, 1, 0]))
        arguments = (result, InstanceData(priors=boxes), InstanceData(bboxes=truth, labels=torch.tensor([1, 1])))
    else:
        from mmdet.core.bbox.assigners import AssignResult
        from mmdet.core.bbox.samplers import PseudoSampler

        arguments = (AssignResult(2, assigned, None), boxes, truth)
    return PseudoSampler(), arguments


def fields(result):
    return {name: getattr(result, name) for name in ("pos_inds", "neg_inds", "pos_assigned_gt_inds", "num_gts")}


def test_sampler_returns_what_stock_returns():
    sampler, arguments = sampled()
    stock = sampler.sample(*arguments)
    before = dict(vars(type(sampler)))
    with PatchSet([load("pseudo_sampler")]) as patches:
        ours = sampler.sample(*arguments)
        assert patches.report["pseudo_sampler"].status == "applied"
        assert vars(type(sampler)) != before
    assert type(ours) is type(stock)
    for name, value in fields(stock).items():
        torch.testing.assert_close(getattr(ours, name), value)
    assert ours.pos_inds.tolist() == [1, 3]
    assert dict(vars(type(sampler))) == before


@pytest.mark.skipif(not is_installed("mmdet3d") or not MMENGINE, reason="mmdet3d's own sampler is of the mmengine line")
def test_sampler_of_mmdet3d_returns_what_stock_returns():
    from mmdet.models.task_modules.assigners import AssignResult
    from mmdet3d.models.task_modules.samplers import PseudoSampler
    from mmengine.structures import InstanceData

    truth = InstanceData(bboxes_3d=torch.rand(2, 7))
    arguments = (
        AssignResult(2, torch.tensor([0, 2, 1]), None, labels=torch.tensor([0, 1, 1])),
        InstanceData(priors=torch.rand(3, 7)),
        truth,
    )
    stock = PseudoSampler().sample(*arguments)
    with PatchSet([load("pseudo_sampler")]):
        ours = PseudoSampler().sample(*arguments)
    for name, value in fields(stock).items():
        torch.testing.assert_close(getattr(ours, name), value)


class Fused(torch.optim.SGD):
    """An optimizer that clips by itself, as torch_npu's fused ones do; it notes how."""

    def clip_grad_norm_fused_(self, max_norm, norm_type=2.0):
        self.clipped = (max_norm, norm_type)
        return torch.tensor(0.25)


def model_with_gradient():
    model = torch.nn.Linear(3, 1)
    model(torch.ones(2, 3)).sum().backward()
    return model


@ONLY_MMENGINE
@pytest.mark.parametrize(("kind", "taken"), [("norm", True), ("value", False)])
def test_wrapper_clips_by_the_fused_optimizer(kind, taken):
    from mmengine.logging import MessageHub
    from mmengine.optim import OptimWrapper

    model = model_with_gradient()
    optimizer = Fused(model.parameters(), lr=0.1)
    limit = {"max_norm": 2.0} if kind == "norm" else {"clip_value": 1.0}
    wrapper = OptimWrapper(optimizer, clip_grad={"type": kind, **limit})
    clip = wrapper.clip_func
    with PatchSet([load("optimizer_wrapper")]):
        wrapper.step()
    assert getattr(optimizer, "clipped", None) == ((2.0, 2.0) if taken else None)
    assert wrapper.clip_func is clip
    if taken:
        assert MessageHub.get_current_instance().get_scalar("train/grad_norm").current() == 0.25


@ONLY_MMENGINE
def test_wrapper_leaves_other_optimizers_alone():
    from mmengine.optim import OptimWrapper

    models = [model_with_gradient(), model_with_gradient()]
    models[1].load_state_dict(models[0].state_dict())
    for model, patched in zip(models, (False, True)):
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), clip_grad={"max_norm": 0.1})
        with PatchSet([load("optimizer_wrapper")] if patched else []):
            wrapper.step()
    torch.testing.assert_close(models[0].weight, models[1].weight, rtol=0, atol=0)


class Runner:
    """As much of mmcv 1.x's runner as its optimizer hooks look at."""

    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer
        self.outputs = {"loss": model(torch.ones(2, 3)).sum(), "num_samples": 2}
        self.iter, self.max_iters, self.logged = 0, 4, {}
        self.log_buffer = self

    def update(self, values, count):
        self.logged.update(values)


@ONLY_MMCV1
@pytest.mark.parametrize("name", ["OptimizerHook", "GradientCumulativeOptimizerHook"])
def test_hook_clips_by_the_fused_optimizer(name):
    from mmcv.runner.hooks import optimizer as hooks

    model = torch.nn.Linear(3, 1)
    runner = Runner(model, Fused(model.parameters(), lr=0.1))
    hook = getattr(hooks, name)(grad_clip={"max_norm": 2.0})
    with PatchSet([load("optimizer_hooks")]):
        hook.after_train_iter(runner)
    assert runner.optimizer.clipped == (2.0, 2.0)
    assert runner.logged["grad_norm"] == 0.25


@ONLY_MMCV1
def test_hook_leaves_other_optimizers_alone():
    from mmcv.runner.hooks.optimizer import OptimizerHook

    models = [torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)]
    models[1].load_state_dict(models[0].state_dict())
    for model, patched in zip(models, (False, True)):
        with PatchSet([load("optimizer_hooks")] if patched else []):
            runner = Runner(model, torch.optim.SGD(model.parameters(), lr=1.0))
            OptimizerHook(grad_clip={"max_norm": 0.1}).after_train_iter(runner)
    torch.testing.assert_close(models[0].weight, models[1].weight, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("a", "b", "taken"),
    [
        ((2, 6, 4, 4), (2, 6, 4, 1), True),
        ((1, 6, 4, 4), (3, 1, 4, 1), True),
        ((2, 1, 5, 3, 4, 4), (1, 6, 1, 3, 4, 1), True),
        ((4, 4), (4, 1), False),
        ((6, 4, 4), (6, 4, 1), False),
        ((2, 6, 4, 3), (2, 6, 3, 1), False),
        ((2, 6, 4, 4), (2, 6, 4, 2), False),
        ((2, 6, 4, 4), (3, 6, 4, 1), False),
        ((2, 6, 4, 4), (4, 1), False),
        ((2, 0, 4, 4), (2, 0, 4, 1), True),
    ],
    ids=str,
)
def test_batches_of_small_matrices(a, b, taken):
    a, b = torch.randn(a, dtype=torch.float64), torch.randn(b, dtype=torch.float64)
    assert batch_matmul.takes_over(a, b) is taken
    if taken:
        a.requires_grad_(), b.requires_grad_()
        torch.testing.assert_close(batch_matmul.multiply(a, b), a @ b)
        assert torch.autograd.gradcheck(batch_matmul.multiply, (a, b))


def test_half_precision_is_summed_in_single():
    a, b = torch.full((1, 1, 8, 8), 300.0).half(), torch.full((1, 1, 8, 1), 20.0).half()
    a[..., 4:] *= -1
    assert batch_matmul.multiply(a, b).abs().max() == 0
    assert batch_matmul.multiply(a, b).dtype == torch.float16


def test_different_dtypes_are_left_to_torch():
    a, b = torch.rand(2, 6, 4, 4), torch.rand(2, 6, 4, 1, dtype=torch.float64)
    assert not batch_matmul.takes_over(a, b)


def test_names_that_python_removed():
    if sys.version_info < (3, 10):
        pytest.skip("Python 3.9 and older have the names")
    before = dict(vars(collections))
    with PatchSet([load("collections_compat")]):
        assert collections.Iterable is collections.abc.Iterable
        assert collections.Mapping is collections.abc.Mapping
    assert dict(vars(collections)) == before


@pytest.mark.skipif(not is_installed("mmdet"), reason="needs mmdet")
def test_backbone_in_half_precision():
    from mmdet.models.backbones import ResNet

    net = ResNet(18, base_channels=8, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1))
    net.eval()
    x = torch.rand(1, 3, 32, 32)
    seen = []
    net.conv1.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    stock = net(x)
    with PatchSet([load("resnet_fp16")]):
        ours = net(x)
    assert seen == [torch.float32, torch.bfloat16]
    for one, other in zip(ours, stock):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.1)


def test_this_line_is_known():
    """The skips above rest on which family is installed: one of the two must be."""
    assert MMENGINE or installed_version("mmcv").major == 1
