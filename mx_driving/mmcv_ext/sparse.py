"""Sparse convolution under the names and arguments of mmcv's extension."""

from __future__ import annotations

from typing import List, Sequence

from torch import Tensor

from mx_driving.ops.get_indice_pairs import get_indice_pairs
from mx_driving.ops.indice_conv import conv_backward, conv_forward
from mx_driving.ops.indice_maxpool import maxpool_backward, maxpool_forward


def get_indice_pairs_2d_forward(
    indices: Tensor,
    batchSize: int,
    outSpatialShape: Sequence[int],
    spatialShape: Sequence[int],
    kernelSize: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    outPadding: Sequence[int],
    _subM: int,
    _transpose: int,
) -> List[Tensor]:
    """Return outputs, pairs and their numbers; see :func:`mx_driving.ops.get_indice_pairs`. One for 2 to 4 axes."""
    return list(
        get_indice_pairs(
            indices,
            batchSize,
            outSpatialShape,
            spatialShape,
            kernelSize,
            stride,
            padding,
            dilation,
            subm=bool(_subM),
            transpose=bool(_transpose),
        )
    )


get_indice_pairs_3d_forward = get_indice_pairs_2d_forward
get_indice_pairs_4d_forward = get_indice_pairs_2d_forward


def get_indice_pairs_2d_backward(
    indices: Tensor,
    gridOut: Tensor,
    batchSize: int,
    outSpatialShape: Sequence[int],
    spatialShape: Sequence[int],
    kernelSize: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    outPadding: Sequence[int],
    _subM: int,
    _transpose: int,
) -> List[Tensor]:
    """As the forward form; mmcv's name for the variant with a grid to search in, which ours does not need."""
    return get_indice_pairs_2d_forward(
        indices,
        batchSize,
        outSpatialShape,
        spatialShape,
        kernelSize,
        stride,
        padding,
        dilation,
        outPadding,
        _subM,
        _transpose,
    )


get_indice_pairs_3d_backward = get_indice_pairs_2d_backward


def indice_conv_forward(
    features: Tensor,
    filters: Tensor,
    indicePairs: Tensor,
    indiceNum: Tensor,
    numActOut: int,
    _inverse: int,
    _subM: int,
) -> Tensor:
    """Convolve; see :func:`mx_driving.ops.indice_conv`."""
    return conv_forward(features, filters, indicePairs, indiceNum, numActOut, bool(_inverse), bool(_subM))


def indice_conv_backward(
    features: Tensor,
    filters: Tensor,
    outGrad: Tensor,
    indicePairs: Tensor,
    indiceNum: Tensor,
    _inverse: int,
    _subM: int,
) -> List[Tensor]:
    """Return the gradients to features and filters."""
    return list(conv_backward(features, filters, outGrad, indicePairs, indiceNum, bool(_inverse), bool(_subM)))


def fused_indice_conv_forward(
    features: Tensor,
    filters: Tensor,
    bias: Tensor,
    indicePairs: Tensor,
    indiceNum: Tensor,
    numActOut: int,
    _inverse: int,
    _subM: int,
) -> Tensor:
    """Convolve and add a bias [C_out]."""
    return indice_conv_forward(features, filters, indicePairs, indiceNum, numActOut, _inverse, _subM) + bias


def indice_maxpool_forward(features: Tensor, indicePairs: Tensor, indiceNum: Tensor, numAct: int) -> Tensor:
    """Pool; see :func:`mx_driving.ops.indice_maxpool`."""
    return maxpool_forward(features, indicePairs, indiceNum, numAct)


def indice_maxpool_backward(
    features: Tensor, outFeatures: Tensor, outGrad: Tensor, indicePairs: Tensor, indiceNum: Tensor
) -> Tensor:
    """Return the gradient to the features."""
    return maxpool_backward(features, outFeatures, outGrad, indicePairs, indiceNum)
