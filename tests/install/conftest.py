from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environments import BUILD, clean_environment, copy_sources, find_interpreter

# What README.md says to install first, word for word.
TOOLS = ["setuptools>=64,<81", "wheel", "ninja"]


def find_uv() -> str | None:
    """Find uv beside the interpreter that runs the tests, or on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


class Installer:
    """A fresh virtual environment and the tool, pip or uv, that installs into it."""

    def __init__(self, tool: str, interpreter: Path, prefix: Path) -> None:
        self.tool, self.prefix, self.python = tool, prefix, prefix / "bin" / "python"
        if tool == "pip":
            self.call(str(interpreter), "-m", "venv", str(prefix))
            self.command = [str(self.python), "-m", "pip"]
        else:
            uv = find_uv()
            assert uv is not None, "uv is in requirements/install.txt: run the session `install`"
            self.call(uv, "venv", "--quiet", "--python", str(interpreter), str(prefix))
            self.command = [uv, "pip"]

    def call(self, *command: str, check: bool = True, cwd: Path | None = None, **variables: str):
        """Run a command as a user of this environment would, with nothing of the tests' own environment."""
        environment = clean_environment({**BUILD, "VIRTUAL_ENV": str(self.prefix), **variables})
        environment["PATH"] = os.pathsep.join([str(self.prefix / "bin"), "/usr/bin", "/bin"])
        done = subprocess.run(
            list(command),
            env=environment,
            cwd=str(cwd or self.prefix.parent),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def install(self, *arguments: str, **options):
        return self.call(*self.command, "install", *arguments, **options)

    def uninstall(self) -> None:
        self.call(*self.command, "uninstall", *(["--yes"] if self.tool == "pip" else []), "mx_driving")

    def run(self, *arguments: str, **options):
        return self.call(str(self.python), *arguments, **options)

    def ours(self) -> list[str]:
        """Every path of the environment that is ours, from its root."""
        return sorted(str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*mx*driving*"))


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout; tests that change it make a copy of their own."""
    return copy_sources(tmp_path_factory.mktemp("checkout") / "mx driving-checkout")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that the test may change."""
    return copy_sources(tmp_path / "checkout")


@pytest.fixture(scope="session", params=["3.8", "3.11", "3.12", "3.13"])
def interpreter(request: pytest.FixtureRequest) -> Path:
    """Every Python of the table that this machine has."""
    found = find_interpreter(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} in pyenv or on PATH")
    return found
