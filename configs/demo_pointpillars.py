# What a user adds to a stock config: the two statements below, nothing else.
_base_ = ['./demo_pointpillars_stock.py']

custom_imports = dict(imports=['mx_driving.runner_hooks'], allow_failed_imports=False)
custom_hooks = [
    dict(type='NPUPatchHook', stop_at=16),
    dict(type='ProfilerHook', level=1, iters=(4, 7)),
]
