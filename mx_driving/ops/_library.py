"""Loads ``mx_driving._C``, whose loading registers the operators, and says what to do when that fails."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings

import torch

_REBUILD = "run `pip install --no-build-isolation .` in mx_driving's sources"


def _release(version: str) -> list[str]:
    return version.split("+")[0].split(".")[:2]


def load() -> None:
    """Load the operators into torch's dispatcher, with their NPU kernels where torch_npu is loaded.

    Raises: ImportError: if ``mx_driving._C`` was not built, or was built for another torch; one line with the cause,
        what was expected and what to do.
    """
    if importlib.util.find_spec("mx_driving._C") is None:
        raise ImportError(
            f"mx_driving.ops: expected the compiled operators mx_driving._C, but they were not built; {_REBUILD}"
        )
    try:
        library = importlib.import_module("mx_driving._C")
    except ImportError as exc:  # the dynamic loader's words: an undefined symbol, a missing libtorch
        raise ImportError(
            f"mx_driving.ops: expected mx_driving._C to be built for torch {torch.__version__}, but it does not load "
            f"({exc}); {_REBUILD}"
        ) from exc
    if _release(library.torch_version) != _release(torch.__version__):
        raise ImportError(
            f"mx_driving.ops: expected mx_driving._C to be built for torch {torch.__version__}, but it was built for "
            f"torch {library.torch_version}; {_REBUILD}"
        )
    if "torch_npu" in sys.modules:
        _load_npu()


def _load_npu() -> None:
    """Load the NPU kernels; without them the operators work on the CPU and say "not implemented" on an NPU."""
    if importlib.util.find_spec("mx_driving._C_npu") is None:
        warnings.warn(
            f"mx_driving.ops: expected the NPU kernels mx_driving._C_npu because torch_npu is loaded, but they were "
            f"not built; {_REBUILD}",
            stacklevel=2,
        )
        return
    try:
        importlib.import_module("mx_driving._C_npu")
    except ImportError as exc:
        raise ImportError(
            f"mx_driving.ops: expected mx_driving._C_npu to be built for the torch_npu that is loaded, but it does not "
            f"load ({exc}); {_REBUILD}"
        ) from exc
