"""``cuda_wrappers``: wrappers of ``mmcv.ops`` that ask for CUDA by name run on a CPU and an NPU.

``furthest_point_sample`` allocates ``torch.cuda.IntTensor``, ``points_in_boxes`` and ``knn`` switch the current CUDA
device, and the backward of ``carafe_naive`` asserts ``is_cuda``. Tensors on CUDA go the original way.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Tuple

import torch
from torch import Tensor

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace


def _part(original: Callable, points: Tensor, boxes: Tensor) -> Tensor:
    return original(points, boxes) if points.device.type == "cuda" else ops.points_in_boxes_part(points, boxes)


def _all(original: Callable, points: Tensor, boxes: Tensor) -> Tensor:
    return original(points, boxes) if points.device.type == "cuda" else ops.points_in_boxes_all(points, boxes)


def _sample(original: Callable, ctx: Any, points_xyz: Tensor, num_points: int) -> Tensor:
    if points_xyz.device.type == "cuda":
        return original(ctx, points_xyz, num_points)
    chosen = ops.furthest_point_sampling(points_xyz, num_points).int()
    ctx.mark_non_differentiable(chosen)
    return chosen


def _knn(
    original: Callable, ctx: Any, k: int, xyz: Tensor, center_xyz: Optional[Tensor] = None, transposed: bool = False
) -> Tensor:
    if xyz.device.type == "cuda":
        return original(ctx, k, xyz, center_xyz, transposed)
    nearest = ops.knn(k, xyz, center_xyz, transposed).int()
    ctx.mark_non_differentiable(nearest)
    return nearest


def _carafe_naive(original: Callable, ctx: Any, grad_output: Tensor) -> Tuple:
    if grad_output.device.type == "cuda":
        return original(ctx, grad_output)
    with torch.enable_grad():
        image, kernels = (tensor.detach().requires_grad_() for tensor in ctx.saved_tensors)
        out = ops.carafe(image, kernels, ctx.kernel_size, ctx.group_size, ctx.scale_factor)
        grads = torch.autograd.grad(out, (image, kernels), grad_output)
    return (*grads, None, None, None)


PATCH = PatchRecord(
    name="cuda_wrappers",
    what="wrappers of `mmcv.ops` that ask for CUDA by name: points in boxes, nearest points, farthest point sampling",
    what_zh="`mmcv.ops` 中按名称要求 CUDA 的封装：框内点、最近邻、最远点采样",
    targets=(
        Replace("mmcv.ops.points_in_boxes:points_in_boxes_part", _part, wrap=True),
        Replace("mmcv.ops.points_in_boxes:points_in_boxes_all", _all, wrap=True),
        Replace("mmcv.ops.furthest_point_sample:FurthestPointSampling.forward", _sample, wrap=True),
        Replace("mmcv.ops.knn:KNN.forward", _knn, wrap=True),
        Replace("mmcv.ops.carafe:CARAFENaiveFunction.backward", _carafe_naive, wrap=True),
    ),
    requires=("mmcv>=1.4,<2.4",),
    why="torch.cuda.IntTensor, torch.cuda.current_device() and is_cuda in the wrappers stop every other device",
    upstream="unchanged in mmcv 2.2.0",
    remove_when="mmcv's wrappers allocate on their inputs' device",
)
