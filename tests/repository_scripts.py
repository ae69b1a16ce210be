"""Where the repository's scripts are, and how a user runs the generator."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "demo"
CI = ROOT / "ci"


def make_demo(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator as a user does."""
    command = [sys.executable, str(DEMO / "make_nuscenes_demo.py"), str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def interruptible() -> None:
    """For a child process: let Ctrl-C reach it also where the tests run as a background job, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
