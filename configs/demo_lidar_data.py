# Data and schedule of the LiDAR demos as a plain mmdet3d 1.4 config: nothing in this file knows mx_driving.
_base_ = ['mmdet3d::_base_/datasets/nus-3d.py', 'mmdet3d::_base_/default_runtime.py']

# Another data set in nuScenes' layout can be given in the environment; `make demo` generates the default one.
data_root = '{{$MX_DRIVING_DEMO_DATA:data/nuscenes_demo/}}'

# The classes of the stock KITTI models, in their order; a fifth of nuScenes' area, so that a CPU trains in seconds.
class_names = ['pedestrian', 'bicycle', 'car']
metainfo = dict(classes=class_names)
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
    dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(data_root=data_root, metainfo=metainfo, pipeline=train_pipeline, with_velocity=False),
)

# The demo trains only; scoring needs the tables of the full nuScenes data set.
val_dataloader = None
val_evaluator = None
test_dataloader = None
test_evaluator = None

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.001, weight_decay=0.01),
    clip_grad=dict(max_norm=35, norm_type=2),
)

default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=1))
log_processor = dict(window_size=1)
randomness = dict(seed=0)
