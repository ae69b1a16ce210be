"""``mmcv._ext``: ours where mmcv brings none, never instead of a compiled one."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import mmcv
import pytest

from mx_driving import mmcv_ext
from mx_driving.mmcv_ext.names import NAMES
from mx_driving.mmcv_ext.provider import functions, provided

MMCV = Path(mmcv.__file__).parent


def run(code, *paths, **variables):
    sys_path = [str(path) for path in paths] + [str(Path(mmcv_ext.__file__).parents[2])]
    environment = {
        "PYTHONPATH": ":".join(sys_path),
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
        "PATH": "/usr/bin",
        **variables,
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    return done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.fixture
def lite(tmp_path):
    """Make an mmcv without operators."""
    (tmp_path / "mmcv").mkdir()
    (tmp_path / "mmcv/__init__.py").write_text("__version__ = '2.1.0'\n")
    return tmp_path


def names_asked_for():
    for path in MMCV.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "load_ext":
                yield from ast.literal_eval(node.args[1])


def test_all_names_that_mmcv_asks_for_exist():
    asked = set(names_asked_for())
    assert len(asked) >= 107
    assert asked <= set(functions())


def test_groups_define_nothing_but_the_names_of_the_extension():
    assert set(provided()) <= set(NAMES)


@pytest.mark.parametrize("name", sorted(provided()))
def test_parameters_are_named_as_in_mmcv(name):
    compiled = getattr(importlib.import_module("mmcv._ext"), name, None)
    if compiled is None:
        pytest.skip(f"mmcv {mmcv.__version__} has no {name}")
    ours = list(inspect.signature(provided()[name]).parameters)
    overloads = [re.findall(r"(\w+): ", line) for line in compiled.__doc__.splitlines() if f"{name}(" in line]
    if name == "upfirdn2d" and mmcv.__version__ < "2":
        pytest.skip("mmcv 1.x names and orders upfirdn2d's parameters differently; test_generators tells them apart")
    assert ours in overloads


def test_a_compiled_extension_is_never_shadowed():
    code = "import torch, mx_driving.mmcv_ext as m, mmcv._ext as e; print(e.__file__, m.is_ours(), m.describe())"
    file, is_ours, *words = run(code).split()
    assert (file.endswith(".so"), is_ours) == (True, "False")
    assert " ".join(words) == f"mmcv's operators: mmcv's own, compiled ({file})"


def test_an_mmcv_without_operators_gets_ours(lite):
    code = "import mx_driving.mmcv_ext as ours, mmcv._ext; print(ours.is_ours(), ours.describe())"
    assert run(code, lite).startswith("True mmcv's operators: mx_driving's, mmcv brings none (")


def test_a_broken_extension_stays_broken(lite):
    (lite / "mmcv/_ext.py").write_text("raise ImportError('undefined symbol: _ZN2at')")
    assert run("import mx_driving.mmcv_ext, mmcv._ext", lite) == "ImportError: undefined symbol: _ZN2at"


def test_without_mmcv_nothing_appears(tmp_path):
    without = "import sys; sys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
    assert run(f"{without}import mx_driving.mmcv_ext, mmcv._ext") == "ModuleNotFoundError: No module named 'mmcv'"


def test_installing_twice_changes_nothing():
    before = list(sys.meta_path)
    mmcv_ext.install()
    assert sys.meta_path == before
    assert importlib.util.find_spec("mmcv._ext").origin.endswith(".so")


def test_what_is_not_provided_says_what_to_do():
    missing = functions()["line_nms_forward"]
    with pytest.raises(NotImplementedError, match="line_nms, of onedl-mmcv.*install an mmcv that was compiled"):
        missing(1, 2, 3, 4)
