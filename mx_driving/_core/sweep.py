"""Find every other name that holds a patched object and swap it, in one pass for all patches.

``from x import f`` copies a reference, so replacing ``x.f`` reaches nobody who did that before. Holders are found by
identity in: the globals of every loaded module, the registries of both OpenMMLab families, ``functools.partial``
objects in either, and the attributes of given objects (a runner's model) and of their classes.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any, Container, Dict, Iterable, Iterator, List, Set, Tuple

from mx_driving._core.site import dressed, plain

REGISTRY_CLASSES = (("mmengine.registry.registry", "Registry"), ("mmcv.utils.registry", "Registry"))

Swaps = Dict[int, Tuple[Any, Any]]
"""``id(old) -> (old, new)``; holding ``old`` keeps its id from being given to another object."""


@dataclass(frozen=True)
class Alias:
    """A place other than the patched site that holds the object: a key of a dict, a class's attribute, or a partial.

    ``raw`` is what the place held when it was found, put back as the same object.
    """

    where: str
    container: Any
    key: Any = None
    raw: Any = None

    @property
    def place(self) -> Tuple[int, Any]:
        """Identify the slot, as ``Site.place`` does."""
        return id(self.container), self.key

    def held(self) -> Any:
        """Return the callable that this place holds now, or None."""
        return self.container.func if isinstance(self.container, functools.partial) else plain(self._stored())

    def put(self, new: Any) -> None:
        """Make this place hold another callable."""
        if isinstance(self.container, functools.partial):
            # In place: whoever else holds this partial sees the change too.
            state = (new, self.container.args, self.container.keywords, vars(self.container) or None)
            self.container.__setstate__(state)  # type: ignore[attr-defined]
        elif isinstance(self.container, dict):
            self.container[self.key] = self.as_stored(new)
        else:
            setattr(self.container, self.key, self.as_stored(new))

    def as_stored(self, new: Any) -> Any:
        """Return what this place holds when it stands for another callable."""
        return self.raw if plain(self.raw) is new else dressed(new, self._stored())

    def _stored(self) -> Any:
        return (self.container if isinstance(self.container, dict) else vars(self.container)).get(self.key)


def sweep(swaps: Swaps, roots: Iterable[Any] = (), taken: Container[Tuple[int, Any]] = ()) -> Dict[int, List[Alias]]:
    """Swap every alias found, but for the places that are ``taken``, and return them by ``id(old)``."""
    found: Dict[int, List[Alias]] = {}
    if not swaps:
        return found
    for where, container, items in _namespaces(swaps, roots):
        for key, value in items:
            partial = type(value) is functools.partial
            alias = Alias(f"{where}.{key}", value) if partial else Alias(f"{where}.{key}", container, key, value)
            # Read from the item, not through the alias: most items are no aliases and need no object of their own.
            pair = swaps.get(id(value.func if partial else plain(value)))
            if pair is not None and alias.place not in taken:
                alias.put(pair[1])
                found.setdefault(id(pair[0]), []).append(alias)
    return found


Namespace = Tuple[str, Any, List[Tuple[Any, Any]]]


def _namespaces(swaps: Swaps, roots: Iterable[Any]) -> Iterator[Namespace]:
    seen: Set[int] = set()
    yield from _module_namespaces(swaps.keys(), seen)
    for root in roots:
        yield type(root).__name__, vars(root), list(vars(root).items())
        for cls in type(root).__mro__[:-1]:
            if id(cls) not in seen:
                seen.add(id(cls))
                yield f"{cls.__module__}.{cls.__qualname__}", cls, list(vars(cls).items())


def _module_namespaces(wanted: Iterable[int], seen: Set[int]) -> Iterator[Namespace]:
    wanted, registries = frozenset(wanted), _registry_classes()
    telling = registries | {functools.partial}
    for name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is not dict:
            continue
        # Thousands of modules hold half a million names: only these two tests run on all of them, in C.
        values = list(namespace.values())
        if wanted.isdisjoint(map(id, values)) and telling.isdisjoint(map(type, values)):
            continue
        hits = [(key, value) for key, value in list(namespace.items()) if id(value) in wanted or type(value) in telling]
        yield name, namespace, hits
        for key, value in hits:
            if type(value) in registries and id(value) not in seen:
                seen.add(id(value))
                yield f"{name}.{key}", value.module_dict, list(value.module_dict.items())


def _registry_classes() -> Set[type]:
    loaded = ((sys.modules.get(module), name) for module, name in REGISTRY_CLASSES)
    classes = [getattr(module, name) for module, name in loaded if module is not None]
    for cls in classes:
        classes.extend(sub for sub in cls.__subclasses__() if sub not in classes)
    return set(classes)
