"""The functions of ``mmcv._ext`` in mmcv's calling conventions, over :mod:`mx_driving.ops`."""

GROUPS = ("boxes3d", "sparse", "voxels")
"""Files of this folder whose public functions are the extension's; a new one is named here and nowhere else."""
