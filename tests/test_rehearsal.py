"""``mx_driving.rehearsal``: scripts written for CUDA run on a CPU, only when asked for, and it can be taken back."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


@pytest.fixture
def rehearsal(monkeypatch):
    """The module in force; what the import did is taken back so that each test begins it by itself."""
    from mx_driving import rehearsal

    rehearsal.undo()
    yield rehearsal
    rehearsal.undo()


def owners():
    from torch.distributed import distributed_c10d

    return [torch.Tensor, torch.nn.Module, torch.cuda, DistributedDataParallel, distributed_c10d, dist]


def test_is_never_loaded_unasked():
    code = "import sys, mx_driving.runner_hooks; print('mx_driving.rehearsal' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_cuda_stays_on_the_cpu(rehearsal):
    with pytest.raises((AssertionError, RuntimeError)):
        torch.ones(1).cuda()
    rehearsal.begin()
    tensor, module = torch.ones(1), torch.nn.Linear(1, 1)
    assert tensor.cuda() is tensor.cuda(0, non_blocking=True) is tensor
    assert module.cuda() is module.cuda(1) is module
    torch.cuda.set_device(3)
    assert torch.cuda.current_device() == 0


def test_is_taken_back_exactly(rehearsal):
    before = [dict(vars(owner)) for owner in owners()]
    rehearsal.begin()
    assert all(dict(vars(owner)) != old for owner, old in zip(owners(), before))
    rehearsal.undo()
    assert [dict(vars(owner)) for owner in owners()] == before


def test_second_begin_changes_nothing(rehearsal):
    assert rehearsal.begin() is not None
    assert rehearsal.begin() is None


def test_nccl_becomes_gloo_and_device_ids_are_dropped(rehearsal, tmp_path):
    rehearsal.begin()
    dist.init_process_group("nccl", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert dist.get_backend() == "gloo"
        wrapped = DistributedDataParallel(torch.nn.Linear(2, 1).cuda(), device_ids=[0], output_device=0)
        assert wrapped.device_ids is None
        assert DistributedDataParallel(torch.nn.Linear(2, 1), [0], 0).device_ids is None
        wrapped(torch.ones(1, 2)).sum().backward()
        assert wrapped.module.weight.grad is not None
    finally:
        dist.destroy_process_group()


def test_says_so_once_per_job(rehearsal, caplog, monkeypatch):
    with caplog.at_level(logging.WARNING, logger="mx_driving"):
        rehearsal.begin()
        rehearsal.undo()
        assert caplog.text.count("rehearsal: no accelerator here") == 1
        monkeypatch.setenv("RANK", "1")
        rehearsal.begin()
        assert caplog.text.count("rehearsal: no accelerator here") == 1


def test_does_nothing_where_there_is_an_accelerator(rehearsal, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = torch.nn.Module.cuda
    assert rehearsal.begin() is None
    assert torch.nn.Module.cuda is before


def test_npu_is_noticed_before_anybody_imports_torch_npu(tmp_path):
    """torch before 2.5, or with autoload off, has no torch.npu until then; a package like torch_npu stands in here."""
    package = tmp_path / "torch_npu"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import torch, types\ntorch.npu = types.SimpleNamespace(is_available=lambda: True)\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import torch\nbefore = torch.nn.Module.cuda\n"
        "import mx_driving.rehearsal as r\nprint(r.has_accelerator(), torch.nn.Module.cuda is before)"
    )
    environment = {**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.split() == ["True", "True"]


def test_mmcv_launcher_without_devices(rehearsal, tmp_path, monkeypatch):
    """mmcv 1.x divides the rank by the number of CUDA devices."""
    runner = pytest.importorskip("mmcv.runner", reason="mmcv1 line; mmengine's launcher does not divide")
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29547"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ZeroDivisionError):
        runner.init_dist("pytorch", backend="nccl")
    rehearsal.begin()
    runner.init_dist("pytorch", backend="nccl")
    try:
        assert dist.get_backend() == "gloo"
    finally:
        dist.destroy_process_group()
