"""The seed's ``patch_mmcv_version``: solve the mmcv version conflict from Python, without the bootstrap."""

from __future__ import annotations

import sys
import warnings
from types import TracebackType
from typing import Any, List, Optional, Sequence, Type

from mx_driving.bootstrap import FINDER, MmcvVersionWarning, Request, make_request
from mx_driving.bootstrap.starter import may_check
from mx_driving.bootstrap.window import read_checks


class MmcvVersionPatch:
    """A version in force for packages that check; ends with ``undo()`` or on leaving a ``with``."""

    def __init__(self, request: Request) -> None:
        self.request = request
        # A bootstrap that is switched on and still waits would come later and so have precedence over this request.
        for finder in list(sys.meta_path):
            if hasattr(finder, "hand_over"):
                finder.hand_over()
        FINDER.add(request)

    def undo(self) -> None:
        """Take the version back; imports from now on see what was in force before. A second call changes nothing."""
        FINDER.remove(self.request)

    def __enter__(self) -> MmcvVersionPatch:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.undo()


def patch_mmcv_version(version: str, also: Sequence[str] = ()) -> MmcvVersionPatch:
    """Show packages that assert mmcv's version another one while their ``__init__`` runs.

    ``mmcv.__version__`` itself stays the true one, before, after and for everybody else. mmcv may be imported already
    or not; the packages that check must not be, so call this before them. None of them is imported here.

    Args:
        version: the version to show, such as ``"1.6.0"``, or ``"auto"`` for the nearest one inside the window that each
            package asserts.
        also: of mmengine, mmdet and mmseg those whose range errors are met automatically too.

    Returns:
        A handle that may be ignored, or used in a ``with``, or undone.

    Raises:
        TypeError: if the version is no text.
        ValueError: if it is neither "auto" nor a version (PEP 440).
    """
    patch = MmcvVersionPatch(make_request(version, also, f'patch_mmcv_version("{version}")'))
    for name in imported_checkers():
        warnings.warn(
            f"mx_driving: {name} is already imported, so its check has run and does not see {version}; "
            f"call patch_mmcv_version before the first import of {name}",
            MmcvVersionWarning,
            stacklevel=2,
        )
    return patch


def imported_checkers() -> List[str]:
    """Return the names of loaded packages whose ``__init__`` checks mmcv's version; reads source, imports nothing."""
    return sorted(name for name in list(sys.modules) if may_check(name) and _checks_mmcv(name))


def _checks_mmcv(name: str) -> bool:
    loader: Any = getattr(getattr(sys.modules.get(name), "__spec__", None), "loader", None)
    try:
        source = loader.get_source(name) if hasattr(loader, "get_source") else None
    except (ImportError, OSError, SyntaxError, ValueError):
        # The module runs already; without its source nothing can be said about its check.
        source = None
    return "mmcv" in read_checks(source or "").windows
