"""The stock train.py files, byte for byte as shipped: refused with the switch off, started with it on.

"Started" means that every import of the script ran and that it read the config given to it. mmcv 1.7.2 comes with its
real operators from the cache of built wheels when that has one for this torch, as it does after the mmcv 1.x
environment was made. mmcv 2.2.0 is not built anywhere (20 minutes): there, and where the cache is empty, ``mmcv._ext``
is a stand-in whose functions raise when called. torchvision, for mmcv 1.x, is a stand-in too, since PyPI's does not
load beside a CPU torch. Everything else is real.
"""

from __future__ import annotations

import shutil
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Callable

import pytest
import real_packages
from environments import Environment

EXT = """
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    def refuse(*args, **kwargs):
        raise RuntimeError(f"mmcv._ext.{name}: a stand-in of the tests, it computes nothing")
    return refuse
"""
TORCHVISION = "__version__ = '0.0.0'\nfrom . import models\n"
SCRIPTS = {
    "mmdet3d 1.0.0rc6 on mmcv 1.7.2": (
        "mmcv==1.7.2",
        ("mmdet3d==1.0.0rc6", "mmdet==2.28.2", "mmsegmentation==0.30.0"),
        "MMCV==1.7.2 is used but incompatible. Please install mmcv>=1.5.2, <=1.7.0.",
        1,
    ),
    "mmdet3d 1.4.0 on mmcv 2.2.0": (
        "mmcv-lite==2.2.0",
        ("mmdet3d==1.4.0", "mmdet==3.3.0"),
        "MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0.",
        2,
    ),
}
NEEDS = ("torch", "numba", "cv2", "nuscenes", "pycocotools", "prettytable", "trimesh", "matplotlib", "mmengine")


@pytest.fixture(params=SCRIPTS)
def script(
    request: pytest.FixtureRequest, real: Callable[[str], Path], tmp_path: Path
) -> tuple[Path, list[Path], str, int]:
    """The script, the path it needs, the stock message, and how many packages are shown another version."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        pytest.skip(f"the stock train.py cannot import {', '.join(missing)}: not installed in this environment")
    mmcv, others, message, shown = SCRIPTS[request.param]
    built = real_packages.built_wheel(mmcv.replace("mmcv==1", "mmcv_full==1"))
    if built is not None:
        zipfile.ZipFile(built).extractall(tmp_path / "standins")
    else:
        shutil.copytree(real(mmcv) / "mmcv", tmp_path / "standins" / "mmcv")
        (tmp_path / "standins" / "mmcv" / "_ext.py").write_text(EXT, encoding="utf-8")
    print(f"operators of {mmcv}: {built or 'a stand-in'}")
    if mmcv.endswith("1.7.2"):
        (tmp_path / "standins" / "torchvision" / "models").mkdir(parents=True)
        (tmp_path / "standins" / "torchvision" / "__init__.py").write_text(TORCHVISION, encoding="utf-8")
        (tmp_path / "standins" / "torchvision" / "models" / "__init__.py").touch()
    train = real(others[0]) / "mmdet3d" / ".mim" / "tools" / "train.py"
    return train, [tmp_path / "standins", *map(real, others)], message, shown


def test_stock_train_script(venv: Environment, script: tuple[Path, list[Path], str, int], tmp_path: Path) -> None:
    train, path, message, shown = script
    config = tmp_path / "reached.py"
    config.write_text("raise RuntimeError('train.py reads its config')\n", encoding="utf-8")
    off = venv.run(str(train), str(config), path=path, check=False)
    assert off.returncode == 1
    assert off.stderr.rstrip().endswith(message)
    on = venv.run(str(train), str(config), path=path, check=False, MX_DRIVING_MMCV_VERSION="auto")
    assert "train.py reads its config" in on.stderr
    assert "AssertionError" not in on.stderr
    assert on.stderr.count("MmcvVersionWarning: mx_driving:") == shown
