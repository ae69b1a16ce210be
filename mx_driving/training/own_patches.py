"""Patches of the user's own, named in a config by where they stand: ``patches=["my_team.patches:SCALE"]``."""

from __future__ import annotations

import importlib
from typing import Any, List, Tuple

from mx_driving._core import PatchRecord, unknown_name
from mx_driving.patches import ALIASES, CATALOGUE


def load_own(value: Any) -> Tuple[PatchRecord, ...]:
    """Return the records that a list of ``"package.module:NAME"`` names.

    Args:
        value: such texts, or records.

    Raises:
        TypeError: no list of these, or what a text names is no record.
        ValueError: a text is of another form, names nothing, or a record's name is taken.
        ImportError: the module fails in its own imports.
    """
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"patches: expected a list such as ['my_team.patches:SCALE'], got {value!r}")
    records: List[PatchRecord] = []
    for given in value:
        record = given if isinstance(given, PatchRecord) else _load(given)
        taken = dict.fromkeys((*CATALOGUE, *ALIASES), "a patch of mx_driving")
        taken.update((other.name, "another of yours") for other in records)
        if record.name in taken:
            raise ValueError(f"patches: {given!r} is called {record.name!r}, as is {taken[record.name]}; rename it")
        records.append(record)
    return tuple(records)


def _load(path: Any) -> PatchRecord:
    if not isinstance(path, str):
        raise TypeError(f"patches: expected texts such as 'my_team.patches:SCALE', got {path!r}")
    name, colon, attribute = path.partition(":")
    if not (name and colon and attribute.isidentifier()):
        raise ValueError(f"patches: expected 'package.module:NAME' such as 'my_team.patches:SCALE', got {path!r}")
    module = _module(name, path)
    records = [key for key, held in vars(module).items() if isinstance(held, PatchRecord)]
    if not hasattr(module, attribute):
        raise ValueError(unknown_name(attribute, records, f"patches: {name}") if records else _nothing_in(path, name))
    record = getattr(module, attribute)
    if not isinstance(record, PatchRecord):
        raise TypeError(f"patches: expected {path!r} to be a PatchRecord of mx_driving.patcher, got {record!r}")
    return record


def _module(name: str, path: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # A module that the user's own module lacks is that module's error.
        if exc.name is None or not (name + ".").startswith(exc.name + "."):
            raise
        place = "it must be importable, for instance by PYTHONPATH"
        raise ValueError(f"patches: {path!r} names the module {name!r}, and there is no {exc.name!r}; {place}") from exc


def _nothing_in(path: str, name: str) -> str:
    return f"patches: expected a PatchRecord at {path!r}, got a module {name!r} that holds none; define it there"
