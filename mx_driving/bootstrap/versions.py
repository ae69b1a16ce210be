"""Version arithmetic of the bootstrap: PEP 440 order, the order of OpenMMLab's own helpers, the nearest version.

Standard library only: ``packaging`` may be absent, or be the very package whose import is under way.
Source: PEP 440; ``digit_version`` as written in mmdet 2.14 to 2.28 and in mmcv/mmengine ``utils/version_utils.py``.
"""

from __future__ import annotations

import operator
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

#: No real version is longer; the limit keeps the regular expression from ever seeing 10 kB of garbage.
MAX_LENGTH = 64

_PATTERN = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_n>[0-9]*))?"
    r"(?P<post>(?:-(?P<post_1>[0-9]+))|(?:[-_.]?(?:post|rev|r)[-_.]?(?P<post_2>[0-9]*)))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>[0-9]*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE | re.ASCII,
)
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_PRE_VALUE = {"a": -3, "b": -2, "rc": -1}

COMPARE: Dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}

#: Last patch release of every minor line of mmcv on PyPI (mmcv and mmcv-full agree); development ended with 2.2.0.
MMCV_LINES = {
    (1, 0): 5, (1, 1): 6, (1, 2): 7, (1, 3): 18, (1, 4): 8, (1, 5): 3, (1, 6): 2, (1, 7): 2,
    (2, 0): 1, (2, 1): 0, (2, 2): 0,
}  # fmt: skip


class Version(NamedTuple):
    """One version, taken apart; ``text`` is what was given."""

    text: str
    epoch: int
    release: Tuple[int, ...]
    pre: Optional[Tuple[str, int]]
    post: Optional[int]
    dev: Optional[int]
    local: Optional[str]

    @property
    def public(self) -> str:
        """The release and pre-release part alone: ``1.7.0+npu`` gives ``1.7.0``."""
        pre = "".join(map(str, self.pre)) if self.pre else ""
        return ".".join(map(str, self.release)) + pre


def parse(text: str) -> Version:
    """Take a PEP 440 version apart.

    Args:
        text: for example ``2.0.0rc4`` or ``1.7.2+npu``.

    Returns:
        What compares like PEP 440.

    Raises:
        ValueError: if the text is no version.
    """
    match = _PATTERN.fullmatch(text.strip()) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise ValueError(f"expected a version such as 1.6.0, got {shorten(text)}")
    part = match.groupdict()
    pre = (part["pre"] or "").lower()
    return Version(
        text=text.strip(),
        epoch=int(part["epoch"] or 0),
        release=tuple(int(number) for number in part["release"].split(".")),
        pre=(_PRE.get(pre, pre), int(part["pre_n"] or 0)) if pre else None,
        post=int(part["post_1"] or part["post_2"] or 0) if part["post"] else None,
        dev=int(part["dev_n"] or 0) if part["dev"] else None,
        local=part["local"].lower() if part["local"] else None,
    )


def shorten(text: str) -> str:
    """Return a printable form of any text on one line, at most about 50 characters long."""
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}... ({len(text)} characters)"


def pep440_key(version: Version) -> tuple:
    """Sort key with the order of PEP 440; a local version sorts after the version without it."""
    release = version.release
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    pre: tuple = version.pre or (("z",) if version.dev is None or version.post is not None else ("",))
    post = -1 if version.post is None else version.post
    dev = float("inf") if version.dev is None else version.dev
    local = () if version.local is None else tuple(_local_part(part) for part in re.split("[-_.]", version.local))
    return (version.epoch, release, pre, post, dev, local)


def _local_part(part: str) -> tuple:
    return (1, int(part), "") if part.isdigit() else (0, 0, part)


def digit_key(version: Version) -> tuple:
    """Sort key of ``digit_version`` of mmcv 1.4+, mmseg 0.30+ and mmengine: four numbers, local part ignored."""
    numbers = (version.release + (0, 0, 0, 0))[:4]
    if version.pre:
        return (*numbers, _PRE_VALUE[version.pre[0]], version.pre[1])
    if version.dev is not None:
        return (*numbers, -4, 0)
    return (*numbers, 1, version.post) if version.post is not None else (*numbers, 0, 0)


def list_key(version: Version) -> Optional[List[int]]:
    """Sort key of the ``digit_version`` that mmdet 2.x and mmdet3d < 1.1 carry: parts that are no number vanish.

    None where that helper raises, as it does on ``2.0.0rc4+npu``.
    """
    key: List[int] = []
    for part in version.text.split("."):
        head, rc, tail = part.partition("rc")
        if part.isdigit():
            key.append(int(part))
        elif rc:
            if not (head.isdigit() and tail.isdigit()):
                return None
            key.extend((int(head) - 1, int(tail)))
    return key


class Window(NamedTuple):
    """The versions that a package accepts: every ``(operator, version text)`` pair must hold."""

    bounds: Tuple[Tuple[str, str], ...]

    def __str__(self) -> str:
        return ",".join(op + text for op, text in self.bounds)

    def admits(self, text: str) -> bool:
        """Tell whether every comparison helper in use would accept this version.

        A package's helper is not executed to find out which one it has, so a version must satisfy all three orders.

        Raises:
            ValueError: if the text is no version.
        """
        version = parse(text)
        if list_key(version) is None:
            return False
        keys = (pep440_key, digit_key, list_key)
        return all(COMPARE[op](key(version), key(parse(bound))) for op, bound in self.bounds for key in keys)


def nearest(window: Window, true: str, releases: Sequence[str] = ()) -> Optional[str]:
    """Return the version inside a window that is nearest to the true one.

    Args:
        window: what the package accepts.
        true: the installed version, outside the window.
        releases: versions that exist; the bounds and their neighbours are considered as well.

    Returns:
        None when the window is empty.

    Raises:
        ValueError: if ``true`` is no version.
    """
    version = parse(true)
    if window.admits(version.public):
        return version.public
    texts = [*releases, *(text for _, text in window.bounds)]
    texts += [near for _, bound in window.bounds for near in _neighbours(parse(bound))]
    inside = sorted((text for text in texts if window.admits(text)), key=lambda text: pep440_key(parse(text)))
    if not inside:
        return None
    above = [text for text in inside if pep440_key(parse(text)) > pep440_key(version)]
    return above[0] if len(above) == len(inside) else inside[len(inside) - len(above) - 1]


def _neighbours(version: Version) -> List[str]:
    major, minor, patch = (version.release + (0, 0, 0))[:3]
    below = (major, minor, patch - 1) if patch else (major, minor - 1, 0) if minor else None
    return [".".join(map(str, numbers)) for numbers in ((major, minor, patch + 1), below) if numbers]


def mmcv_releases() -> List[str]:
    """Return every final release of mmcv from 1.0.0 on, oldest first."""
    return [f"{major}.{minor}.{patch}" for (major, minor), last in MMCV_LINES.items() for patch in range(last + 1)]
