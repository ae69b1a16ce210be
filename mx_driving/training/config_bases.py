"""Hooks of a config's base that its own ``custom_hooks = [...]`` replaced, found by reading the files.

A list in a config replaces the base's: who adds our hooks to a shipped config so loses its averaging of weights, or its
switch of the pipeline, without a word. Nothing is run for it, and what cannot be read with certainty is not claimed.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Iterable, Iterator, List, Optional, Tuple


def dropped_hooks(filename: Any, running: Iterable[Any]) -> List[str]:
    """Return the names of the hooks that the bases of a config list and that do not run.

    Args:
        filename: of the config; None gives nothing.
        running: ``type`` of each of the hooks that the run has, texts or classes.
    """
    if not isinstance(filename, str) or not filename.endswith(".py"):
        return []
    path = Path(filename)
    tree = _parsed(path)
    if tree is None or _listed(tree) is None:
        return []
    names = {getattr(kind, "__name__", str(kind)).rpartition(".")[2] for kind in running}
    inherited = [name for base in _bases(tree, path.parent) for name in _hooks_of(base, (path,))]
    return [name for name in dict.fromkeys(inherited) if name not in names]


def _parsed(path: Path) -> Optional[ast.Module]:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        # A config of mmcv's ``{{ _base_.x }}`` kind, or one that is gone by now.
        return None


def _hooks_of(path: Path, seen: Tuple[Path, ...]) -> List[str]:
    tree = None if path in seen else _parsed(path)
    if tree is None:
        return []
    inherited = [name for base in _bases(tree, path.parent) for name in _hooks_of(base, (*seen, path))]
    listed = _listed(tree)
    if listed is None:
        return inherited
    own = [name for element in listed for name in [_type(element)] if name]
    return [*inherited, *own] if any(isinstance(element, ast.Starred) for element in listed) else own


def _listed(tree: ast.Module) -> Optional[List[ast.expr]]:
    """Return the elements of the last ``custom_hooks = [...]``, None if there is none."""
    for node in reversed(tree.body):
        if isinstance(node, ast.Assign) and any(_is(target, "custom_hooks") for target in node.targets):
            return node.value.elts if isinstance(node.value, ast.List) else None
    return None


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _type(element: ast.expr) -> str:
    """Return X of ``dict(type='scope.X')``, ``dict(type=X)`` or ``{'type': 'X'}``."""
    kind: Any = None
    if isinstance(element, ast.Call):
        kind = next((keyword.value for keyword in element.keywords if keyword.arg == "type"), None)
    elif isinstance(element, ast.Dict):
        pairs = zip(element.keys, element.values)
        kind = next((value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "type"), None)
    if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
        return kind.value.rpartition(".")[2]
    return getattr(kind, "attr", getattr(kind, "id", ""))


def _bases(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """Yield the files that a config builds on: ``_base_ = ...``, or ``with read_base(): from .x import *``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(_is(target, "_base_") for target in node.targets):
            values = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
            for value in values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and "::" not in value.value:
                    yield folder / value.value
        elif isinstance(node, ast.With):
            for line in node.body:
                if isinstance(line, ast.ImportFrom) and line.level and line.module:
                    above = folder.joinpath(*[".."] * (line.level - 1))
                    yield above.joinpath(*line.module.split(".")).with_suffix(".py")
