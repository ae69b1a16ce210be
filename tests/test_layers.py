"""The layers of design.md import one way only, and a plain import is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "mx_driving"
ORDER = ["_core", "ops", "profiling", "patches", "runner_hooks", "patcher", "cli"]
ALONE = {"bootstrap", "emulator"}
FILES = sorted(ROOT.rglob("*.py"))


def imported(path):
    """Yield the mx_driving layers that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "mx_driving" else [base]
        for name in names:
            parts = name.split(".")
            if parts[0] == "mx_driving" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_imports_run_one_way(path):
    layer = path.relative_to(ROOT).parts[0]
    for target in imported(path):
        if layer in ALONE:
            assert target == layer, f"{layer} stands alone, it imports {target}"
        elif layer in ORDER and target in ORDER:
            assert ORDER.index(target) <= ORDER.index(layer), f"{layer} imports {target}, which stands above it"


def test_core_uses_the_standard_library_and_packaging_only():
    allowed = {"mx_driving", "packaging"} | set(getattr(sys, "stdlib_module_names", ()))
    for path in (ROOT / "_core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert {name.partition(".")[0] for name in names} <= allowed, path


def test_plain_import_loads_neither_torch_nor_the_extension():
    code = "import sys, mx_driving; print([m for m in ('torch', 'mx_driving._operators', 'mmcv') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_unknown_attribute_is_an_attribute_error():
    import mx_driving

    with pytest.raises(AttributeError, match="no attribute 'NPUPatchHok'"):
        mx_driving.NPUPatchHok  # noqa: B018
