"""What the bootstrap adds to interpreter start: ``python benchmarks/bootstrap.py [--rounds 50] [--python PATH]``.

Two ways of looking, since a whole start swings by milliseconds on a busy machine:
- starts: two environments that differ only in the start-up files are started in turn, in rotating order;
- inside: a fresh interpreter without ``site`` lets ``site`` process the ``.pth`` file alone, and times that.

The first ``.pth`` file of an environment also makes ``site`` load what it reads such files with (the utf-8-sig codec
from Python 3.12 on). An environment with any other ``.pth``, such as setuptools', has paid that already, so both
cases are measured. The row "empty" has an empty file in place of ours: the price of any ``.pth`` file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[1]
PTH = "mx_driving_bootstrap.pth"
GOALS = {"off": 0.1, "on": 1.0}
INSIDE = """
import os, site, sys, time
directory = sys.argv[1]
sys.path.append(directory)
if os.path.exists(directory + "/another.pth"):
    site.addpackage(directory, "another.pth", set())
here = os.path.exists(directory + "/mx_driving_bootstrap.pth")
began = time.perf_counter()
if here:
    site.addpackage(directory, "mx_driving_bootstrap.pth", set())
print((time.perf_counter() - began) * 1e3)
"""
#: A site-packages directory and the variables to start its interpreter with.
Case = Tuple[Path, Dict[str, str]]


def make_environment(prefix: Path, python: str) -> Path:
    """Create a virtual environment with mx_driving (no operators) and return its site-packages."""
    subprocess.run([python, "-m", "venv", str(prefix)], check=True)
    sources = prefix / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(str(ROOT / name), str(sources / name))
    for name in ("mx_driving", "build_support", "csrc"):
        shutil.copytree(str(ROOT / name), str(sources / name), ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    pip = [
        str(prefix / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    subprocess.run([*pip, str(sources)], check=True, env={**os.environ, "MX_DRIVING_BUILD_OPS": "0"})
    shutil.rmtree(str(sources))
    site = next(prefix.glob("lib/python*/site-packages"))
    for pth in set(site.glob("*.pth")) - {site / PTH}:
        pth.unlink()
    # Python 3.15+ reads this one instead; there is none to measure here, and older ones never open it.
    (site / "mx_driving_bootstrap.start").unlink()
    return site


def copy_environment(site: Path, prefix: Path) -> Path:
    """Copy the environment of a site-packages directory and return the copy's site-packages."""
    shutil.copytree(str(site.parents[2]), str(prefix), symlinks=True)
    return prefix / site.relative_to(site.parents[2])


def clean(variables: Dict[str, str]) -> Dict[str, str]:
    """The environment variables of this process without those that change what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MX_DRIVING", "PYTHON"))}
    return {**kept, **variables}


def start(site: Path, variables: Dict[str, str]) -> float:
    """Start the interpreter that owns this site-packages once; returns milliseconds."""
    began = time.perf_counter()
    subprocess.run([python_of(site), "-c", "pass"], check=True, env=clean(variables))
    return (time.perf_counter() - began) * 1e3


def inside(site: Path, variables: Dict[str, str]) -> float:
    """Let a fresh interpreter process the ``.pth`` file; returns milliseconds, 0 where the file is not there."""
    # A file, not -c: Python 3.13 spends longer on every later exec of a string when its program came by -c.
    script = site / "inside.py"
    script.write_text(INSIDE, encoding="utf-8")
    command = [python_of(site), "-I", "-S", str(script), str(site)]
    return float(subprocess.run(command, check=True, env=clean(variables), capture_output=True).stdout)


def python_of(site: Path) -> str:
    """The interpreter of the environment that a site-packages directory belongs to."""
    return str(site.parents[2] / "bin" / "python")


def measure(way: Callable[[Path, Dict[str, str]], float], cases: Dict[str, Case], rounds: int) -> None:
    """Run every case once per round in rotating order, after two rounds that warm the caches; print medians."""
    taken: Dict[str, List[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds + 2):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            value = way(*cases[name])
            taken[name] += [value] if turn >= 2 else []
    base = statistics.median(taken["without"])
    for name, values in taken.items():
        median = statistics.median(values)
        goal = f"goal < {GOALS[name]}" if name in GOALS else ""
        print(f"    {way.__name__:7} {name:8} median {median:8.3f} ms   min {min(values):8.3f}", end="")
        print(f"   added {median - base:+7.3f}   {goal}")


def main() -> None:
    """Create the environments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--python", default=sys.executable, help="interpreter to measure (default: this one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        site = make_environment(Path(scratch, "mx_with"), arguments.python)
        other, empty = (copy_environment(site, Path(scratch, name)) for name in ("mx_none", "mx_zero"))
        (other / PTH).unlink()
        (empty / PTH).write_text("", encoding="utf-8")
        cases: Dict[str, Case] = {
            "without": (other, {}),
            "empty": (empty, {}),
            "off": (site, {}),
            "on": (site, {"MX_DRIVING_MMCV_VERSION": "auto"}),
        }
        version = subprocess.run([arguments.python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"{version}, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for title in ("no other .pth in the environment", "one other .pth in the environment"):
            print(f"  {title}")
            measure(start, cases, arguments.rounds)
            measure(inside, cases, arguments.rounds)
            for directory in (site, other, empty):
                (directory / "another.pth").write_text("# as an environment with setuptools has\n", encoding="utf-8")


if __name__ == "__main__":
    main()
