"""Scatter and neighbours: ``mx_driving.common``, an older namespace of DrivingSDK."""

from mx_driving.peer import namespace, provided

NAMES = [
    "scatter_max",
    "scatter_mean",
    "hypot",
    "assign_score_withk",
    "knn",
    "three_interpolate",
    "three_nn",
]

__all__ = [*provided(NAMES)]  # noqa: PLE0604
__getattr__ = namespace("common", NAMES)
