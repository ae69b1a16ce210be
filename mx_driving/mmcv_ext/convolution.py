"""Deformable operators under the names and arguments of mmcv's extension.

What an argument is for stands in mmcv; buffers that mmcv's kernels need (``columns``, ``ones``) are left as they are.
"""

from __future__ import annotations
