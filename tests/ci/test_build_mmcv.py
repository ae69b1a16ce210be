"""ci/build_mmcv.py: progress, cache and behaviour when it is disturbed, with real builds of a small package.

The package is called mmcv and comes from a local folder, so pip, setuptools and the tool's own subprocesses are real;
its setup.py prints what ninja prints instead of compiling for twenty minutes.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from repository_scripts import CI, interruptible

sys.path.insert(0, str(CI))

import build_mmcv

TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"
SETUP = """
import os, sys, time
from pathlib import Path
from setuptools import setup
from setuptools.dist import Distribution

class Compiled(Distribution):
    def has_ext_modules(self):
        return True

if "MMCV_WITH_OPS" in os.environ and Path("mmcv").is_dir():
    Path("mmcv/_ext.so").write_text(os.environ["CFLAGS"])
mode = os.environ.get("FAKE_MODE", "")
if "bdist_wheel" in sys.argv:
    with open(os.environ["FAKE_COUNT"], "a") as file:
        file.write("built\\n")
    for step in range(1, 5):
        print(f"[{step}/4] c++ -c file{step}.cpp", flush=True)
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    if mode == "fail":
        raise SystemExit("fatal error: ATen/ATen.h: No such file or directory")
    if mode == "without operators":
        Path("mmcv/_ext.so").unlink()
setup(name="mmcv", version="9.9.9", packages=["mmcv"], package_data={"mmcv": ["*.so"]}, distclass=Compiled)
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> dict:
    """Environment variables for a build: a package source without network, a cache and a build counter of its own."""
    archive = tmp_path / "index" / "mmcv-9.9.9.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in (("setup.py", SETUP), ("mmcv/__init__.py", ""), ("PKG-INFO", "Name: mmcv\nVersion: 9.9.9\n")):
            entry = tarfile.TarInfo(f"mmcv-9.9.9/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, BytesIO(text.encode()))
    return {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(archive.parent),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "FAKE_COUNT": str(tmp_path / "count"),
    }


def command(*arguments: str) -> list:
    return [sys.executable, str(CI / "build_mmcv.py"), *(arguments or ("mmcv==9.9.9",))]


def run(sandbox: dict, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*arguments), env={**sandbox, **variables}, capture_output=True, text=True, timeout=300
    )


def start(sandbox: dict, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        command(), env={**sandbox, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=interruptible,
    )  # fmt: skip


def folder(sandbox: dict) -> Path:
    return next((Path(sandbox["XDG_CACHE_HOME"]) / "mx_driving" / "wheels").iterdir())


def builds(sandbox: dict) -> int:
    return len(Path(sandbox["FAKE_COUNT"]).read_text().splitlines())


def wait_for_step(sandbox: dict, step: int) -> None:
    """Wait until the build's log says that this step is done."""
    for _ in range(600):
        logs = list(Path(sandbox["XDG_CACHE_HOME"]).rglob("mmcv-9.9.9.log"))
        if logs and f"[{step}/4]" in logs[0].read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"step {step} never came")


def processes_of(sandbox: dict) -> list:
    """Processes that still run in the sandbox, found by an environment variable that only it has."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = entry.read_bytes()
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
        if f"FAKE_COUNT={sandbox['FAKE_COUNT']}".encode() in environment:
            found.append(int(entry.parent.name))
    return found


def test_the_wheel_lands_in_the_folder_of_this_torch_and_is_used_again(sandbox):
    done = run(sandbox)
    assert done.returncode == 0, done.stdout + done.stderr
    torch = __import__("torch").__version__
    assert folder(sandbox).name == f"torch-{torch}-{TAG}-{platform.machine()}"
    (wheel,) = folder(sandbox).glob("*.whl")
    assert done.stdout.splitlines()[-1].startswith(str(wheel))
    assert "100 %  4/4 files" in done.stdout
    assert str(folder(sandbox) / "mmcv-9.9.9.log") in done.stdout
    with zipfile.ZipFile(wheel) as archive:
        flags = archive.read("mmcv/_ext.so").decode()
    assert "-O3" in flags
    assert flags.endswith("-g0 -w")
    again = run(sandbox)
    assert f"using {wheel}" in again.stdout
    assert builds(sandbox) == 1


def test_a_failure_shows_the_end_of_the_log_and_leaves_no_wheel(sandbox):
    done = run(sandbox, FAKE_MODE="fail")
    assert done.returncode == 1
    assert "fatal error: ATen/ATen.h" in done.stdout
    assert "building failed with exit code 1; the lines above are the end of" in done.stderr
    assert [path.name for path in folder(sandbox).iterdir() if not path.name.startswith(".")] == ["mmcv-9.9.9.log"]
    assert run(sandbox).returncode == 0


def test_a_wheel_without_operators_is_an_error(sandbox):
    done = run(sandbox, FAKE_MODE="without operators")
    assert done.returncode == 1
    assert "has no mmcv/_ext: the operators were not compiled" in done.stderr
    assert not list(folder(sandbox).glob("*.whl"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_can_be_interrupted_and_repeated(sandbox, number):
    building = start(sandbox, FAKE_SECONDS="60")
    wait_for_step(sandbox, 1)
    assert len(processes_of(sandbox)) >= 2
    building.send_signal(number)
    building.communicate(timeout=60)
    assert building.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    if number == signal.SIGKILL:
        # Nobody can clean up after that; what must hold is that the next build does not suffer from it.
        for process in processes_of(sandbox):
            os.kill(process, signal.SIGKILL)
    else:
        assert not processes_of(sandbox)
        assert not list(folder(sandbox).glob(".mmcv-build-*"))
    assert not list(folder(sandbox).glob("*.whl"))
    done = run(sandbox)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder(sandbox).glob("*.whl"))) == 1
    assert not list(folder(sandbox).glob(".mmcv-build-*"))


def test_two_at_once_build_it_once(sandbox):
    first = start(sandbox, FAKE_SECONDS="1")
    wait_for_step(sandbox, 1)
    second = start(sandbox)
    outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert first.returncode == second.returncode == 0
    assert "another process builds mmcv; waiting for it" in outputs[1]
    assert builds(sandbox) == 1


@pytest.mark.parametrize("requirement", ["mmcv", "mmcv>=2", "numpy==1.26.4", "mmcv==2.1.0; rm -rf", "mmcv==../x"])
def test_only_an_exact_mmcv_is_accepted(sandbox, requirement):
    done = run(sandbox, requirement)
    assert done.returncode == 2
    assert f"expected mmcv==<version> or mmcv-full==<version>, got {requirement!r}" in done.stderr


def test_a_python_without_the_tools_is_told_what_to_install(sandbox):
    done = subprocess.run(
        [sys.executable, "-S", *command()[1:]], env=sandbox, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "lacks torch==2.13.0, ninja, wheel, 'setuptools<81'" in done.stderr
    assert "-m pip install torch==2.13.0" in done.stderr


def test_progress_reports_steps_elapsed_and_remaining_time():
    progress = build_mmcv.Progress(0.0, every=5.0)
    assert progress.feed("Collecting mmcv", 1.0) is None
    assert progress.feed("  Preparing metadata", 6.0) == "preparing (elapsed 0:06)"
    assert progress.feed("  [1/100] c++ -c a.cpp", 60.0) == "  1 %  1/100 files  elapsed 1:00"
    assert progress.feed("  [2/100] c++ -c b.cpp", 62.0) is None
    # 10 steps in 90 seconds after the first: 9 seconds each, 89 to go.
    assert progress.feed("  [11/100] c++", 150.0) == " 11 %  11/100 files  elapsed 2:30  about 13:21 left"
    assert progress.feed("warning: [12/100] is not a step", 151.0) is None
    assert progress.done == 11
    assert progress.feed("  [100/100] c++ -shared", 152.0) == "100 %  100/100 files  elapsed 2:32  linking done"


def test_wheels_of_another_version_or_package_are_not_taken(tmp_path):
    for name in ("mmcv-2.1.0-cp311.whl", "mmcv_full-1.7.2-cp311.whl", "mmcv-2.1.0rc1-cp311.whl"):
        (tmp_path / name).touch()
    assert build_mmcv.find_wheel(tmp_path, "mmcv", "2.1.0").name == "mmcv-2.1.0-cp311.whl"
    assert build_mmcv.find_wheel(tmp_path, "mmcv-full", "1.7.2").name == "mmcv_full-1.7.2-cp311.whl"
    assert build_mmcv.find_wheel(tmp_path, "mmcv", "1.7.2") is None
    assert build_mmcv.find_wheel(tmp_path, "mmcv", "2.1") is None
