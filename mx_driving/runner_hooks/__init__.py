"""Hooks for a config's ``custom_hooks``: importing this registers them with the installed runner family, or both.

custom_imports = dict(imports=['mx_driving.runner_hooks'], allow_failed_imports=False)
custom_hooks = [dict(type='NPUPatchHook', stop_at=1000), dict(type='ProfilerHook', level=1, iters=(100, 110))]
"""

from __future__ import annotations

from mx_driving._core.versions import installed_version, is_installed

__all__ = ["NPUPatchHook", "ProfilerHook"]

if is_installed("mmengine"):
    from mx_driving.runner_hooks.mmengine_adapter import NPUPatchHook, ProfilerHook
else:
    raise ImportError(
        "mx_driving.runner_hooks: expected mmengine to be installed, found neither; install the one your model needs"
    )
