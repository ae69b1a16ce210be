"""``index``: on an NPU ``x[mask]`` with a boolean mask goes to ``masked_select``; everything else stays native.

The routing is a dispatcher registration on the NPU's key. ``Tensor.__getitem__`` is never assigned: that breaks torch
in places that no restoring mends (pytorch#161886).
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional

import torch
from torch import Tensor

from mx_driving._core import Effect, PatchRecord, PatchSkipped

KEY = "PrivateUse1"


def _mask_of_rows(tensor: Tensor, indices: List[Optional[Tensor]]) -> Optional[Tensor]:
    """Return the mask if the index is one 1-D boolean mask over 1-D or 2-D data that has columns and is beside it."""
    mask = indices[0] if len(indices) == 1 else None
    if mask is None or mask.dtype != torch.bool or mask.dim() != 1 or tensor.dim() not in (1, 2):
        return None
    reachable = mask.device.type == "cpu" or mask.device == tensor.device
    return mask if reachable and mask.numel() == tensor.size(0) and 0 not in tensor.shape[1:] else None


def select_rows(tensor: Tensor, mask: Tensor) -> Tensor:
    """Return ``tensor[mask]`` by ``masked_select``.

    Args:
        tensor (Tensor[N] or Tensor[N, C]): data.
        mask (Tensor[N], bool): rows to keep.
    """
    mask = mask.to(tensor.device)
    if tensor.dim() == 1:
        return torch.masked_select(tensor, mask)
    return torch.masked_select(tensor, mask.unsqueeze(1).expand_as(tensor)).view(-1, tensor.size(1))


def _register() -> Callable[[], None]:
    get_kernel = getattr(torch.library, "get_kernel", None)
    if get_kernel is None:
        raise PatchSkipped(f"torch {torch.__version__} cannot call the native kernel (no torch.library.get_kernel)")
    native = get_kernel("aten::index.Tensor", KEY)

    def index(keyset: Any, tensor: Tensor, indices: List[Optional[Tensor]]) -> Tensor:
        mask = _mask_of_rows(tensor, indices)
        return native.call_boxed(keyset, tensor, indices) if mask is None else select_rows(tensor, mask)

    library = torch.library.Library("aten", "IMPL")
    library.impl("index.Tensor", index, KEY, with_keyset=True)
    return library._destroy


PATCH = PatchRecord(
    name="index",
    what="`x[mask]` with a boolean mask goes to `masked_select`",
    what_zh="布尔掩码索引 `x[mask]` 改走 `masked_select`",
    targets=(Effect("aten::index.Tensor on PrivateUse1", _register),),
    devices=("npu",),
    why="indexing by a mask runs on the host on several Ascend generations; on a CPU masked_select is ten times slower",
    upstream="newer torch_npu has a fast native kernel on some devices: measure with and without",
    remove_when="torch_npu's index is as fast on every supported device",
)
