"""The part that runs at interpreter start; the wheel installs a copy of it as ``_mx_driving_bootstrap``.

The copy lies in site-packages beside the ``.pth`` and ``.start`` files, so that it is there even when the package
directory is gone. It imports only what every interpreter has loaded by then and puts one finder on ``sys.meta_path``.
"""

import os
import sys

TYPE_CHECKING = False  # typing and __future__ are files to read, and this runs at interpreter start
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple, Union

VARIABLE = "MX_DRIVING_MMCV_VERSION"
KILL_VARIABLE = "MX_DRIVING_BOOTSTRAP"
OFF_VALUES = ("0", "off", "false", "no")
SETTINGS_NAME = "mx_driving_bootstrap.settings"
#: Top-level names with the prefix of the checking packages that check nothing themselves.
NEVER = frozenset(("mmap", "mmcv", "mmengine"))


def may_check(name: str) -> bool:
    """Tell cheaply whether a module of this dotted name can be one that asserts a version of mmcv.

    Args:
        name: full module name; only its last part counts, so ``projects.mmdet3d_plugin`` qualifies.

    Returns:
        Bool.
    """
    last = name.rpartition(".")[2]
    return last.startswith("mm") and last not in NEVER


def killed() -> bool:
    """Return True when the kill switch ``MX_DRIVING_BOOTSTRAP`` is set to 0, off, false or no."""
    return os.environ.get(KILL_VARIABLE, "").strip().lower() in OFF_VALUES


def requested(directory: str) -> "Optional[Tuple[Union[str, bytes], str]]":
    """Return what is switched on and by whom, unchecked.

    Args:
        directory: where the settings file lies.

    Returns:
        The value and a readable origin; None when everything is off.

    Raises:
        OSError: if the settings file is there but cannot be read.
    """
    if killed():
        return None
    value = os.environ.get(VARIABLE)
    if value:
        # "0" would be a version by PEP 440, but who writes it wants one command without the environment's setting.
        return None if value.strip().lower() in OFF_VALUES else (value, VARIABLE)
    path = os.path.join(directory, SETTINGS_NAME)
    if not os.path.lexists(path):
        return None
    with open(path, "rb") as stream:
        content = stream.read(4096)
    return (content, path) if content.strip() else None


class StartFinder:
    """Waits for the first package that may check mmcv, then hands over to ``mx_driving.bootstrap``.

    Nothing of mx_driving is imported before that moment, so a process that never meets OpenMMLab pays one prefix test
    per import, and a broken mx_driving cannot break interpreter start.
    """

    def __init__(self, value: "Union[str, bytes]", origin: str) -> None:
        self.value = value
        self.origin = origin
        self.failed = False

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Meta path protocol: return a spec for a checking package, None for everything else."""
        if self.failed or not may_check(name):
            return None
        finder = self.hand_over()
        return finder.find_spec(name, path, target) if finder is not None else None

    def hand_over(self) -> "Any":
        """Put the real finder in this one's place; returns it, or None after a warning when it cannot be loaded."""
        # One arbitrary failure of ours (half an uninstall, a syntax error of a mixed version) must not make the user's
        # import fail; it is reported once, and the package then sees the true version.
        try:
            from mx_driving.bootstrap import activate

            finder = activate(self.value, self.origin)
        except Exception as exc:  # noqa: BLE001
            self.failed = True
            import warnings

            # Level 3 is the user's import statement: importlib's own frames do not count.
            warnings.warn(_one_line(self.origin, exc), RuntimeWarning, stacklevel=3)
            return None
        # The real one has put itself in front, so importlib, which iterates the list right now, skips nobody.
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        return finder


def _one_line(origin: str, exc: Exception) -> str:
    text = " ".join(str(exc).split())[:200]
    return f"mx_driving: {origin} was ignored and every package sees the true mmcv: {type(exc).__name__}: {text}"


class ExtFinder:
    """Stands last and offers ``mmcv._ext``: what the ``.pth`` line writes out, for Pythons that do not run its code."""

    @staticmethod
    def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Meta path protocol: return a spec for ``mmcv._ext``, None for everything else."""
        return find_ext() if name == "mmcv._ext" else None


def offer_ext() -> None:
    """Offer ``mmcv._ext``; called by the ``.start`` file."""
    sys.meta_path.append(ExtFinder)


def find_ext() -> "Any":
    """Return the spec of mx_driving's operators for an mmcv without its own; None when killed or half uninstalled."""
    if killed():
        return None
    try:
        from mx_driving.mmcv_ext import provider
    except ModuleNotFoundError:
        return None
    return provider.spec()


def start(directory: "Optional[str]" = None) -> None:
    """Put the waiting finder in place if the bootstrap is switched on; called by the ``.pth`` and ``.start`` files.

    Args:
        directory: where the settings file lies; this file's own directory by default.
    """
    try:
        request = requested(directory or os.path.dirname(os.path.abspath(__file__)))
    except OSError:
        # Printing here would print at every interpreter start; `mx-driving bootstrap status` reports it instead.
        return
    if request is not None and not any(type(finder).__name__ == "StartFinder" for finder in sys.meta_path):
        sys.meta_path.insert(0, StartFinder(*request))
