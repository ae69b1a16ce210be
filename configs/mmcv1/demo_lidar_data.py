# Data and schedule of the LiDAR demos for mmcv 1.x, as a plain mmdet3d 1.0 config without mx_driving.
import importlib.util
import os
import os.path as osp

# mmcv 1.x has no 'mmdet3d::' in _base_, so the installed package is looked up.
_base_ = [
    osp.join(osp.dirname(importlib.util.find_spec('mmdet3d').origin), '.mim/configs/_base_', name)
    for name in ('datasets/nus-3d.py', 'schedules/mmdet_schedule_1x.py', 'default_runtime.py')
]

data_root = os.environ.get('MX_DRIVING_DEMO_DATA', 'data/nuscenes_demo/')

# The classes of the stock KITTI models, in their order; a fifth of nuScenes' area, so that a CPU trains in seconds.
class_names = ['pedestrian', 'bicycle', 'car']
point_cloud_range = [-25.6, -25.6, -3, 25.6, 25.6, 1]

train_pipeline = [
    dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=4),
    dict(type='LoadAnnotations3D', with_bbox_3d=True, with_label_3d=True),
    dict(
        type='GlobalRotScaleTrans',
        rot_range=[-0.3925, 0.3925],
        scale_ratio_range=[0.95, 1.05],
        translation_std=[0, 0, 0],
    ),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    dict(type='PointsRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectRangeFilter', point_cloud_range=point_cloud_range),
    dict(type='ObjectNameFilter', classes=class_names),
    dict(type='PointShuffle'),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(type='Collect3D', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
]

data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(
        data_root=data_root,
        ann_file=data_root + 'nuscenes_infos_train_v1.pkl',
        classes=class_names,
        with_velocity=False,
        pipeline=train_pipeline,
    ),
    val=dict(data_root=data_root, ann_file=data_root + 'nuscenes_infos_val_v1.pkl', classes=class_names),
    test=dict(data_root=data_root, ann_file=data_root + 'nuscenes_infos_val_v1.pkl', classes=class_names),
)

optimizer = dict(_delete_=True, type='AdamW', lr=0.001, weight_decay=0.01)
optimizer_config = dict(_delete_=True, grad_clip=dict(max_norm=35, norm_type=2))
lr_config = dict(_delete_=True, policy='fixed')
runner = dict(type='EpochBasedRunner', max_epochs=10)
# Scoring needs the tables of the full nuScenes data set.
evaluation = dict(interval=1000)
checkpoint_config = dict(interval=1, max_keep_ckpts=1)
log_config = dict(_delete_=True, interval=1, hooks=[dict(type='TextLoggerHook')])
