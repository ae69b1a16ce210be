"""The ``mx-driving`` command.

Every other module of this package is one subcommand: it has ``HELP``, ``add_arguments(parser)`` and
``run(arguments) -> int``, and its file name is the
subcommand's name. Such a module imports what is heavy inside ``run``.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Optional, Sequence

from mx_driving import __version__
from mx_driving.bootstrap.output import run_command


def version() -> str:
    """Say which mx_driving this is, where it lies and for which Python: on PyPI another package has this name."""
    operators = "with" if find_spec("mx_driving._operators") else "without"
    python = ".".join(map(str, sys.version_info[:3]))
    folder = Path(__file__).resolve().parent.parent
    return f"mx-driving {__version__}, {operators} compiled operators, in {folder} (Python {python})"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run ``mx-driving`` with these arguments; returns the exit code."""
    return run_command("mx-driving", lambda: _run(argv))


def _run(argv: Optional[Sequence[str]]) -> int:
    # A line of the version is not to be broken: paths are long.
    raw = argparse.RawDescriptionHelpFormatter
    description = "Move OpenMMLab training to Ascend NPUs."
    parser = argparse.ArgumentParser(prog="mx-driving", description=description, formatter_class=raw)
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")):
        command = import_module(f"{__name__}.{name}")
        subparser = commands.add_parser(name.replace("_", "-"), help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)
