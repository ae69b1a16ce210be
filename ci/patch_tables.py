"""Write the tables of patches in the READMEs and docs from the records; ``--check`` fails where they differ.

Runs also where torch and numpy are not installed (the lint session): the records' files import them, and only their
data is read.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Optional

ROOT = Path(__file__).resolve().parents[1]
STOOD_FOR = ("torch", "numpy")
BEGIN, END = "<!-- patches: written by ci/patch_tables.py -->\n", "<!-- end of patches -->\n"


class _Placeholder(ModuleType):
    """Stands for a module of a missing package: every attribute is another placeholder."""

    __path__: list = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Placeholder(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if args else self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __mro_entries__(self, bases: Any) -> tuple:
        return ()


class _Placeholders:
    """Finds placeholders for the missing ones of ``STOOD_FOR`` and their submodules."""

    def __init__(self) -> None:
        self._missing = [name for name in STOOD_FOR if importlib.util.find_spec(name) is None]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in self._missing else None  # type: ignore

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def written(text: str, table: str) -> str:
    """Return ``text`` with the table between its marks.

    Raises:
        ValueError: the text has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the marks {BEGIN.strip()} and {END.strip()}")
    return before + begin + table + end + after


def texts() -> Dict[Path, str]:
    """Return each file's text as it should be."""
    from mx_driving.patches import load_all
    from mx_driving.patches._table import full, short

    patches = load_all()
    tables = {"README.md": short(patches), "README.zh-CN.md": short(patches, "zh"), "docs/patches.md": full(patches)}
    return {ROOT / name: written((ROOT / name).read_text(encoding="utf-8"), table) for name, table in tables.items()}


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    check = parser.parse_args().check
    sys.path.insert(0, str(ROOT))
    sys.meta_path.append(_Placeholders())  # type: ignore[arg-type]
    stale = [path for path, text in texts().items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)}: the table is not what the records say: run `python ci/patch_tables.py`")
        else:
            path.write_text(texts()[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
