# What a user adds to a stock config: the same two statements as in ../demo_fcos3d.py. `mx_driving.rehearsal` stands
# among the imports because the stock script calls model.cuda(): it lets that land on the CPU where there is no
# accelerator, and does nothing elsewhere.
_base_ = ['./demo_fcos3d_stock.py']

custom_imports = dict(imports=['mx_driving.rehearsal', 'mx_driving.runner_hooks'], allow_failed_imports=False)
custom_hooks = [
    dict(type='NPUPatchHook', stop_at=16),
    dict(type='ProfilerHook', level=1, iters=(4, 7)),
]
