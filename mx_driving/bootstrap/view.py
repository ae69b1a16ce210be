"""Show one module another version of mmcv while its body runs, and nobody else.

The module's code runs with a ``__builtins__`` of its own whose ``__import__`` answers ``import mmcv`` with a thin view
of the real module. Neither mmcv, ``sys.modules`` nor the interpreter's builtins are touched, so other modules and other
threads cannot see the difference.
"""

from __future__ import annotations

import builtins
from types import ModuleType
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

#: Called with the target's name and its true version; returns the version to show, or None to show the true one.
Decide = Callable[[str, str], Optional[str]]


class VersionView(ModuleType):
    """A module that is the real one in everything but its version, as long as its scope is open."""

    def __init__(self, real: ModuleType, scope: Scope, shown: str) -> None:
        super().__init__(real.__name__)
        object.__setattr__(self, "_view", (real, scope, shown))

    def __getattribute__(self, name: str) -> Any:
        real, scope, shown = object.__getattribute__(self, "_view")
        value = getattr(real, name)
        if not scope.is_open:
            return value
        if name == "__version__":
            return shown
        if name == "version_info" and hasattr(real, "parse_version_info"):
            return real.parse_version_info(shown)
        return scope.view_of(value) if name == "version" and isinstance(value, ModuleType) else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(real_module(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(real_module(self), name)

    def __dir__(self) -> Sequence[str]:
        return dir(real_module(self))

    def __repr__(self) -> str:
        return repr(real_module(self))


def real_module(view: VersionView) -> ModuleType:
    """Return the module behind a view."""
    return object.__getattribute__(view, "_view")[0]


class _LiveBuiltins(Dict[str, Any]):
    """The interpreter's builtins, looked up live, with another ``__import__``.

    A plain copy would freeze the builtins for the functions that the module defines: on Python 3.10+ they keep this
    object after the scope is closed.
    """

    def __missing__(self, name: str) -> Any:
        return vars(builtins)[name]


class Scope:
    """What one module sees while its body runs.

    Args:
        namespace: the module's globals.
        root: the package that the module belongs to; it always sees itself as it is.
        targets: packages whose version may be shown differently.
        decide: asked once for every target that the module imports.
    """

    def __init__(self, namespace: Dict[str, Any], root: str, targets: Sequence[str], decide: Decide) -> None:
        self._namespace = namespace
        self._names = {name for target in targets if target != root for name in (target, target + ".version")}
        self._decide = decide
        self._shown: Dict[str, Optional[str]] = {}
        self._true: Dict[int, str] = {}
        self._before: Any = None
        self.is_open = False

    def __enter__(self) -> Scope:
        self._before = self._namespace.get("__builtins__", vars(builtins))
        self._namespace["__builtins__"] = _LiveBuiltins(__import__=self._import)
        self.is_open = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.is_open = False
        self._namespace["__builtins__"] = self._before
        for name, value in list(self._namespace.items()):
            if type(value) is VersionView:
                self._namespace[name] = real_module(value)
            elif isinstance(value, str) and id(value) in self._true:
                # `from mmcv import __version__` left the shown text behind; it is told by identity, never by value.
                self._namespace[name] = self._true[id(value)]

    def _import(
        self,
        name: str,
        globals: Optional[Mapping[str, Any]] = None,
        locals: Optional[Mapping[str, Any]] = None,
        fromlist: Optional[Sequence[str]] = (),
        level: int = 0,
    ) -> Any:
        module = builtins.__import__(name, globals, locals, fromlist or (), level)
        return self.view_of(module) if self.is_open else module

    def view_of(self, module: ModuleType) -> ModuleType:
        """Return a view of the module if another version is to be shown, else the module itself."""
        name = getattr(module, "__name__", "")
        true = getattr(module, "__version__", None) if name in self._names else None
        if not isinstance(true, str):
            return module
        target = name.partition(".")[0]
        if target not in self._shown:
            shown = self._decide(target, true)
            # A string object of our own, so that __exit__ can tell it from an equal text of the module's.
            self._shown[target] = shown if shown is None else "".join(list(shown))
        shown = self._shown[target]
        if shown is None:
            return module
        self._true[id(shown)] = true
        return VersionView(module, self, shown)
