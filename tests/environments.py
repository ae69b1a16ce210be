"""Virtual environments and subprocesses for the bootstrap's tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "build_support"))

from sources import copy as copy_sources  # noqa: E402, F401

START_FILES = (
    "mx_driving_bootstrap.pth",
    "mx_driving_bootstrap.start",
    "mx_driving_bootstrap.settings",
    "_mx_driving_bootstrap.py",
)
#: Without the compiled operators the package is pure Python, so one wheel serves every interpreter.
BUILD = {"MX_DRIVING_BUILD_OPS": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def find_interpreter(version: str) -> Path | None:
    """Find a Python such as "3.8": among pyenv's versions, then on PATH."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = sorted(root.glob(f"{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    # pyenv's own shims fail for a version that is not the selected one, so they do not count.
    return found[-1] if found else Path(on_path) if on_path and "shims" not in on_path else None


class Environment:
    """A virtual environment with mx_driving installed."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.python = prefix / "bin" / "python"
        self.site = next(prefix.glob("lib/python*/site-packages"))

    def run(
        self,
        *arguments: str,
        path: Sequence[Path | str] = (),
        cwd: Path | None = None,
        check: bool = True,
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run this environment's python with these arguments; ``path`` becomes PYTHONPATH."""
        done = subprocess.run(
            [str(self.python), *arguments],
            env=clean_environment({**variables, "PYTHONPATH": os.pathsep.join(map(str, path))}),
            cwd=str(cwd or self.prefix),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def answer(self, code: str, **options: object) -> object:
        """Run code and return what it printed last, as JSON."""
        return json.loads(self.run("-c", code, **options).stdout.splitlines()[-1])  # type: ignore[arg-type]

    def pip(self, *arguments: str) -> str:
        done = self.run("-m", "pip", *arguments, **BUILD)
        return done.stdout

    def leftovers(self) -> list[str]:
        """Every path of this environment that mentions mx_driving."""
        return sorted(str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*mx*driving*"))

    def copy(self, target: Path, with_pip: bool = False) -> Environment:
        """A copy that a test may damage; a venv finds itself by the place of its pyvenv.cfg, so copying works."""
        heavy = () if with_pip else ("pip", "pip-*", "setuptools", "setuptools-*")
        shutil.copytree(self.prefix, target, symlinks=True, ignore=shutil.ignore_patterns(*heavy))
        return Environment(target)


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MX_DRIVING", "PYTHON"))}
    return {**kept, **{name: value for name, value in variables.items() if value}}


def create(prefix: Path, wheel: Path, interpreter: Path) -> Environment:
    """A fresh virtual environment of any interpreter, with the wheel installed by that interpreter's own pip."""
    subprocess.run([str(interpreter), "-m", "venv", str(prefix)], check=True, env=clean_environment({}))
    environment = Environment(prefix)
    environment.pip("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    return environment


def overlay(prefix: Path, wheel: Path) -> Environment:
    """A virtual environment with the wheel, on top of the packages (torch, numpy ...) of the one that runs pytest."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    environment = Environment(prefix)
    install = ["-m", "pip", "--python", str(environment.python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, env=clean_environment(BUILD))
    parents = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # A plain path line: the parent's own .pth files, a development install of mx_driving among them, do not run.
    (environment.site / "zz_parent.pth").write_text("\n".join(sorted(parents)) + "\n", encoding="utf-8")
    return environment
