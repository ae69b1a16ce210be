"""PointPillars and SECOND of mmdet3d's shipped configs, on a smaller range, train and predict with our functions."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

mmdet3d = pytest.importorskip("mmdet3d")
if mmdet3d.__version__ < "1.1":
    pytest.skip("configs of mmdet3d 1.1 and newer", allow_module_level=True)

import mmcv._ext  # noqa: E402
from mmdet3d.registry import MODELS  # noqa: E402
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DefaultScope, init_default_scope  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

from mx_driving.mmcv_ext.provider import provided  # noqa: E402

CONFIGS = Path(mmdet3d.__file__).parent / ".mim" / "configs"
RANGE = [0, -12.8, -3, 25.6, 12.8, 1]
VOXELS = {"hard_voxelize_forward"}
SPARSE = {"get_indice_pairs_3d_forward", "indice_conv_forward", "indice_conv_backward"}
MODELS_OF = {
    "pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-car.py": VOXELS,
    "second/second_hv_secfpn_8xb6-80e_kitti-3d-car.py": VOXELS | SPARSE,
}


def shrunk(name):
    """The model of a shipped config over a tenth of its area."""
    model = Config.fromfile(CONFIGS / name).model
    model.data_preprocessor.voxel_layer.point_cloud_range = RANGE
    voxel = model.data_preprocessor.voxel_layer.voxel_size
    extent = [round((RANGE[i + 3] - RANGE[i]) / voxel[i]) for i in range(3)]
    if "pillars" in name:
        model.voxel_encoder.point_cloud_range = RANGE
        model.middle_encoder.output_shape = extent[1::-1]
    else:
        model.middle_encoder.sparse_shape = [extent[2] + 1, *extent[1::-1]]
    for place in range(2):
        anchors = model.bbox_head.anchor_generator.ranges[0]
        anchors[place], anchors[place + 3] = RANGE[place], RANGE[place + 3]
    return model


def scene(seed):
    """Points on the ground and on one car."""
    draw = torch.Generator().manual_seed(seed)
    box = torch.tensor([[12.0, 2.0 * seed, -1.7, 3.9, 1.6, 1.5, 0.4]])
    ground = torch.rand(2000, 4, generator=draw) * torch.tensor([25.6, 25.6, 0.2, 1.0]) + torch.tensor(
        [0, -12.8, -1.8, 0]
    )
    car = (torch.rand(300, 4, generator=draw) - 0.5) * torch.tensor([2.0, 1.5, 1.4, 1.0]) + torch.tensor(
        [0, 0, 0.75, 0]
    )
    car[:, :3] += box[0, :3]
    sample = Det3DDataSample(metainfo=dict(box_type_3d=LiDARInstance3DBoxes, box_mode_3d=0))
    sample.gt_instances_3d = InstanceData(
        bboxes_3d=LiDARInstance3DBoxes(box), labels_3d=torch.zeros(1, dtype=torch.long)
    )
    sample.eval_ann_info = None
    return torch.cat([ground, car]), sample


@pytest.fixture
def called(monkeypatch):
    """Put our functions in the compiled extension's place, and note which are called."""
    names = set()

    def noting(name, function):
        def call(*args, **kwargs):
            names.add(name)
            return function(*args, **kwargs)

        return call

    for name, function in provided().items():
        if hasattr(mmcv._ext, name):
            monkeypatch.setattr(mmcv._ext, name, noting(name, function))
    before = DefaultScope.get_current_instance()
    init_default_scope("mmdet3d")
    yield names
    if before is not None:
        init_default_scope(before.scope_name)


@pytest.mark.parametrize("name", MODELS_OF)
def test_a_step_and_a_prediction(called, name):
    torch.manual_seed(0)
    model = MODELS.build(shrunk(name))
    scenes = [scene(1), scene(2)]
    batch = dict(inputs=dict(points=[points for points, _ in scenes]), data_samples=[sample for _, sample in scenes])
    losses = model(**model.data_preprocessor(copy.deepcopy(batch), True), mode="loss")
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    lost = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert lost == []
    model.eval()
    with torch.no_grad():
        results = model(**model.data_preprocessor(copy.deepcopy(batch), False), mode="predict")
    assert all(torch.isfinite(result.pred_instances_3d.scores_3d).all() for result in results)
    assert MODELS_OF[name] <= called
