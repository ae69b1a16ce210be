"""The emulated machine as a whole: training, processes, faults, operators that are not written."""

from __future__ import annotations

import pytest
from conftest import HERE, read_counts
from stock_scripts import TORCHRUN

TRAINING = HERE / "training_cases.py"


def printed(done):
    """Words that the program printed; torch_npu warns of a missing ASCEND_HOME_PATH on standard output."""
    return [word for line in done.stdout.splitlines() if not line.startswith("Warning:") for word in line.split()]


@pytest.mark.parametrize("case", ["sgd", "adam", "adamw", "adamw_foreach", "machine"])
def test_training_agrees_with_the_cpu(emulate, case):
    done = emulate(script=[TRAINING, case])
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) <= 1e-6


def test_grad_scaler_skips_an_infinite_step(emulate, tmp_path):
    done = emulate("--count", tmp_path / "counts", script=[TRAINING, "grad_scaler"])
    assert done.returncode == 0, done.stderr[-2000:]
    assert read_counts(tmp_path / "counts")["aclnn aclnnForeachNonFiniteCheckAndUnscale"] == 3


def test_two_processes_over_hccl(emulate, tmp_path):
    """Gradients equal those of one process."""
    done = emulate("--devices", 2, "--count", tmp_path / "counts", script=[*TORCHRUN, TRAINING, "hccl"])
    assert done.returncode == 0, done.stderr[-3000:]
    counts = read_counts(tmp_path / "counts")
    assert counts["hccl HcclSend"] == counts["hccl HcclRecv"] == 1
    assert counts["hccl HcclAllReduce"] >= 6  # two each, and the gradients of each


def add(*lines):
    return ["-c", "\n".join(["import torch, torch_npu", "x = torch.ones(2, 3).npu()", *lines])]


def test_without_a_fault_the_same_program_succeeds(emulate):
    done = emulate(script=add("print((x + x).cpu().sum().item())"))
    assert (done.returncode, done.stdout.split()[-1]) == (0, "12.0"), done.stderr[-2000:]


@pytest.mark.parametrize(("fault", "code"), [("aclnnAdd", 161002), ("aclnnAdd=561000", 561000)])
def test_fail_refuses_the_arguments(emulate, fault, code):
    done = emulate("--fail", fault, script=add("x + x", "print('not reached')"))
    assert done.returncode == 1
    assert "not reached" not in done.stdout
    assert f"call aclnnAdd failed, error code is {code}" in done.stderr
    assert "because --fail asked for it" in done.stderr


def test_fail_at_run_arrives_by_the_next_synchronisation(emulate):
    done = emulate("--fail", "aclnnAdd@run", script=add("y = x + x", "y.cpu()", "print('not reached')"))
    assert done.returncode == 1
    assert "not reached" not in done.stdout
    assert "aclnnAdd fails with 507015 because --fail asked for it" in done.stderr


def test_a_refused_operator_leaves_the_device_usable(emulate):
    lines = [
        "try:",
        "    x + x",
        "except RuntimeError as exc:",
        "    print('refused')",
        "print((x * 3).cpu().sum().item())",
    ]
    done = emulate("--fail", "aclnnAdd", script=add(*lines))
    assert printed(done) == ["refused", "18.0"], done.stderr[-2000:]


def test_an_operator_not_written_stops_with_its_name_and_arguments(emulate):
    lines = ["q = torch.ones(1, 2, 4, 8).npu()", "torch.nn.functional.scaled_dot_product_attention(q, q, q)"]
    done = emulate(script=add(*lines, "print('not reached')"))
    assert done.returncode == 1
    assert "not reached" not in done.stdout
    assert "the operator aclnnFlashAttentionScore is not written (csrc/emulator/operators)" in done.stderr
    assert "called with (Float[1, 2, 4, 8], Float[1, 2, 4, 8], Float[1, 2, 4, 8], 0" in done.stderr


def test_a_device_that_is_not_there(emulate):
    done = emulate("--devices", 2, script=add("print(torch.npu.device_count())", "torch.ones(1).to('npu:2')"))
    assert done.returncode == 1
    assert printed(done) == ["2"]


def test_memory_runs_out(emulate):
    done = emulate(script=add("torch.empty(2 << 30, dtype=torch.uint8).npu()"), MX_DRIVING_EMULATOR_MEMORY_GB="1")
    assert done.returncode == 1
    assert "out of memory" in done.stderr


def test_every_device_has_its_own_memory(emulate):
    lines = [
        "kept = [torch.empty(3 << 30, dtype=torch.uint8, device=f'npu:{i}') for i in (0, 1)]",
        "free, total = torch.npu.mem_get_info(1)",
        "print(free >> 29, total >> 30)",
    ]
    done = emulate("--devices", 2, script=add(*lines), MX_DRIVING_EMULATOR_MEMORY_GB="4")
    assert printed(done) == ["1", "4"], done.stderr[-2000:]


def test_copies_between_devices(emulate):
    lines = [
        "x = torch.arange(12.).view(4, 3)",
        "a = x.to('npu:0')",
        "half, line = (a.to('npu:1', torch.float16), a.t().to('npu:1', torch.int32).t())",
        "moved = [a.to('npu:1'), a.t().to('npu:1').t(), half, line]",
        "into = [torch.zeros(4, 2, device='npu:1').copy_(a[:, ::2]), torch.zeros(3, 4, device='npu:1').t().copy_(a)]",
        "print([y.device.index for y in moved + into])",
        "print([torch.equal(y.cpu().float(), x) for y in moved])",
        "print(torch.equal(into[0].cpu(), x[:, ::2]), torch.equal(into[1].cpu(), x))",
    ]
    done = emulate("--devices", 2, script=add(*lines))
    assert " ".join(printed(done)) == "[1, 1, 1, 1, 1, 1] [True, True, True, True] True True", done.stderr[-2000:]


def test_soc_is_what_the_device_says(emulate):
    done = emulate("--soc", "Ascend910B3", script=add("print(torch.npu.get_device_name(0))"))
    assert printed(done) == ["Ascend910B3"], done.stderr[-2000:]
