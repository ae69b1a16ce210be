"""The columns of a convolution at chosen places."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor
from torch.nn import functional

Pair = Tuple[int, int]


def masked_im2col(image: Tensor, rows: Tensor, columns: Tensor, kernel: Pair, pad: Pair) -> Tensor:
    """Gather the windows around chosen places of one image.

    Args:
        image (Tensor[1, C, H, W]): outside it reads zeros.
        rows, columns (Tensor[M], int64): places of the output.
        kernel, pad (Tuple[int, int]): height and width.

    Returns:
        Tensor[C * kh * kw, M].

    Source: mmcv's ``masked_im2col_forward``, of Guided Anchoring, arXiv 1901.03278.
    """
    padded = functional.pad(image[0], (pad[1], kernel[1], pad[0], kernel[0]))
    taps = [padded[:, rows + i, columns + j] for i in range(kernel[0]) for j in range(kernel[1])]
    return torch.stack(taps, 1).flatten(0, 1)
