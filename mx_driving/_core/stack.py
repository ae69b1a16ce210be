"""What is in force at one site: the original, the layers over it, and the aliases that follow."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Dict, List, Set, Tuple, Union

from mx_driving._core.record import Provide, Replace
from mx_driving._core.site import Site, plain
from mx_driving._core.sweep import Alias

_log = logging.getLogger("mx_driving")


@dataclass
class Layer:
    """One replacement at a site; it stays while anybody holds it."""

    target: Union[Replace, Provide]
    holders: Set[Any] = field(default_factory=set)
    in_place: bool = False


class Stack:
    """The layers at one site.

    Removing a layer rebuilds those above it, since a wrapper has the layer below as its original: so sets of patches
    can be undone in any order.
    """

    def __init__(self, site: Site):
        self.site = site
        self.layers: List[Layer] = []
        self.aliases: List[Alias] = []
        self.alias_names: List[str] = []
        self.top = self.bottom = site.raw
        self.installed = False

    def hold(self, target: Union[Replace, Provide], holder: Any) -> bool:
        """Add the holder to the target's layer; tell whether that layer is new."""
        for layer in self.layers:
            if layer.target == target:
                layer.holders.add(holder)
                return False
        self.layers.append(Layer(target, {holder}))
        return True

    def release(self, holder: Any) -> bool:
        """Take the holder's layers away; tell whether that changes what is in force."""
        for layer in self.layers:
            layer.holders.discard(holder)
        kept = [layer for layer in self.layers if layer.holders]
        changed = len(kept) != len(self.layers)
        self.layers = kept
        return changed

    @property
    def swept(self) -> bool:
        """Whether aliases follow: those of an inherited attribute belong to the class that defines it."""
        return self.site.own

    @property
    def stale(self) -> bool:
        """Whether the class that an inherited attribute comes from has changed under the layers."""
        return bool(self.layers) and not self.site.own and self.site.below() is not self.bottom

    @property
    def depth(self) -> int:
        """Distance from the root of the class hierarchy: bases are rebuilt before their subclasses."""
        return len(getattr(self.site.owner, "__mro__", ()))

    def rebuild(self) -> Tuple[Any, Any]:
        """Write what the layers amount to; return the plain callables (before, now) for the aliases to follow."""
        before = self.top
        if self.installed and vars(self.site.owner).get(self.site.name) is not before:
            self._yield_to_others()
            if not self.layers:
                return plain(before), plain(self.bottom)
        self.top = self.bottom = self.site.below()
        for layer in self.layers:
            self.top = layer.target.build(self.top)
            layer.in_place = True
        self.installed = bool(self.layers)
        if self.installed:
            setattr(self.site.owner, self.site.name, self.top)
        else:
            self.site.restore()
        return plain(before), plain(self.top)

    def _yield_to_others(self) -> None:
        """Leave what somebody else put over our layers; only layers that come after it are built, on top of it."""
        name = f"{getattr(self.site.owner, '__name__', self.site.owner)}.{self.site.name}"
        _log.warning("%s was changed by somebody else after mx_driving patched it: that is left as it is", name)
        self.layers = [layer for layer in self.layers if not layer.in_place]
        self.site = Site.read(self.site.owner, self.site.name)
        self.installed = False

    def follow(self, swapped: Dict[int, List[Alias]], before: Any) -> None:
        """Take in the aliases that a sweep found for what was in force before."""
        known = {(id(alias.container), alias.key) for alias in self.aliases}
        fresh = [a for a in swapped.get(id(before), ()) if (id(a.container), a.key) not in known]
        self.aliases.extend(fresh)
        self.alias_names.extend(alias.where for alias in fresh)

    def move_aliases(self, before: Any, now: Any) -> None:
        """Point the known aliases, those in modules that were unloaded meanwhile included, at what is in force now."""
        for alias in self.aliases:
            if alias.held() is before:
                alias.put(now)
