"""``mx_driving.ops.npu_batch_matmul`` of DrivingSDK."""

from mx_driving.peer.images import npu_batch_matmul as npu_batch_matmul
