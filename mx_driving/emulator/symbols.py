"""Operators that torch_npu may call and the emulator does not write: a trampoline for each stops with its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable, List, Set

_OPERATOR = re.compile(rb"(?<![A-Za-z0-9_])aclnn[A-Z][A-Za-z0-9_]{2,}(?=\0)")
_QUOTED = re.compile(r'^(?:ACLOP|  return collective)\("(\w+)"', re.MULTILINE)
_WORKSPACE = "GetWorkspaceSize"
# Looked up by torch_npu, but not operators: their absence means "this CANN has no such switch", a trampoline would lie.
_NOT_OPERATORS = re.compile(r"SetPytorchRandom|NotFound|GetMaxWorkspaceSize$")


def called_operators(library: Path) -> Set[str]:
    """Names of the aclnn operators in the strings of libtorch_npu.so (torch_npu looks them up by name)."""
    names = {match.decode() for match in _OPERATOR.findall(library.read_bytes())}
    return {name[: -len(_WORKSPACE)] if name.endswith(_WORKSPACE) else name for name in names}


def written_operators(sources: Iterable[Path]) -> Set[str]:
    """Names of the aclnn operators that these sources define, read from their ``OPERATOR`` lines and shorthands."""
    return {name for source in sources for name in _names_in(source.read_text(encoding="utf-8"))}


def failing_operators(sources: Iterable[Path]) -> Set[str]:
    """Names that ``--fail`` knows: written aclnn operators, operators of the older aclop route, HCCL's collectives."""
    sources = list(sources)
    quoted = {name for source in sources for name in _QUOTED.findall(source.read_text(encoding="utf-8"))}
    return written_operators(sources) | quoted


def missing_lines(called: Set[str], written: Set[str]) -> List[str]:
    """The lines of ``missing_operators.inc``: both phases of every operator that is called and not written."""
    names = sorted(name for name in called - written if not _NOT_OPERATORS.search(name))
    return [f"MISSING({name}{suffix})" for name in names for suffix in (_WORKSPACE, "")]


def _names_in(text: str) -> List[str]:
    macros = re.findall(r"^#define (\w+)\((.*?)\)((?:.*\\\n)*.*)$", text, re.MULTILINE)
    body_of = {name: (parameters.split(",")[0].strip(), body) for name, parameters, body in macros}
    names: List[str] = []
    for macro, argument in re.findall(r"^([A-Z_]+)\((\w+)", text, re.MULTILINE):
        names += _expand(macro, argument, body_of)
    return names


def _expand(macro: str, argument: str, body_of: dict) -> List[str]:
    if macro == "OPERATOR":
        return [argument]
    if macro not in body_of:
        return []
    parameter, body = body_of[macro]
    pasted = re.sub(rf"##{parameter}\b|\b{parameter}##|\b{parameter}\b", argument, body)
    return [
        name for inner, first in re.findall(r"\b([A-Z_]+)\((\w+)", pasted) for name in _expand(inner, first, body_of)
    ]
