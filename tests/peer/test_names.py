"""DrivingSDK's operator names: all there with their arguments, and with their values where they differ from ours."""

from __future__ import annotations

import importlib
import inspect

import pytest
import torch
from torch.nn import functional

import mx_driving
import mx_driving.ops
from mx_driving import peer

ARGUMENTS = {
    "multi_scale_deformable_attn": "value value_spatial_shapes value_level_start_index sampling_locations "
    "attention_weights kwargs",
    "npu_multi_scale_deformable_attn_function": "value shape offset locations weight",
    "scatter_max": "updates indices out",
    "scatter_mean": "src index out dim dim_size",
    "scatter_add": "src index out dim dim_size",
    "bev_pool": "feat geom_feat B D H W",
    "bev_pool_v2": "depth feat ranks_depth ranks_feat ranks_bev bev_feat_shape interval_starts interval_lengths",
    "bev_pool_v3": "depth feat ranks_depth ranks_feat ranks_bev bev_feat_shape",
    "npu_max_pool2d": "x kernel_size stride padding",
    "npu_add_relu": "x y",
    "modulated_deform_conv2d": "x offset mask weight bias stride padding dilation groups deformable_groups",
    "deform_conv2d": "x offset weight stride padding dilation groups deformable_groups bias im2col_step",
    "deformable_aggregation": "mc_ms_feat spatial_shape scale_start_index sampling_location weights",
    "npu_index_select": "feature dim index",
    "npu_points_in_box": "boxes pt",
    "points_in_boxes_all": "boxes pts",
    "box_iou_rotated": "boxes_a boxes_b mode aligned clockwise",
    "grid_sampler3d_v1": "features grid interpolation padding align",
    "hypot": "x y",
    "graph_softmax": "src index",
    "radius": "x y ptr_x ptr_y r max_num_neighbors",
    "unique_voxel": "voxels",
    "npu_voxel_pooling_train": "geom_xyz input_features voxel_num",
    "npu_assign_target_of_single_head": "boxes cur_class_id num_classes out_size_factor gaussian_overlap min_radius "
    "voxel_size pc_range feature_map_size norm_bbox with_velocity flip_angle max_objs",
    "Voxelization": "voxel_size point_cloud_range max_num_points max_voxels deterministic layout",
    "SparseConvTensor": "features indices spatial_shape batch_size grid",
    "SparseInverseConv3d": "in_channels out_channels kernel_size stride padding dilation groups bias indice_key mode",
    "roipoint_pool3d": "num_sampled_points points point_features boxes3d",
    "sigmoid_focal_loss": "input target gamma alpha weight reduction",
}


@pytest.mark.parametrize("name", peer.names())
def test_name_is_at_the_root(name):
    found = getattr(mx_driving, name)
    assert callable(found)
    if name in ARGUMENTS:
        assert list(inspect.signature(found).parameters) == ARGUMENTS[name].split()


@pytest.mark.parametrize("name", peer.NOT_PROVIDED)
def test_what_is_missing_says_so(name):
    with pytest.raises(ImportError, match=f"mx_driving.{name} is not provided: "):
        getattr(mx_driving, name)


@pytest.mark.parametrize("space", ["fused", "point", "detection", "spconv", "preprocess", "common"])
def test_older_namespace(space):
    module = importlib.import_module(f"mx_driving.{space}")
    given = [name for name in module.__all__ if name not in peer.NOT_PROVIDED]
    assert given
    assert all(getattr(module, name) is getattr(mx_driving, name) for name in given)


def test_modules_of_their_own():
    folder = importlib.import_module("mx_driving.peer.operators").__path__[0]
    files = [p for p in __import__("pathlib").Path(folder).glob("*.py") if p.stem != "__init__"]
    assert len(files) > 15
    for path in files:
        assert importlib.import_module(f"mx_driving.ops.{path.stem}")
    from mx_driving.modules.sparse_modules import is_spconv_module
    from mx_driving.ops.multi_scale_deformable_attn import multi_scale_deformable_attn

    from mx_driving.ops.scatter_max import ScatterMaxFunction, scatter_max

    assert is_spconv_module(mx_driving.SubMConv3d(1, 1, 3))
    assert multi_scale_deformable_attn is mx_driving.multi_scale_deformable_attn
    assert scatter_max is mx_driving.scatter_max
    assert ScatterMaxFunction.forward


@pytest.mark.parametrize("name", ["tools", "dataset"])
def test_parts_without_operators_say_so(name):
    with pytest.raises(ImportError, match=f"mx_driving.{name} is not provided"):
        importlib.import_module(f"mx_driving.{name}")


def test_points_in_box_takes_the_centre_and_all_sides():
    boxes = torch.tensor([[[0, 0, 0, 2, 2, 2, 0.0], [0, 0, 0, 4, 4, 4, 0.0]]])
    points = torch.tensor([[[1, 1, -1.0], [0, 0, 1.5], [0, 0, 2.5]]])
    assert mx_driving.npu_points_in_box(boxes, points).tolist() == [[0, 1, -1]]


def test_points_in_boxes_all_takes_both_orders():
    boxes, points = torch.tensor([[[0, 0, 0, 2, 2, 2, 0.0]]]), torch.tensor([[[0, 0, 1.5], [0, 0, -0.5]]])
    assert mx_driving.points_in_boxes_all(boxes, points).tolist() == [[[1], [0]]]
    assert mx_driving.points_in_boxes_all(points, boxes).tolist() == [[[1], [0]]]


def test_nms3d_normal_drops_at_the_threshold():
    boxes = torch.tensor([[0, 0, 0, 2, 2, 1, 0.0], [0, 0, 0, 2, 1, 1, 0.0]])
    assert mx_driving.nms3d_normal(boxes, torch.tensor([2.0, 1.0]), 0.5).tolist() == [0]
    assert mx_driving.ops.nms3d_normal(boxes, torch.tensor([2.0, 1.0]), 0.5).tolist() == [0, 1]


def test_voxelization_counts_and_orders_columns():
    points = torch.tensor([[0.5, 1.5, 2.5], [0.6, 1.5, 2.5]])
    layer = mx_driving.Voxelization([1, 1, 1], [0, 0, 0, 4, 4, 4], 5, (10, 20))
    count, voxels, coors, numbers = layer(points)
    assert (count, coors.tolist(), numbers.tolist()) == (1, [[0, 1, 2]], [2])
    assert voxels.shape == (1, 5, 3)
    args = (points, [1, 1, 1], [0, 0, 0, 4, 4, 4])
    assert mx_driving.voxelization(*args, 5, 9, layout="ZYX")[2].tolist() == [[2, 1, 0]]
    assert mx_driving.voxelization(*args).tolist() == [[2, 1, 0]] * 2


def test_modulated_convolution_adds_the_bias():
    x, weight = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
    bias = torch.randn(3, requires_grad=True)
    args = (x, torch.zeros(1, 18, 3, 3), torch.ones(1, 9, 3, 3), weight, bias)
    out = mx_driving.ModulatedDeformConv2dFunction.apply(*args, 1, 0, 1, 1, 1)
    torch.testing.assert_close(out, functional.conv2d(x, weight, bias))
    assert torch.autograd.grad(out.sum(), bias)[0].tolist() == [9.0] * 3


def test_pooling_and_product_have_gradients():
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mx_driving.npu_max_pool2d(x, 3, 2, 1), x)
    matrix, vector = torch.randn(3, 1, 4, 4), torch.randn(1, 5, 4, 1)
    torch.testing.assert_close(mx_driving.npu_batch_matmul(matrix, vector), matrix @ vector)


def test_adamw_step_is_torchs():
    param = torch.nn.Parameter(torch.randn(5))
    ours, grad = param.detach().clone(), torch.randn(5)
    param.grad = grad.clone()
    torch.optim.AdamW([param], lr=0.1, weight_decay=0.2).step()
    state = [torch.zeros(5) for _ in range(3)]
    mx_driving.fused_adamw_custom(ours, grad, *state, 0.1, 0.9, 0.999, 0.2, 1e-8, 1, False)
    torch.testing.assert_close(ours, param.detach())


def test_private_bev_pool_v2_has_both_gradients():
    from mx_driving import _C

    depth = torch.rand(1, 1, 2, 1, 2)
    feat = torch.rand(1, 1, 1, 2, 8)
    ranks = [torch.tensor(r, dtype=torch.int32) for r in ([0, 1, 2, 3], [0, 1, 0, 1], [0, 0, 2, 2])]
    lengths, starts = torch.tensor([2, 2]), torch.tensor([0, 2])
    out = _C.npu_bev_pool_v2(depth, feat, *ranks, lengths, starts, 1, 1, 2, 2)
    flat = feat.view(2, 8)
    expected = depth.view(2, 2) @ flat
    torch.testing.assert_close(out.view(4, 8)[[0, 2]], expected)
    grads = _C.npu_bev_pool_v2_backward(torch.ones_like(out), depth, feat, *ranks, lengths, starts, 1, 1, 2, 2)
    torch.testing.assert_close(grads[0].view(2, 2), flat.sum(1).expand(2, 2))


def test_sparse_convolution_is_the_dense_one_there_and_back():
    dense = torch.randn(1, 4, 4, 4, 2) * (torch.rand(1, 4, 4, 4, 1) > 0.6)
    indices = dense.abs().sum(-1).nonzero()
    tensor = mx_driving.SparseConvTensor(dense[tuple(indices.t())].requires_grad_(), indices, [4, 4, 4], 1)
    torch.testing.assert_close(tensor.dense(channels_first=False), dense)
    for layer, stride in ((mx_driving.SparseConv3d(2, 3, 3, 2, 1, bias=False, indice_key="a"), 2),
                          (mx_driving.SubMConv3d(2, 3, 3, padding=1, bias=False), 1)):  # fmt: skip
        out = layer(tensor)
        weight = layer.weight.permute(4, 3, 0, 1, 2)
        expected = functional.conv3d(tensor.dense(), weight, stride=stride, padding=1)
        at = (out.indices[:, 0].long(), slice(None), *out.indices[:, 1:].long().t())
        torch.testing.assert_close(out.features, expected[at], rtol=1e-4, atol=1e-5)
        got = torch.autograd.grad(out.features.sum(), [tensor.features, layer.weight], retain_graph=True)
        want = torch.autograd.grad(expected[at].sum(), [tensor.features, layer.weight])
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    down = mx_driving.SparseConv3d(2, 3, 3, 2, 1, indice_key="b")(tensor)
    back = mx_driving.SparseSequential(mx_driving.SparseInverseConv3d(3, 2, 3, indice_key="b"), torch.nn.ReLU())(down)
    assert torch.equal(back.indices, tensor.indices)
    assert back.features.min() >= 0
