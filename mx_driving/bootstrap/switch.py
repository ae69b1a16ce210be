"""The switch for a whole environment: a settings file beside the ``.pth`` file, and the ``.pth`` file's own text.

The wheel ships the settings file empty, which means off. Both are listed in the wheel's RECORD, so ``pip uninstall``
removes them whatever has been written into them since.
"""

from __future__ import annotations

import filecmp
import os
import site
import sys
import tempfile
from pathlib import Path
from typing import List, NamedTuple, Optional

from . import starter
from .origin import install_again
from .request import Request, parse_request
from .starter import KILL_VARIABLE, killed, requested
from .startup import PTH_NAME, PTH_OFF, PTH_ON, SETTINGS_NAME, START_NAME, STARTER_NAME

#: What a complete installation has in one site directory.
INSTALLED_NAMES = (PTH_NAME, START_NAME, STARTER_NAME, SETTINGS_NAME)


class State(NamedTuple):
    """What is switched on: ``request`` is None when nothing is, ``problem`` says what was wrong with the switch."""

    request: Optional[Request]
    by: str
    problem: Optional[str] = None


def site_directory() -> Optional[Path]:
    """Return the site directory that holds the ``.pth`` file, or None when it is not installed.

    Other directories of ``sys.path`` do not count: Python reads no ``.pth`` files in those of PYTHONPATH, and one that
    belongs to another environment is not this one's to switch.
    """
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    # In the order in which the interpreter reads them: of a virtual environment its own come before the user's.
    own = site.getsitepackages([sys.prefix]) if sys.prefix != sys.base_prefix else []
    candidates = (Path(entry) for entry in [*own, *user, *site.getsitepackages()])
    return next((entry for entry in candidates if (entry / PTH_NAME).is_file()), None)


def reach(directory: Path) -> Optional[str]:
    """Say whom else a switch in this site directory reaches, or None if it is this environment's own."""
    if site.ENABLE_USER_SITE and directory == Path(site.getusersitepackages()):
        return f"every Python {sys.version_info[0]}.{sys.version_info[1]} of this user reads {directory}"
    if Path(sys.prefix) not in directory.parents:
        return f"{directory} is outside this virtual environment: every interpreter that reads it is switched"
    return None


def file_problems(directory: Path) -> List[str]:
    """Return what is wrong with the start-up files in a site directory, one sentence each."""
    missing = [name for name in INSTALLED_NAMES if not (directory / name).exists()]
    if missing:
        return [f"{', '.join(missing)} missing in {directory}: {install_again()}"]
    if not filecmp.cmp(str(directory / STARTER_NAME), starter.__file__, shallow=False):
        return [f"{STARTER_NAME} in {directory} is of another mx_driving: {install_again()}"]
    line, on = (directory / PTH_NAME).read_text(encoding="utf-8"), (directory / SETTINGS_NAME).is_file()
    on = on and (directory / SETTINGS_NAME).stat().st_size > 0
    if line != (PTH_ON if on else PTH_OFF):
        return [f"{PTH_NAME} and {SETTINGS_NAME} in {directory} disagree: call enable or disable again"]
    return []


def current(directory: Optional[Path]) -> State:
    """Read the variable, the kill switch and the settings file the way an interpreter start does.

    Args:
        directory: the site directory; None leaves out the settings file.

    Returns:
        What is in force; never raises for what a user may have written.
    """
    if killed():
        return State(None, f"{KILL_VARIABLE}={os.environ[KILL_VARIABLE]}")
    try:
        found = requested(str(directory) if directory else os.devnull)
    except OSError as exc:
        return State(None, "nothing", f"{SETTINGS_NAME} cannot be read ({exc}) and is ignored: replace it by a file")
    if found is None:
        return State(None, "nothing")
    try:
        return State(parse_request(*found), found[1])
    except ValueError as exc:
        return State(None, "nothing", f"{found[1]} is ignored: {exc}")


def write(request: Optional[Request]) -> Path:
    """Switch the environment on, or off with None.

    Returns:
        The settings file.

    Raises:
        FileNotFoundError: if the start-up files are not installed.
        OSError: if the file cannot be written.
    """
    directory = site_directory()
    if directory is None:
        raise FileNotFoundError(
            f"expected {PTH_NAME} in a site-packages directory of this interpreter, found none: "
            "install mx_driving's checkout or wheel (also with -e) into this environment"
        )
    # In this order, so that an interpreter which starts in between finds the settings that its .pth line asks for.
    _replace(directory / SETTINGS_NAME, f"{request.value}\n" if request else "")
    _replace(directory / PTH_NAME, PTH_ON if request else PTH_OFF)
    return directory / SETTINGS_NAME


def _replace(path: Path, content: str) -> None:
    # Never written in place: installers such as uv hard-link one file into several environments.
    try:
        handle, temporary = tempfile.mkstemp(prefix=".mx_driving_", dir=str(path.parent))
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc  # not the name of a file that never was
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, str(path))
    except OSError as exc:
        os.unlink(temporary)
        raise OSError(exc.errno, exc.strerror, str(path)) from exc
