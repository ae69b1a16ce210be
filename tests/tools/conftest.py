from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
sys.path.insert(0, str(TOOLS))


def make_demo(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator as a user does."""
    command = [sys.executable, str(TOOLS / "make_nuscenes_demo.py"), str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data set of 2 training frames and 1 validation frame, 320 pixels wide."""
    root = tmp_path_factory.mktemp("nuscenes") / "demo"
    done = make_demo(root, "--frames", "2", "--width", "320")
    assert done.returncode == 0, done.stderr
    return root
