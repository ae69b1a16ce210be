"""Time mx_driving's operators beside mmcv's own and beside the limit, in one process.

``python benchmarks/ops.py [--rounds 7] [--only msda]`` prints a Markdown table: medians in milliseconds with the
quartiles, ratios of medians, and the largest relative difference of the results. Every round runs each candidate once,
so that a busy moment of the machine hits all of them. The shapes are those that OpenMMLab's 3D detectors use.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Callable, Dict, Iterator, NamedTuple, Tuple

import torch
from torch import Tensor

from mx_driving import ops


class Case(NamedTuple):
    """One row of the table: what is timed, in the order ours, the stock one, the limit."""

    name: str
    candidates: Dict[str, Callable[[], Tensor]]


def _with_backward(function: Callable[..., Tensor], *tensors: Tensor) -> Callable[[], Tensor]:
    inputs = [t.clone().requires_grad_() for t in tensors]
    output = function(*inputs)
    grad = torch.linspace(-1, 1, output.numel()).view(output.shape)  # the same for every candidate

    def step() -> Tensor:
        return torch.autograd.grad(function(*inputs), inputs, grad)[0]

    return step


def _pair(name: str, tensors: Tuple[Tensor, ...], **functions: Callable[..., Tensor]) -> Iterator[Case]:
    """Yield a forward case and a forward and backward case; a function may take the leading tensors only."""
    counts = {key: getattr(f, "takes", len(tensors)) for key, f in functions.items()}
    yield Case(f"{name}, fwd", {k: (lambda f=f, n=counts[k]: f(*tensors[:n])) for k, f in functions.items()})
    yield Case(f"{name}, fwd+bwd", {k: _with_backward(f, *tensors[: counts[k]]) for k, f in functions.items()})


MSDA_CASES = {
    "encoder, 17821 queries": ([(100, 134), (50, 67), (25, 34), (13, 17)], 1, 17821, 4),
    "decoder, 300 queries": ([(100, 134), (50, 67), (25, 34), (13, 17)], 1, 300, 4),
    "BEVFormer-tiny spatial, 6 cameras": ([(15, 25)], 6, 1200, 8),
    "temporal self attention, 50x50": ([(50, 50)], 2, 2500, 4),
}


def attention() -> Iterator[Case]:
    """Yield the attention cases: 8 heads of 32 channels, locations just beyond the unit square."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch as reference

    for name, (levels, batch, queries, points) in MSDA_CASES.items():
        shapes = torch.tensor(levels)
        areas = shapes.prod(1)
        starts = areas.cumsum(0) - areas
        size = (batch, queries, 8, len(levels), points)
        value = torch.randn(batch, int(areas.sum()), 8, 32)
        weights = torch.rand(size).flatten(3).softmax(-1).view(size)
        tensors = (value, torch.rand(*size, 2) * 1.1 - 0.05, weights)
        yield from _pair(
            f"MSDA {name}",
            tensors,
            ours=lambda v, x, w, s=shapes, i=starts: ops.ms_deform_attn(v, s, i, x, w),
            stock=lambda v, x, w, s=shapes: reference(v, s, x, w),
        )


def convolution() -> Iterator[Case]:
    """Yield both deformable convolutions at two stages of a ResNet-50 on a nuScenes image; the limit is conv2d."""
    import mmcv.ops

    def plain(x: Tensor, weight: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, weight, None, 1, 1)

    plain.takes = 2
    for channels, height, width in ((256, 58, 100), (512, 29, 50)):
        x, weight = torch.randn(1, channels, height, width), torch.randn(channels, channels, 3, 3) * 0.01
        offset, mask = torch.randn(1, 18, height, width), torch.rand(1, 9, height, width)
        name = f"{channels}x{height}x{width}"
        yield from _pair(
            f"DCNv1 {name}",
            (x, weight, offset),
            ours=lambda x, w, o: ops.deform_conv2d(x, o, w, 1, 1),
            stock=lambda x, w, o: mmcv.ops.deform_conv2d(x, o, w, 1, 1),
            limit=plain,
        )
        yield from _pair(
            f"DCNv2 {name}",
            (x, weight, offset, mask),
            ours=lambda x, w, o, m: ops.modulated_deform_conv2d(x, o, m, w, None, 1, 1),
            stock=lambda x, w, o, m: mmcv.ops.modulated_deform_conv2d(x, o, m, w, None, 1, 1),
            limit=plain,
        )


def resnet() -> Iterator[Case]:
    """Yield the residual end (limit: clone) and the stem's pool, against stock torch."""
    x, y = torch.randn(8, 256, 64, 112), torch.randn(8, 256, 64, 112)

    def clone(x: Tensor) -> Tensor:
        return x.clone()

    clone.takes = 1
    yield from _pair(
        "relu(x + y) 8x256x64x112",
        (x, y),
        ours=ops.add_relu,
        stock=lambda x, y: torch.relu(x + y),
        limit=clone,
    )
    # As in mmdet's blocks; the product stands in for the norm, whose fresh output is written to.
    yield from _pair(
        "(x * 1).add_(y).relu_() 8x256x64x112",
        (x, y),
        ours=lambda x, y: ops.add_relu_(x * 1, y),
        stock=lambda x, y: (x * 1).add_(y).relu_(),
    )
    yield from _pair(
        "max_pool2d 2x64x232x400",
        (torch.randn(2, 64, 232, 400),),
        ours=ops.max_pool2d,
        stock=lambda x: torch.nn.functional.max_pool2d(x, 3, 2, 1),
    )


GROUPS = {"msda": attention, "dcn": convolution, "resnet": resnet}


def measure(case: Case, rounds: int) -> Dict[str, Tuple[float, float, float]]:
    """Return lower quartile, median and upper quartile of each candidate, in milliseconds."""
    times: Dict[str, list] = {name: [] for name in case.candidates}
    for round_ in range(rounds + 1):
        for name, run in case.candidates.items():
            start = time.perf_counter()
            run()
            if round_:  # the first is for warming up
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: tuple(statistics.quantiles(values, n=4)) for name, values in times.items()}


def difference(case: Case) -> float:
    """Return the largest difference between our result and mmcv's, relative to the largest number."""
    ours, stock = case.candidates["ours"](), case.candidates["stock"]()
    return ((ours - stock).abs().max() / stock.abs().max()).item()


def row(case: Case, rounds: int) -> str:
    """Return one line of the table."""
    times = measure(case, rounds)
    cells = [f"{m:.2f} ({low:.2f}-{high:.2f})" for low, m, high in times.values()] + ["-"] * (3 - len(times))
    medians = {name: value[1] for name, value in times.items()}
    limit = f"{medians['ours'] / medians['limit']:.2f}" if "limit" in medians else "-"
    ratios = f"{medians['stock'] / medians['ours']:.1f} | {limit}"
    return f"| {case.name} | {' | '.join(cells)} | {ratios} | {difference(case):.0e} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="timed runs of each candidate")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", choices=GROUPS, help="one group of cases")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, median ms (quartiles) of {options.rounds}\n")
    print("| case | ours | stock | limit | stock / ours | ours / limit | difference |\n|---|---|---|---|---|---|---|")
    for name, group in GROUPS.items():
        if options.only in (None, name):
            for case in group():
                print(row(case, options.rounds), flush=True)


if __name__ == "__main__":
    main()
