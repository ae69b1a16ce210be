"""To be there when a module is imported: the one finder and the one loader that stand in front of the others.

Standard library only: the bootstrap loads this before anything of the user's.
"""

from __future__ import annotations

import sys
import threading
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Callable, Optional, Sequence, Set, Tuple

Around = Callable[[ModuleType, Callable[[], None]], None]
"""Called with a module and the function that runs its code; calls that function once."""


class ImportHook:
    """A finder for the front of ``sys.meta_path``: lets the others find a module and stands around its execution.

    Subclasses say what they want, first by the name alone (asked for every import), then by the spec found.
    """

    def __init__(self) -> None:
        self._asking = threading.local()

    def wants(self, name: str) -> bool:
        """Tell cheaply whether the module of this name may be of interest."""
        raise NotImplementedError

    def around(self, name: str, spec: ModuleSpec) -> Optional[Around]:
        """Return what is to stand around the module's execution, or None to leave it alone; the spec has a loader."""
        raise NotImplementedError

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Meta path protocol: what the finders behind this one find, with its loader wrapped where that is wanted."""
        if not self.wants(name):
            return None
        spec = self._ask_those_behind(name, path, target)
        if spec is None or not _can_be_hooked(spec.loader):
            return spec
        around = self.around(name, spec)
        if around is not None:
            spec.loader = HookedLoader(spec.loader, around)  # type: ignore[assignment]
        return spec

    def _ask_those_behind(
        self, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType]
    ) -> Optional[ModuleSpec]:
        asking: Set[str] = vars(self._asking).setdefault("names", set())
        if name in asking:
            # A finder behind this one asks everybody else in its turn: whoever asked first wraps what is found.
            return None
        asking.add(name)
        try:
            for finder in _behind(self):
                find_spec = getattr(finder, "find_spec", None)
                spec = find_spec(name, path, target) if find_spec is not None else None
                if spec is not None:
                    return spec
            return None
        finally:
            asking.discard(name)


def _behind(hook: ImportHook) -> Tuple[Any, ...]:
    # Those before it have been asked; two hooks that asked each other would never end.
    finders = tuple(sys.meta_path)
    return finders[finders.index(hook) + 1 :] if hook in finders else finders


def _can_be_hooked(loader: Any) -> bool:
    return hasattr(loader, "exec_module") or hasattr(loader, "get_code")


class HookedLoader:
    """Runs a module by its real loader, inside of what stands around it; leaves no trace of itself on the module."""

    def __init__(self, real: Any, around: Around) -> None:
        self._real = real
        self._around = around

    def __getattr__(self, name: str) -> Any:
        # Readers of a spec (runpy, importlib.resources, pkgutil) expect the real loader's own methods; what copies
        # and pickles look up, on an object that has no state yet, begins with an underscore.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """Loader protocol: what the real loader does."""
        create = getattr(self._real, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        """Loader protocol: give the module its real loader back and run its code."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._around(module, lambda: _execute(self._real, module))


def _execute(loader: Any, module: ModuleType) -> None:
    if hasattr(loader, "exec_module"):
        loader.exec_module(module)
        return
    # zipimport before Python 3.10 has only load_module, which makes a module of its own or takes an empty one as done.
    code: CodeType = loader.get_code(module.__name__)
    exec(code, vars(module))  # noqa: S102
