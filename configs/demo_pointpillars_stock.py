# The stock PointPillars config made small: a third of its channels, on the demo's range.
_base_ = ['mmdet3d::_base_/models/pointpillars_hv_secfpn_kitti.py', './demo_lidar_data.py']

voxel_size = [0.32, 0.32, 4]
point_cloud_range = [-25.6, -25.6, -3, 25.6, 25.6, 1]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=point_cloud_range, voxel_size=voxel_size)),
    voxel_encoder=dict(feat_channels=[32], voxel_size=voxel_size, point_cloud_range=point_cloud_range),
    middle_encoder=dict(in_channels=32, output_shape=[160, 160]),
    backbone=dict(in_channels=32, layer_nums=[1, 1, 1], out_channels=[32, 48, 64]),
    neck=dict(in_channels=[32, 48, 64], out_channels=[32, 32, 32]),
    bbox_head=dict(
        in_channels=96,
        feat_channels=96,
        anchor_generator=dict(
            ranges=[
                [-25.6, -25.6, -1.84, 25.6, 25.6, -1.84],
                [-25.6, -25.6, -1.84, 25.6, 25.6, -1.84],
                [-25.6, -25.6, -1.84, 25.6, 25.6, -1.84],
            ]
        ),
    ),
)
