"""Build mmcv or mmcv-full with its operators from PyPI's source archive and keep the wheel.

    python ci/build_mmcv.py mmcv==2.1.0 --install

Run it with the Python whose torch the operators shall be linked to; that Python needs torch, ninja, wheel and
setuptools < 81 (mmcv's setup.py imports pkg_resources). The wheel goes to

    ${XDG_CACHE_HOME:-~/.cache}/mx_driving/wheels/torch-<version>-<python tag>-<machine>/

because pip's own cache knows neither the torch it was built against nor MMCV_WITH_OPS, and would hand out a wheel
without operators or with an unloadable library. A wheel that is there is used again. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections import deque
from importlib import metadata
from pathlib import Path
from typing import Dict, Iterator, Sequence

STEP = re.compile(r"^\s*\[(\d+)/(\d+)\]\s")  # what ninja prints when a step is done
REQUIREMENT = re.compile(r"^(mmcv|mmcv-full)==([0-9][0-9A-Za-z.+]*)$")
BUILD_NEEDS = {"torch": "torch==2.13.0", "ninja": "ninja", "wheel": "wheel", "setuptools": "'setuptools<81'"}
REPORT_SECONDS = 5.0
TAIL_LINES = 30


class BuildError(RuntimeError):
    """The wheel could not be built; the message says why and what to do."""


class Progress:
    """Turn ninja's ``[n/m]`` lines into an occasional line for a person.

    Args:
        start: time of the start, seconds.
        every: least number of seconds between two reports; the last step is always reported.
    """

    def __init__(self, start: float, every: float = REPORT_SECONDS) -> None:
        self.start, self.every = start, every
        self.done = self.total = 0
        self._compiling_since = self._reported = start

    def feed(self, line: str, now: float) -> str | None:
        """Take one line of the build's output at time ``now`` (seconds); return a line to show, or None."""
        match = STEP.match(line)
        if match:
            if not self.total:
                self._compiling_since = now
            self.done, self.total = int(match.group(1)), int(match.group(2))
        finished = bool(match) and self.done == self.total
        if not finished and now - self._reported < self.every:
            return None
        self._reported = now
        return self.describe(now)

    def describe(self, now: float) -> str:
        """Say how far the build is at time ``now`` (seconds)."""
        elapsed = clock(now - self.start)
        if not self.total:
            return f"preparing (elapsed {elapsed})"
        share = f"{100 * self.done // self.total:3d} %  {self.done}/{self.total} files  elapsed {elapsed}"
        if self.done == self.total:
            return f"{share}  linking done"
        # The first step's own time is unknown, so the rate is taken over the steps after it.
        if self.done < 3:
            return share
        left = (now - self._compiling_since) / (self.done - 1) * (self.total - self.done)
        return f"{share}  about {clock(left)} left"


def clock(seconds: float) -> str:
    """Format seconds as ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def cache_key(torch_version: str) -> str:
    """Name of the cache folder: everything that decides whether a wheel with operators loads."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"torch-{torch_version}-{tag}-{platform.machine()}"


def cache_dir() -> Path:
    """Wheel cache for this Python and its torch.

    Raises:
        BuildError: if this Python lacks something that the build needs.
    """
    missing = []
    for name, requirement in BUILD_NEEDS.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(requirement)
            continue
        if name == "setuptools" and int(found.split(".")[0]) >= 81:
            missing.append(requirement)
    if missing:
        raise BuildError(
            f"{sys.executable} lacks {', '.join(missing)}: {sys.executable} -m pip install {' '.join(missing)}"
        )
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mx_driving" / "wheels" / cache_key(metadata.version("torch"))


def find_wheel(folder: Path, name: str, version: str) -> Path | None:
    """Finished wheel of the package in the cache, if there is one."""
    wheels = sorted(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    return wheels[-1] if wheels else None


def build_environment(scratch: Path) -> Dict[str, str]:
    """Environment of the build; the caller's MAX_JOBS and CFLAGS are respected."""
    env = dict(os.environ, MMCV_WITH_OPS="1", TMPDIR=str(scratch), PYTHONUNBUFFERED="1")
    env.setdefault("MAX_JOBS", str(os.cpu_count() or 1))
    # No debug symbols and no warnings: torch's headers alone give two warnings per file, and the symbols are most of
    # what the linker writes. CFLAGS replaces Python's own flags, so they are repeated: without -O3 comparisons of
    # speed would be unfair.
    env["CFLAGS"] = f"{env.get('CFLAGS') or sysconfig.get_config_var('CFLAGS') or '-O3'} -g0 -w"
    # With torch loading torch_npu by itself, the build would fail on machines that have the wheel but no CANN.
    env.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
    return env


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the build lock of a package; the system drops it when the process dies, however it dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another process builds {name}; waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def stop_group(process: subprocess.Popen) -> None:
    """End a process and all compilers below it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_with_progress(command: Sequence[str], env: Dict[str, str], log: Path) -> None:
    """Run a build, write all of its output to ``log`` and show its progress.

    Raises:
        BuildError: if the command fails; its last lines are printed.
    """
    progress = Progress(time.monotonic())
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with open(log, "w", buffering=1) as out:  # by lines, for whoever watches it
        # A session of its own, because an interrupt must end the compilers too and pip does not see to that.
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            for line in process.stdout:
                out.write(line)
                tail.append(line)
                shown = progress.feed(line, time.monotonic())
                if shown:
                    print(f"  {shown}", flush=True)
            code = process.wait()
        finally:
            stop_group(process)
    if code:
        print("".join(tail), end="", flush=True)
        raise BuildError(f"building failed with exit code {code}; the lines above are the end of {log}")


def check_wheel(wheel: Path) -> None:
    """Make sure that a wheel holds the operators: without them mmcv builds as well, silently.

    Raises:
        BuildError: if the compiled module is not in it.
    """
    with zipfile.ZipFile(wheel) as archive:
        if not any(name.startswith("mmcv/_ext.") for name in archive.namelist()):
            raise BuildError(f"{wheel.name} has no mmcv/_ext: the operators were not compiled, see the log")


def build(name: str, version: str, folder: Path) -> Path:
    """Return the wheel of ``name==version`` from the cache ``folder``, building it there first if need be.

    Raises:
        BuildError: if the build fails.
    """
    ready = find_wheel(folder, name, version)
    if ready:
        print(f"{name} {version}: using {ready}")
        return ready
    with locked(folder, name):
        ready = find_wheel(folder, name, version)  # the process that held the lock may have built it
        if ready:
            print(f"{name} {version}: using {ready}")
            return ready
        # Whoever left one of these behind held this lock and is dead.
        for stale in folder.glob(f".{name}-build-*"):
            shutil.rmtree(stale)
        log = folder / f"{name}-{version}.log"
        print(f"building {name} {version} with operators, 10 to 25 minutes on two cores; log: {log}", flush=True)
        # Inside the cache, so that the finished wheel is moved within one file system: it is there whole or not at all.
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-build-") as scratch:
            out = Path(scratch) / "wheel"
            command = [
                sys.executable, "-m", "pip", "wheel", "-v", "--no-build-isolation", "--no-deps", "--no-cache-dir",
                "--no-binary", name, "--wheel-dir", str(out), f"{name}=={version}",
            ]  # fmt: skip
            run_with_progress(command, build_environment(Path(scratch)), log)
            fresh = find_wheel(out, name, version)
            if not fresh:
                raise BuildError(f"pip reported success but wrote no wheel of {name} {version}; see {log}")
            check_wheel(fresh)
            os.replace(fresh, folder / fresh.name)
        return folder / fresh.name


def install(wheel: Path) -> None:
    """Install a wheel into this Python, without its dependencies: they are pinned elsewhere.

    Raises:
        BuildError: if pip fails.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    if subprocess.call(command):
        raise BuildError(f"could not install {wheel}; pip's message is above")


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirement", help="mmcv==<version> or mmcv-full==<version>")
    parser.add_argument("--install", action="store_true", help="install the wheel into this Python")
    args = parser.parse_args(argv)
    match = REQUIREMENT.match(args.requirement)
    if not match:
        parser.error(f"expected mmcv==<version> or mmcv-full==<version>, got {args.requirement!r}")
    signal.signal(signal.SIGTERM, _interrupt)  # clean up as after Ctrl-C; Python's default is to die on the spot
    start = time.monotonic()
    try:
        wheel = build(match.group(1), match.group(2), cache_dir())
        if args.install:
            install(wheel)
    except BuildError as error:
        print(f"build_mmcv: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("build_mmcv: interrupted, nothing is left half built; run it again to start over", file=sys.stderr)
        return 130
    print(f"{wheel} ({clock(time.monotonic() - start)})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
