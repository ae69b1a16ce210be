"""The version conflict of real packages: each row in a subprocess of its own, with the switch off and on.

Only ``import <package>`` runs: its real ``__init__`` and ``version`` modules, on the real mmcv (1.7.2 from its source
archive without operators, 2.2.0 as mmcv-lite). No ``__init__`` of these ten needs an operator.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import pytest
from environments import Environment

NEEDS = ("numpy", "cv2", "addict", "yaml", "packaging", "mmengine", "torch")
MMCV_1, MMCV_2 = "mmcv==1.7.2", "mmcv-lite==2.2.0"
MMDET, MMSEG, MMDET3D = "mmdet=={}".format, "mmsegmentation=={}".format, "mmdet3d=={}".format


class Row(NamedTuple):
    """``off`` ends the stock message without the switch (SAME: another row ran it), ``shown`` says what is shown."""

    package: str
    path: tuple[str, ...]
    off: str | None
    shown: dict[str, str]
    value: str = "auto"
    on: str | None = None


SAME = "same as another row"
OTHER_LINE = "mx_driving cannot help: {} is written for mmcv {}.x and mmcv {} is installed"
ROWS = {
    "mmdet 2.14.0": Row("mmdet", (MMCV_1, MMDET("2.14.0")), ">=1.3.8, <=1.4.0", {"mmdet": "1.4.0"}),
    "mmdet 2.25.3": Row("mmdet", (MMCV_1, MMDET("2.25.3")), ">=1.3.17, <=1.7.0", {"mmdet": "1.7.0"}),
    "mmdet 2.28.2": Row("mmdet", (MMCV_1, MMDET("2.28.2")), None, {}),
    "mmdet 3.3.0": Row("mmdet", (MMCV_2, MMDET("3.3.0")), ">=2.0.0rc4, <2.2.0", {"mmdet": "2.1.0"}),
    "mmseg 0.14.1": Row("mmseg", (MMCV_1, MMSEG("0.14.1")), ">=[1, 3, 1], <=[1, 4, 0]", {"mmseg": "1.4.0"}),
    "mmseg 0.30.0": Row("mmseg", (MMCV_1, MMSEG("0.30.0")), None, {}),
    "mmseg 1.2.2": Row("mmseg", (MMCV_2, MMSEG("1.2.2")), ">=2.0.0rc4.", {"mmseg": "2.1.0"}),
    "mmdet3d 0.17.1": Row(
        "mmdet3d",
        (MMCV_1, MMDET3D("0.17.1"), MMDET("2.14.0"), MMSEG("0.14.1")),
        ">=1.3.8, <=1.4.0",
        {"mmdet": "1.4.0", "mmseg": "1.4.0", "mmdet3d": "1.4.0"},
    ),
    "mmdet3d 1.0.0rc6": Row(
        "mmdet3d",
        (MMCV_1, MMDET3D("1.0.0rc6"), MMDET("2.28.2"), MMSEG("0.30.0")),
        ">=1.5.2, <=1.7.0",
        {"mmdet3d": "1.7.0"},
    ),
    "mmdet3d 1.4.0": Row(
        "mmdet3d",
        (MMCV_2, MMDET3D("1.4.0"), MMDET("3.3.0")),
        ">=2.0.0rc4, <2.2.0",
        {"mmdet": "2.1.0", "mmdet3d": "2.1.0"},
    ),
    # The windows of mmdet (<=1.4.0) and mmdet3d (>=1.5.2) have no version in common. mmdet3d asserts mmdet's version
    # as well, which is met because it is asked for.
    "disjoint siblings": Row(
        "mmdet3d",
        (MMCV_1, MMDET3D("1.0.0rc6"), MMDET("2.14.0"), MMSEG("0.30.0")),
        SAME,
        {"mmdet": "1.4.0", "mmdet3d": "1.7.0", "mmdet3d of mmdet": "2.24.0"},
        "auto,mmdet",
    ),
    "explicit": Row(
        "mmdet",
        (MMCV_1, MMDET("2.25.3")),
        SAME,
        {"mmdet": "1.6.0"},
        "1.6.0",
    ),
    "mmdet range left alone": Row(
        "mmdet3d",
        (MMCV_1, MMDET3D("1.0.0rc6"), MMDET("2.14.0"), MMSEG("0.30.0")),
        SAME,
        {"mmdet": "1.4.0", "mmdet3d": "1.7.0"},
        on="MMDET==2.14.0 is used but incompatible. Please install mmdet>=2.24.0, <=3.0.0.",
    ),
    "mmcv 2 with mmdet 2": Row(
        "mmdet", (MMCV_2, MMDET("2.28.2")), "<=1.8.0", {}, on=OTHER_LINE.format("mmdet", 1, "2.2.0")
    ),
    "mmcv 1 with mmdet 3": Row(
        "mmdet", (MMCV_1, MMDET("3.3.0")), "<2.2.0", {}, on=OTHER_LINE.format("mmdet", 2, "1.7.2")
    ),
    "mmcv 1 with mmseg 1": Row(
        "mmseg", (MMCV_1, MMSEG("1.2.2")), ">=2.0.0rc4.", {}, on=OTHER_LINE.format("mmseg", 2, "1.7.2")
    ),
}
PROBE = """
import importlib, json, sys, warnings
caught = []
warnings.showwarning = lambda message, category, *rest: caught.append([category.__name__, str(message)])
import mmcv
true, error = mmcv.__version__, None
try:
    importlib.import_module({package!r})
except AssertionError as exc:
    error = str(exc)
loaded = [sys.modules[name] for name in ("mmdet", "mmseg", "mmdet3d") if name in sys.modules]
print(json.dumps(dict(
    error=error, true=true, after=mmcv.__version__, compared={{m.__name__: list(m.mmcv_version) for m in loaded}},
    own=all(m.mmcv is mmcv for m in loaded), files=[m.__file__ for m in loaded],
    warnings=[text for category, text in caught if category == "MmcvVersionWarning"])))
"""


@pytest.fixture(scope="module")
def outcomes(venv: Environment, real: Callable[[str], Path]) -> Iterator[Callable[[str, bool], Any]]:
    """``outcomes(row, on)``: what the probe saw; two subprocesses at a time, since importing torch takes seconds."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        pytest.skip(f"mmcv cannot be imported in this environment, it lacks {', '.join(missing)}")

    def probe(row: Row, on: bool) -> Any:
        path = [real(pin) for pin in row.path]
        code = PROBE.format(package=row.package)
        return json.loads(venv.run("-c", code, path=path, MX_DRIVING_MMCV_VERSION=row.value if on else "").stdout)

    with ThreadPoolExecutor(2) as pool:
        pending: dict[tuple[str, bool], Future[Any]] = {
            (name, on): pool.submit(probe, row, on)
            for name, row in ROWS.items()
            for on in (False, True)
            if on or row.off != SAME
        }
        yield lambda name, on: pending[name, on].result()


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.off != SAME])
def test_off_is_stock(outcomes: Callable[[str, bool], Any], name: str) -> None:
    seen, row = outcomes(name, False), ROWS[name]
    assert seen["warnings"] == []
    if row.off is None:
        assert seen["error"] is None
    else:
        assert seen["error"].startswith(f"MMCV=={seen['true']} is used but incompatible. Please install mmcv")
        assert seen["error"].rstrip(".").endswith(row.off.rstrip("."))


@pytest.mark.parametrize("name", ROWS)
def test_on(outcomes: Callable[[str, bool], Any], name: str) -> None:
    seen, row = outcomes(name, True), ROWS[name]
    assert (row.on in seen["error"]) if row.on else (seen["error"] is None)
    assert dict(map(_shown, seen["warnings"])) == row.shown
    for package, compared in seen["compared"].items():
        if package in row.shown:
            assert compared[:3] == [int(part) for part in row.shown[package].split(".")]
    assert seen["after"] == seen["true"] == row.path[0].split("==")[1]
    assert seen["own"]
    assert all("mx_driving/packages" in file for file in seen["files"])


def _shown(warning: str) -> tuple[str, str]:
    """Take ``mx_driving: mmdet3d asserts ...; the installed mmdet 2.14.0 is shown to it as 2.24.0 ...`` apart."""
    match = re.search(r"mx_driving: (\S+) asserts .*; the installed (\S+) \S+ is shown to it as (\S+) ", warning)
    assert match is not None, warning
    package, target, version = match.groups()
    return (package if target == "mmcv" else f"{package} of {target}"), version
