"""What the user asks to be shown: the grammar of ``MX_DRIVING_MMCV_VERSION`` and of the settings file."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple, Union

from .versions import parse, shorten
from .window import TARGETS

AUTO = "auto"
ALSO = tuple(target for target in TARGETS if target != "mmcv")


class Request(NamedTuple):
    """One wish: ``version`` is None for automatic; ``also`` names further packages whose range errors are met."""

    version: Optional[str]
    also: Tuple[str, ...]
    origin: str

    @property
    def targets(self) -> Tuple[str, ...]:
        """The packages whose version may be shown differently."""
        return ("mmcv", *self.also)

    @property
    def value(self) -> str:
        """The request as it is written into the variable or the settings file."""
        return ",".join((self.version or AUTO, *self.also))


def parse_request(value: Union[str, bytes], origin: str) -> Request:
    """Check a value strictly: ``auto`` or a PEP 440 version, then packages, separated by commas.

    Args:
        value: for example ``auto``, ``1.6.0`` or ``auto,mmdet``.
        origin: where it came from, for messages.

    Returns:
        Request.

    Raises:
        ValueError: if it is anything else; the message quotes no more than its beginning.
    """
    text = value.decode("utf-8-sig", "replace") if isinstance(value, bytes) else value
    first, *also = [part.strip() for part in text.strip().split(",")]
    return make_request(first, also, origin)


def make_request(version: str, also: Sequence[str], origin: str) -> Request:
    """Build a request from its parts.

    Args:
        version: ``auto`` or a PEP 440 version.
        also: any of mmengine, mmdet, mmseg.

    Returns:
        Request.

    Raises:
        TypeError: if the version is no text
        ValueError: if it is no version, or a package is not one of those.
    """
    if not isinstance(version, str):
        raise TypeError(f"expected 'auto' or a version such as '1.6.0', got {type(version).__name__}: quote it")
    if isinstance(also, str):
        raise TypeError(
            f"expected a list of packages such as ['mmdet'], got the text {shorten(also)}: put it in a list"
        )
    unknown = [name for name in also if name not in ALSO]
    if unknown:
        raise ValueError(f"expected packages out of {', '.join(ALSO)} after the version, got {shorten(unknown[0])}")
    if version.strip().lower() == AUTO:
        return Request(None, tuple(also), origin)
    try:
        return Request(parse(version).text, tuple(also), origin)
    except ValueError:
        raise ValueError(
            f"expected 'auto' or a version such as '1.6.0', got {shorten(version)}: give one of the two"
        ) from None
