# What a user adds to a stock config: the statements of ../demo_second.py, and the rehearsal as in demo_fcos3d.py.
_base_ = ['./demo_second_stock.py']

custom_imports = dict(imports=['mx_driving.rehearsal', 'mx_driving.runner_hooks'], allow_failed_imports=False)
custom_hooks = [
    dict(type='NPUPatchHook', stop_at=16),
    dict(type='ProfilerHook', level=1, iters=(4, 7)),
]
