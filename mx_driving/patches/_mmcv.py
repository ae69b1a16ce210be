"""What the patches of mmcv's operators share."""

from __future__ import annotations

from mx_driving import ops
from mx_driving._core import PatchError, PatchSkipped
from mx_driving.ops._library import NOT_BUILT

NO_EXT = "mmcv was built without its operators"


def need_operators() -> None:
    """Load our compiled operators; for a record's ``prepare``.

    Raises:
        PatchSkipped: this package was built without them.
        PatchError: they are there and do not load.
    """
    if not ops.is_built():
        raise PatchSkipped(NOT_BUILT)
    try:
        ops.load()
    except ImportError as exc:
        raise PatchError(str(exc)) from exc
