"""``mx_driving.modules.sparse_structure`` of DrivingSDK."""

from mx_driving.peer.sparse import SparseConvTensor as SparseConvTensor
