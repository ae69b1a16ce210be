"""``python -m mx_driving.bootstrap enable|disable|status``: the switch for this environment."""

from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence

from . import switch
from .output import run_command
from .report import status
from .request import ALSO, AUTO, Request, make_request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three actions to a parser; ``mx-driving bootstrap`` uses the same ones."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="enable|disable|status")
    enable = actions.add_parser("enable", help="show checking packages another mmcv version, in this environment")
    enable.add_argument("version", nargs="?", help="'auto' (default) or a version such as 1.6.0")
    enable.add_argument(
        "--also", nargs="+", default=(), metavar="PACKAGE", help=f"also meet ranges of {', '.join(ALSO)}"
    )
    actions.add_parser("disable", help="switch it off again")
    actions.add_parser("status", help="say what is on, and what every installed package would see")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action.

    Returns:
        Exit code; 0 done, 1 something is wrong with the installation or the value.
    """
    if arguments.action == "status":
        lines, in_order = status()
        print("\n".join(lines))
        return 0 if in_order else 1
    try:
        on = arguments.action == "enable"
        request = _wish(arguments.version, arguments.also) if on else None
        path = switch.write(request)
    except (ValueError, OSError) as exc:
        print(f"mx-driving bootstrap {arguments.action}: {exc}", file=sys.stderr)
        return 1
    print(f"{'on: ' + request.value if request else 'off'} ({path})")
    state = switch.current(path.parent)
    if on and state.by != str(path):
        print(f"note: {state.by} has precedence in this shell", file=sys.stderr)
    reached = switch.reach(path.parent)
    if reached:
        print(f"note: {reached}", file=sys.stderr)
    return 0


def _wish(version: Optional[str], also: Sequence[str]) -> Request:
    """Build the request; in ``--also mmdet auto`` the last word is the version, which argparse cannot know."""
    packages = [name for text in also for name in text.split(",") if name]
    if version is None and packages and packages[-1] not in ALSO:
        version = packages.pop()
    return make_request(version or AUTO, packages, "mx-driving bootstrap enable")


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mx_driving.bootstrap", description=__doc__)
    add_arguments(parser)
    return run_command("mx_driving.bootstrap", lambda: run(parser.parse_args(argv)))


if __name__ == "__main__":
    raise SystemExit(main())
