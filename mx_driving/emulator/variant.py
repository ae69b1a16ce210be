"""An emulated CANN that lacks some operators, as an older release does."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Sequence

from mx_driving.emulator.builder import working_directory
from mx_driving.emulator.errors import EmulatorError


def without_operators(libraries: Path, names: Sequence[str]) -> Path:
    """Return a directory of libraries that do not export these operators, made beside ``libraries`` if need be.

    Args:
        libraries: what ``build`` returned.
        names: such as ``aclnnAdd``; both phases vanish.

    Raises:
        EmulatorError: a name that the library does not export.
    """
    if not names:
        return libraries
    key = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:16]
    target = libraries.parent / f"without-{key}"
    if not target.is_dir():
        _make(libraries, names, target)
    return target


def _make(libraries: Path, names: Sequence[str], target: Path) -> None:
    library = next(path for path in libraries.iterdir() if not path.is_symlink())
    content = library.read_bytes()
    for name in names:
        for symbol in (name, f"{name}GetWorkspaceSize"):
            found = b"\0" + symbol.encode() + b"\0"
            if found not in content:
                raise EmulatorError(f"--without {name}: the emulator exports no {symbol}")
            # The loader finds a symbol by the hash of its name and then compares the name: a changed one is not found.
            content = content.replace(found, b"\0-" + symbol.encode()[1:] + b"\0")
    with working_directory(target.parent) as work:
        out = Path(work) / "out"
        out.mkdir()
        (out / library.name).write_bytes(content)
        for link in (path for path in libraries.iterdir() if path.is_symlink()):
            (out / link.name).symlink_to(library.name)
        try:
            os.rename(str(out), str(target))
        except OSError:
            if not target.is_dir():
                raise
