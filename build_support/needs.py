"""The tools that a build needs, checked before any of them is used: one line instead of a traceback."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
from typing import List

#: The two commands that work in every environment with torch, with pip and (``uv pip``) with uv.
INSTALL = 'pip install "setuptools>=64,<81" wheel ninja && pip install --no-build-isolation .'
OLDEST_SETUPTOOLS = 64  # the first with editable wheels, whose start-up files start_files.py adds
_ON, _OFF = ("1", "on", "true", "yes"), ("0", "off", "false", "no")


def check_tools() -> None:
    """Make sure that setuptools and wheel are there and new enough.

    Raises:
        SystemExit: naming what is missing and the line that works.
    """
    found: List[str] = []
    if importlib.util.find_spec("setuptools") is None:
        found.append("no setuptools")
    else:
        from setuptools import __version__

        if int(__version__.split(".")[0]) < OLDEST_SETUPTOOLS:
            found.append(f"setuptools {__version__}")
    if importlib.util.find_spec("wheel") is None:
        found.append("no wheel")
    if found:
        raise SystemExit(
            f"mx_driving: building needs setuptools {OLDEST_SETUPTOOLS} or newer and wheel, but this environment has "
            f"{' and '.join(found)}: run `{INSTALL}`"
        )


def check_command(command: str = "") -> None:
    """Refuse what setuptools still accepts and cannot take back.

    Raises:
        SystemExit: for ``python setup.py install`` and ``develop``.
    """
    if command in ("install", "develop"):
        raise SystemExit(
            f"mx_driving: `python setup.py {command}` leaves files that no uninstall removes: run `{INSTALL}`"
        )


def operators_wanted() -> bool:
    """Read ``MX_DRIVING_BUILD_OPS``: on unless it says 0, off, false or no.

    Raises:
        SystemExit: for a value that is neither.
    """
    value = os.environ.get("MX_DRIVING_BUILD_OPS", "").strip().lower()
    if value and value not in (*_ON, *_OFF):
        raise SystemExit(
            f"mx_driving: MX_DRIVING_BUILD_OPS is {value!r}: expected one of {', '.join(_ON)} or {', '.join(_OFF)}"
        )
    return value not in _OFF


def compiler() -> List[str]:
    """Return the C++ compiler's command, as torch's build tools choose it."""
    return shlex.split(os.environ.get("CXX", "")) or ["c++"]


def check_compiler() -> None:
    """Make sure that there is a C++ compiler.

    Raises:
        SystemExit: naming the one that was looked for.
    """
    program = compiler()[0]
    if shutil.which(program) is None:
        raise SystemExit(
            f"mx_driving: the operators need a C++ compiler, but {program} is not on the PATH: install one (Debian: "
            "apt install g++), set CXX, or set MX_DRIVING_BUILD_OPS=0 to build without them"
        )
