"""``mx-driving migrate``: a ``patch.py`` written for DrivingSDK's patcher, said in config lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "print the config lines for a patch.py written for DrivingSDK's patcher; the file is read, not executed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", type=Path, help="the patch file, or the training script that makes the patcher")


def run(arguments: argparse.Namespace) -> int:
    """Print the lines, and on standard error what they cannot say.

    Returns:
        Exit code: 0 everything is said, 1 the file cannot be read, 2 something is left to do by hand.
    """
    from mx_driving.patcher.migration import read

    try:
        migration = read(arguments.file.read_text(encoding="utf-8"))
    except OSError as exc:
        print(f"mx-driving migrate: {arguments.file}: {exc.strerror or exc}", file=sys.stderr)
        return 1
    except (SyntaxError, UnicodeDecodeError, ValueError) as exc:
        print(f"mx-driving migrate: {arguments.file}: expected a Python file, got {exc}", file=sys.stderr)
        return 1
    print(migration.config(), end="")
    if migration.mmcv_version:
        print(f"# start the training with MX_DRIVING_MMCV_VERSION={migration.mmcv_version} in its environment")
    for line in migration.left:
        print(f"mx-driving migrate: {line}", file=sys.stderr)
    return 2 if migration.left else 0
