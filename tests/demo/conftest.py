from __future__ import annotations

import sys
from pathlib import Path

import pytest
from repository_scripts import DEMO, make_demo

sys.path.insert(0, str(DEMO))


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data set of 2 training frames and 1 validation frame, 320 pixels wide."""
    root = tmp_path_factory.mktemp("nuscenes") / "demo"
    done = make_demo(root, "--frames", "2", "--width", "320")
    assert done.returncode == 0, done.stderr
    return root
