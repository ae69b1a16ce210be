"""``numpy_type``: the type names that numpy 1.24 removed, which mmdet3d 1.0 and its kin still use (``np.bool``).

In force before the first batch is loaded. Forked workers inherit it; a spawned worker is a new interpreter, so what it
runs is replaced too: it brings the names with it. Out of reach are workers that run before any hook does: mmengine's
IterBasedTrainLoop starts its own when it is built.
"""

from __future__ import annotations

from typing import Any, Callable

from mx_driving._core import ANYWHERE, Effect, PatchRecord, Provide
from mx_driving._core.site import Site

NAMES = {"bool": bool, "int": int, "float": float, "complex": complex, "object": object, "str": str, "long": int}
WORKERS = "torch.utils.data._utils.worker"


def worker_loop(*args: Any, **kwargs: Any) -> None:
    """Provide the names and run torch's loop; in a spawned worker this module is imported to find this function."""
    import numpy
    from torch.utils.data._utils import worker

    for name, value in NAMES.items():
        if name not in vars(numpy):
            setattr(numpy, name, value)
    # In a forked worker torch's module holds this function: what it replaced stands beside it.
    getattr(worker, STOCK, worker._worker_loop)(*args, **kwargs)


STOCK = "_worker_loop_before_mx_driving"


def _reach_workers() -> Callable[[], None]:
    from torch.utils.data._utils import worker

    sites = [Site.read(worker, "_worker_loop"), Site.read(worker, STOCK)]
    setattr(worker, STOCK, worker._worker_loop)
    # Not a Replace: pickle must find the function under its own name and in its own module.
    worker._worker_loop = worker_loop

    def undo() -> None:
        for site in sites:
            site.restore()

    return undo


PATCH = PatchRecord(
    name="numpy_type",
    what=(
        "the type names that numpy removed (`np.bool`), in data workers too (not in those of mmengine's "
        "`IterBasedTrainLoop`, which start before any hook)"
    ),
    what_zh=(
        "numpy 已删除的类型名（`np.bool` 等），数据加载进程里同样有效（mmengine 的 `IterBasedTrainLoop` 除外"
        "，它的进程在任何 hook 之前就已启动）"
    ),
    targets=(
        *(Provide(f"numpy:{name}", value) for name, value in NAMES.items()),
        Effect(f"{WORKERS}._worker_loop", _reach_workers),
    ),
    requires=("numpy>=1.24",),
    devices=ANYWHERE,
    why="AttributeError: module 'numpy' has no attribute 'bool', in the data pipeline",
    upstream="mmdet3d 1.1 uses the plain names",
    remove_when="mmdet3d 1.0 is no longer supported",
)
