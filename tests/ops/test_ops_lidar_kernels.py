"""The CPU kernels of the LiDAR operators as operators: schema, shapes, messages, one thread and two."""

from __future__ import annotations

import pytest
import torch

from mx_driving import ops
from mx_driving.ops._library import operators

if not ops.is_built():
    pytest.skip("the compiled operators were not built", allow_module_level=True)

STEPS = ([0.5, 0.5, 1.0], [-4.0, -4.0, -2.0, 4.0, 4.0, 2.0])


def cloud(count=9000, device="cpu"):
    return ((torch.rand(count, 4, generator=torch.Generator().manual_seed(0)) - 0.5) * 9).to(device)


def boxes(device="cpu"):
    own = torch.rand(12, 7, generator=torch.Generator().manual_seed(1)) * 4
    own[:, :3] -= 2
    return own.to(device)


def written(points, most=50, room=3):
    kinds = dict(dtype=torch.int32, device=points.device)
    voxels = points.new_zeros(most, room, points.shape[1])
    total = torch.zeros((), dtype=torch.int64, device=points.device)
    return [voxels, torch.zeros(most, 3, **kinds), torch.zeros(most, **kinds), total]


def convolution(device="cpu", dtype=torch.float32):
    draw = torch.Generator().manual_seed(2)
    sites = torch.unique(torch.randint(0, 20, (4000, 4), generator=draw) % torch.tensor([2, 20, 20, 20]), dim=0).int()
    shape, three, one = [20] * 3, [3] * 3, [1] * 3
    _, pairs, numbers = ops.get_indice_pairs(sites, 2, shape, shape, three, one, one, one, subm=True)
    features, weights = torch.randn(len(sites), 16, generator=draw), torch.randn(27, 16, 24, generator=draw)
    return [t.to(device) for t in (features.to(dtype), weights.to(dtype), pairs, numbers)]


def calls(device="cpu"):
    features, weights, pairs, numbers = convolution(device)
    rows, points = features.shape[0], cloud(device=device)
    return {
        "dynamic_voxelize": (points, *STEPS),
        "hard_voxelize_": (points, *STEPS, 3, 50, *written(points)),
        "points_in_boxes": (points[:, :3], boxes(device)),
        "indice_conv": (features, weights, pairs, numbers, rows, False, True),
        "indice_conv_backward": (features.new_ones(rows, 24), features, weights, pairs, numbers, False, True),
    }


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")
@pytest.mark.parametrize("name", ["dynamic_voxelize", "hard_voxelize_", "points_in_boxes", "indice_conv"])
def test_operators_are_whole(name):
    torch.library.opcheck(getattr(operators(), name).default, calls()[name])


@pytest.mark.parametrize("name", list(calls()))
def test_one_thread_and_two_give_the_same_bits(two_thread_counts, name):
    def run():
        arguments = calls()[name]
        result = getattr(operators(), name)(*arguments)
        return arguments[-4:] if result is None else result if isinstance(result, tuple) else (result,)

    one, two = two_thread_counts(run)
    assert all(torch.equal(a, b) for a, b in zip(one, two))


@pytest.mark.parametrize("name", list(calls()))
def test_meta_gives_the_shapes(name):
    real, meta = (getattr(operators(), name)(*calls(device)[name]) for device in ("cpu", "meta"))
    if real is None:
        assert meta is None
        return
    for a, b in zip(*((x if isinstance(x, tuple) else (x,)) for x in (real, meta))):
        assert (a.shape, a.dtype, a.stride()) == (b.shape, b.dtype, b.stride())


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_wrong_arguments_are_named(device):
    points = cloud(20, device)
    voxels, coors, counts, total = written(points)
    features, weights, pairs, numbers = convolution(device)
    wrong = {
        "points must be a floating tensor, got Int": ("dynamic_voxelize", (points.int(), *STEPS)),
        "two numbers for each of voxel_size, got 6 and 2": ("dynamic_voxelize", (points, STEPS[0][:2], STEPS[1])),
        "points must have at least 3 columns, got 2": ("dynamic_voxelize", (points[:, :2], *STEPS)),
        r"coors must be \[V, D\] = \[50, 3\]": (
            "hard_voxelize_",
            (points, *STEPS, 3, 50, voxels, coors[:, :2], counts, total),
        ),
        "voxel_num Long, got Int, Int, Int": (
            "hard_voxelize_",
            (points, *STEPS, 3, 50, voxels, coors, counts, total.int()),
        ),
        r"boxes must be \[M, 7\]": ("points_in_boxes", (points[:, :3], points)),
        r"weights must be \[K, C_in, C_out\] = \[27, 16, 24\]": (
            "indice_conv",
            (features, weights[:5], pairs, numbers, 9, False, False),
        ),
        "must be Int, got Long": ("indice_conv", (features, weights, pairs.long(), numbers, 9, False, False)),
    }
    for message, (name, arguments) in wrong.items():
        with pytest.raises(RuntimeError, match=message):
            getattr(operators(), name)(*arguments)


def test_rows_that_lie_outside_are_refused():
    features, weights, pairs, numbers = convolution()
    spoiled = pairs.clone()
    spoiled[0, 1, 0] = 10**6
    with pytest.raises(RuntimeError, match=r"indice_pairs must lie in 0\.\..*, got 1000000"):
        operators().indice_conv(features, weights, spoiled, numbers, len(features), False, True)
    with pytest.raises(RuntimeError, match=r"indice_pair_num must lie in 0\.\."):
        operators().indice_conv(features, weights, pairs, numbers * 1000, len(features), False, True)
    with pytest.raises(RuntimeError, match="as many outputs as inputs"):
        operators().indice_conv(features, weights, pairs, numbers * 0, 7, False, True)
    with pytest.raises(RuntimeError, match="hold max_voxels voxels of max_points points"):
        operators().hard_voxelize_(cloud(5), *STEPS, 9, 50, *written(cloud(5)))
