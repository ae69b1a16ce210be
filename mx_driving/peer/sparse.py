"""Sparse 3D convolution under the peer's names: weights [k0, k1, k2, C_in, C_out], outputs sorted by cell."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor, nn

from mx_driving.ops.get_indice_pairs import get_indice_pairs
from mx_driving.ops.indice_conv import conv_backward, conv_forward

Triple = Union[int, Sequence[int]]


class SparseConvTensor:
    """Features [N, C] at cells [N, 4], ``(batch, d0, d1, d2)``, of a grid ``spatial_shape``."""

    def __init__(
        self, features: Tensor, indices: Tensor, spatial_shape: Sequence[int], batch_size: int, grid: Any = None
    ) -> None:
        self.features = features
        self.indices = indices.int()
        self.spatial_shape = spatial_shape
        self.batch_size = batch_size
        self.indice_dict: Dict[str, Any] = {}
        self.grid = grid

    @property
    def spatial_size(self) -> int:
        """Cells of the grid."""
        return math.prod(int(size) for size in self.spatial_shape)

    @property
    def sparity(self) -> float:
        """Share of the cells that are stored."""
        return self.indices.shape[0] / self.spatial_size / self.batch_size

    def find_indice_pair(self, key: Optional[str]) -> Any:
        """Return what a convolution stored under its ``indice_key``, or None."""
        return None if key is None else self.indice_dict.get(key)

    def replace_feature(self, feature: Tensor) -> SparseConvTensor:
        """Return the same cells with other features, as spconv 2 does."""
        return _like(self, feature, self.indices, self.spatial_shape)

    def dense(self, channels_first: bool = True) -> Tensor:
        """Return Tensor[B, C, *spatial_shape], or channels last; absent cells are 0."""
        shape = [int(self.batch_size), *(int(size) for size in self.spatial_shape), self.features.shape[1]]
        result = self.features.new_zeros(shape).index_put(tuple(self.indices.long().t()), self.features)
        return result.permute(0, 4, 1, 2, 3).contiguous() if channels_first else result


def _like(tensor: SparseConvTensor, features: Tensor, indices: Tensor, shape: Sequence[int]) -> SparseConvTensor:
    result = SparseConvTensor(features, indices, shape, tensor.batch_size, tensor.grid)
    result.indice_dict = dict(tensor.indice_dict)
    return result


class SparseModule(nn.Module):
    """Marks modules that take a :class:`SparseConvTensor`."""


def is_spconv_module(module: Any) -> bool:
    """Tell whether a module takes a :class:`SparseConvTensor`."""
    return isinstance(module, SparseModule)


class SparseSequential(SparseModule):
    """Modules one after the other; those that are not sparse get the features."""

    def __init__(self, *args: Any, **kwargs: nn.Module) -> None:
        super().__init__()
        ordered = len(args) == 1 and isinstance(args[0], OrderedDict)
        named = args[0] if ordered else {str(number): module for number, module in enumerate(args)}
        for name, module in [*named.items(), *kwargs.items()]:
            self.add(module, name)

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> Any:
        return list(self._modules.values())[index]

    def add(self, module: nn.Module, name: Optional[str] = None) -> None:
        """Append a module, by default named as its place."""
        name = str(len(self)) if name is None else name
        if name in self._modules:
            raise ValueError(f"SparseSequential: expected a new name, got {name!r} twice; choose another")
        self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Run the modules; without points those that are not sparse are left out."""
        for module in self._modules.values():
            if is_spconv_module(module) or not isinstance(input, SparseConvTensor):
                input = module(input)
            elif input.indices.shape[0]:
                input.features = module(input.features)
        return input


class SparseConvFunction(torch.autograd.Function):
    """The product over given pairs; ``forward`` may be re-assigned."""

    INVERSE = SUBM = False

    @classmethod
    def _flags(cls) -> Tuple[bool, bool]:
        return cls.INVERSE, cls.SUBM

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, pairs: Any, rows: int, flags: Any) -> Tensor:
        """Return Tensor[rows, C_out]."""
        (table, numbers), (inverse, subm) = pairs, flags
        ctx.save_for_backward(features, weight, table, numbers)
        ctx.flags = flags
        return conv_forward(features, weight, table, numbers, rows, inverse, subm)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tuple[Any, ...]:
        """Return the gradients of features and weight."""
        features, weight, pairs, numbers = ctx.saved_tensors
        return (*conv_backward(features, weight, grad, pairs, numbers, *ctx.flags), None, None, None)


class SubMConvFunction(SparseConvFunction):
    """Submanifold."""

    INVERSE, SUBM = False, True


class SparseInverseConvFunction(SparseConvFunction):
    """Back over the pairs of an earlier convolution."""

    INVERSE, SUBM = True, False


indice_conv = SparseConvFunction.apply
indice_subm_conv = SubMConvFunction.apply
indice_inverse_conv = SparseInverseConvFunction.apply


class SparseConvolution(SparseModule):
    """A sparse convolution; the arguments are the peer's, ``stride`` stands before ``indice_key`` everywhere."""

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Triple = 3,
        stride: Triple = 1,
        padding: Triple = 0,
        dilation: Triple = 1,
        groups: int = 1,
        bias: bool = True,
        subm: bool = False,
        output_padding: Triple = 0,
        transposed: bool = False,
        inverse: bool = False,
        indice_key: Optional[str] = None,
        fused_bn: bool = False,
        mode: str = "mmcv",
    ) -> None:
        super().__init__()
        if ndim != 3 or groups != 1 or transposed:
            raise RuntimeError("SparseConvolution: expected 3 dimensions, 1 group and no transposition")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = _three(kernel_size), _three(stride)
        self.padding, self.dilation = _three(padding), _three(dilation)
        self.subm, self.inverse, self.indice_key, self.mode = subm, inverse, indice_key, mode
        self.weight = nn.Parameter(torch.empty(*self.kernel_size, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the values: ``mode`` ``"mmcv"`` as torch on five dimensions, ``"spconv"`` within +-1/sqrt(fan)."""
        bound = 1 / math.sqrt(self.in_channels * math.prod(self.kernel_size))
        if self.mode == "spconv":
            nn.init.uniform_(self.weight, -bound, bound)
        else:
            nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input_: SparseConvTensor) -> SparseConvTensor:
        """Convolve; keys are read and stored as the peer does."""
        if not isinstance(input_, SparseConvTensor):
            raise RuntimeError(f"{type(self).__name__}: expected a SparseConvTensor, got {type(input_).__name__}")
        indices, shape, pairs = self._pairs(input_)
        function = SparseInverseConvFunction if self.inverse else SubMConvFunction if self.subm else SparseConvFunction
        rows = indices.shape[0]
        features: Tensor = function.apply(input_.features, self.weight, pairs, rows, function._flags())
        if self.bias is not None:
            features = features + self.bias.to(features.dtype)
        return _like(input_, features, indices, shape)

    def _pairs(self, input_: SparseConvTensor) -> Tuple[Tensor, Sequence[int], Tuple[Tensor, Tensor]]:
        stored = input_.find_indice_pair(self.indice_key)
        if self.inverse:
            if stored is None:
                raise RuntimeError(f"SparseInverseConv3d: no earlier convolution has indice_key={self.indice_key!r}")
            return stored
        if self.subm and stored is not None:
            return input_.indices, input_.spatial_shape, stored[2]
        shape = [int(size) for size in input_.spatial_shape]
        out_shape = shape if self.subm else [
            (size + 2 * p - d * (k - 1) - 1) // s + 1
            for size, p, d, k, s in zip(shape, self.padding, self.dilation, self.kernel_size, self.stride)
        ]  # fmt: skip
        taps = (self.kernel_size, self.stride, self.padding, self.dilation)
        indices, *pairs = get_indice_pairs(
            input_.indices, int(input_.batch_size), out_shape, shape, *taps, subm=self.subm
        )
        if self.indice_key is not None:
            input_.indice_dict[self.indice_key] = (input_.indices, input_.spatial_shape, tuple(pairs))
        return indices, out_shape, (pairs[0], pairs[1])


def _three(value: Triple) -> Tuple[int, ...]:
    return (value,) * 3 if isinstance(value, int) else tuple(value)


class _Named(SparseConvolution):
    KIND: Dict[str, bool] = {}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Triple,
        stride: Triple = 1,
        padding: Triple = 0,
        dilation: Triple = 1,
        groups: int = 1,
        bias: bool = True,
        indice_key: Optional[str] = None,
        mode: str = "mmcv",
    ) -> None:
        steps = (kernel_size, stride, padding, dilation, groups, bias)
        super().__init__(3, in_channels, out_channels, *steps, indice_key=indice_key, mode=mode, **self.KIND)


class SparseConv3d(_Named):
    """Outputs are all cells that an input reaches."""


class SubMConv3d(_Named):
    """Outputs are the inputs' cells."""

    KIND = {"subm": True}


class SparseInverseConv3d(_Named):
    """Back to the cells before the convolution of the same ``indice_key``."""

    KIND = {"inverse": True}
