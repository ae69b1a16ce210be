"""The ``mx-driving`` command.

Every other module of this package is one subcommand: it has ``HELP``, ``add_arguments(parser)`` and
``run(arguments) -> int``, and its file name is the
subcommand's name. Such a module imports what is heavy inside ``run``.
"""

from __future__ import annotations

import argparse
import pkgutil
from importlib import import_module
from typing import Optional, Sequence


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run ``mx-driving`` with these arguments; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mx-driving", description="Move OpenMMLab training to Ascend NPUs.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")):
        command = import_module(f"{__name__}.{name}")
        subparser = commands.add_parser(name.replace("_", "-"), help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)
