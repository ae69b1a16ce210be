"""Points in boxes: ``mx_driving.preprocess``, an older namespace of DrivingSDK."""

from mx_driving.peer import namespace, provided

NAMES = [
    "npu_points_in_box",
    "npu_points_in_box_all",
    "roipoint_pool3d",
    "RoIPointPool3d",
]

__all__ = [*provided(NAMES)]  # noqa: PLE0604
__getattr__ = namespace("preprocess", NAMES)
