"""Fetch the real OpenMMLab packages of packages.txt once, with pip, into a cache outside the repository.

``python tests/bootstrap/real_packages.py`` fills the cache; a test asks for one directory at a time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LIST = Path(__file__).with_name("packages.txt")
SOURCE_ONLY = ("mmcv==1.7.2", "mmdet3d==0.17.1", "mmdet3d==1.0.0rc6")


def pins() -> list[str]:
    """The pinned requirements, in the order of the file."""
    lines = (line.strip() for line in LIST.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def cache_root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home, "mx_driving", "packages")


def directory(pin: str) -> Path:
    """Return the directory to put on ``sys.path`` for one pin, fetching it when the cache lacks it."""
    if pin not in pins():
        raise KeyError(f"expected a line of {LIST.name}, got {pin!r}: add it there")
    target = cache_root() / pin.replace("==", "-")
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            unpacked = _unpack(_download(pin, Path(scratch)), Path(scratch, "unpacked"))
            # One rename: an interrupted or a concurrent run never leaves half a package under the final name.
            if not target.is_dir():
                shutil.move(str(unpacked), str(target))
    return target


def built_wheel(pin: str) -> Path | None:
    """Return the wheel with compiled operators that an environment of this torch was made with, if there is one."""
    from torch import __version__ as torch_version

    name, _, version = pin.partition("==")
    key = f"torch-{torch_version}-cp{sys.version_info[0]}{sys.version_info[1]}-*"
    return next(cache_root().parent.glob(f"wheels/{key}/{name}-{version}-*.whl"), None)


def _download(pin: str, scratch: Path) -> Path:
    kind = ["--no-binary", ":all:", "--no-build-isolation"] if pin in SOURCE_ONLY else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", *kind]
    # mmcv's and mmdet3d's setup.py run for their metadata: without operators, and with the torch of this interpreter.
    environment = {**os.environ, "MMCV_WITH_OPS": "0", "PIP_USE_PEP517": "1"}
    done = subprocess.run([*command, "--dest", str(scratch), pin], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not fetch {pin}: {done.stderr.strip()[-2000:]}")
    return next(path for path in scratch.iterdir() if path.suffix in (".whl", ".gz", ".zip"))


def _unpack(archive: Path, target: Path) -> Path:
    if archive.suffix != ".gz":
        zipfile.ZipFile(archive).extractall(target)
        return target
    with tarfile.open(archive) as source:
        source.extractall(target)
    return next(target.iterdir())


if __name__ == "__main__":
    for line in pins():
        print(directory(line))
