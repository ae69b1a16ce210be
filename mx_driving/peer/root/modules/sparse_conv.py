"""``mx_driving.modules.sparse_conv`` of DrivingSDK."""

from mx_driving.peer.sparse import SparseConv3d as SparseConv3d
from mx_driving.peer.sparse import SparseConvolution as SparseConvolution
from mx_driving.peer.sparse import SparseInverseConv3d as SparseInverseConv3d
from mx_driving.peer.sparse import SubMConv3d as SubMConv3d
