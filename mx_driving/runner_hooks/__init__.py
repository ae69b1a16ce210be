"""Hooks for a config's ``custom_hooks``: importing this registers them with the installed runner family, or both.

custom_imports = dict(imports=['mx_driving.runner_hooks'], allow_failed_imports=False)
custom_hooks = [dict(type='NPUPatchHook', stop_at=1000), dict(type='ProfilerHook', level=1, iters=(100, 110))]
"""

from __future__ import annotations

from mx_driving import mmcv_ext
from mx_driving._core.versions import installed_version, is_installed
from mx_driving.training.npu_setup import BY_IMPORT, hold

__all__ = ["NPUPatchHook", "ProfilerHook"]

_mmcv = installed_version("mmcv") if is_installed("mmcv") else None
_has_mmcv1 = _mmcv is not None and _mmcv.major == 1
_has_mmengine = is_installed("mmengine")

if not (_has_mmcv1 or _has_mmengine):
    raise ImportError(
        "mx_driving.runner_hooks: expected mmengine or mmcv 1.x, found neither; install what your model asks for"
    )
mmcv_ext.install()
# Both may be installed; a config built by either runner then finds the hooks in that runner's own registry.
if _has_mmengine:
    from mx_driving.runner_hooks.mmengine_patch import NPUPatchHook
    from mx_driving.runner_hooks.mmengine_profile import ProfilerHook
if _has_mmcv1:
    from mx_driving.runner_hooks.mmcv1_patch import NPUPatchHook
    from mx_driving.runner_hooks.mmcv1_profile import ProfilerHook

hold(BY_IMPORT)
