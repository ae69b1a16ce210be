# The demo's model and data as a plain mmdet3d 1.4 config: nothing in this file knows mx_driving.
# It is the stock FCOS3D config made small (ResNet-50 of half the width, a thin head, images of 320x180), because mmcv's
# deformable convolution is single-threaded on a CPU and the stock size needs minutes for one iteration.
_base_ = [
    'mmdet3d::_base_/models/fcos3d.py',
    'mmdet3d::_base_/datasets/nus-mono3d.py',
    'mmdet3d::_base_/default_runtime.py',
]

# Another data set in nuScenes' layout can be given in the environment; `make demo` generates the default one.
data_root = '{{$MX_DRIVING_DEMO_DATA:data/nuscenes_demo/}}'

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
    # Resize3D and not mmdet.Resize: the latter leaves centers_2d unscaled, and every box target is lost.
    dict(type='Resize3D', scale=(320, 180), keep_ratio=True),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    dict(
        type='Pack3DDetInputs',
        keys=[
            'img', 'gt_bboxes', 'gt_bboxes_labels', 'attr_labels',
            'gt_bboxes_3d', 'gt_labels_3d', 'centers_2d', 'depths'
        ]),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=train_pipeline))

# The demo trains only; scoring needs the tables of the full nuScenes data set.
val_dataloader = None
val_evaluator = None
test_dataloader = None
test_evaluator = None

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0 / 3, by_epoch=False, begin=0, end=500),
]

default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval=1, max_keep_ckpts=1))
log_processor = dict(window_size=1)
randomness = dict(seed=0)
