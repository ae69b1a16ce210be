"""Sparse convolution: ``mx_driving.spconv``, an older namespace of DrivingSDK."""

from mx_driving.peer import namespace, provided

NAMES = [
    "SparseConvTensor",
    "SubMConv3d",
    "SparseConv3d",
    "SparseSequential",
    "SparseInverseConv3d",
    "SparseModule",
    "SparseConvolution",
]

__all__ = [*provided(NAMES)]  # noqa: PLE0604
__getattr__ = namespace("spconv", NAMES)
