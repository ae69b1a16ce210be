"""Every name that was ever published can still be imported, and none is lost by a move."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PUBLISHED = {
    "mx_driving": ("NPUPatchHook", "ProfilerHook", "__version__"),
    "mx_driving.runner_hooks": ("NPUPatchHook", "ProfilerHook"),
    "mx_driving.patcher": (
        "Patch", "Patcher", "PatcherBuilder", "default_patcher_builder", "patch_mmcv_version",
        "msda", "dc", "mdc", "index", "focal_loss", "resnet_add_relu", "resnet_maxpool", "nuscenes_metric",
        "nuscenes_dataset", "numpy_type", "dp", "ddp", "ddp_forward", "stream",
    ),
    "mx_driving.ops": (
        "add_relu", "deform_conv2d", "deform_conv2d_backward", "max_pool2d", "modulated_deform_conv2d",
        "modulated_deform_conv2d_backward", "ms_deform_attn", "ms_deform_attn_backward",
    ),
    "mx_driving.patches": ("CATALOGUE", "load", "load_all"),
    "mx_driving.bootstrap": ("activate", "make_request", "MmcvVersionWarning"),
    "mx_driving.device": ("resolve", "npu_problem"),
    "mx_driving.emulator": (),
    "mx_driving.cli": ("main",),
}  # fmt: skip


@pytest.mark.parametrize("module", PUBLISHED)
def test_published_names_are_there(module):
    loaded = importlib.import_module(module)
    assert [name for name in PUBLISHED[module] if not hasattr(loaded, name)] == []


def test_published_names_of_the_rehearsal():
    """In a process of its own: the import is the wish to change torch."""
    code = "from mx_driving.rehearsal import begin, undo"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_operators_are_functions_even_beside_files_of_their_name():
    import mx_driving.ops
    import mx_driving.ops.add_relu

    assert callable(mx_driving.ops.add_relu)
    from mx_driving.ops.add_relu import add_relu

    assert add_relu is mx_driving.ops.add_relu
