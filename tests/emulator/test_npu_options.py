"""What importing the hooks sets up on an NPU, what the hook's arguments change there, and what is put back."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("mmengine", reason="mmengine line: the toy run uses its runner; test_npu_stock_mmcv1 has the other")
from conftest import HERE, read_counts

MASKED, INDEX = "aclnn aclnnMaskedSelect", "aclnn aclnnIndex"


@pytest.fixture(scope="module")
def run(emulate, tmp_path_factory):
    def run(*wrapper, **hook):
        folder = tmp_path_factory.mktemp("toy")
        script = [HERE / "toy_run.py", folder, json.dumps(hook), *wrapper]
        done = emulate("--count", folder / "counts", script=script)
        assert done.returncode == 0, done.stderr[-3000:]
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
        return json.loads(line[len("SEEN") :]), read_counts(folder / "counts")

    return run


@pytest.fixture(scope="module")
def plain(run):
    return run()


def test_cuda_calls_go_to_the_npu_before_the_model_is_built(plain):
    assert plain[0]["device"] == "npu:0"


def test_options_are_off_from_the_import_on_and_put_back_afterwards(plain):
    seen = plain[0]
    assert seen["at import"] == seen["during"] == {"formats": "disable", "jit_off": True}
    assert seen["after"] == {"formats": "enable", "jit_off": False}


def test_restore_false_keeps_the_options(run):
    assert run(restore=False)[0]["after"] == {"formats": "disable", "jit_off": True}


def test_a_cpu_run_on_an_npu_is_refused_with_what_to_write(emulate, tmp_path):
    done = emulate(script=[HERE / "toy_run.py", tmp_path, json.dumps({"device": "cpu"})])
    assert done.returncode == 1
    assert "device='cpu': expected a model on the CPU, got one on npu:0" in done.stderr
    assert "leave device out and the NPU's patches apply" in done.stderr


def test_a_set_up_that_failed_is_tried_again(emulate):
    lines = (
        "import sys, torch, torch_npu",
        "from mx_driving.training import npu_setup",
        "npu_setup.hold('import'); npu_setup.release('import')",
        "routing = sys.modules.pop('torch_npu.contrib.transfer_to_npu')",
        "sys.modules['torch_npu.contrib.transfer_to_npu'] = None",
        "try: npu_setup.hold('run')",
        "except ImportError: print('failed')",
        "sys.modules['torch_npu.contrib.transfer_to_npu'] = routing",
        "torch.npu.set_compile_mode(jit_compile=True)",
        "print(npu_setup.hold('run'), torch.npu.is_jit_compile_false())",
    )
    done = emulate(script=["-c", "\n".join(lines)])
    assert done.stdout.split()[-3:] == ["failed", "True", "True"], done.stderr[-2000:]


def test_an_inner_run_leaves_the_outer_ones_options(emulate):
    lines = (
        "import torch, torch_npu",
        "from mx_driving.training import npu_setup",
        "def seen(): return torch_npu._C._npu_getOption('ALLOW_INTERNAL_FORMAT'), torch.npu.is_jit_compile_false()",
        "torch.npu.config.allow_internal_format = True; torch.npu.set_compile_mode(jit_compile=True)",
        "npu_setup.hold('outer', True); npu_setup.hold('inner'); print(*seen())",
        "npu_setup.release('inner'); print(*seen())",
        "npu_setup.release('inner'); npu_setup.release('nobody'); print(*seen())",
        "npu_setup.hold('inner'); npu_setup.release('outer'); print(*seen())",
        "npu_setup.release('inner'); print(*seen())",
    )
    done = emulate(script=["-c", "\n".join(lines)])
    off, on = ["b'disable'", "True"], ["b'enable'", "True"]
    assert done.stdout.split()[-10:] == [*off, *on, *on, *off, "b'enable'", "False"], done.stderr[-2000:]


def test_internal_formats_are_switched_by_the_hook(plain, run):
    """With them torch_npu takes the older convolution, which works in NC1HWC0; without, aclnnConvolution."""
    seen, counts = run(allow_internal_format=True)
    assert seen["during"]["formats"] == "enable"
    assert seen["after"]["formats"] == "enable"
    assert counts["aclop Conv2D"] == 2
    assert counts["aclnn aclnnConvolution"] == 0
    assert plain[1]["aclop Conv2D"] == 0
    assert plain[1]["aclnn aclnnConvolution"] == 2


def test_masks_go_to_masked_select_unless_index_is_disabled(plain, run):
    """Two masks and one list of numbers an iteration, two iterations."""
    assert (plain[1][MASKED], plain[1][INDEX]) == (4, 2)
    counts = run(disable=["index"])[1]
    assert (counts[MASKED], counts[INDEX]) == (0, 6)


def test_automatic_mixed_precision(plain, run):
    """mmengine asks for autocast on cuda; transfer_to_npu and the hooks leave it on the NPU."""
    assert plain[0]["dtype"] == "torch.float32"
    seen, counts = run("AmpOptimWrapper")
    assert seen["dtype"] == "torch.float16"
    assert counts["aclnn aclnnForeachNonFiniteCheckAndUnscale"] == 2
