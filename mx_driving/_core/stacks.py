"""All stacks of the process, and what happens when some of them change: everything that depends on them follows."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Dict, Iterable, Optional, Sequence, Tuple

from mx_driving._core.replacement import heir_of
from mx_driving._core.site import MISSING, Site, dressed, plain
from mx_driving._core.stack import Stack
from mx_driving._core.sweep import Alias, Swaps, sweep

_stacks: Dict[Tuple[int, str], Stack] = {}

Leaders = Dict[int, Stack]
"""By the id of an object: the stack that whoever held the object follows."""


def stack_at(owner: Any, name: str) -> Stack:
    """Return the stack of a site; a function's alias in another module is the same site."""
    site = Site.read(owner, name)
    own = own_stack(site)
    if own is not None:
        return own
    held = plain(site.raw)
    if isinstance(owner, ModuleType) and held is not MISSING:
        for stack in _stacks.values():
            same = plain(stack.top) is held and (stack.follows or stack.alias_at(site.place) is not None)
            if same and isinstance(stack.site.owner, ModuleType):
                return stack
    return new_stack(site)


def own_stack(site: Site) -> Optional[Stack]:
    """Return the stack of this very site, unless somebody else has put something over it."""
    key = (id(site.owner), site.name)
    stack = _stacks.get(key)
    if stack is not None and stack.notice_others():
        # It lives on, under what they put there; its key is for what comes over that.
        _stacks[(id(stack), site.name)] = _stacks.pop(key)
        return None
    return stack


def new_stack(site: Site) -> Stack:
    """Return a new stack for a site.

    A place that follows another stack is taken down as it would be without that one, since either may go first.
    """
    for stack in _stacks.values():
        alias = stack.alias_at(site.place)
        if alias is not None:
            site = Site(site.owner, site.name, alias.as_stored(plain(stack.site.raw)), site.own)
    stack = _stacks[(id(site.owner), site.name)] = Stack(site)
    return stack


def leaders() -> Leaders:
    """Return who leads which object now."""
    found: Leaders = {}
    for stack in _stacks.values():
        if stack.claims:
            found.setdefault(id(plain(stack.site.raw)), stack)
    return found


def release(holder: Any, roots: Sequence[Any] = ()) -> None:
    """Take away all that the holder alone holds in force."""
    settle([stack for stack in _stacks.values() if stack.release(holder)], roots)


def settle(touched: Iterable[Stack], roots: Sequence[Any] = ()) -> None:
    """Rebuild the touched stacks and all that stand on them, then let all aliases follow in one sweep."""
    lead = leaders()
    swaps: Swaps = {}
    moves: Dict[int, _Move] = {}
    due = sorted(touched, key=lambda stack: stack.depth)
    while due:
        for stack in due:
            moves.setdefault(id(stack), _Move(stack))
            stack.rebuild(_base(stack, lead))
        stale = [stack for stack in _stacks.values() if stack.is_stale(_base(stack, lead))]
        due = sorted(stale, key=lambda stack: stack.depth)
    for move in moves.values():
        swaps.update(move.swaps())
        move.stack.move_aliases(move.before, plain(move.stack.top))
    taken = {stack.site.place for stack in _stacks.values() if stack.layers and not stack.overlaid}
    found = sweep(swaps, roots, taken)
    for move in moves.values():
        move.stack.adopt([alias for old in move.swaps() for alias in found.get(old, ())])
    _forget(lead)


class _Move:
    """What a stack held when a change began, and who follows it."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.before = plain(stack.top)
        self._follows, self._claimed = stack.follows, stack.claimed

    def swaps(self) -> Swaps:
        """Return what to look for everywhere: what was in force, and what stood there if that is led from now on."""
        now, swaps = plain(self.stack.top), {}
        led = [self.before] if self._follows else []
        if self.stack.claimed and not self._claimed:
            led.append(plain(self.stack.site.raw))
        for old in led:
            # Only functions and classes have aliases worth following: a changed number is nobody's alias.
            if old is not now and callable(old) and callable(now):
                swaps[id(old)] = (old, now)
        return swaps


def _base(stack: Stack, lead: Leaders) -> Any:
    """Return what a stack stands on: what its bases define, or what stood there, as far as that follows no other."""
    site = stack.site
    if not site.own:
        return site.inherited()
    leader = lead.get(id(plain(site.raw)))
    if leader is None or leader is stack:
        return heir_of(site.raw)
    return dressed(plain(leader.top), site.raw)


def _forget(lead: Leaders) -> None:
    """Drop stacks without layers; a site that follows another stack from now on is its alias."""
    for key, stack in list(_stacks.items()):
        if stack.layers:
            continue
        del _stacks[key]
        leader = lead.get(id(plain(stack.site.raw))) if stack.site.own and not stack.overlaid else None
        if leader is not None and leader is not stack:
            owner, name = stack.site.owner, stack.site.name
            container = vars(owner) if isinstance(owner, ModuleType) else owner
            leader.adopt([Alias(f"{owner.__name__}.{name}", container, name, stack.site.raw)])
