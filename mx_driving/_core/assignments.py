"""What a function assigned, found by comparison, and made layers of the engine's stacks.

Covered is every attribute of every module that is loaded when the function is called, of every module that it imports
(as it is after that import), and of all their classes. Not covered is what no namespace shows: a list or dict that is
changed in place, attributes of other objects, settings that are kept in C.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from operator import is_
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Set, Tuple

from mx_driving._core.site import MISSING, Site, plain
from mx_driving._core.stack import Assigned
from mx_driving._core.stacks import _stacks, leaders, new_stack, own_stack, release, settle
from mx_driving._import_hook import Around, ImportHook

CACHES = ("__warningregistry__", "__annotations__", "__annotations_cache__")
"""Attributes that the interpreter itself fills in when somebody looks."""

OURS = __name__.partition(".")[0]
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the others cannot be changed


class Change(NamedTuple):
    """An attribute that was assigned or deleted; the site is as it was before."""

    site: Site
    new: Any


def assigned_by(function: Callable[..., None], target: ModuleType, *args: Any) -> Callable[[], None]:
    """Call ``function(target, *args)`` and put what it assigned in force as layers; return what takes these back.

    If it raises, all that it assigned is as it was before. Its own module's globals are its own affair, unless they are
    what it is to change; so is our package.

    Args:
        target: the module that the function is to change, which may still be in the middle of its import.
    """
    namespaces = Namespaces(getattr(function, "__globals__", None), target)
    with namespaces.growing():
        try:
            function(target, *args)
        except BaseException:
            _take_back(namespaces.changes())
            raise
    changes = namespaces.changes()
    _take_back(changes)
    holder, touched, led = object(), [], set(leaders())
    for change in sorted(changes, key=lambda change: not _is_defined_at(change.site)):
        old = plain(change.site.raw)
        follows = id(old) not in led and _is_of_package(old, change.site)
        led.add(id(old))
        stack = own_stack(change.site) or new_stack(change.site)
        stack.hold(Assigned(change.new, follows, not namespaces.held(change.new)), holder)
        touched.append(stack)
    settle(touched)
    return lambda: release(holder)


def _take_back(changes: List[Change]) -> None:
    for change in changes:
        change.site.restore()


def _home(owner: Any) -> str:
    return owner.__name__ if isinstance(owner, ModuleType) else owner.__module__


def _is_defined_at(site: Site) -> bool:
    return getattr(plain(site.raw), "__module__", None) == _home(site.owner)


def _is_of_package(old: Any, site: Site) -> bool:
    # Who holds torch's gelu is not to change because some package's name for it did.
    module = getattr(old, "__module__", None) if callable(old) else None
    return isinstance(module, str) and module.partition(".")[0] == _home(site.owner).partition(".")[0]


class Namespaces:
    """The attributes of modules and classes as they were.

    Args:
        ignored: globals that are not looked at.
        target: is looked at whatever state it is in.
    """

    def __init__(self, ignored: Any, target: ModuleType):
        self._before: Dict[int, Tuple[Any, Dict[str, Any]]] = {}
        self._ignored = ignored if ignored is not vars(target) else None
        self.add(target)

    def add(self, *certain: ModuleType) -> None:
        """Take in the given modules and all others that are imported to the end, and all classes, if they are new."""
        for module in (*certain, *filter(_is_imported, list(sys.modules.values()))):
            name = getattr(module, "__name__", None)
            if vars(module) is not self._ignored and not _is_ours(name):
                self._before.setdefault(id(module), (module, dict(vars(module))))
        for cls in _classes():
            if id(cls) not in self._before and not _is_ours(cls.__module__):
                self._before[id(cls)] = (cls, dict(vars(cls)))

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Take in, while this lasts, what is imported, as it is when that import is over."""
        hook = _Watch(self)
        sys.meta_path.insert(0, hook)
        try:
            yield
        finally:
            sys.meta_path.remove(hook)

    def changes(self) -> List[Change]:
        """Return what is different now, but for what an import binds and for what the engine itself did."""
        engines = _places_of_engine()
        found = []
        for owner, before in self._before.values():
            now = vars(owner)
            # Nearly all namespaces are unchanged, and this comparison runs in C.
            if len(before) == len(now) and all(map(is_, before.values(), now.values())):
                continue
            for name in {**before, **now}:
                old, new = before.get(name, MISSING), now.get(name, MISSING)
                site = Site(owner, name, old, own=old is not MISSING)
                if old is new or name in CACHES or _is_submodule(site, new) or engines.get(site.place) in _forms(new):
                    continue
                found.append(Change(site, new))
        return found

    def held(self, value: Any) -> bool:
        """Tell whether any namespace held the value before."""
        wanted = {id(value), id(plain(value))}
        return not all(wanted.isdisjoint(map(id, names.values())) for _, names in self._before.values())


def _is_imported(module: Any) -> bool:
    # Another thread may be in the middle of an import: what that defines later is no change of the function's.
    spec = getattr(module, "__spec__", None)
    return type(getattr(module, "__dict__", None)) is dict and not getattr(spec, "_initializing", False)


def _is_ours(name: Any) -> bool:
    return isinstance(name, str) and (name == OURS or name.startswith(OURS + "."))


def _is_submodule(site: Site, new: Any) -> bool:
    return isinstance(new, ModuleType) and sys.modules.get(f"{_home(site.owner)}.{site.name}") is new


def _classes() -> Iterator[type]:
    seen: Set[type] = set()
    left: List[type] = [object]
    while left:
        derived: List[type] = type.__subclasses__(left.pop())
        for cls in derived:
            if cls not in seen:
                seen.add(cls)
                left.append(cls)
    return (cls for cls in seen if cls.__flags__ & _HEAP_TYPE)


def _places_of_engine() -> Dict[Tuple[int, Any], Tuple[str, int]]:
    places: Dict[Tuple[int, Any], Tuple[str, int]] = {}
    for stack in _stacks.values():
        places.update((alias.place, ("alias", id(plain(stack.top)))) for alias in stack.aliases)
        # Of its own site the very object is known: the same function in another static method is somebody else's.
        places[stack.site.place] = ("site", id(stack.top))
    return places


def _forms(value: Any) -> Tuple[Tuple[str, int], ...]:
    return ("site", id(value)), ("alias", id(plain(value)))


class _Watch(ImportHook):
    """Has modules taken in when the import that the function began, and all that it led to, is over."""

    def __init__(self, namespaces: Namespaces):
        super().__init__()
        self._namespaces = namespaces
        self._running = threading.local()

    def wants(self, name: str) -> bool:
        return True

    def around(self, name: str, spec: ModuleSpec) -> Around:
        def run_and_take_in(module: ModuleType, run: Callable[[], None]) -> None:
            depth = getattr(self._running, "depth", 0)
            self._running.depth = depth + 1
            try:
                run()
            finally:
                self._running.depth = depth
            if depth == 0:
                self._namespaces.add(module)

        return run_and_take_in
