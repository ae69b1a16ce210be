"""The Python interface of the founding text, each of its examples included."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
import torch

import mx_driving.patcher as patcher_module
from mx_driving._core import UnknownPatchError
from mx_driving.patcher import Patch, PatcherBuilder, index, msda
from mx_driving.patches import CATALOGUE

SOURCE = """
    class Box:
        def area(self): return 1
    def f(): return "old"
    LIMIT = 3
"""


def train(steps, on_step=lambda step: None):
    """A training loop that knows nothing of us."""
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        optimizer.zero_grad()
        model(torch.rand(4, 2)).sum().backward()
        on_step(step)
        optimizer.step()


@pytest.fixture(autouse=True)
def untouched_default():
    """Each test begins with the default builder as a new process has it."""
    vars(patcher_module).pop("default_patcher_builder", None)


def default_patcher_builder():
    return patcher_module.default_patcher_builder


def names(builder):
    with builder.build(device="cpu") as patcher:
        return {outcome.name: outcome for outcome in patcher.report.outcomes}


def test_default_patcher_holds_every_default_patch():
    default = [name for name in CATALOGUE if getattr(patcher_module, name).default]
    assert list(names(default_patcher_builder())) == default


def test_custom_patcher_of_the_founding_text():
    builder = PatcherBuilder()
    builder.add_module_patch("torch", Patch(index))
    assert names(builder)["index"].reason == "only on npu"


def test_disabled_patches_are_reported_as_such():
    outcomes = names(default_patcher_builder().disable_patches("msda", "index"))
    assert outcomes["msda"].reason == outcomes["index"].reason == "disabled by the user"


def test_default_builder_is_the_same_wherever_it_is_taken_from():
    patcher_module.default_patcher_builder.disable_patches("msda")
    assert patcher_module.default_patcher_builder is default_patcher_builder()
    assert names(patcher_module.default_patcher_builder)["msda"].reason == "disabled by the user"


def test_typo_in_disable_is_an_error():
    with pytest.raises(UnknownPatchError, match="disable_patches: no patch is called 'indx'.*did you mean 'index'"):
        default_patcher_builder().disable_patches("indx").build()


def test_patches_are_taken_back_on_leaving(make_module):
    mmcv = pytest.importorskip("mmcv.ops.multi_scale_deform_attn", reason="mmcv is not built with operators here")
    stock = mmcv.multi_scale_deformable_attn_pytorch
    with PatcherBuilder().add_module_patch("mmcv.ops", Patch(msda)).build(device="cpu"):
        assert mmcv.multi_scale_deformable_attn_pytorch is not stock
    assert mmcv.multi_scale_deformable_attn_pytorch is stock


def test_users_function_is_applied_and_taken_back(make_module):
    module = make_module("boxes_pkg", SOURCE)
    user = make_module("boxes_user", "from boxes_pkg import f")
    before, box = (dict(vars(module)), dict(vars(module.Box))), module.Box()

    def bigger(boxes, options):
        boxes.Box.area = lambda self: options["area"]
        boxes.f = lambda: "new"
        boxes.LIMIT = 4
        boxes.EXTRA = 1

    bigger_patch = Patch(bigger, {"area": 7})
    with PatcherBuilder().add_module_patch("boxes_pkg", bigger_patch).build(device="cpu") as patcher:
        assert patcher.report["bigger"].status == "applied"
        assert (box.area(), module.f(), user.f(), module.LIMIT, module.EXTRA) == (7, "new", "new", 4, 1)
    assert (dict(vars(module)), dict(vars(module.Box))) == before
    assert user.f is module.f


def test_users_function_for_a_package_that_is_not_installed_is_skipped():
    builder = PatcherBuilder().add_module_patch("no_such_package.ops", Patch(lambda module, options: 1 / 0))
    (outcome,) = names(builder).values()
    assert (outcome.status, outcome.reason) == ("skipped", "no_such_package is not installed")


def test_bug_in_a_users_function_reaches_the_user(make_module):
    make_module("boxes_pkg", SOURCE)
    patcher = PatcherBuilder().add_module_patch("boxes_pkg", Patch(lambda module, options: 1 / 0)).build(device="cpu")
    with pytest.raises(ZeroDivisionError):
        patcher.apply()


def test_users_function_that_fails_half_way_leaves_nothing(make_module):
    module = make_module("boxes_pkg", SOURCE)

    def half(boxes, options):
        boxes.LIMIT = 4
        if options.get("fail"):
            raise KeyError("half way")

    options = {"fail": True}
    patcher = PatcherBuilder().add_module_patch("boxes_pkg", Patch(half, options)).build(device="cpu")
    with pytest.raises(KeyError, match="half way"):
        patcher.apply()
    assert module.LIMIT == 3


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Patch("msda"), TypeError, "expected a patch of mx_driving or a function"),
        (lambda: Patch(msda, {"a": 1}), TypeError, "no options for 'msda'"),
        (lambda: PatcherBuilder().add_module_patch("mmcv.ops", msda), TypeError, r"write Patch\(msda\)"),
        (lambda: PatcherBuilder().add_module_patch("mmdet", Patch(msda)), ValueError, "'msda' changes mmcv, got"),
        (lambda: PatcherBuilder().with_profiling("p", level=5), ValueError, "level: expected one of 0, 1, 2, got 5"),
        (lambda: PatcherBuilder().with_profiling("p", iters=(3, 1)), ValueError, "0 <= start < stop"),
        (lambda: PatcherBuilder().stop_at(0), ValueError, "at least 1 iteration"),
        (lambda: PatcherBuilder().build(device="gpu"), ValueError, "device: expected one of"),
    ],
)
def test_bad_input(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_stop_leaves_the_with_after_exactly_n_steps():
    done, after = [], []
    with PatcherBuilder().stop_at(3).build(device="cpu"):
        train(10, done.append)
        after.append("not reached")
    assert done == [0, 1, 2]
    assert after == []
    train(2, done.append)
    assert done[3:] == [0, 1], "the count ends with the with"


def test_peers_name_for_the_stop():
    done = []
    with PatcherBuilder().brake_at(1).build(device="cpu"):
        train(5, done.append)
    assert done == [0]


def test_users_exception_passes():
    with pytest.raises(KeyError, match="mine"), PatcherBuilder().stop_at(3).build(device="cpu"):
        raise KeyError("mine")


def test_profile_of_any_training_loop(tmp_path):
    with PatcherBuilder().with_profiling(tmp_path, level=1, iters=(2, 4)).build(device="cpu"):
        train(6)
    events = json.loads((tmp_path / "iters_2_4.pt.trace.json").read_text())["traceEvents"]
    steps = {event["name"] for event in events if event.get("name", "").startswith("ProfilerStep#")}
    assert steps == {"ProfilerStep#2", "ProfilerStep#3"}
    assert "aten::addmm" in (tmp_path / "iters_2_4.summary.txt").read_text()


def test_second_optimizer_does_not_count():
    """As in a GAN: iterations are the steps of the optimizer that came first."""
    done = []
    one, two = (torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1) for _ in range(2))
    with PatcherBuilder().stop_at(2).build(device="cpu"):
        for step in range(5):
            done.append(step)
            one.step()
            two.step()
    assert done == [0, 1]


def test_window_that_never_came_is_said(tmp_path, caplog):
    caplog.set_level(logging.WARNING, logger="mx_driving")
    with PatcherBuilder().with_profiling(tmp_path, iters=(50, 60)).build(device="cpu"):
        train(3)
    assert "3 optimizer steps were made, window (50, 60) was not reached" in caplog.text


def test_version_patch_is_reachable_without_torch():
    code = "import sys; from mx_driving.patcher import patch_mmcv_version; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_names_on_offer():
    assert set(CATALOGUE) < set(dir(patcher_module))
    with pytest.raises(AttributeError, match="no attribute 'mdsa'"):
        patcher_module.mdsa  # noqa: B018


def test_what_brings_nothing_on_a_device_is_off_there_unless_it_is_named():
    assert names(default_patcher_builder())["resnet_maxpool"].reason == "off by default on cpu, name it in enable"
    builder = default_patcher_builder().add_module_patch(
        "mmdet.models.backbones.resnet", Patch(patcher_module.resnet_maxpool)
    )
    assert "off by default" not in names(builder)["resnet_maxpool"].reason
