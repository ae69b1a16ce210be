"""Find a target in what is loaded, and tell absent, not yet imported and broken apart."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from mx_driving._core.record import Effect, PatchRecord, Provide, Replace, Target, find, split
from mx_driving._core.site import MISSING, stored
from mx_driving._core.versions import installed_version, is_installed, unmet


@dataclass(frozen=True)
class Found:
    """The target's owner is loaded and holds the attribute."""

    target: Target
    owner: Any
    name: str


@dataclass(frozen=True)
class NotYet:
    """The target's module can be imported but has not been."""

    target: Target
    module: str


@dataclass(frozen=True)
class Lacking:
    """There is no such target here; ``fatal`` if the patch should have known."""

    target: Target
    reason: str
    fatal: bool


def resolve(target: Target) -> Union[Found, NotYet, Lacking]:
    """Look a target up without importing anything."""
    reason = unmet(target.requires)
    if reason:
        return Lacking(target, reason, fatal=False)
    if isinstance(target, Effect):
        return Found(target, None, target.path)
    name, attributes = target.module, target.attributes
    if sys.modules.get(name) is None:
        return _unloaded(target, name)
    owner = find(sys.modules[name], attributes)
    present = owner is not None and stored(owner, attributes[-1]) is not MISSING
    if isinstance(target, Provide) and present:
        return Lacking(target, f"{target.path} is there already", fatal=False)
    if isinstance(target, Replace) and not present:
        return _absent(target, f"{_stating_version(name)} has no {target.path}")
    return Found(target, owner, attributes[-1])


def _unloaded(target: Union[Replace, Provide], name: str) -> Union[NotYet, Lacking]:
    package, _, _ = name.partition(".")
    if not is_installed(package):
        return Lacking(target, f"{package} is not installed", fatal=False)
    parent, _, _ = name.rpartition(".")
    # With its parent loaded a module can be looked for without running anybody's code.
    if parent in sys.modules and importlib.util.find_spec(name) is None:
        return _absent(target, f"{_stating_version(name)} has no module {name}")
    return NotYet(target, name)


def _absent(target: Union[Replace, Provide], reason: str) -> Lacking:
    optional = getattr(target, "optional", "")
    return Lacking(target, f"{reason} ({optional})" if optional else reason, fatal=not optional)


def _stating_version(module: str) -> str:
    package, _, _ = module.partition(".")
    return f"{package} {installed_version(package) or '(version unknown)'}"


def instances(patch: PatchRecord, objects: Iterable[Any]) -> Dict[str, int]:
    """Count the objects whose classes the patch reaches, by class name.

    A subclass that overrides each of the patched methods runs none of the patched code: it does not count.
    """
    reached = tuple(cls for cls in map(_class_at, patch.reaches) if cls is not None)
    methods = [(_class_at(path.rpartition(".")[0]), path.rpartition(".")[2]) for path in _paths(patch)]
    return dict(Counter(type(obj).__name__ for obj in objects if isinstance(obj, reached) and _runs(obj, methods)))


def _paths(patch: PatchRecord) -> List[str]:
    return [target.path for target in patch.targets if isinstance(target, Replace) and len(target.attributes) > 1]


def _class_at(path: str) -> Optional[type]:
    name, attributes = split(path)
    owner = find(sys.modules[name], attributes) if name in sys.modules else None
    cls = stored(owner, attributes[-1]) if owner is not None else None
    return cls if isinstance(cls, type) else None


def _runs(obj: Any, methods: List[Tuple[Optional[type], str]]) -> bool:
    own = [(cls, name) for cls, name in methods if cls is not None and isinstance(obj, cls)]
    return not own or any(stored(type(obj), name) is stored(cls, name) for cls, name in own)
