"""The guide's script for programs that call no hooks: the script that it starts runs with the patches in force."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mmcv.ops", reason="mmcv is not built with operators here")

GUIDE = Path(__file__).parents[2] / "docs" / "runs.md"
STOCK = """
import sys

import mmcv._ext

if __name__ == "__main__":
    print(sys.argv[1:], hasattr(mmcv._ext.modulated_deform_conv_forward, "__wrapped__"))
"""


def test_script_of_the_guide(tmp_path):
    blocks = GUIDE.read_text(encoding="utf-8").split("```python\n")
    (block,) = [block for block in blocks if block.startswith("# with_patches.py")]
    (tmp_path / "with_patches.py").write_text(block.partition("```")[0])
    (tmp_path / "test.py").write_text(STOCK)
    command = [sys.executable, "-W", "ignore", "with_patches.py", "test.py", "config.py", "checkpoint.pth"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "['config.py', 'checkpoint.pth'] True", done.stderr[-2000:]
