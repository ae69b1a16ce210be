"""Loads ``mx_driving._operators``, whose loading registers the operators, and says what to do when that fails."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from typing import Any, List

import torch

_REBUILD = "run `pip install --no-build-isolation .` in mx_driving's sources"

NOT_BUILT = f"expected the compiled operators mx_driving._operators, but they were not built; {_REBUILD}"

_loaded = False


def is_built() -> bool:
    """Tell whether this package has its compiled operators (``MX_DRIVING_BUILD_OPS=0`` builds it without)."""
    return importlib.util.find_spec("mx_driving._operators") is not None


def operators() -> Any:
    """Return torch's namespace of our operators, loaded at first use; the same in torch operators if none were built.

    Raises:
        ImportError: as :func:`load`, for operators that were built and do not load.
    """
    if not _loaded and not is_built():
        return importlib.import_module("mx_driving.ops._composites")
    if not _loaded:
        load()
    return torch.ops.mx_driving


def cpu_kernels(tensor: torch.Tensor) -> Any:
    """Return torch's namespace of our operators for a tensor on the CPU, None elsewhere and where they were not built.

    For operators that torch's own can do everywhere, and a kernel of ours faster on a CPU.
    """
    if tensor.device.type != "cpu" or not (_loaded or is_built()):
        return None
    return operators()


def load() -> None:
    """Load the operators into torch's dispatcher, with their NPU kernels where torch_npu is loaded.

    Raises:
        ImportError: ``mx_driving._operators`` was not built, or was built for another torch; one line with the cause,
            what was expected and what to do.
    """
    global _loaded
    if _loaded:
        return
    if not is_built():
        raise ImportError(f"mx_driving.ops: {NOT_BUILT}")
    try:
        library = importlib.import_module("mx_driving._operators")
    except ImportError as exc:  # the dynamic loader's words: an undefined symbol, a missing libtorch
        raise ImportError(
            f"mx_driving.ops: expected mx_driving._operators to be built for torch {torch.__version__}, but it does "
            f"not load ({exc}); {_REBUILD}"
        ) from exc
    if _release(library.torch_version) != _release(torch.__version__):
        raise ImportError(
            f"mx_driving.ops: expected mx_driving._operators to be built for torch {torch.__version__}, but it was "
            f"built for torch {library.torch_version}; {_REBUILD}"
        )
    if "torch_npu" in sys.modules:
        _load_npu()
    _loaded = True


# What torch.compiler.assume_constant_result sets, without its import of all of dynamo: a function whose first call is
# inside a compiled graph loads the library while it is traced.
load._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _release(version: str) -> List[str]:
    return version.split("+")[0].split(".")[:2]


def _load_npu() -> None:
    """Load the NPU kernels; without them the operators work on the CPU and say "not implemented" on an NPU."""
    if importlib.util.find_spec("mx_driving._operators_npu") is None:
        warnings.warn(
            f"mx_driving.ops: expected the NPU kernels mx_driving._operators_npu because torch_npu is loaded, but they "
            f"were not built; {_REBUILD}",
            stacklevel=2,
        )
        return
    try:
        importlib.import_module("mx_driving._operators_npu")
    except ImportError as exc:
        raise ImportError(
            f"mx_driving.ops: expected mx_driving._operators_npu to be built for the torch_npu that is loaded, but it "
            f"does not load ({exc}); {_REBUILD}"
        ) from exc
