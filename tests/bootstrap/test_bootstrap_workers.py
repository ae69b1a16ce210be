"""Children that torch starts: torchrun's processes and the DataLoader's spawn workers are new interpreters."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ToyPackages
from environments import Environment

pytest.importorskip("torch", reason="torchrun and DataLoader come with torch, which is not installed here")

TRAIN = """
import mmtoy, os, sys
sys.stdout.write(f"rank {os.environ['RANK']} {mmtoy.mmcv_version}\\n")
"""
LOADER = """
from torch.utils.data import DataLoader, Dataset

class Versions(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        import mmtoy
        return mmtoy.mmcv_version[1] * 10 + index

if __name__ == "__main__":
    loader = DataLoader(Versions(), batch_size=2, num_workers=1, multiprocessing_context="spawn")
    print([batch.tolist() for batch in loader])
"""


def test_torchrun_children(venv: Environment, toys: ToyPackages, tmp_path: Path) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(tmp_path / "train.py")]
    done = venv.run(*run, path=[toys.root], MX_DRIVING_MMCV_VERSION="auto", OMP_NUM_THREADS="1")
    assert sorted(done.stdout.splitlines()) == ["rank 0 [1, 4, 0]", "rank 1 [1, 4, 0]"]


def test_spawn_workers_of_a_data_loader(venv: Environment, toys: ToyPackages, tmp_path: Path) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0")
    (tmp_path / "load.py").write_text(LOADER, encoding="utf-8")
    done = venv.run(str(tmp_path / "load.py"), path=[toys.root], MX_DRIVING_MMCV_VERSION="auto")
    assert done.stdout == "[[40, 41]]\n"
