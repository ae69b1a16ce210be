"""What fits no other group, in the calling conventions of mmcv's extension."""

from __future__ import annotations

import torch


def get_compiler_version() -> str:
    """Say who made the operators, where mmcv says which C++ compiler did."""
    return f"mx_driving, on torch {torch.__version__}"


def get_compiling_cuda_version() -> str:
    """Say that no CUDA was involved."""
    return "not available"
