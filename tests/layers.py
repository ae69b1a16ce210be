"""Reads which parts of mx_driving each file imports, and judges it by the layers of docs/architecture.md."""

from __future__ import annotations

import ast
import sys
from typing import Iterator, List, NamedTuple

GROUND = ("device", "_import_hook")
"""Below all layers: anybody may import them, and they import nothing of the package but each other."""

ORDER = (
    "_core", "ops", "mmcv_ext", "profiling", "patches", "training", "runner_hooks", "patcher", "peer",
    "cli",
)  # fmt: skip
"""A layer imports only itself and what stands before it."""

SIBLINGS = (("runner_hooks", "patcher"), ("runner_hooks", "peer"), ("patcher", "peer"))
"""Layers of one height: neither imports the other."""

ALONE = {
    "bootstrap": {"_import_hook", "mmcv_ext"},  # the starter hands over what finds mmcv._ext
    "emulator": set(),
    "rehearsal": {"_core", "device"},
}
"""Beside the layers: what each may import of the package."""

ALSO_FROM_ALONE = {
    "patcher": {"bootstrap"},
    "cli": {"bootstrap", "emulator"},
    "__init__": {"runner_hooks", "patcher", "peer"},
}
"""Who may import what stands alone; the package's root hands out names of the layers when they are asked for."""

MAY_USE = {"_core": {"packaging"}, "_import_hook": set(), "bootstrap": set()}
"""Parts that use the standard library and these packages only."""

STDLIB = frozenset(getattr(sys, "stdlib_module_names", ()))


class Import(NamedTuple):
    """One imported module by its absolute name, such as ``mx_driving.ops.add_relu``."""

    line: int
    name: str


def part(module: str) -> str:
    """Return the top-level part of the package that a module's dotted name lies in; ``__init__`` is the root."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def imports(source: str, module: str, is_package: bool) -> Iterator[Import]:
    """Yield what a file imports, wherever in it the import stands: statements, relative ones and ``import_module``.

    Args:
        source: the file's text.
        module: its dotted name.
        is_package: whether it is an ``__init__.py``.
    """
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module or "", node.level, package)
            # `from mx_driving import ops` imports a module as well as `from mx_driving.ops import x` does.
            yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__", "run_module"):
            yield from (Import(node.lineno, name) for name in _literals(node, package))


def _absolute(name: str, level: int, package: str) -> str:
    if not level:
        return name
    base = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*base, name] if name else base)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _literals(node: ast.Call, package: str) -> List[str]:
    argument = node.args[0] if node.args else None
    if isinstance(argument, ast.JoinedStr) and argument.values:
        argument = argument.values[0]  # f"mx_driving.patches.{name}": its literal beginning tells the part
    if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
        return []
    name = argument.value
    level = len(name) - len(name.lstrip("."))
    return [_absolute(name.lstrip("."), level, package)]


def violations(source: str, module: str, is_package: bool = False) -> List[str]:
    """Return what a file imports and must not, a line of text each."""
    own, found = part(module), []
    for line, name in imports(source, module, is_package):
        top = name.split(".")[0]
        if top == "mx_driving":
            target = part(name)
            if target in KNOWN and not _allowed(own, target):
                found.append(f"{module}:{line}: {own} imports {target}")
        elif own in MAY_USE and top not in STDLIB | MAY_USE[own]:
            found.append(f"{module}:{line}: {own} uses {top}, expected the standard library only")
    return found


KNOWN = {*GROUND, *ORDER, *ALONE, "__init__"}


def _allowed(own: str, target: str) -> bool:
    if own == target or target in ALSO_FROM_ALONE.get(own, ()):
        return True
    if own in ALONE:
        return target in ALONE[own]
    if target in GROUND or own in GROUND:
        return target in GROUND
    if own not in ORDER or target not in ORDER:
        return False
    beside = any(own in pair and target in pair for pair in SIBLINGS)
    return ORDER.index(target) < ORDER.index(own) and not beside
