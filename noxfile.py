"""The environments and checks of this repository; `make demo` and `make test` call it.

    nox                      everything that `make test` runs
    nox -s mmengine -- -k stop   one line's tests, with pytest's own arguments

Sessions that end in ``_env`` make an environment once; the others use it. An environment is reused until one of the
files that describe it changes, and a changed file is installed into it.

Which tests run where: every folder of tests/ runs in both lines (``mmengine``: mmcv 2.1, mmdet3d 1.4; ``mmcv1``: mmcv
1.7, mmdet3d 1.0), and a test whose packages are of the other line skips and says so. Folders of ``ELSEWHERE`` have a
session of their own: the emulated NPU's tests need torch_npu, beside which a bare ``import torch`` fails on a machine
without CANN. After all of them, ``coverage_of_tests`` fails if a test ran in no session without a known reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence

import nox

sys.path.insert(0, str(Path(__file__).resolve().parent / "ci"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "build_support"))
import build_mmcv
import sources

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements"
STATE = ROOT / ".nox"
RESULTS = STATE / "results"  # pytest's reports, one per session
TIMINGS = STATE / "timings.txt"  # what .ci/run prints at the end
DEMO_DATA = ROOT / "data" / "nuscenes_demo"
DEMO_WORK = ROOT / "work_dirs" / "demo"

MMCV = {"mmengine": "mmcv==2.1.0", "mmcv1": "mmcv-full==1.7.2"}
NPU = {"mmengine_npu": "mmengine", "mmcv1_npu": "mmcv1"}  # environments with torch_npu on top of a line's
ELSEWHERE = ("bootstrap", "emulator", "install")  # folders of tests/ that have sessions of their own, named like them

# Idle OpenMP threads must sleep, not spin: with more threads than cores a training step takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
# Beside torch_npu, torch would load it by itself and fail: the machine has no CANN.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
os.environ.setdefault("MAX_JOBS", str(os.cpu_count() or 1))  # of torch's extension builder, whose own default is more

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.allow_parallel = True  # used by `nox -j 2` and NOX_PARALLEL=2, which show a session's output at its end
nox.options.stop_on_first_error = False
nox.options.sessions = [
    "lint", "mmengine_env", "mmcv1_env", "mmengine", "mmcv1", "bootstrap", "install",
    "mmengine_npu_env", "mmcv1_npu_env", "emulator", "emulator_mmcv1", "coverage_of_tests",
]  # fmt: skip


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Note how long a stage took, by the clock and in processor time of its processes, for .ci/run."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        yield
    finally:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Beside a loaded machine's clock, the processor's time is what can be compared.
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        STATE.mkdir(exist_ok=True)
        with open(TIMINGS, "a") as file:
            file.write(f"{time.monotonic() - start:8.0f} s {busy:8.0f} s of processor  {what}\n")


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other sessions out of a section: `nox -j 2` runs two at a time."""
    STATE.mkdir(exist_ok=True)
    with open(STATE / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint(paths: Sequence[Path]) -> str:
    """Digest of the files' names and contents, and of this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def require_python(session: nox.Session) -> None:
    """Fail early on a Python for which the pinned packages have no wheels."""
    if sys.version_info[:2] != (3, 11):
        found = f"{sys.version_info[0]}.{sys.version_info[1]}"
        session.error(f"the pinned packages are for Python 3.11, this is {found}: make PYTHON=python3.11 ...")


def install_once(session: nox.Session, stamp_of: str, *steps: Sequence[str]) -> None:
    """Run pip (or a script of ours) for every step, unless that was done for the same text already.

    The note is written last, so an interrupted installation is repeated.
    """
    stamp = Path(session.virtualenv.location) / "installed.txt"
    if stamp.is_file() and stamp.read_text() == stamp_of:
        session.log("the environment is up to date")
        return
    stamp.unlink(missing_ok=True)
    # An interruption can leave a virtual environment without pip.
    session.run("python", "-m", "ensurepip", silent=True)
    session.run("python", "-m", "pip", "install", "-qq", "pip==25.3")
    for step in steps:
        session.run("python", *step)
    stamp.write_text(stamp_of)


def pip_install(*arguments: str) -> Sequence[str]:
    """A step that installs under the constraints."""
    return ["-m", "pip", "install", "-qq", "-c", str(REQUIREMENTS / "constraints.txt"), *arguments]


def make_line(session: nox.Session, line: str) -> None:
    """Make the environment of an OpenMMLab line: torch, mmcv with its operators, mmdet and mmdet3d."""
    require_python(session)
    names = ["build.txt", "runtime.txt", "tests.txt", f"{line}.txt", "constraints.txt"]
    described_by, local = [REQUIREMENTS / name for name in names], []
    if line == "mmcv1":
        standin = ROOT / "tests" / "standins" / "torchvision"
        # Not its whole folder: pip leaves a build directory there.
        described_by += [standin / "pyproject.toml", *sorted((standin / "torchvision").rglob("*.py"))]
        local.append(str(standin))
    with timed(f"{line}: environment, mmcv included"):
        install_once(
            session,
            f"{fingerprint(described_by)} {MMCV[line]}",
            # torch first and alone: another package's range must not choose its version.
            pip_install("-r", str(REQUIREMENTS / "build.txt")),
            pip_install("-r", str(REQUIREMENTS / "runtime.txt"), "-r", str(REQUIREMENTS / "tests.txt")),
            ["ci/build_mmcv.py", MMCV[line], "--install"],
            pip_install("--no-deps", "--no-build-isolation", "-r", str(REQUIREMENTS / f"{line}.txt"), *local),
        )


def python_of(name: str) -> str:
    """Interpreter of an environment."""
    return str(STATE / f"{name}_env" / "bin" / "python")


def site_packages(name: str) -> Path:
    """Where an environment's packages are."""
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return STATE / f"{name}_env" / "lib" / python / "site-packages"


def make_npu(session: nox.Session, name: str) -> None:
    """Make an environment that sees everything of a line's environment, and torch_npu beside it.

    A path file instead of a second installation: torch and mmcv with its operators are several gigabytes.
    """
    names = [REQUIREMENTS / "npu.txt", REQUIREMENTS / "constraints.txt"]
    with timed(f"{name}: environment"):
        install_once(session, fingerprint(names), pip_install("--no-deps", "-r", str(REQUIREMENTS / "npu.txt")))
    (site_packages(name) / "zz_line.pth").write_text(f"{site_packages(NPU[name])}\n")


def package_wheel(session: nox.Session, name: str) -> Path:
    """Build this repository's wheel with the Python of environment ``name``, once per state of the sources.

    Both lines use one torch and one Python, so one wheel serves both; beside torch_npu it gets NPU kernels too.
    """
    state = fingerprint(sources.files())
    kind = "npu" if name in NPU else "cpu"
    folder = STATE / "wheels" / kind / state
    if not list(folder.glob("*.whl")):
        shutil.rmtree(folder.parent, ignore_errors=True)
        scratch = folder.parent / "unfinished"
        # Built by the line's own Python, with torch_npu on its path: the compiler's command, which holds paths of the
        # environment, stays what it was, and the objects of the operators are not compiled a second time.
        command = [python_of(NPU.get(name, name)), "-m", "pip", "wheel", "-v", "--no-build-isolation", "--no-deps"]
        environment = {**os.environ, **({"PYTHONPATH": str(site_packages(name))} if name in NPU else {})}
        session.log("building mx_driving and its operators")
        with timed(f"mx_driving: wheel with operators ({kind})"):
            try:
                build_mmcv.run_with_progress(
                    [*command, "-w", str(scratch), str(ROOT)], environment, STATE / "build.log"
                )
            except build_mmcv.BuildError as error:
                session.error(str(error))
        scratch.rename(folder)
    return next(folder.glob("*.whl"))


def install_package(session: nox.Session, name: str) -> None:
    """Install this repository's wheel into environment ``name`` unless it is there."""
    with alone("wheel"):
        wheel = package_wheel(session, name)
    noted = STATE / f"{name}_env" / "package.txt"
    if noted.is_file() and noted.read_text() == str(wheel):
        return
    session.run(
        python_of(name), "-m", "pip", "install", "-qq", "--no-deps", "--force-reinstall", str(wheel), external=True
    )
    noted.write_text(str(wheel))


def run_tests(session: nox.Session, name: str, *paths: str, env: Optional[Dict[str, str]] = None) -> None:
    """Run pytest in environment ``name`` and keep its report."""
    install_package(session, name)
    RESULTS.mkdir(parents=True, exist_ok=True)
    report = RESULTS / f"{session.name}.xml"
    report.unlink(missing_ok=True)
    # -P: the sources, where the operators are not built, stay off the path.
    command = [python_of(name), "-P", "-m", "pytest", f"--junitxml={report}", "--durations=15", *paths]
    with timed(f"{session.name}: tests"):
        session.run(*command, *session.posargs, external=True, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types; .pre-commit-config.yaml lists the same checks."""
    described_by = [REQUIREMENTS / "lint.txt", REQUIREMENTS / "constraints.txt"]
    with timed("lint"):
        install_once(session, fingerprint(described_by), pip_install("-r", str(REQUIREMENTS / "lint.txt")))
        session.run("ruff", "check", ".")
        session.run("ruff", "format", "--check", ".")
        session.run("mypy")
        session.run("python", "ci/patch_tables.py", "--check")
        files = sorted(path for path in ROOT.glob("csrc/**/*") if path.suffix in (".c", ".cpp", ".h"))
        session.run("clang-format", "--dry-run", "-Werror", *(str(path.relative_to(ROOT)) for path in files))


@nox.session(default=False)
def mmengine_env(session: nox.Session) -> None:
    """Environment of the mmengine line."""
    make_line(session, "mmengine")


@nox.session(default=False)
def mmcv1_env(session: nox.Session) -> None:
    """Environment of the mmcv 1.x line."""
    make_line(session, "mmcv1")


@nox.session(default=False, requires=["mmengine_env"])
def mmengine_npu_env(session: nox.Session) -> None:
    """Environment of the mmengine line with torch_npu."""
    make_npu(session, "mmengine_npu")


@nox.session(default=False, requires=["mmcv1_env"])
def mmcv1_npu_env(session: nox.Session) -> None:
    """Environment of the mmcv 1.x line with torch_npu."""
    make_npu(session, "mmcv1_npu")


@nox.session(venv_backend="none", requires=["mmengine_env"])
def mmengine(session: nox.Session) -> None:
    """Tests on mmcv 2.1.0 and mmdet3d 1.4.0."""
    run_tests(session, "mmengine", "tests", *(f"--ignore=tests/{folder}" for folder in ELSEWHERE))


@nox.session(venv_backend="none", requires=["mmcv1_env"])
def mmcv1(session: nox.Session) -> None:
    """Tests on mmcv-full 1.7.2 and mmdet3d 1.0.0rc6."""
    run_tests(session, "mmcv1", "tests", *(f"--ignore=tests/{folder}" for folder in ELSEWHERE))


@nox.session(venv_backend="none", requires=["mmengine_env"])
def bootstrap(session: nox.Session) -> None:
    """Tests of the start-up files; they make environments of their own on top of this one."""
    run_tests(session, "mmengine", "tests/bootstrap")


@nox.session(requires=["mmengine_env"])
def install(session: nox.Session) -> None:
    """Tests of building and installing, in fresh environments of every Python at hand; uv is in the session's own."""
    described_by = [REQUIREMENTS / "install.txt"]
    install_once(session, fingerprint(described_by), ["-m", "pip", "install", "-qq", "-r", str(described_by[0])])
    path = os.pathsep.join([session.bin, os.environ["PATH"]])
    run_tests(session, "mmengine", "tests/install", env={"PATH": path})


@nox.session(venv_backend="none", default=False)
def oldest(session: nox.Session) -> None:
    """Build and core tests on Python 3.8, torch 2.1 and numpy 1.24; by name only: `nox -s oldest`."""
    found = sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))
    python = str(found[-1]) if found else shutil.which("python3.8")
    if python is None:
        session.skip("no Python 3.8 in pyenv or on PATH: the oldest stack is left out")
    place = STATE / "oldest_env"
    session.run(python, "-m", "venv", str(place), external=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-qq"]
    with timed("oldest: environment and build"):
        session.run(*pip, "-r", str(REQUIREMENTS / "oldest-deps.txt"), external=True)
        session.run(*pip, "--no-deps", "--no-build-isolation", "-r", str(REQUIREMENTS / "oldest.txt"), external=True)
        session.run(pip[0], "ci/without_cuda.py", external=True)
        with alone("wheel"):
            session.run(*pip, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT), external=True)
    tests = ["tests/core", "tests/patcher", "tests/hooks", "tests/patches/test_numpy_type.py"]
    with timed("oldest: tests"), session.chdir(STATE):  # the sources stay off the path
        where = [str(ROOT / path) for path in tests]
        session.run(pip[0], "-m", "pytest", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *where,
                    *session.posargs, external=True)  # fmt: skip


@nox.session(venv_backend="none", requires=["mmengine_npu_env"])
def emulator(session: nox.Session) -> None:
    """Tests on an emulated NPU, mmengine line."""
    run_tests(session, "mmengine_npu", "tests/emulator")


@nox.session(venv_backend="none", requires=["mmcv1_npu_env"])
def emulator_mmcv1(session: nox.Session) -> None:
    """Tests on an emulated NPU, mmcv 1.x line: those that know mmcv, since the others would show nothing new."""
    run_tests(session, "mmcv1_npu", "tests/emulator/test_npu_stock_mmcv1.py")


@nox.session(venv_backend="none", requires=["mmengine", "mmcv1", "bootstrap", "install", "emulator", "emulator_mmcv1"])
def coverage_of_tests(session: nox.Session) -> None:
    """Fail if a test was skipped in every session that collected it."""
    session.run(python_of("mmengine"), "ci/never_ran.py", str(RESULTS), external=True)


@nox.session(venv_backend="none", requires=["mmengine_env"], default=False)
def demo(session: nox.Session) -> None:
    """Train the stock mmdet3d FCOS3D with mx_driving's two statements in its config."""
    install_package(session, "mmengine")
    python = python_of("mmengine")
    session.run(python, "demo/make_nuscenes_demo.py", str(DEMO_DATA), external=True)
    session.run(python, "demo/run_demo.py", "--data", str(DEMO_DATA), "--work-dir", str(DEMO_WORK), external=True)
