"""A runner's entry methods, watched: what has to be taken back is, whatever a run ends with.

No hook point comes after the last ``after_run``, and none at all after a missing ``load_from``, an exception in another
hook's ``before_run`` or in a validation, or Ctrl-C. A hook first meets its runner at ``before_run``, when the entry
method runs already. So the entry methods of the runner classes are wrapped when the first hook is built, once for the
process; for a runner that nobody asks to be told about they only call through.
"""

from __future__ import annotations

import contextlib
import functools
from types import FunctionType
from typing import Any, Callable, Dict, Iterator, Sequence

_MARK = "__mx_driving_entry__"

_runs: Dict[int, contextlib.ExitStack] = {}
"""By the id of a runner that is inside an entry method: what to call when it leaves the outermost one."""


def watch(base: type, names: Sequence[str]) -> None:
    """Watch the entry methods of a runner class and of all its subclasses."""
    for cls in family(base):
        for name in names:
            method = vars(cls).get(name)
            if isinstance(method, FunctionType) and not hasattr(method, _MARK):
                setattr(cls, name, _watched(method))


def when_left(runner: Any, action: Callable[[], None]) -> bool:
    """Have an action called when the runner's run is over, by whatever; tell if somebody watches.

    A class that was defined after the first hook was built, and calls no ``super()``, is not watched in its first run.
    """
    if id(runner) not in _runs:
        return False
    _runs[id(runner)].callback(action)
    return True


def family(cls: type) -> Iterator[type]:
    """Yield a class and all its subclasses."""
    yield cls
    subclass: type
    for subclass in cls.__subclasses__():
        yield from family(subclass)


def _watched(method: FunctionType) -> Callable:
    @functools.wraps(method)
    def entry(runner: Any, *args: Any, **kwargs: Any) -> Any:
        if id(runner) in _runs:  # a subclass's method that calls super(), or a validation inside a training
            return method(runner, *args, **kwargs)
        with contextlib.ExitStack() as exits:
            _runs[id(runner)] = exits
            exits.callback(_runs.pop, id(runner))
            return method(runner, *args, **kwargs)

    setattr(entry, _MARK, True)
    return entry
