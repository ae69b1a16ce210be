from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import environments
import pytest
import real_packages

CURRENT = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a user builds it, without the compiled operators."""
    scratch = tmp_path_factory.mktemp("wheel")
    sources = environments.copy_sources(scratch / "sources")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    environment = environments.clean_environment(environments.BUILD)
    done = subprocess.run([*command, "-w", str(scratch), str(sources)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(scratch.glob("*.whl"))


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> environments.Environment:
    """The interpreter and packages of this pytest run, with mx_driving's wheel installed; tests do not change it."""
    return environments.overlay(tmp_path_factory.mktemp("overlay") / "venv", wheel)


@pytest.fixture(scope="session", params=sorted({"3.8", "3.13", CURRENT}, key=lambda text: int(text.split(".")[1])))
def bare(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> environments.Environment:
    """An environment with nothing but mx_driving, on every Python that the bootstrap is tested on."""
    interpreter = Path(sys.executable) if request.param == CURRENT else environments.find_interpreter(request.param)
    if interpreter is None:
        pytest.skip(f"no Python {request.param} in pyenv or on PATH")
    return environments.create(tmp_path_factory.mktemp("bare") / "venv", wheel, interpreter)


@pytest.fixture
def breakable(bare: environments.Environment, tmp_path: Path) -> environments.Environment:
    """A copy of ``bare`` that the test may damage, switch on or empty."""
    return bare.copy(tmp_path / "venv")


@pytest.fixture(scope="session")
def real() -> object:
    """``real("mmdet==3.3.0")`` gives the directory of that real package; needs the network once."""
    return real_packages.directory


@pytest.fixture
def toys(tmp_path: Path) -> ToyPackages:
    return ToyPackages(tmp_path / "toys")


CHECK = """
import mmcv
from .version import __version__

def digit_version(version_str):
    return [int(x) for x in version_str.split('.') if x.isdigit()]

mmcv_minimum_version = '{low}'
mmcv_maximum_version = '{high}'
mmcv_version = digit_version(mmcv.__version__)
assert (mmcv_version >= digit_version(mmcv_minimum_version)
        and mmcv_version <= digit_version(mmcv_maximum_version)), \\
    f'MMCV=={{mmcv.__version__}} is used but incompatible.'
seen = mmcv.__version__
"""


class ToyPackages:
    """Packages written the way OpenMMLab writes them, for what no real one does and for Pythons without numpy."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mmcv("1.7.2")

    def mmcv(self, version: str) -> None:
        self.module("mmcv/version.py", f"__version__ = {version!r}\n")
        self.module("mmcv/__init__.py", "from .version import *\nfrom .version import __version__\nname = 'real'\n")

    def checking(self, name: str, low: str, high: str, before: str = "", after: str = "") -> None:
        self.module(f"{name}/__init__.py", before + CHECK.format(low=low, high=high) + after)
        self.module(f"{name}/version.py", "__version__ = '9.9'\n")

    def module(self, path: str, source: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, encoding="utf-8")
        return target
