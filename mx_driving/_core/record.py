"""Patch records: a patch as data, what is replaced, by what, where it applies, why, and when it can go."""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Tuple, Union

from mx_driving._core.site import dressed, plain, stored

DEVICES = ("cpu", "npu")
"""Where our operators have kernels: on other devices the stock ones stay."""

ANYWHERE = ("cpu", "npu", "cuda", "mps")
"""For patches that mend Python code."""


def _named_like(new: types.FunctionType, original: Any) -> types.FunctionType:
    # The name makes tracebacks and pickles point at the place that is patched, which then holds this very object.
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        value = getattr(original, attribute, None)
        if value is not None:
            setattr(new, attribute, value)
    new.__wrapped__ = original  # type: ignore[attr-defined]
    return new


def _copied(function: Callable) -> types.FunctionType:
    if not isinstance(function, types.FunctionType):

        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]
    new = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    new.__kwdefaults__ = function.__kwdefaults__
    return new


@dataclass(frozen=True)
class Replace:
    """Replace the callable at ``path``.

    Args:
        path: ``"package.module:Owner.attribute"``.
        by: takes the original's arguments; with ``wrap`` the original comes before them.
        wrap: whether ``by`` is handed the original.
        requires: version ranges for this target alone, such as ``("mmdet3d>=1.1",)``.
        optional: why a supported version may lack the target; empty if none may.
    """

    path: str
    by: Callable
    wrap: bool = False
    requires: Tuple[str, ...] = ()
    optional: str = ""

    def build(self, raw: Any) -> Any:
        """Return a new object for the site; its identity is unique, so that every alias of it can be found again."""
        original = plain(raw)
        if self.wrap:
            by = self.by

            def call(*args: Any, **kwargs: Any) -> Any:
                return by(original, *args, **kwargs)

            new = call
        else:
            new = _copied(self.by)
        return dressed(_named_like(new, original), raw)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Provide:
    """Add the attribute at ``path`` where the installed version has none, such as ``numpy:bool``."""

    path: str
    value: Any
    requires: Tuple[str, ...] = ()

    def build(self, raw: Any) -> Any:
        """Return the value; there is no original."""
        return self.value


@dataclass(frozen=True)
class Effect:
    """A change that is no attribute, such as a dispatcher registration.

    Args:
        path: what is changed, for the report.
        start: makes the change and returns the function that takes it back; may raise PatchSkipped.
    """

    path: str
    start: Callable[[], Callable[[], None]]
    requires: Tuple[str, ...] = ()


Target = Union[Replace, Provide, Effect]


@dataclass(frozen=True)
class PatchRecord:
    """A named, declarative patch; names are public and stable.

    Args:
        name: what users write in ``disable``.
        targets: what is changed.
        what, what_zh: what a user reads in a table, in English and in Chinese.
        why, upstream, remove_when: shown in docs and report; where upstream stands and when the patch can be deleted.
        requires: version ranges that must all be met; a missing package skips the patch.
        devices: where it applies.
        reaches: classes (``"mmcv.ops:DeformConv2d"``) whose instances run the patched code, for the report.
        default: whether it is on without being named in ``enable``.
        off_on: devices where it is off all the same unless it is named in ``enable``, as it brings nothing there.
        prepare: called before the patch is applied, only if it was selected; loads what the replacement needs. Raises
            PatchSkipped or PatchError to say that it cannot.
    """

    name: str
    targets: Tuple[Target, ...]
    why: str
    upstream: str
    remove_when: str
    requires: Tuple[str, ...] = ()
    devices: Tuple[str, ...] = DEVICES
    reaches: Tuple[str, ...] = field(default=())
    default: bool = True
    off_on: Tuple[str, ...] = ()
    prepare: Optional[Callable[[], None]] = None
    what: str = ""
    what_zh: str = ""

    def why_off(self, device: str) -> str:
        """Return why it is off on a device unless it is asked for by name; an empty string if it is on."""
        if not self.default:
            return "off by default, name it in enable"
        return f"off by default on {device}, name it in enable" if device in self.off_on else ""

    @functools.cached_property
    def modules(self) -> Tuple[str, ...]:
        """Names of the modules that are changed."""
        return tuple(dict.fromkeys(split(target.path)[0] for target in self.targets if not isinstance(target, Effect)))


def split(path: str) -> Tuple[str, Tuple[str, ...]]:
    """Split ``"package.module:Owner.attribute"`` into the module's name and the attribute chain.

    Raises:
        ValueError: the path is of another form.
    """
    module, colon, attributes = path.partition(":")
    if not (module and colon and attributes):
        raise ValueError(f"a target is written 'package.module:Owner.attribute', got {path!r}")
    return module, tuple(attributes.split("."))


def find(module: types.ModuleType, attributes: Tuple[str, ...]) -> Optional[Any]:
    """Return the owner that holds the last attribute of the chain, or None where the chain breaks."""
    owner: Any = module
    for name in attributes[:-1]:
        owner = stored(owner, name)
        if not isinstance(owner, (type, types.ModuleType)):
            return None
    return owner
