"""``python -m mx_driving.emulator [options] -- command``: run a command on an emulated Ascend NPU."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
from pathlib import Path
from typing import Dict, List, NoReturn, Optional, Sequence

from mx_driving.emulator.builder import build, source_root
from mx_driving.emulator.errors import EmulatorError
from mx_driving.emulator.launch import Machine, child_environment
from mx_driving.emulator.symbols import failing_operators
from mx_driving.emulator.variant import without_operators


def parse_arguments(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Read the command line; everything after the first ``--`` is the command."""
    given = sys.argv[1:] if arguments is None else arguments
    border = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        prog="python -m mx_driving.emulator",
        usage="%(prog)s [options] -- command",
        allow_abbrev=False,
        description="Run a command with the real torch_npu on an emulated Ascend NPU. It proves plumbing, not Ascend "
        "numerics or speed.",
    )
    parser.add_argument("--devices", type=int, default=1, help="number of emulated NPUs (default 1)")
    parser.add_argument("--soc", default="Ascend910B1", help="name of the chip (default Ascend910B1)")
    parser.add_argument("--fail", action="append", default=[], metavar="NAME[=CODE][@run]",
                        help="let this operator return an error; may be given several times")  # fmt: skip
    parser.add_argument("--without", action="append", default=[], metavar="NAME",
                        help="hide this operator, as a CANN without it would; may be given several times")  # fmt: skip
    parser.add_argument(
        "--count", type=Path, metavar="FILE", help="append the number of calls of each operator to FILE"
    )
    options, others = parser.parse_known_args(given[:border])
    options.command = given[border + 1 :]
    if others or not options.command:
        before = f"; before it came {' '.join(others)}" if others else ""
        parser.error(f"a command is expected after --, such as: -- python train.py cfg.py{before}")
    return options


def check_faults(faults: Sequence[str]) -> None:
    """Refuse a fault of an operator that is not there: it would never happen, and the user would not know."""
    known = failing_operators((source_root() / "emulator").rglob("*.cpp")) if faults else set()
    for fault in faults:
        name = fault.partition("=")[0].partition("@")[0]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "they are listed in csrc/emulator/operators"
            raise EmulatorError(f"--fail {name}: the emulator writes no such operator, {hint}")


def own_path() -> str:
    """The PATH with this Python's directory first: ``python`` and ``torchrun`` are then of the same environment."""
    return os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])


def become(command: List[str], environment: Dict[str, str]) -> NoReturn:
    """Replace this process by the command."""
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise EmulatorError(f"the command {command[0]!r} does not start: {error.strerror}") from error


def main(arguments: Optional[List[str]] = None) -> int:
    """Build if need be, then become the command; returns only when that fails."""
    options = parse_arguments(arguments)
    try:
        machine = Machine(options.devices, options.soc, tuple(options.fail), options.count)
        check_faults(machine.fail)
        path = own_path()
        if shutil.which(options.command[0], path=path) is None:
            raise EmulatorError(f"the command {options.command[0]!r} is not on the PATH")
        libraries = without_operators(build(), options.without)
        environment = child_environment(machine, libraries, {**os.environ, "PATH": path})
        become(options.command, environment)
    except (EmulatorError, OSError) as error:
        print(f"mx_driving.emulator: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
