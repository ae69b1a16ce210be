"""Inputs for the operators' tests, and the measure by which results are compared."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence

import torch
from torch import Tensor

# Largest difference allowed, relative to the largest expected number. The half precisions are compared with the float32
# result of the same inputs: our kernels accumulate in float, so only the rounding of the result is left.
FORWARD = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}
GRADIENT = {torch.float64: 1e-11, torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
DTYPES = tuple(FORWARD)


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare shape, and values relative to the largest expected one."""
    assert actual.shape == expected.shape
    if expected.numel() == 0:
        return
    scale = expected.abs().max().double().clamp(min=1e-30)
    error = (actual.double() - expected.double()).abs().max() / scale
    assert error <= tolerance, f"relative error {error.item():.3g}, allowed {tolerance:g}"


def leaves(tensors: Sequence[Any], dtype: torch.dtype) -> list:
    """Copy the tensors; those of floating type get ``dtype`` and a gradient."""
    return [
        t.detach().to(dtype).clone().requires_grad_() if isinstance(t, Tensor) and t.is_floating_point() else t
        for t in tensors
    ]


def run(function: Callable, tensors: Sequence[Any], *arguments: Any, dtype: torch.dtype) -> tuple[Tensor, list]:
    """Return the result of ``function`` and the gradients of its floating tensors, for one fixed output gradient."""
    inputs = leaves(tensors, dtype)
    output = function(*inputs, *arguments)
    grad = torch.linspace(-1, 1, output.numel()).reshape(output.shape).to(output.dtype)
    wanted = [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]
    return output, list(torch.autograd.grad(output, wanted, grad))


def scattered(tensor: Tensor) -> Tensor:
    """Return the same values with every stride changed."""
    view = torch.empty(*reversed(tensor.shape), 2, dtype=tensor.dtype)[..., 0].permute(*reversed(range(tensor.dim())))
    return view.copy_(tensor)


class Attention(NamedTuple):
    """Sizes of one attention call."""

    shapes: tuple = ((5, 7), (3, 2))
    batch: int = 2
    queries: int = 6
    heads: int = 2
    channels: int = 8
    points: int = 3
    spread: float = 1.4  # locations lie in [0.5 - spread / 2, 0.5 + spread / 2]: above 1, some are outside

    def inputs(self) -> tuple:
        """Return value, spatial_shapes, level_start_index, sampling_locations, attention_weights; all fit in half."""
        draw = torch.Generator().manual_seed(7)
        shapes = torch.tensor(self.shapes)
        areas = shapes.prod(1)
        size = (self.batch, self.queries, self.heads, len(self.shapes), self.points)
        value = torch.randn(self.batch, int(areas.sum()), self.heads, self.channels, generator=draw)
        locations = (torch.rand(*size, 2, generator=draw) - 0.5) * self.spread + 0.5
        weights = torch.rand(*size, generator=draw)
        return value.half().float(), shapes, areas.cumsum(0) - areas, locations.half().float(), weights.half().float()


class Convolution(NamedTuple):
    """Sizes and arguments of one deformable convolution."""

    batch: int = 2
    channels: int = 6
    size: tuple = (7, 9)
    outputs: int = 4
    kernel: tuple = (3, 3)
    stride: Any = 1
    padding: Any = 1
    dilation: Any = 1
    groups: int = 1
    deform_groups: int = 1
    spread: float = 2.0  # standard deviation of the offsets, in pixels

    @property
    def arguments(self) -> tuple:
        """Return the arguments that follow the tensors."""
        return self.stride, self.padding, self.dilation, self.groups, self.deform_groups

    def output_size(self) -> tuple:
        """Return height and width of the output."""
        pair = torch.nn.modules.utils._pair
        steps = zip(self.size, pair(self.padding), pair(self.dilation), self.kernel, pair(self.stride))
        return tuple(
            (extent + 2 * pad - dilation * (k - 1) - 1) // step + 1 for extent, pad, dilation, k, step in steps
        )

    def inputs(self) -> tuple:
        """Return input, offset, mask, weight, bias; values fit in half."""
        draw = torch.Generator().manual_seed(11)
        taps = self.deform_groups * self.kernel[0] * self.kernel[1]
        tensors = (
            torch.randn(self.batch, self.channels, *self.size, generator=draw),
            torch.randn(self.batch, 2 * taps, *self.output_size(), generator=draw) * self.spread,
            torch.rand(self.batch, taps, *self.output_size(), generator=draw),
            torch.randn(self.outputs, self.channels // self.groups, *self.kernel, generator=draw),
            torch.randn(self.outputs, generator=draw),
        )
        return tuple(t.half().float() for t in tensors)


CONVOLUTIONS = {
    "plain": Convolution(),
    "no-padding": Convolution(padding=0),
    "stride": Convolution(stride=(2, 1), padding=(0, 1)),
    "dilation": Convolution(dilation=(1, 2), padding=2),
    "groups": Convolution(groups=2),
    "deform-groups": Convolution(deform_groups=3),
    "groups-cut-deform-groups": Convolution(channels=12, groups=2, deform_groups=3),
    "depthwise": Convolution(channels=4, groups=4, deform_groups=2),
    "one-by-five": Convolution(kernel=(1, 5), padding=(0, 2)),
    "wide": Convolution(batch=1, channels=40, outputs=24, size=(9, 12)),
    "far-outside": Convolution(spread=300.0),
    "one-pixel": Convolution(size=(1, 1)),
}
