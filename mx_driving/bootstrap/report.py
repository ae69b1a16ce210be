"""What ``bootstrap status`` says: the switch, the start-up files, and every package that checks mmcv."""

from __future__ import annotations

import ast
import pkgutil
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from . import starter, startup, switch
from .origin import install_again
from .request import Request
from .verdict import decide
from .versions import Window
from .window import read_checks

#: Asked for by name as well: a package installed with ``pip install -e`` need not be found by a directory listing.
FAMILY = (
    "mmaction", "mmcls", "mmdet", "mmdet3d", "mmedit", "mmfewshot", "mmflow", "mmgen", "mmhuman3d", "mmocr", "mmpose",
    "mmpretrain", "mmrazor", "mmrotate", "mmseg", "mmselfsup", "mmtrack", "mmyolo",
)  # fmt: skip


class Checker(NamedTuple):
    """An importable package and the window of mmcv versions that it asserts."""

    name: str
    window: Window


def find_checkers() -> Iterator[Checker]:
    """Yield every importable package that asserts mmcv's version; sources are read, nothing is imported."""
    listed = {module.name for module in pkgutil.iter_modules() if starter.may_check(module.name)}
    for name in sorted(listed.union(FAMILY)):
        window = read_checks(_source(name) or "").windows.get("mmcv")
        if window is not None:
            yield Checker(name, window)


def _source(name: str, locations: Optional[Sequence[str]] = None) -> Optional[str]:
    """Return a module's source without importing it, None where there is none."""
    try:
        spec = PathFinder.find_spec(name, locations) if locations else find_spec(name)
        return spec.loader.get_source(name) if spec and hasattr(spec.loader, "get_source") else None  # type: ignore
    except (ImportError, OSError, SyntaxError, ValueError):
        # A broken package is listed as one that checks nothing: its own import says what is wrong with it.
        return None


def installed_mmcv() -> Optional[str]:
    """Return the version of the mmcv that would be imported, read from its ``version.py``; None when there is none.

    Not from metadata: mmcv, mmcv-full and mmcv-lite may be installed over each other, and only one is imported.
    """
    spec = find_spec("mmcv")
    source = _source("mmcv.version", spec.submodule_search_locations) if spec else None
    for node in ast.parse(source or "").body:
        names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        if "__version__" in names and isinstance(getattr(node, "value", None), ast.Constant):
            return str(node.value.value)  # type: ignore[attr-defined]
    return None


def status() -> Tuple[List[str], bool]:
    """Describe the bootstrap in this environment.

    Returns:
        Lines to print, and whether everything is in order.
    """
    directory = switch.site_directory()
    state = switch.current(directory)
    problems = [state.problem] if state.problem else []
    problems += switch.file_problems(directory) if directory else []
    if directory is None:
        problems.append(
            f"expected {startup.PTH_NAME} in a site-packages directory of this interpreter, found none, so the "
            f"variable and `enable` do nothing: {install_again()}, or call patch_mmcv_version"
        )
    elif state.request and not _is_waiting():
        problems.append(
            f"this interpreter did not run {startup.PTH_NAME}, so nothing is shown to anybody: install mx_driving into "
            "a site-packages directory of this environment, or call patch_mmcv_version"
        )
    lines = [
        f"start-up files: {directory or 'not installed'}",
        f"switched on:    {state.request.value if state.request else 'no'} (by {state.by})",
        f"mmcv:           {installed_mmcv() or 'not installed'}",
    ]
    shows = "is shown" if state.request and _is_waiting() else "would be shown" if directory else "is not shown"
    lines += [_checker_line(checker, installed_mmcv(), state.request, shows) for checker in find_checkers()]
    return lines + [f"problem: {problem}" for problem in problems], not problems


def _is_waiting() -> bool:
    return any(type(finder).__name__ in ("StartFinder", "VersionFinder") for finder in sys.meta_path)


def _checker_line(checker: Checker, true: Optional[str], request: Optional[Request], shows: str) -> str:
    head = f"  {checker.name}: asserts mmcv{checker.window}"
    if true is None:
        return head
    wish = request or Request(None, (), "status")
    verdict = decide(checker.name, "mmcv", true, checker.window, wish)
    if verdict.reason:
        return f"{head}; {verdict.reason}"
    if verdict.shown is None:
        return f"{head}; accepts {true}"
    return f"{head}; {shows} {verdict.shown}"
