"""docs/writing-an-operator.md: the operator that it writes down is built and passes the tests that it asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths, library_paths

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "writing-an-operator.md"

# In a process of its own: a registration cannot be taken back.
USE = """
import sys, torch
torch.ops.load_library(sys.argv[1])
op = torch.ops.mx_driving.squared_relu
x = torch.randn(3, 5, requires_grad=True)
assert torch.equal(op(x), torch.relu(x).square())
if hasattr(torch.library, "opcheck"):
    torch.library.opcheck(op.default, (x,))
    torch.library.opcheck(torch.ops.mx_driving.squared_relu_backward.default, (x.detach(), x.detach()))
assert torch.autograd.gradcheck(op, (x.detach().double().requires_grad_(),))
try:
    op(torch.zeros(2).long())
except RuntimeError as exc:
    print(str(exc).splitlines()[0])
"""


def written_files(folder):
    """Write the page's files into a copy of ``csrc`` and return its sources."""
    shutil.copytree(ROOT / "csrc" / "common", folder / "csrc" / "common")
    for path, code in re.findall(r"## \d\. [^\n]*: `(csrc/[^`]+)`.*?```cpp\n(.*?)```", PAGE.read_text(), re.DOTALL):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(code)
    return sorted(folder.glob("csrc/ops/**/*.cpp"))


def test_the_example_is_a_whole_operator(tmp_path):
    if not sys.platform.startswith("linux") or shutil.which("c++") is None:
        pytest.skip("needs a C++ compiler on Linux")
    sources = written_files(tmp_path)
    assert [path.name for path in sources] == ["squared_relu_kernel.cpp", "squared_relu.cpp"]
    # One translation unit: the torch headers are read once.
    unit = tmp_path / "unit.cpp"
    unit.write_text("".join(f'#include "{path}"\n' for path in sources).replace(".cpp", ".inc"))
    for path in sources:
        path.rename(path.with_suffix(".inc"))
    library = tmp_path / "squared_relu.so"
    command = ["c++", "-shared", "-fPIC", "-O0", "-fopenmp", "-std=c++20", str(unit), "-o", str(library)]
    command += [
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"
    ]  # torch's own choice, to link with it
    command += [f"-isystem{path}" for path in include_paths()]
    command += [f"-L{path}" for path in library_paths()] + ["-lc10", "-ltorch_cpu", "-ltorch"]
    subprocess.run(command, check=True)
    used = subprocess.run([sys.executable, "-c", USE, str(library)], capture_output=True, text=True, check=False)
    assert used.returncode == 0, used.stderr
    assert used.stdout.strip() == "squared_relu: x must be a floating tensor, got Long"
