"""Changes that are no attribute: started once, taken back when their last holder lets go."""

from __future__ import annotations

from typing import Any, Callable, Dict, Set, Tuple

from mx_driving._core.record import Effect

_running: Dict[Effect, Tuple[Callable[[], None], Set[Any]]] = {}


def hold(effect: Effect, holder: Any) -> None:
    """Start the effect unless it is running already.

    Raises:
        PatchSkipped: the effect says that it does not apply here.
    """
    if effect not in _running:
        _running[effect] = (effect.start(), set())
    _running[effect][1].add(holder)


def release(holder: Any) -> None:
    """Let go of all effects that the holder holds."""
    for effect, (stop, holders) in list(_running.items()):
        holders.discard(holder)
        if not holders:
            del _running[effect]
            stop()
