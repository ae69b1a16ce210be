"""The layers of docs/architecture.md import one way only, and a plain import is light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import layers
import pytest

import mx_driving

ROOT = Path(__file__).parents[1] / "mx_driving"
FILES = sorted(ROOT.rglob("*.py"))
NO_NAMES_OF_STDLIB = pytest.mark.skipif(not layers.STDLIB, reason="Python 3.8 and 3.9 do not list the standard library")


def dotted(path):
    name = ".".join(["mx_driving", *path.relative_to(ROOT).with_suffix("").parts])
    return name[: -len(".__init__")] if path.name == "__init__.py" else name


@NO_NAMES_OF_STDLIB
def test_imports_run_one_way():
    assert len(FILES) > 50
    found = [
        line
        for path in FILES
        for line in layers.violations(path.read_text(encoding="utf-8"), dotted(path), path.name == "__init__.py")
    ]
    assert found == []


def test_every_part_of_the_package_is_classified():
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or list(path.glob("*.py"))}
    assert parts <= layers.KNOWN, "a new part of the package belongs in tests/layers.py and docs/architecture.md"


def test_the_architecture_page_names_every_part():
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = layers.KNOWN - {"__init__"}
    assert [part for part in sorted(parts) if f"`{part}/`" not in page and f"`{part}.py`" not in page] == []


PLANTED = {
    "plain import upwards": ("mx_driving.ops.x", "import mx_driving.patches"),
    "from import upwards": ("mx_driving.ops.x", "from mx_driving.patches import load"),
    "a layer named in a from import": ("mx_driving.ops.x", "from mx_driving import patches"),
    "relative import": ("mx_driving.ops.x", "from ..patches import load"),
    "relative import of a layer": ("mx_driving.ops.x", "from .. import training"),
    "import_module with a literal": (
        "mx_driving._core.x",
        "import importlib\nimportlib.import_module('mx_driving.ops')",
    ),
    "import_module with a relative literal": (
        "mx_driving.ops.x",
        "from importlib import import_module\nimport_module('..patches', __package__)",
    ),
    "import_module with the beginning of a literal": (
        "mx_driving.training.x",
        "import importlib\nimportlib.import_module(f'mx_driving.runner_hooks.{name}')",
    ),
    "inside a function": ("mx_driving.patches.x", "def f():\n    from mx_driving.training import run"),
    "the sibling": ("mx_driving.patcher.x", "from mx_driving.runner_hooks import NPUPatchHook"),
    "the sibling, other way": ("mx_driving.runner_hooks.x", "from mx_driving.patcher import Patch"),
    "a layer from the ground": ("mx_driving.device", "from mx_driving import _core"),
    "a layer from what stands alone": ("mx_driving.bootstrap.x", "from mx_driving._core import versions"),
    "what stands alone from a layer": ("mx_driving.ops.x", "from mx_driving import emulator"),
    "a package in the core": ("mx_driving._core.x", "import torch"),
    "a package in the bootstrap": ("mx_driving.bootstrap.x", "import packaging"),
    "a package in the import hook": ("mx_driving._import_hook", "import packaging"),
    "the package's root from a layer": ("mx_driving.patches.x", "from mx_driving import cli"),
}


@NO_NAMES_OF_STDLIB
@pytest.mark.parametrize("case", PLANTED)
def test_planted_violation_is_found(case):
    module, source = PLANTED[case]
    assert layers.violations(source, module), source


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mx_driving.patches.x", "from mx_driving import ops"),
        ("mx_driving.patches.x", "from . import table\nfrom mx_driving.device import resolve"),
        ("mx_driving.patcher.x", "from mx_driving.bootstrap import FINDER\nimport torch"),
        ("mx_driving._core.x", "import json\nfrom packaging.version import Version"),
    ],
)
def test_what_is_allowed_passes(module, source):
    assert layers.violations(source, module) == []


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_plain_import_loads_neither_torch_nor_the_extension():
    heavy = ("torch", "mx_driving._operators", "mmcv", "numpy")
    assert run(f"import sys, mx_driving; print([m for m in {heavy} if m in sys.modules])") == "[]"


@pytest.mark.parametrize("module", ["mx_driving._core", "mx_driving.patcher", "mx_driving.patches", "mx_driving.cli"])
def test_light_parts_do_not_load_torch(module):
    assert run(f"import sys, {module}; print('torch' in sys.modules)") == "False"


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'NPUPatchHok'"):
        mx_driving.NPUPatchHok  # noqa: B018
