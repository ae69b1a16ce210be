"""Find the torch and torch_npu that the child will use, without importing either (torch_npu needs CANN to import)."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from mx_driving.emulator.errors import EmulatorError


@dataclass(frozen=True)
class Installation:
    """Where the two packages lie and which versions they are."""

    torch: Path
    torch_npu: Path
    torch_version: str
    torch_npu_version: str

    @property
    def library(self) -> Path:
        """The library whose undefined symbols the emulator provides."""
        return self.torch_npu / "lib" / "libtorch_npu.so"

    def include_dirs(self) -> List[Path]:
        """Headers of torch, and of CANN's runtime and HCCL as the torch_npu wheel carries them."""
        third_party = self.torch_npu / "include" / "third_party"
        return [
            self.torch / "include",
            self.torch / "include" / "torch" / "csrc" / "api" / "include",
            third_party / "acl" / "inc",
            third_party / "hccl" / "inc",
            self.torch_npu / "include",
        ]


def find_installation() -> Installation:
    """Read both packages' versions from their files and check that they fit.

    Raises:
        EmulatorError: a package is missing, torch is a CUDA build, or the releases differ.
    """
    torch, torch_npu = _package_dir("torch"), _package_dir("torch_npu")
    torch_version, cuda = _read_version(torch)
    torch_npu_version, _ = _read_version(torch_npu)
    if cuda:
        raise EmulatorError(
            f"torch {torch_version} is a CUDA build, torch_npu aborts beside it: install the CPU build of torch"
        )
    if _release(torch_version) != _release(torch_npu_version):
        raise EmulatorError(
            f"torch_npu {torch_npu_version} does not fit torch {torch_version}: run pip install --no-deps "
            f"torch_npu=={'.'.join(_release(torch_version))}"
        )
    return Installation(torch, torch_npu, torch_version, torch_npu_version)


def _package_dir(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        hint = "pip install --no-deps torch_npu==<the version of torch>" if name == "torch_npu" else "pip install torch"
        raise EmulatorError(f"{name} is not installed in this environment: run {hint}")
    return Path(next(iter(spec.submodule_search_locations)))


def _read_version(package: Path) -> Tuple[str, bool]:
    file = package / "version.py"
    if not file.is_file():
        raise EmulatorError(f"{package} is no installed {package.name}: it has no version.py; reinstall, or remove it")
    text = file.read_text(encoding="utf-8")
    version = re.search(r"^__version__[^=]*=\s*['\"]([^'\"]+)", text, re.MULTILINE)
    if version is None:
        raise EmulatorError(f"{package / 'version.py'} names no __version__: reinstall {package.name}")
    return version.group(1), bool(re.search(r"^cuda[^=]*=\s*['\"]", text, re.MULTILINE))


def _release(version: str) -> Tuple[str, ...]:
    return tuple(re.findall(r"\d+", version)[:3])
