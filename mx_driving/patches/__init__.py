"""The catalogue of patches: one file per patch, one line here.

A file ``<name>.py`` defines ``PATCH``, a :class:`mx_driving._core.PatchRecord` of the same name.
"""

from __future__ import annotations

import importlib
from typing import Dict, Iterable, Optional, Sequence, Tuple

from mx_driving._core import PatchRecord, UnknownPatchError, unknown_name

CATALOGUE = (
    "msda",
    "dc",
    "mdc",
    "index",
    "batch_matmul",
    "focal_loss",
    "cuda_wrappers",
    "resnet_add_relu",
    "resnet_maxpool",
    "resnet_fp16",
    "pseudo_sampler",
    "nuscenes_metric",
    "nuscenes_dataset",
    "numpy_type",
    "collections_compat",
    "dp",
    "ddp",
    "ddp_forward",
    "stream",
    "optimizer_hooks",
    "optimizer_wrapper",
)
"""Public names in the order in which the patches are applied and reported."""

ALIASES = {
    "multi_scale_deformable_attention": "msda",
    "deform_conv": "dc",
    "modulated_deform_conv": "mdc",
    "tensor_index": "index",
    "sigmoid_focal_loss": "focal_loss",
    "numpy_compat": "numpy_type",
    "Iterable": "collections_compat",
}
"""Other names that are taken everywhere: those of DrivingSDK's patcher, of both its generations."""


def canonical(name: str) -> str:
    """Return the catalogue's name for a name or an alias; anything else as it is."""
    return ALIASES.get(name, name)


def load(name: str) -> PatchRecord:
    """Import a patch's file and return its record.

    Raises:
        UnknownPatchError: the name is not in the catalogue.
    """
    check_names((name,), "load")
    return importlib.import_module(f"mx_driving.patches.{canonical(name)}").PATCH


def load_all() -> Tuple[PatchRecord, ...]:
    """Return all records in catalogue order."""
    return tuple(load(name) for name in CATALOGUE)


def check_names(names: Iterable[object], where: str, own: Sequence[PatchRecord] = ()) -> None:
    """Raise UnknownPatchError, with the nearest known name, for the first name that neither we nor the user have."""
    known = [*CATALOGUE, *(patch.name for patch in own)]
    for name in names:
        if not isinstance(name, str) or canonical(name) not in known:
            raise UnknownPatchError(unknown_name(name, known, where))


def excluded(
    disable: Sequence[str],
    enable: Sequence[str],
    only: Optional[Sequence[str]],
    device: str = "cpu",
    own: Sequence[PatchRecord] = (),
) -> Dict[str, str]:
    """Return the reason for each patch that the user's choice leaves out.

    Args:
        disable: patches to leave out.
        enable: patches to take in although they are off by default.
        only: if given, all others are left out.
        device: where the patches will apply; some are on by default on one device and off on another.
        own: the user's patches beside ours.

    Raises:
        UnknownPatchError: a name is in no catalogue.
        ValueError: a name is both enabled and disabled.
    """
    for where, names in (("disable", disable), ("enable", enable), ("only", only or ())):
        check_names(names, where, own)
    disable, enable = [canonical(name) for name in disable], [canonical(name) for name in enable]
    only = None if only is None else [canonical(name) for name in only]
    both = sorted(set(disable) & (set(enable) | set(only or ())))
    if both:
        raise ValueError(f"disable: {both[0]!r} is also in enable or only; expected one of the two; remove one")
    reasons = {}
    for patch in (*load_all(), *own):
        if patch.name in disable:
            reasons[patch.name] = "disabled by the user"
        elif only is not None and patch.name not in only:
            reasons[patch.name] = "not in only"
        elif only is None and patch.name not in enable and patch.why_off(device):
            reasons[patch.name] = patch.why_off(device)
    return reasons
