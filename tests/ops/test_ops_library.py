"""Building and loading ``mx_driving._operators``: what a user reads when it is missing, broken or another torch's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

import mx_driving
from mx_driving import ops

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(mx_driving.__file__).parent
ops.load()

BROKEN_LIBRARIES = {
    "undefined-symbol": """
        #include <Python.h>
        void gone_from_this_torch(void);
        PyMODINIT_FUNC PyInit__operators(void) { gone_from_this_torch(); return NULL; }
    """,
    "another-release": """
        #include <Python.h>
        static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_operators", NULL, -1, NULL};
        PyMODINIT_FUNC PyInit__operators(void) {
            PyObject* module = PyModule_Create(&definition);
            PyModule_AddStringConstant(module, "torch_version", "1.0.0");
            return module;
        }
    """,
}
MESSAGES = {
    "undefined-symbol": f"to be built for torch {torch.__version__}, but it does not load",
    "another-release": f"built for torch {torch.__version__}, but it was built for torch 1.0.0",
}


@pytest.fixture
def copy(tmp_path):
    """Return the folder of a copy of the package that has no ``_operators``."""
    shutil.copytree(PACKAGE / "ops", tmp_path / "mx_driving" / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__init__.py", tmp_path / "mx_driving")
    return tmp_path


def last_line_of_import(folder):
    """Import the operators from ``folder`` in a new interpreter and return the last line of its complaint."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import mx_driving.ops; mx_driving.ops.load()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 1, result.stdout
    return result.stderr.strip().splitlines()[-1]


def test_missing_library_says_how_to_build_it(copy):
    assert last_line_of_import(copy) == (
        "ImportError: mx_driving.ops: expected the compiled operators mx_driving._operators, but they were not built; "
        "run `pip install --no-build-isolation .` in mx_driving's sources"
    )


@pytest.mark.parametrize("kind", BROKEN_LIBRARIES)
def test_library_of_another_torch_is_named(copy, kind):
    compiler = shutil.which("cc") or pytest.skip("no C compiler on this machine")
    source = copy / "library.c"
    source.write_text(BROKEN_LIBRARIES[kind])
    target = copy / "mx_driving" / "_operators.so"
    headers = sysconfig.get_paths()["include"]
    subprocess.run([compiler, "-shared", "-fPIC", f"-I{headers}", str(source), "-o", str(target)], check=True)
    line = last_line_of_import(copy)
    assert line.startswith("ImportError: mx_driving.ops: ")
    assert MESSAGES[kind] in line
    assert line.endswith("run `pip install --no-build-isolation .` in mx_driving's sources")


def test_one_openmp_runtime_serves_torch_and_us(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc/self/maps")
    code = (
        "import mx_driving.ops; mx_driving.ops.load(); lines = open('/proc/self/maps').read().split();"
        "print(len({line for line in lines if 'libgomp' in line or 'libiomp' in line or 'libomp' in line}))"
    )
    # Not from the sources' folder: -c would put it on the path, and the operators are built elsewhere.
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.strip() == "1"


def test_every_operator_has_its_kernels():
    """What an operator needs to be whole; the names are read from the dispatcher, not from a list of ours."""
    schemas = [s for s in torch._C._jit_get_all_schemas() if s.name.startswith("mx_driving::")]
    assert len(schemas) >= 10
    has_kernel = torch._C._dispatch_has_computed_kernel_for_dispatch_key  # a composite kernel counts
    has_own = torch._C._dispatch_has_kernel_for_dispatch_key  # torch's fallback, which has no gradient, does not
    for schema in schemas:
        missing = [key for key in ("CPU", "Meta") if not has_kernel(schema.name, key)]
        assert not missing, f"{schema.name} has no kernel for {missing}"
        # What consists of ATen's operators is differentiated by theirs.
        differentiable = has_own(schema.name, "Autograd") or has_own(schema.name, "CompositeImplicitAutograd")
        assert differentiable, f"{schema.name} has no gradient and does not say so"


def test_every_compiled_function_has_an_operator_of_its_name():
    registered = {s.name.split("::")[1] for s in torch._C._jit_get_all_schemas() if s.name.startswith("mx_driving::")}
    compiled = {name for name in ops.__all__ if "operators" in getattr(ops, name).__globals__}
    assert {"ms_deform_attn", "add_relu", "deform_conv2d_backward"} <= compiled <= registered


def test_every_file_is_an_operator_that_is_exported():
    files = {path.stem for path in (PACKAGE / "ops").glob("*.py") if not path.stem.startswith("_")}
    assert files <= set(ops.__all__)


def setup_py(prelude="", command="--name", **environment):
    """Run a command of setup.py in the sources, after ``prelude``."""
    code = (
        f"{prelude}\nimport sys, runpy; sys.argv = ['setup.py', {command!r}]; "
        "runpy.run_path('setup.py', None, '__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


# What an environment without torch answers to whoever asks for it.
NO_TORCH = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else real(name, *rest)
class NoTorch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch)
"""


def test_build_without_torch_says_what_to_do():
    result = setup_py(NO_TORCH, "build_ext")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("mx_driving: building the operators needs torch, but the environment that builds has none")
    assert last.endswith("(or set MX_DRIVING_BUILD_OPS=0 to build without them)")


def test_build_without_operators_needs_no_torch():
    result = setup_py(NO_TORCH, MX_DRIVING_BUILD_OPS="0")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-1] == "mx_driving"
