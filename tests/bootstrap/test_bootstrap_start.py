"""Interpreter start, on every Python at hand: on, off, every way of starting, every way of breaking."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ToyPackages
from environments import START_FILES, Environment

ON = {"MX_DRIVING_MMCV_VERSION": "auto"}
MEET = "import mmtoy, mmcv; print(mmtoy.mmcv_version, mmcv.__version__)"
SHOWN, REFUSED = "[1, 4, 0] 1.7.2\n", "MMCV==1.7.2 is used but incompatible."


@pytest.fixture
def path(toys: ToyPackages) -> list[Path]:
    toys.checking("mmtoy", "1.3.8", "1.4.0")
    toys.module("tool/__main__.py", MEET)
    toys.module("tool/__init__.py", "")
    return [toys.root]


def refused(done: object) -> bool:
    return done.returncode == 1 and done.stderr.rstrip().endswith(REFUSED)  # type: ignore[attr-defined]


def quiet(environment: Environment, **variables: str) -> bool:
    done = environment.run("-c", "print('started')", **variables)
    return (done.stdout, done.stderr) == ("started\n", "")


def test_off_changes_nothing(bare: Environment, path: list[Path]) -> None:
    code = "import sys; print([name for name in sys.modules if 'mx_driving' in name], len(sys.meta_path))"
    assert bare.run("-c", code).stdout.startswith("[] ")
    assert refused(bare.run("-c", MEET, path=path, check=False))


def test_on_imports_one_file_and_adds_one_finder(bare: Environment) -> None:
    code = "import sys; print([name for name in sys.modules if 'mx_driving' in name], type(sys.meta_path[0]).__name__)"
    assert bare.run("-c", code, **ON).stdout == "['_mx_driving_bootstrap'] StartFinder\n"
    # The parser of the sources is loaded by the first package that may check, not by the start.
    names = "'ast', 're', 'argparse', 'importlib.util', 'torch'"
    loaded = f"import sys; print([name for name in ({names}) if name in sys.modules])"
    assert bare.run("-c", loaded, **ON).stdout == bare.run("-c", loaded).stdout


@pytest.mark.parametrize("flags", [(), ("-I",), ("-E",), ("-s",), ("-O",), ("-B",), ("-W", "ignore")], ids=" ".join)
def test_ways_of_starting(bare: Environment, path: list[Path], flags: tuple[str, ...]) -> None:
    code = f"import sys; sys.path[:0] = [{str(path[0])!r}]\n{MEET}"
    assert bare.run(*flags, "-c", code, **ON).stdout == SHOWN


def test_without_site_nothing_happens(bare: Environment, path: list[Path]) -> None:
    assert refused(bare.run("-S", "-c", MEET, path=path, check=False, **ON))


def test_module_script_and_stdin(bare: Environment, path: list[Path], tmp_path: Path) -> None:
    assert bare.run("-m", "tool", path=path, **ON).stdout == SHOWN
    script = tmp_path / "script.py"
    script.write_text(MEET, encoding="utf-8")
    assert bare.run(str(script), path=path, **ON).stdout == SHOWN


def test_children_and_spawn_workers(bare: Environment, path: list[Path], tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, subprocess, sys\n"
        f"def meet(_):\n    {MEET.replace('print', 'return ')}\n"
        "if __name__ == '__main__':\n"
        f"    print(subprocess.run([sys.executable, '-c', {MEET!r}], stdout=-1, check=True).stdout.decode(), end='')\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        print(*pool.map(meet, [0])[0])\n",
        encoding="utf-8",
    )
    assert bare.run(str(script), path=path, **ON).stdout == SHOWN * 2


def test_zipped_packages(bare: Environment, path: list[Path], tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packages"), "zip", str(path[0]))
    done = bare.run("-c", MEET + "; print(mmtoy.__file__, type(mmtoy.__loader__).__name__)", path=[archive], **ON)
    assert done.stdout.startswith("[1, 4, 0] 1.7.2\n" + archive)
    assert done.stdout.endswith("zipimporter\n")
    assert "mmtoy asserts" in done.stderr


def test_packages_in_any_order(bare: Environment, toys: ToyPackages, path: list[Path]) -> None:
    toys.checking("mmother", "1.5.2", "1.7.0")
    for order in ("mmtoy, mmother", "mmother, mmtoy", "mmcv, mmother, mmtoy", "mmother, mmcv, mmtoy"):
        code = f"import {order}\nimport mmtoy, mmother; print(mmtoy.mmcv_version, mmother.mmcv_version)"
        assert bare.run("-c", code, path=path, **ON).stdout == "[1, 4, 0] [1, 7, 0]\n"


def test_the_users_own_sitecustomize_still_runs(bare: Environment, toys: ToyPackages, path: list[Path]) -> None:
    toys.module("sitecustomize.py", "print('mine')\n")
    assert bare.run("-c", MEET, path=path, **ON).stdout == "mine\n" + SHOWN


@pytest.mark.parametrize("value", ["0", "off", "False", " no "])
def test_kill_switch_wins(breakable: Environment, path: list[Path], value: str) -> None:
    breakable.run("-m", "mx_driving.bootstrap", "enable")
    assert breakable.run("-c", MEET, path=path).stdout == SHOWN
    for variables in ({}, ON):
        assert refused(breakable.run("-c", MEET, path=path, check=False, MX_DRIVING_BOOTSTRAP=value, **variables))
    assert breakable.run("-c", MEET, path=path, MX_DRIVING_BOOTSTRAP="1").stdout == SHOWN


def test_the_variable_can_switch_one_command_off(breakable: Environment, path: list[Path]) -> None:
    breakable.run("-m", "mx_driving.bootstrap", "enable")
    for value in ("0", "off"):
        assert refused(breakable.run("-c", MEET, path=path, check=False, MX_DRIVING_MMCV_VERSION=value))


# ---------------------------------------------------------------------------------------------- faults


@pytest.fixture(params=["by variable", "by settings"])
def on(request: pytest.FixtureRequest, breakable: Environment) -> tuple[Environment, dict[str, str]]:
    """An environment that is switched on, and the variables to start it with."""
    if request.param == "by variable":
        return breakable, ON
    breakable.run("-m", "mx_driving.bootstrap", "enable")
    return breakable, {}


def test_package_directory_deleted(on: tuple[Environment, dict[str, str]], path: list[Path]) -> None:
    environment, variables = on
    shutil.rmtree(environment.site / "mx_driving")
    assert quiet(environment, **variables)
    done = environment.run("-c", MEET, path=path, check=False, **variables)
    assert refused(done)
    assert done.stderr.count("mx_driving: ") == 1
    assert "was ignored and every package sees the true mmcv: ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("name", START_FILES)
def test_one_start_up_file_deleted(on: tuple[Environment, dict[str, str]], path: list[Path], name: str) -> None:
    environment, variables = on
    (environment.site / name).unlink()
    assert quiet(environment, **variables)
    status = environment.run("-m", "mx_driving.bootstrap", "status", check=False, **variables)
    expected = "start-up files: not installed" if name == START_FILES[0] else f"{name} missing in"
    assert expected in status.stdout
    assert status.returncode == 1


def test_everything_of_ours_deleted_but_the_pth(on: tuple[Environment, dict[str, str]]) -> None:
    environment, variables = on
    for name in START_FILES[1:]:
        (environment.site / name).unlink()
    shutil.rmtree(environment.site / "mx_driving")
    assert quiet(environment, **variables)


@pytest.mark.parametrize("module", ["mx_driving/__init__.py", "mx_driving/bootstrap/finder.py"])
@pytest.mark.parametrize("source", ["raise RuntimeError('broken\\nin two lines')", "def ("], ids=["raises", "syntax"])
def test_module_raising_at_import(
    on: tuple[Environment, dict[str, str]], path: list[Path], module: str, source: str
) -> None:
    environment, variables = on
    (environment.site / module).write_text(source, encoding="utf-8")
    assert quiet(environment, **variables)
    done = environment.run("-c", MEET, path=path, check=False, **variables)
    assert refused(done)
    assert len([line for line in done.stderr.splitlines() if "mx_driving: " in line]) == 1


def test_starter_raising_at_import(on: tuple[Environment, dict[str, str]]) -> None:
    environment, variables = on
    (environment.site / START_FILES[3]).write_text("raise RuntimeError('broken')\n", encoding="utf-8")
    assert quiet(environment, **variables)


def make_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_unreadable(file: Path) -> None:
    # For root every mode is readable, so this adds to the directory above only where tests run as a user.
    file.chmod(0)


def make_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def make_invalid(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00auto\x80")


def make_huge(file: Path) -> None:
    file.write_bytes(b"1" * 10_000)


@pytest.mark.parametrize(
    ("spoil", "warns"),
    [(make_directory, False), (make_unreadable, None), (make_loop, False), (make_invalid, True), (make_huge, True)],
)
def test_unreadable_settings_file(breakable: Environment, path: list[Path], spoil: object, warns: bool | None) -> None:
    breakable.run("-m", "mx_driving.bootstrap", "enable")
    spoil(breakable.site / START_FILES[2])  # type: ignore[operator]
    assert quiet(breakable)
    if warns is not None:
        done = breakable.run("-c", MEET, path=path, check=False)
        assert refused(done)
        assert ("mx_driving: " in done.stderr) is warns
        status = breakable.run("-m", "mx_driving.bootstrap", "status", check=False)
        assert status.returncode == 1
        assert "problem: " in status.stdout
        assert len(max(status.stdout.splitlines(), key=len)) < 500


@pytest.mark.parametrize(
    "value",
    [
        "latest",
        "1.6.x",
        "__import__('os').system('touch executed')",
        "$(touch executed)",
        "auto,torch",
        "1.6.0;",
        "x" * 10_000,
    ],
    ids=lambda value: value[:20],
)
def test_garbage_in_the_variable(bare: Environment, path: list[Path], tmp_path: Path, value: str) -> None:
    variables = {"MX_DRIVING_MMCV_VERSION": value}
    assert quiet(bare, **variables)
    done = bare.run("-c", MEET, path=path, cwd=tmp_path, check=False, **variables)
    assert refused(done)
    lines = [line for line in done.stderr.splitlines() if "mx_driving: " in line]
    assert len(lines) == 1
    assert "MX_DRIVING_MMCV_VERSION was ignored" in lines[0]
    assert len(lines[0]) < 400
    assert list(tmp_path.glob("executed")) == []
    # A process that never meets a checking package is never told.
    assert bare.run("-c", "import mmap, mmcv", path=path, **variables).stderr == ""


FIND_EXT = "import importlib.util; spec = importlib.util.find_spec('mmcv._ext'); print(spec and spec.origin[-11:])"


def test_an_mmcv_without_operators_is_offered_ours(bare: Environment, path: list[Path]) -> None:
    for variables in ({}, ON):
        assert bare.run("-c", FIND_EXT, path=path, **variables).stdout == "provider.py\n"
    assert bare.run("-c", FIND_EXT, path=path, MX_DRIVING_BOOTSTRAP="0").stdout == "None\n"


def test_a_compiled_extension_is_not_shadowed(bare: Environment, toys: ToyPackages, path: list[Path]) -> None:
    toys.module("mmcv/_ext.py", "")
    assert bare.run("-c", FIND_EXT, path=path).stdout == "mcv/_ext.py\n"


def test_the_offer_starts_no_import(bare: Environment) -> None:
    code = "import sys; print([n for n in sys.modules if 'mx_driving' in n], hasattr(sys.meta_path[-1], '__dict__'))"
    assert bare.run("-c", code).stdout == "[] True\n"


def test_the_offer_of_the_start_file_is_the_same(bare: Environment, path: list[Path]) -> None:
    code = f"import sys; sys.meta_path.pop(); import _mx_driving_bootstrap as b; b.offer_ext(); {FIND_EXT}"
    assert bare.run("-c", code, path=path).stdout == "provider.py\n"
