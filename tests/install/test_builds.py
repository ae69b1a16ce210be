"""What a build refuses, ships and compiles: fresh environments, changed checkouts, other compilers, read-only trees."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import TOOLS, Installer
from environments import ROOT, clean_environment

sys.path.append(str(ROOT / "build_support"))
import needs
import sources as package_sources

LINE = needs.INSTALL


def build(tree: Path, *words: str, check: bool = True, path: str = "/usr/bin:/bin", **variables: str):
    """Run setup.py with this interpreter, by default without ninja: its folder is not on the path."""
    environment = clean_environment({"TORCH_DEVICE_BACKEND_AUTOLOAD": "0", **variables})
    environment["PATH"] = path
    done = subprocess.run(
        [sys.executable, "setup.py", *words], cwd=tree, env=environment, capture_output=True, text=True, timeout=300
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def wheel_names(tree: Path) -> list[str]:
    (wheel,) = (tree / "dist").glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_line_that_works_is_the_readmes() -> None:
    commands = LINE.split(" && ")
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert all(re.search(rf"^{re.escape(command)}", text, re.MULTILINE) for command in commands)
    assert commands[0] == f'pip install "{TOOLS[0]}" {TOOLS[1]} {TOOLS[2]}'
    assert f'"{TOOLS[0]}",' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_fresh_environment_gets_one_line(tool: str, interpreter: Path, sources: Path, tmp_path: Path) -> None:
    fresh = Installer(tool, interpreter, tmp_path / "venv")
    done = fresh.install("--no-build-isolation", "--no-deps", str(sources), check=False)
    assert done.returncode != 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if "mx_driving:" in line]
    assert len(said) == 1
    assert "building needs setuptools 64 or newer and wheel, but this environment has" in said[0]
    assert said[0].endswith(f"run `{LINE}`")
    assert "Traceback" not in done.stdout + done.stderr


def test_without_torch_one_line_names_both_commands(sources: Path, tmp_path: Path) -> None:
    fresh = Installer("uv", Path(sys.executable), tmp_path / "venv")
    done = fresh.install(str(sources), check=False, MX_DRIVING_BUILD_OPS="1")
    assert f"install torch, then run `{LINE}`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_setuptools_is_named(sources: Path, tmp_path: Path) -> None:
    fresh = Installer("uv", Path(sys.executable), tmp_path / "venv")
    fresh.install("setuptools==63.4.3", "wheel")
    done = fresh.install("--no-build-isolation", str(sources), check=False)
    assert "needs setuptools 64 or newer and wheel, but this environment has setuptools 63.4.3: run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["0", "false", "off", "no", "OFF"])
def test_operators_are_off_by_any_word_for_no(value: str, monkeypatch) -> None:
    monkeypatch.setenv("MX_DRIVING_BUILD_OPS", value)
    assert not needs.operators_wanted()


@pytest.mark.parametrize("value", ["", "1", "on", "yes", "True"])
def test_operators_are_on_by_any_word_for_yes(value: str, monkeypatch) -> None:
    monkeypatch.setenv("MX_DRIVING_BUILD_OPS", value)
    assert needs.operators_wanted()


def test_another_word_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("MX_DRIVING_BUILD_OPS", "nope")
    with pytest.raises(SystemExit, match="MX_DRIVING_BUILD_OPS is 'nope': expected one of 1, on, true, yes or 0, off"):
        needs.operators_wanted()


@pytest.mark.parametrize("command", ["install", "develop"])
def test_what_no_uninstall_could_take_back_is_refused(checkout: Path, command: str) -> None:
    done = build(checkout, command, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"mx_driving: `python setup.py {command}` leaves files that no uninstall removes: run `{LINE}`"
    ]


def test_the_source_archive_needs_no_torch_and_is_whole(checkout: Path, tmp_path: Path) -> None:
    # A torch that must not be imported stands first on the path.
    (tmp_path / "no" / "torch").mkdir(parents=True)
    (tmp_path / "no" / "torch" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (checkout / "tests").mkdir()
    (checkout / "tests" / "test_stray.py").touch()
    build(checkout, "sdist", PYTHONPATH=str(tmp_path / "no"))
    with tarfile.open(next((checkout / "dist").glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {str(path.relative_to(package_sources.ROOT)) for path in package_sources.files()}
    assert expected <= names
    assert not [name for name in names if name.startswith("tests")]


def test_a_second_build_ships_nothing_of_the_first(checkout: Path) -> None:
    build(checkout, "bdist_wheel", MX_DRIVING_BUILD_OPS="0")
    first = wheel_names(checkout)
    emulator = checkout / "csrc" / "emulator"
    (emulator / "runtime" / "missing.c").rename(emulator / "missing.c")
    (checkout / "mx_driving" / "cli" / "bootstrap.py").rename(checkout / "mx_driving" / "cli" / "renamed.py")
    build(checkout, "bdist_wheel", MX_DRIVING_BUILD_OPS="0")
    second = wheel_names(checkout)
    moved = {"csrc/emulator/runtime/missing.c": "csrc/emulator/missing.c", "cli/bootstrap.py": "cli/renamed.py"}
    renamed = {f"mx_driving/{old}": f"mx_driving/{new}" for old, new in moved.items()}
    assert set(second) == {renamed.get(name, name) for name in first}


@pytest.fixture
def small(checkout: Path) -> Path:
    """A checkout whose only C++ file is a Python module of five lines: it compiles in a second."""
    for path in sorted((checkout / "csrc").rglob("*.cpp")):
        if "emulator" not in path.parts:
            path.unlink()
    (checkout / "csrc" / "answer.h").write_text("#define ANSWER 41\n")
    (checkout / "csrc" / "module.cpp").write_text(
        '#include <Python.h>\n#include "answer.h"\n'
        'static PyModuleDef def = {PyModuleDef_HEAD_INIT, "_operators", nullptr, -1, nullptr};\n'
        'extern "C" PyObject* PyInit__operators() { PyObject* m = PyModule_Create(&def);\n'
        'PyModule_AddIntConstant(m, "answer", ANSWER); return m; }\n'
    )
    return checkout


def answer(tree: Path) -> int:
    """What the library that lies in the tree was compiled from."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import _operators; print(_operators.answer)"
    return int(subprocess.check_output([sys.executable, "-P", "-c", code, str(tree / "mx_driving")], text=True))


WITH_NINJA = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])


@pytest.mark.parametrize("path", ["/usr/bin:/bin", WITH_NINJA], ids=["without ninja", "with ninja"])
def test_a_changed_header_is_compiled(small: Path, path: str) -> None:
    build(small, "build_ext", "--inplace", path=path)
    assert answer(small) == 41
    (small / "csrc" / "answer.h").write_text("#define ANSWER 42\n")
    build(small, "build_ext", "--inplace", path=path)
    assert answer(small) == 42


@pytest.mark.parametrize("path", ["/usr/bin:/bin", WITH_NINJA], ids=["without ninja", "with ninja"])
def test_another_torch_or_compiler_is_compiled_for(small: Path, path: str) -> None:
    """A header of another torch, unpacked from a cache, is older than the object: times alone do not tell."""
    build(small, "build_ext", "--inplace", path=path)
    header = small / "csrc" / "answer.h"
    header.write_text("#define ANSWER 43\n")
    os.utime(header, (0, 0))
    code = (
        "import runpy, sys, torch; torch.__version__ = '9.9.0'; sys.argv = ['setup.py', 'build_ext', '--inplace'];"
        "runpy.run_path('setup.py', run_name='__main__')"
    )
    environment = {**clean_environment({"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}), "PATH": path}
    subprocess.run([sys.executable, "-c", code], cwd=small, env=environment, check=True, capture_output=True)
    assert answer(small) == 43


def test_without_a_compiler_one_line(small: Path) -> None:
    done = build(small, "build_ext", "--inplace", check=False, CXX="no-such-compiler -x")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "mx_driving: the operators need a C++ compiler, but no-such-compiler is not on the PATH: install one"
    )
    assert "Traceback" not in done.stderr


def test_without_openmp_it_builds_and_says_so(small: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "plain-g++"
    compiler.write_text('#!/bin/sh\nfor word; do [ "$word" = -fopenmp ] && exit 1; done\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    done = build(small, "build_ext", "--inplace", CXX=str(compiler))
    assert f"mx_driving: {compiler} has no OpenMP: the operators will use one thread; build with g++" in done.stderr
    assert answer(small) == 41


def without_roots_right() -> None:
    """For a child process: root may write what it likes, unless CAP_DAC_OVERRIDE is out of its bounding set."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_a_tree_that_cannot_be_written(checkout: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'build_support'); import backend;"
        "print(backend.build_wheel(sys.argv[1])); backend.build_editable(sys.argv[1])"
    )
    for path in [checkout, *checkout.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=checkout,
            env=clean_environment({"MX_DRIVING_BUILD_OPS": "0"}),
            preexec_fn=without_roots_right,
            capture_output=True,
            text=True,
        )
        assert not (checkout / "build").exists()
    finally:
        for path in [checkout, *checkout.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert "mx_driving-0.1.0-py3-none-any.whl" in done.stdout, done.stderr
    assert len(list(tmp_path.glob("*.whl"))) == 1
    assert done.stderr.splitlines()[-1].startswith("mx_driving: an editable installation builds inside the source tree")


def test_what_decides_that_a_wheel_is_stale_covers_what_the_build_reads(checkout: Path) -> None:
    """Every file of the tree that a build opens is in the one list that CI's fingerprint and the tests use."""
    code = (
        "import os, runpy, sys; seen = set(); sys.addaudithook(lambda event, arguments: event == 'open' and "
        "isinstance(arguments[0], str) and arguments[1] and 'r' in arguments[1] and seen.add(os.path.abspath("
        "arguments[0]))); sys.argv = ['setup.py', 'bdist_wheel']; sys.path.insert(0, os.getcwd());"
        "runpy.run_path('setup.py', run_name='__main__'); print('SEEN', *sorted(seen), sep='\\n')"
    )
    environment = clean_environment({"MX_DRIVING_BUILD_OPS": "0"})
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    read = {Path(line) for line in done.stdout.split("SEEN\n")[1].splitlines()}
    made = ("build", "dist", "mx_driving.egg-info")
    own = {path.relative_to(checkout) for path in read if checkout in path.parents}
    own = {path for path in own if path.parts[0] not in made and path.suffix != ".pyc"}
    listed = {path.relative_to(package_sources.ROOT) for path in package_sources.files()}
    assert Path("build_support", "start_files.py") in own
    assert own - listed == set()
