"""From an empty environment to an empty one: every way of installing, each Python, pip and uv."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import TOOLS, Installer
from environments import START_FILES

OTHER = "0.1.0.post1"


def with_version(sources: Path, target: Path, version: str) -> Path:
    """A checkout of another version: one line says it."""
    shutil.copytree(sources, target)
    root = target / "mx_driving" / "__init__.py"
    root.write_text(root.read_text().replace('__version__ = "0.1.0"', f'__version__ = "{version}"'))
    return target


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> dict[str, Path]:
    """Wheels of two versions and a source archive, made once by the front end of the first Python."""
    scratch = tmp_path_factory.mktemp("archives")
    builder = Installer("uv", Path(sys.executable), scratch / "venv")
    build = [builder.command[0], "build", "--quiet", "--out-dir", str(scratch)]
    builder.call(*build, str(with_version(sources, scratch / "old", "0.1.0")))
    builder.call(*build, "--wheel", str(with_version(sources, scratch / "new", OTHER)))
    old, new = sorted(scratch.glob("*.whl"), key=lambda path: len(path.name))
    return {"wheel": old, "newer": new, "sdist": next(scratch.glob("*.tar.gz"))}


def left(environment: Installer, empty: list[str]) -> list[str]:
    """What an uninstallation left; uv leaves the bytecode of modules that lie in site-packages itself, of anybody."""
    cached = "site-packages/__pycache__/" if environment.tool == "uv" else "nothing"
    return [path for path in environment.ours() if path not in empty and cached not in path]


def check_version(environment: Installer, version: str) -> None:
    """The installed command runs and is of this version."""
    said = environment.call(str(environment.prefix / "bin" / "mx-driving"), "--version").stdout
    assert said.startswith(f"mx-driving {version}, without compiled operators")


def check(environment: Installer, version: str, folder: str = "site-packages") -> None:
    """Import, the command's version, the bootstrap on and off."""
    check_version(environment, version)
    code = "import sys, mx_driving; print(mx_driving.__file__, [type(f).__name__ for f in sys.meta_path])"
    command = str(environment.prefix / "bin" / "mx-driving")
    assert environment.call(command, "bootstrap", "enable").stdout.startswith("on: auto")
    seen = environment.run("-c", code).stdout
    assert folder in seen
    assert "StartFinder" in seen
    assert "switched on:    auto" in environment.call(command, "bootstrap", "status").stdout
    assert environment.call(command, "bootstrap", "disable").stdout.startswith("off")
    assert "StartFinder" not in environment.run("-c", code).stdout
    site = next(environment.prefix.glob("lib/python*/site-packages"))
    assert all((site / name).is_file() for name in START_FILES)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_journey(tool: str, interpreter: Path, archives: dict[str, Path], sources: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    shutil.copytree(sources, checkout)
    fresh = Installer(tool, interpreter, tmp_path / "venv")
    empty = fresh.ours()

    fresh.install(str(archives["wheel"]))
    check(fresh, "0.1.0")
    fresh.install(str(archives["wheel"]))  # a second time
    check_version(fresh, "0.1.0")
    fresh.install("--upgrade", str(archives["newer"]))
    check_version(fresh, OTHER)
    fresh.install(str(archives["wheel"]))  # a downgrade
    check_version(fresh, "0.1.0")
    fresh.uninstall()
    assert left(fresh, empty) == []

    fresh.install(str(archives["sdist"]))  # in the isolation that the front end makes
    check_version(fresh, "0.1.0")
    fresh.uninstall()
    assert left(fresh, empty) == []

    fresh.install(*TOOLS)
    for _ in range(2):
        fresh.install("--no-build-isolation", ".", cwd=checkout)
        check_version(fresh, "0.1.0")
    fresh.install("--no-build-isolation", "-e", ".", cwd=checkout)
    check(fresh, "0.1.0", "a checkout")
    fresh.uninstall()
    assert left(fresh, empty) == []
    assert fresh.run("-c", "pass").stderr == ""


def test_the_archives(archives: dict[str, Path]) -> None:
    with zipfile.ZipFile(archives["wheel"]) as archive:
        names = archive.namelist()
        metadata = archive.read("mx_driving-0.1.0.dist-info/METADATA").decode()
    assert archives["wheel"].name == "mx_driving-0.1.0-py3-none-any.whl"
    assert "mx_driving/csrc/emulator/operator.h" in names
    assert "mx_driving/py.typed" in names
    assert not [name for name in names if name.startswith("tests") or name.endswith((".so", ".pyc"))]
    assert "Author: " in metadata
    assert "Classifier: Programming Language :: Python :: 3.8\n" in metadata
    assert "](docs/" not in metadata
    assert "](README" not in metadata
    assert "README.md" not in [line for line in metadata.splitlines() if line.startswith("License-File")]
