"""Call back when a module has been imported, without importing it."""

from __future__ import annotations

import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Callable, Dict, List

from mx_driving._import_hook import Around, ImportHook

Callback = Callable[[ModuleType], None]

_lock = threading.Lock()
_pending: Dict[str, List[Callback]] = {}


def when_imported(name: str, callback: Callback) -> Callable[[], None]:
    """Run ``callback(module)`` after the module's code has run; return a function that withdraws the request."""
    with _lock:
        _pending.setdefault(name, []).append(callback)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    return lambda: _withdraw(name, callback)


def _withdraw(name: str, callback: Callback) -> None:
    with _lock:
        callbacks = _pending.get(name, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            _pending.pop(name, None)
        _leave_when_idle()


def _leave_when_idle() -> None:
    if not _pending and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def _notify(name: str, module: ModuleType) -> None:
    with _lock:
        callbacks = _pending.pop(name, [])
        _leave_when_idle()
    # A callback may import: holding the lock here could deadlock with another thread's import lock.
    for callback in callbacks:
        callback(module)


class _Finder(ImportHook):
    """Lets the other finders find an awaited module and calls back when its code has run."""

    def wants(self, name: str) -> bool:
        return name in _pending

    def around(self, name: str, spec: ModuleSpec) -> Around:
        def run_and_notify(module: ModuleType, run: Callable[[], None]) -> None:
            run()
            _notify(name, module)

        return run_and_notify


_finder = _Finder()
