"""Call back when a module has been imported, without importing it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import threading
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, Sequence

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


def _notify(module: ModuleType) -> None:
    with _lock:
        callbacks = _pending.pop(module.__name__, [])
        _leave_when_idle()
    # A callback may import: holding the lock here could deadlock with another thread's import lock.
    for callback in callbacks:
        callback(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the other finders find an awaited module and wraps the loader that they return."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in _pending:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find and finder is not self else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """Runs the real loader, gives the module its real loader back, and only then calls back."""

    def __init__(self, real: Any):
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        _notify(module)


_finder = _Finder()
