"""``mmcv._ext`` for an mmcv that was installed without its operators; importing this puts it in force.

    import mx_driving.mmcv_ext   # before mmcv.ops; an installed mx_driving does it at interpreter start

A compiled ``mmcv._ext`` is never shadowed: the finder stands last and answers only where nobody else does.
"""

from __future__ import annotations

from mx_driving.mmcv_ext.provider import describe, install, is_ours

__all__ = ["GROUPS", "describe", "install", "is_ours"]

GROUPS = ("boxes", "boxes3d", "convolution", "losses", "misc", "points", "roi", "segmentation", "sparse", "voxels")
"""Files of this folder whose public functions are the extension's; a new one is named here and nowhere else."""

install()
