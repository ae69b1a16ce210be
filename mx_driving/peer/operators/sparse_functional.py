"""``mx_driving.ops.sparse_functional`` of DrivingSDK."""

from mx_driving.peer.sparse import SparseConvFunction as SparseConvFunction
from mx_driving.peer.sparse import SparseInverseConvFunction as SparseInverseConvFunction
from mx_driving.peer.sparse import SubMConvFunction as SubMConvFunction
from mx_driving.peer.sparse import indice_conv as indice_conv
from mx_driving.peer.sparse import indice_inverse_conv as indice_inverse_conv
from mx_driving.peer.sparse import indice_subm_conv as indice_subm_conv
