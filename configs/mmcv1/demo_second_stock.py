# The stock SECOND config, its dense part made small, on the demo's range; the sparse encoder is the stock one.
import importlib.util
import os.path as osp

_base_ = [
    osp.join(
        osp.dirname(importlib.util.find_spec('mmdet3d').origin), '.mim/configs/_base_/models/hv_second_secfpn_kitti.py'
    ),
    './demo_lidar_data.py',
]

voxel_size = [0.2, 0.2, 0.1]
point_cloud_range = [-25.6, -25.6, -3, 25.6, 25.6, 1]
model = dict(
    voxel_layer=dict(point_cloud_range=point_cloud_range, voxel_size=voxel_size),
    middle_encoder=dict(sparse_shape=[41, 256, 256]),
    backbone=dict(layer_nums=[1, 1], out_channels=[64, 96]),
    neck=dict(in_channels=[64, 96], out_channels=[64, 64]),
    bbox_head=dict(
        in_channels=128,
        feat_channels=128,
        anchor_generator=dict(
            ranges=[
                [-25.6, -25.6, -1.84, 25.6, 25.6, -1.84],
                [-25.6, -25.6, -1.84, 25.6, 25.6, -1.84],
                [-25.6, -25.6, -1.84, 25.6, 25.6, -1.84],
            ]
        ),
    ),
)
