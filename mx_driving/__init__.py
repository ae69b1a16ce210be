"""Move OpenMMLab training to Ascend NPUs by a few lines of config; importing this loads neither torch nor operators."""

__version__ = "0.1.0"

_HOOKS = ("NPUPatchHook", "ProfilerHook")


def __getattr__(name: str) -> object:
    """Import the hooks when they are asked for, so that ``type='mx_driving.ProfilerHook'`` works by itself."""
    if name in _HOOKS:
        from mx_driving import runner_hooks

        return getattr(runner_hooks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
