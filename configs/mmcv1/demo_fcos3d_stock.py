# The demo's model and data for mmcv 1.x, as a plain mmdet3d 1.0 config: nothing in this file knows mx_driving.
# The stock FCOS3D config made small, like ../demo_fcos3d_stock.py.
import importlib.util
import os
import os.path as osp

# mmcv 1.x has no 'mmdet3d::' in _base_, so the installed package is looked up.
_base_ = [
    osp.join(osp.dirname(importlib.util.find_spec('mmdet3d').origin), '.mim/configs/_base_', name)
    for name in ('models/fcos3d.py', 'datasets/nus-mono3d.py', 'schedules/mmdet_schedule_1x.py', 'default_runtime.py')
]

# mmdet3d 1.0 cannot scale centers2d, so the images must have their final size on the disk:
#   python demo/make_nuscenes_demo.py data/nuscenes_demo_320 --width 320
data_root = os.environ.get('MX_DRIVING_DEMO_DATA', 'data/nuscenes_demo_320/')

model = dict(
    backbone=dict(
        depth=50,
        base_channels=32,
        # The stock config loads weights from the network and freezes the norms; the demo starts from nothing.
        init_cfg=None,
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, False, True, True)),
    neck=dict(in_channels=[128, 256, 512, 1024], out_channels=64),
    bbox_head=dict(
        in_channels=64,
        feat_channels=64,
        cls_branch=(64, ),
        reg_branch=((64, ), (64, ), (64, ), (64, ), ()),
        dir_branch=(64, ),
        attr_branch=(64, ),
        norm_on_bbox=True,
        dcn_on_last_conv=True))

class_names = [
    'car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'bicycle',
    'motorcycle', 'pedestrian', 'traffic_cone', 'barrier'
]
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
train_pipeline = [
    dict(type='LoadImageFromFileMono3D'),
    dict(
        type='LoadAnnotations3D',
        with_bbox=True,
        with_label=True,
        with_attr_label=True,
        with_bbox_3d=True,
        with_label_3d=True,
        with_bbox_depth=True),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size_divisor=32),
    dict(type='DefaultFormatBundle3D', class_names=class_names),
    dict(
        type='Collect3D',
        keys=[
            'img', 'gt_bboxes', 'gt_labels', 'attr_labels', 'gt_bboxes_3d',
            'gt_labels_3d', 'centers2d', 'depths'
        ]),
]

data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(
        data_root=data_root,
        img_prefix=data_root,
        ann_file=data_root + 'nuscenes_infos_train_mono3d.coco.json',
        pipeline=train_pipeline),
    val=dict(
        data_root=data_root,
        img_prefix=data_root,
        ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json'),
    test=dict(
        data_root=data_root,
        img_prefix=data_root,
        ann_file=data_root + 'nuscenes_infos_val_mono3d.coco.json'))

optimizer = dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(_delete_=True, grad_clip=dict(max_norm=35, norm_type=2))
lr_config = dict(
    policy='step',
    warmup='linear',
    warmup_iters=500,
    warmup_ratio=1.0 / 3,
    step=[8, 11])
runner = dict(type='EpochBasedRunner', max_epochs=2)
# Scoring needs the tables of the full nuScenes data set.
evaluation = dict(interval=1000)
checkpoint_config = dict(interval=1, max_keep_ckpts=1)
log_config = dict(_delete_=True, interval=1, hooks=[dict(type='TextLoggerHook')])
