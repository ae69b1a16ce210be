"""``mx_driving.modules.sparse_modules`` of DrivingSDK."""

from mx_driving.peer.sparse import SparseModule as SparseModule
from mx_driving.peer.sparse import SparseSequential as SparseSequential
from mx_driving.peer.sparse import is_spconv_module as is_spconv_module
