"""Patch records: a patch as data, what is replaced, by what, where it applies, why, and when it can go."""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, Optional, Tuple, Union

from mx_driving._core.replacement import replacement
from mx_driving._core.site import stored

DEVICES = ("cpu", "npu")
"""Where our operators have kernels: on other devices the stock ones stay."""

ANYWHERE = ("cpu", "npu", "cuda", "mps")
"""For patches that mend Python code."""


@dataclass(frozen=True)
class _Target:
    """What targets in a module have in common: the path is split, and checked, once, when the target is made."""

    module: str = field(init=False, repr=False, compare=False)
    attributes: Tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        module, attributes = split(self.path)  # type: ignore[attr-defined]
        object.__setattr__(self, "module", module)
        object.__setattr__(self, "attributes", attributes)


@dataclass(frozen=True)
class Replace(_Target):
    """Replace the callable at ``path``.

    Args:
        path: ``"package.module:Owner.attribute"``.
        by: takes the original's arguments; with ``wrap`` the original comes before them.
        wrap: whether ``by`` is handed the original.
        requires: version ranges for this target alone, such as ``("mmdet3d>=1.1",)``.
        optional: why a supported version may lack the target; empty if none may.

    Example:
        >>> Replace("my_package.boxes:area", lambda boxes: boxes.area()).path
        'my_package.boxes:area'
    """

    path: str
    by: Callable
    wrap: bool = False
    requires: Tuple[str, ...] = ()
    optional: str = ""

    follows: ClassVar[bool] = True
    unique: ClassVar[bool] = True

    def build(self, raw: Any) -> Any:
        """Return a new object for the site."""
        return replacement(self.by, self.wrap, raw)


@dataclass(frozen=True)
class Provide(_Target):
    """Add the attribute at ``path`` where the installed version has none, such as ``numpy:bool``."""

    path: str
    value: Any
    requires: Tuple[str, ...] = ()

    follows: ClassVar[bool] = False
    unique: ClassVar[bool] = False

    def build(self, raw: Any) -> Any:
        """Return the value; there is no original."""
        return self.value


@dataclass(frozen=True)
class Effect:
    """A change that is no attribute, such as a dispatcher registration.

    Args:
        path: what is changed, for the report.
        start: makes the change and returns the function that takes it back; may raise PatchSkipped.
        last: whether the patches that come before it must be in force by then.
    """

    path: str
    start: Callable[[], Callable[[], None]]
    requires: Tuple[str, ...] = ()
    last: bool = False


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

    Example:
        >>> record = PatchRecord("area", (Replace("boxes:area", len),), why="slow", upstream="-", remove_when="boxes 2")
        >>> record.modules
        ('boxes',)
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
        return tuple(dict.fromkeys(target.module for target in self.targets if not isinstance(target, Effect)))


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
