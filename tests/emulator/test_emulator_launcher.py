"""The command ``python -m mx_driving.emulator``: its messages, its environment, its cache. No torch_npu is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE

from mx_driving.emulator import EmulatorError, Machine, builder, child_environment
from mx_driving.emulator.__main__ import become, own_path, parse_arguments
from mx_driving.emulator.symbols import failing_operators, written_operators

SETTINGS = "MEMORY_GB=2 HCCL_TIMEOUT=30 CANN=8.0.RC3"


def launch(*arguments, path=None, **environment):
    child = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, [path, PACKAGE]))), **environment}
    command = [sys.executable, "-m", "mx_driving.emulator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=child, check=False)


def package(root: Path, name: str, version: str, extra: str = "") -> None:
    (root / name).mkdir()
    (root / name / "__init__.py").write_text("raise SystemExit('imported')\n")
    (root / name / "version.py").write_text(f"__version__ = '{version}'\n{extra}")


def test_torch_npu_missing(tmp_path):
    package(tmp_path, "torch", "2.13.0+cpu")
    # The environment of this test may have torch_npu, so the finder is told to forget it.
    finder = (
        "import importlib.util as u, runpy, sys; find = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'torch_npu' else find(name, *a)"
    )
    code = "sys.argv = ['x', '--', 'true']; runpy.run_module('mx_driving.emulator', run_name='__main__')"
    child = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PACKAGE)])}
    command = [sys.executable, "-c", f"{finder}; {code}"]
    done = subprocess.run(command, capture_output=True, text=True, env=child, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "mx_driving.emulator: torch_npu is not installed in this environment: run pip install --no-deps "
        "torch_npu==<the version of torch>"
    ]


def test_versions_that_do_not_fit(tmp_path):
    package(tmp_path, "torch", "2.12.1+cpu")
    package(tmp_path, "torch_npu", "2.13.0")
    done = launch("--", "true", path=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "mx_driving.emulator: torch_npu 2.13.0 does not fit torch 2.12.1+cpu: "
        "run pip install --no-deps torch_npu==2.12.1"
    ]


def test_a_post_release_of_torch_npu_fits(tmp_path):
    package(tmp_path, "torch", "2.1.0+cpu")
    package(tmp_path, "torch_npu", "2.1.0.post12")
    done = launch("--", "true", path=tmp_path, CXX="no-such-compiler", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert "the compiler no-such-compiler is not on the PATH: install g++ 10 or newer, or set CXX" in done.stderr
    assert not list((tmp_path / "cache").rglob("*.so"))


def test_a_cuda_build_of_torch(tmp_path):
    package(tmp_path, "torch", "2.13.0+cu130", "cuda = '13.0'\n")
    package(tmp_path, "torch_npu", "2.13.0")
    done = launch("--", "true", path=tmp_path)
    assert "torch 2.13.0+cu130 is a CUDA build" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a command is expected after --"),
        (("--devices", "0", "--", "true"), "--devices must be 1 to 16, got 0"),
        (("--fail", "aclnn Add", "--", "true"), "--fail must read name[=code][@run]"),
        (
            ("--fail", "aclnnAd", "--", "true"),
            "--fail aclnnAd: the emulator writes no such operator, did you mean aclnnA",
        ),
        (("--fail", "Conv2d@run", "--", "true"), "did you mean Conv2D"),
        (("--fail", "HcclAllreduce=5", "--", "true"), "did you mean HcclAllReduce"),
        (("--fail", "aclnnAdd=0", "--", "true"), "--fail must read name[=code][@run]"),
        (
            ("--count", "no/such/folder", "--", "true"),
            "--count no/such/folder: a file that can be written was expected",
        ),
        (("--count", "/", "--", "true"), "--count /: a file that can be written was expected (Is a directory)"),
        (("--soc", "", "--", "true"), "--soc must be the name of a chip, such as Ascend910B1, got ''"),
        (("python", "train.py", "--devices", "8"), "a command is expected after --"),
        (("python", "train.py", "--", "true"), "before it came python train.py"),
        (("--dev", "2", "--", "true"), "before it came --dev 2"),
        (("--", "no-such-command"), "the command 'no-such-command' is not on the PATH"),
    ],
)
def test_bad_command_lines(arguments, message):
    done = launch(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_cache_that_cannot_be_written(tmp_path):
    package(tmp_path, "torch", "2.13.0+cpu")
    package(tmp_path, "torch_npu", "2.13.0")
    done = launch("--", "true", path=tmp_path, XDG_CACHE_HOME=os.devnull)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"mx_driving.emulator: {os.devnull}/mx_driving/emulator cannot be written (Not a directory): "
        "set XDG_CACHE_HOME to a directory that can"
    ]


def test_a_folder_that_is_no_package(tmp_path):
    package(tmp_path, "torch", "2.13.0+cpu")
    (tmp_path / "torch_npu").mkdir()
    (tmp_path / "torch_npu" / "__init__.py").touch()
    done = launch("--", "true", path=tmp_path)
    assert done.stderr.splitlines() == [
        f"mx_driving.emulator: {tmp_path / 'torch_npu'} is no installed torch_npu: it has no version.py; "
        "reinstall, or remove it"
    ]


def test_arguments_of_the_command_are_the_commands():
    options = parse_arguments(["--devices", "2", "--", "python", "train.py", "--devices", "8", "--", "--soc", "x"])
    assert (options.devices, options.soc) == (2, "Ascend910B1")
    assert options.command == ["python", "train.py", "--devices", "8", "--", "--soc", "x"]


def test_the_commands_of_this_environment_come_first():
    assert shutil.which("python", path=own_path()) == str(Path(sys.executable).with_name("python"))


def test_a_relative_cache_is_not_one(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert builder.cache_root() == Path.home() / ".cache" / "mx_driving" / "emulator"


def test_no_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(EmulatorError, match="the home directory is not known: set XDG_CACHE_HOME"):
        builder.cache_root()


def test_what_a_killed_build_left_is_removed(tmp_path):
    old, new = tmp_path / ".building-old", tmp_path / ".building-new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    with builder.working_directory(tmp_path):
        assert not old.exists()
        assert new.exists()


def test_a_command_that_does_not_start(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    with pytest.raises(EmulatorError, match="program' does not start: Exec format error"):
        become([str(program)], dict(os.environ))


def test_a_number_of_compilers_that_is_none(monkeypatch):
    monkeypatch.setenv("MAX_JOBS", "many")
    with pytest.raises(EmulatorError, match="MAX_JOBS must be a number of compilers, 1 or more, got 'many'"):
        builder.jobs()


def test_child_environment_changes_the_child_only(tmp_path):
    before = dict(os.environ)
    machine = Machine(devices=2, soc="Ascend910B2", fail=("aclnnAdd=5", "aclnnMul@run"), count=tmp_path / "c")
    given = {"LD_LIBRARY_PATH": "/old", "MX_DRIVING_EMULATOR_SOC": "stale", "ASCEND_HOME_PATH": "/usr/local/Ascend"}
    child = child_environment(machine, Path("/libs"), given)
    assert "ASCEND_HOME_PATH" not in child  # torch_npu would load the operators of the real CANN
    assert child["LD_LIBRARY_PATH"] == f"/libs{os.pathsep}/old"
    assert child["TORCH_DEVICE_BACKEND_AUTOLOAD"] == "1"
    assert child["MX_DRIVING_EMULATOR_DEVICES"] == "2"
    assert child["MX_DRIVING_EMULATOR_SOC"] == "Ascend910B2"
    assert child["MX_DRIVING_EMULATOR_FAIL"] == "aclnnAdd=5 aclnnMul@run"
    assert child["MX_DRIVING_EMULATOR_COUNT"] == str((tmp_path / "c").resolve())
    assert dict(os.environ) == before


def test_documented_settings_reach_the_child():
    given = {f"MX_DRIVING_EMULATOR_{name}": value for name, value in re.findall(r"(\w+)=(\S+)", SETTINGS)}
    child = child_environment(Machine(), Path("/libs"), given)
    assert {name: child[name] for name in given} == given


@pytest.mark.parametrize("setting", SETTINGS.replace("=", "=-").split())
def test_settings_that_cannot_be_read(setting):
    name, _, value = f"MX_DRIVING_EMULATOR_{setting}".partition("=")
    with pytest.raises(EmulatorError, match=f"{name} is '{value}'"):
        child_environment(Machine(), Path("/libs"), {name: value})


def test_a_machine_checks_itself():
    with pytest.raises(EmulatorError, match="1 to 16, got 17"):
        Machine(devices=17)


def test_operators_are_read_from_lines_and_from_shorthands(tmp_path):
    source = tmp_path / "some.cpp"
    source.write_text(
        "#define UNARY(NAME, FUNCTION) OPERATOR(aclnn##NAME, (In a, Out out), out = FUNCTION(a))\n"
        "#define BOTH(NAME, FUNCTION) \\\n  UNARY(NAME, FUNCTION) \\\n"
        "  OPERATOR(aclnnInplace##NAME, (InOut a), a = FUNCTION(a))\n"
        "BOTH(Sin, at::sin)\nUNARY(Abs, at::abs)\nOPERATOR(aclnnAdd, (In a, In b, Out out), out = at::add(a, b))\n"
    )
    assert written_operators([source]) == {"aclnnSin", "aclnnInplaceSin", "aclnnAbs", "aclnnAdd"}


def test_faults_are_known_on_every_route():
    sources = (builder.source_root() / "emulator").rglob("*.cpp")
    assert {"aclnnInplaceAdd", "Conv2DBackpropInput", "DeformableOffsets", "HcclAllReduce"} <= failing_operators(
        sources
    )


def test_importing_the_package_loads_nothing():
    code = "import sys, mx_driving.emulator; print([m for m in ('torch', 'torch_npu') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE)
    assert done.stdout.strip() == "[]"
