"""What is in force at one site: the layers over what stood there, and the aliases that follow."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, List, Set, Tuple, Union

from mx_driving._core.record import Provide, Replace
from mx_driving._core.replacement import heir_of, is_retired, retire
from mx_driving._core.site import Site, plain
from mx_driving._core.sweep import Alias

_log = logging.getLogger("mx_driving")

UNBUILT: Any = type("Unbuilt", (), {"__repr__": lambda self: "<unbuilt>"})()
"""Not MISSING, which a layer may well amount to: a function can delete a name."""


@dataclass(frozen=True, eq=False)
class Assigned:
    """What a user's function left at a site.

    Args:
        value: as stored; None of ours is changed, and nobody else's.
        follows: whether whoever holds what stood there before goes along.
        unique: whether nobody held the value before, so that whoever holds it has it from here.
    """

    value: Any
    follows: bool
    unique: bool

    def build(self, raw: Any) -> Any:
        """Return the value, or what stands where it stood, if it was a replacement of ours."""
        return heir_of(self.value)


@dataclass
class Layer:
    """One change at a site; it stays while anybody holds it."""

    target: Union[Replace, Provide, Assigned]
    holders: Set[Any] = field(default_factory=set)
    built: Any = UNBUILT
    below: Any = UNBUILT

    @property
    def dated(self) -> bool:
        """Whether what was built is not what is to be in force, whatever lies below."""
        return self.built is UNBUILT or is_retired(self.built)

    def stand_on(self, below: Any) -> Any:
        """Build over what lies below, unless that has not changed, and return what is stored then."""
        if self.dated or plain(self.below) is not plain(below):
            old, self.built, self.below = self.built, self.target.build(below), below
            self._pass_on(old, self.built)
        return self.built

    def leave(self, below: Any) -> None:
        """Have what was built, whoever still holds it, call what lies below."""
        self._pass_on(self.built, below)

    def _pass_on(self, old: Any, heir: Any) -> None:
        if old is not UNBUILT and isinstance(self.target, Replace):
            retire(old, heir)


class Stack:
    """The layers at one site.

    Removing a layer rebuilds those above it, since a wrapper has the layer below as its original: so sets of patches
    can be undone in any order.

    Attributes:
        base: what the layers stand on.
        top: what is stored at the site.
        overlaid: whether somebody else has put something over the layers: then the site is theirs, and the layers
            are in force, and go, underneath.
        aliases: other places that hold what is in force.
    """

    def __init__(self, site: Site):
        self.site = site
        self.layers: List[Layer] = []
        self.aliases: List[Alias] = []
        self.top = self.base = site.raw
        self.in_place = self.claimed = self.unique = self.overlaid = False

    def hold(self, target: Union[Replace, Provide, Assigned], holder: Any) -> bool:
        """Add the holder to the target's layer; tell whether that layer is new."""
        for layer in self.layers:
            if layer.target == target:
                layer.holders.add(holder)
                return False
        self.layers.append(Layer(target, {holder}))
        return True

    def release(self, holder: Any) -> bool:
        """Take the holder from the layers; tell whether that changes what is in force."""
        for layer in self.layers:
            layer.holders.discard(holder)
        return len(self.held) != len(self.layers)

    @property
    def held(self) -> List[Layer]:
        """The layers that somebody wants."""
        return [layer for layer in self.layers if layer.holders]

    @property
    def claims(self) -> bool:
        """Whether aliases of what stood at the site follow: an inherited attribute's belong to the base class."""
        held = self.held
        return self.site.own and bool(held) and held[0].target.follows

    @property
    def follows(self) -> bool:
        """Whether whoever holds what is stored at the site now is an alias of it."""
        return self.unique if self.in_place else self.claims

    @property
    def depth(self) -> int:
        """Distance from the root of the class hierarchy: bases are rebuilt before their subclasses."""
        return len(getattr(self.site.owner, "__mro__", ()))

    def is_stale(self, base: Any) -> bool:
        """Tell whether what the layers stand on, or one of them, is no longer what it was when they were built."""
        return plain(base) is not plain(self.base) or any(layer.dated for layer in self.layers)

    def notice_others(self) -> bool:
        """Tell whether somebody else has changed the site, and say so when it is seen first."""
        changed = self.in_place and self.site.held() is not self.top
        if changed and not self.overlaid and callable(plain(self.top)):
            name = f"{getattr(self.site.owner, '__name__', self.site.owner)}.{self.site.name}"
            _log.warning("%s was changed by somebody else after mx_driving patched it: that is left as it is", name)
        self.overlaid = changed
        return changed

    def rebuild(self, base: Any) -> None:
        """Store what the layers amount to over the base; those that nobody holds are gone then."""
        self.notice_others()
        self.top = self.base = base
        for layer in self.layers:
            if layer.holders:
                self.top = layer.stand_on(self.top)
            else:
                layer.leave(self.top)
        self.claimed, self.layers = self.claims, self.held
        self.in_place = bool(self.layers)
        self.unique = self.site.own and self.in_place and self.layers[-1].target.unique
        if self.overlaid:
            return
        if self.in_place or self.site.own:
            self.site.put(self.top)
        else:
            self.site.restore()

    def move_aliases(self, before: Any, now: Any) -> None:
        """Point the known aliases, those in modules that were unloaded meanwhile included, at what is in force now."""
        for alias in self.aliases:
            if alias.held() is before:
                alias.put(now)

    def adopt(self, aliases: List[Alias]) -> None:
        """Take in aliases that were found."""
        known = {alias.place for alias in self.aliases}
        self.aliases.extend(alias for alias in aliases if alias.place not in known)

    def alias_at(self, place: Tuple[int, str]) -> Union[Alias, None]:
        """Return the known alias at a place while it follows."""
        for alias in self.aliases:
            if alias.place == place and alias.held() is plain(self.top):
                return alias
        return None
