"""Move OpenMMLab training to Ascend NPUs by a few lines of config; importing this loads neither torch nor operators."""

import importlib

__version__ = "0.1.0"

_HOOKS = ("NPUPatchHook", "ProfilerHook")
_PATCHER = ("default_patcher_builder", "patch_mmcv_version")

# DrivingSDK's older namespaces, such as mx_driving.fused.
__path__.append(f"{__path__[0]}/peer/root")


def __getattr__(name: str) -> object:
    """Import hooks, the builder or one of DrivingSDK's operators when they are asked for."""
    if name in _HOOKS:
        from mx_driving import runner_hooks

        return getattr(runner_hooks, name)
    if name in _PATCHER:
        from mx_driving import patcher

        return getattr(patcher, name)
    if not name.startswith("__"):
        # Not `from mx_driving import peer`: that asks this function first.
        peer = importlib.import_module("mx_driving.peer")
        if name in peer.WHERE or name in peer.NOT_PROVIDED:
            return peer.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
