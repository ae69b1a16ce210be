"""``pseudo_sampler``: the sampler that keeps every box does not sort what is sorted already.

``nonzero`` returns each index once and in order, so the ``unique`` behind it changes nothing; on an NPU it is a sort
and a synchronisation for every image and head.
"""

from __future__ import annotations

import importlib
from typing import Any, Tuple

import torch
from torch import Tensor

from mx_driving._core import ANYWHERE, PatchRecord, Replace

MMDET2 = "mmdet.core.bbox.samplers.pseudo_sampler:PseudoSampler.sample"
MMDET3 = "mmdet.models.task_modules.samplers.pseudo_sampler:PseudoSampler.sample"
MMDET3D = "mmdet3d.models.task_modules.samplers.pseudosample:PseudoSampler.sample"


def indices(assigned: Tensor) -> Tuple[Tensor, Tensor]:
    """Return the positions of boxes with and without an object.

    Args:
        assigned (Tensor[N], long): 0 for background, the object's number from 1 on, -1 to ignore.

    Returns:
        Two tensors (long), each sorted and without repetition.
    """
    return torch.nonzero(assigned > 0).squeeze(-1), torch.nonzero(assigned == 0).squeeze(-1)


def _result(sampler: Any) -> Any:
    # The class that the stock method uses: of its own module, whichever of the three packages that is.
    for cls in type(sampler).__mro__:
        if cls.__name__ == "PseudoSampler":
            return importlib.import_module(cls.__module__).SamplingResult
    raise TypeError(f"pseudo_sampler: expected a PseudoSampler, got {type(sampler).__name__}")


def _sample_mmdet2(self: Any, assign_result: Any, bboxes: Tensor, gt_bboxes: Tensor, *args: Any, **kwargs: Any) -> Any:
    positive, negative = indices(assign_result.gt_inds)
    flags = bboxes.new_zeros(bboxes.shape[0], dtype=torch.uint8)
    return _result(self)(positive, negative, bboxes, gt_bboxes, assign_result, flags)


def _sampled(sampler: Any, assign_result: Any, priors: Tensor, gt_bboxes: Any) -> Any:
    positive, negative = indices(assign_result.gt_inds)
    return _result(sampler)(
        pos_inds=positive,
        neg_inds=negative,
        priors=priors,
        gt_bboxes=gt_bboxes,
        assign_result=assign_result,
        gt_flags=priors.new_zeros(priors.shape[0], dtype=torch.uint8),
        avg_factor_with_neg=False,
    )


def _sample_mmdet3(
    self: Any, assign_result: Any, pred_instances: Any, gt_instances: Any, *args: Any, **kwargs: Any
) -> Any:
    return _sampled(self, assign_result, pred_instances.priors, gt_instances.bboxes)


def _sample_mmdet3d(
    self: Any, assign_result: Any, pred_instances: Any, gt_instances: Any, *args: Any, **kwargs: Any
) -> Any:
    return _sampled(self, assign_result, pred_instances.priors, gt_instances.bboxes_3d)


PATCH = PatchRecord(
    name="pseudo_sampler",
    what="the sampler of DETR and anchor-free heads finds its indices without sorting them again",
    what_zh="DETR 与 anchor-free 检测头的采样器不再对已有序的下标重复排序",
    targets=(
        Replace(MMDET2, _sample_mmdet2, requires=("mmdet<3",)),
        Replace(MMDET3, _sample_mmdet3, requires=("mmdet>=3",)),
        Replace(MMDET3D, _sample_mmdet3d, requires=("mmdet3d>=1.1",)),
    ),
    requires=("mmdet>=2.14,<3.6",),
    devices=ANYWHERE,
    reaches=(MMDET2.rpartition(".")[0], MMDET3.rpartition(".")[0], MMDET3D.rpartition(".")[0]),
    default=False,
    why="unique() sorts indices that nonzero() has sorted; on an NPU each call also waits for the device",
    upstream="mmdet 3.3 still calls unique()",
    remove_when="mmdet drops the call",
)
