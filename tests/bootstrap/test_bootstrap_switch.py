"""``mx-driving bootstrap enable|disable|status``, under both of its names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ToyPackages
from environments import START_FILES, Environment, clean_environment

from mx_driving.bootstrap import startup

SETTINGS = START_FILES[2]


@pytest.fixture
def switched(venv: Environment, tmp_path: Path) -> Environment:
    return venv.copy(tmp_path / "venv")


def command(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return environment.run("-m", "mx_driving.bootstrap", *arguments, check=False)


def test_enable_and_disable(switched: Environment) -> None:
    pth, settings = switched.site / startup.PTH_NAME, switched.site / SETTINGS
    assert command(switched, "enable").stdout == f"on: auto ({settings})\n"
    assert (settings.read_text(), pth.read_text()) == ("auto\n", startup.PTH_ON)
    assert command(switched, "enable", "1.6.0", "--also", "mmdet", "mmseg").returncode == 0
    assert settings.read_text() == "1.6.0,mmdet,mmseg\n"
    assert command(switched, "disable").stdout == f"off ({settings})\n"
    assert (settings.read_text(), pth.read_text()) == ("", startup.PTH_OFF)
    assert list(switched.site.glob(".mx_driving_*")) == []


def test_a_hard_linked_installation_is_not_written_through(switched: Environment, tmp_path: Path) -> None:
    cached = tmp_path / "cached"
    cached.hardlink_to(switched.site / SETTINGS)
    command(switched, "enable")
    assert cached.read_text() == ""


def test_the_settings_work_and_the_variable_has_precedence(switched: Environment, toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.6.0")
    command(switched, "enable", "1.5.0")
    code = "import mmtoy; print(mmtoy.mmcv_version)"
    assert switched.run("-c", code, path=[toys.root]).stdout == "[1, 5, 0]\n"
    assert switched.run("-c", code, path=[toys.root], MX_DRIVING_MMCV_VERSION="auto").stdout == "[1, 6, 0]\n"
    assert "precedence" in switched.run("-m", "mx_driving.bootstrap", "enable", MX_DRIVING_MMCV_VERSION="1.4").stderr


def test_status_says_what_each_package_would_see_without_importing_it(switched: Environment, toys: ToyPackages) -> None:
    toys.checking("mmaccepts", "1.3.8", "1.8.0")
    toys.checking("mmneeds", "1.3.8", "1.4.0", before="raise SystemExit('imported')\n")
    toys.checking("mmother", "2.0.0", "2.1.0")
    toys.module("mmbroken.py", "import mmcv\nassert mmcv.__version__ (\n")
    done = switched.run("-m", "mx_driving.bootstrap", "status", path=[toys.root])
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "switched on:    no (by nothing)" in lines
    assert "mmcv:           1.7.2" in lines
    assert "mmaccepts: asserts mmcv>=1.3.8,<=1.8.0; accepts 1.7.2" in lines
    assert "mmneeds: asserts mmcv>=1.3.8,<=1.4.0; would be shown 1.4.0" in lines
    assert any(line.startswith("mmother: asserts mmcv>=2.0.0,<=2.1.0; mx_driving cannot help") for line in lines)
    command(switched, "enable", "1.3.9")
    done = switched.run("-m", "mx_driving.bootstrap", "status", path=[toys.root])
    assert "mmneeds: asserts mmcv>=1.3.8,<=1.4.0; is shown 1.3.9" in done.stdout
    assert f"1.3.9 (by {switched.site / SETTINGS})" in done.stdout


def test_status_reports_a_stale_starter_and_hand_edited_files(switched: Environment) -> None:
    starter = switched.site / startup.STARTER_NAME
    before = starter.read_text()
    starter.write_text(before + "# older\n")
    assert (
        "is of another mx_driving: install mx_driving's checkout or wheel again" in command(switched, "status").stdout
    )
    starter.write_text(before)
    (switched.site / SETTINGS).write_text("auto\n")
    done = command(switched, "status")
    assert (done.returncode, "disagree: call enable or disable again" in done.stdout) == (1, True)
    assert command(switched, "enable").returncode == 0
    assert command(switched, "status").returncode == 0


@pytest.mark.parametrize(
    "arguments", [("enable", "latest"), ("enable", "1.6.0", "--also", "torch"), ("enable", "1" * 999)]
)
def test_a_wrong_value_is_refused_and_nothing_is_written(switched: Environment, arguments: tuple[str, ...]) -> None:
    done = command(switched, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mx-driving bootstrap enable: expected ")
    assert len(done.stderr.splitlines()) == 1
    assert (switched.site / SETTINGS).read_text() == ""


def test_without_the_start_up_files_enable_says_what_to_do(switched: Environment) -> None:
    (switched.site / startup.PTH_NAME).unlink()
    done = command(switched, "enable")
    assert done.returncode == 1, done.stdout
    assert "install mx_driving's checkout or wheel" in done.stderr
    assert "start-up files: not installed" in command(switched, "status").stdout


def test_a_settings_file_that_cannot_be_replaced(switched: Environment) -> None:
    (switched.site / SETTINGS).unlink()
    (switched.site / SETTINGS / "inside").mkdir(parents=True)
    done = command(switched, "enable")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert SETTINGS in done.stderr
    assert list(switched.site.glob(".mx_driving_*")) == []


def test_files_in_a_directory_that_python_does_not_start_from(
    switched: Environment, venv: Environment, tmp_path: Path
) -> None:
    """``pip install --target`` and PYTHONPATH: the ``.pth`` file is there, and Python does not read it."""
    for name in START_FILES:
        (tmp_path / name).write_bytes((switched.site / name).read_bytes())
        (switched.site / name).unlink()
    run = ["-m", "mx_driving.bootstrap", "status"]
    done = switched.run(*run, path=[tmp_path], check=False, MX_DRIVING_MMCV_VERSION="auto")
    assert (done.returncode, "problem: expected mx_driving_bootstrap.pth" in done.stdout) == (1, True)
    assert "start-up files: not installed" in done.stdout
    # With an installation that works, its directory is the one that counts.
    assert f"start-up files: {venv.site}\n" in venv.run(*run, path=[tmp_path]).stdout


def test_a_settings_file_with_a_byte_order_mark(switched: Environment) -> None:
    command(switched, "enable")
    (switched.site / SETTINGS).write_bytes(b"\xef\xbb\xbfauto\r\n")
    assert "switched on:    auto" in command(switched, "status").stdout


def test_the_console_command_is_the_same(switched: Environment, venv: Environment) -> None:
    script = venv.prefix / "bin" / "mx-driving"
    done = subprocess.run(
        [str(script), "bootstrap", "status"], env=clean_environment({}), capture_output=True, text=True, check=True
    )
    assert done.stdout == command(venv, "status").stdout
    listed = subprocess.run([str(script), "--help"], env=clean_environment({}), capture_output=True, text=True)
    assert "solve the mmcv version conflict" in listed.stdout
    assert switched.run("-m", "mx_driving.cli", "bootstrap", "enable").stdout.startswith("on: auto")


def test_no_action_is_a_usage_error(venv: Environment) -> None:
    done = command(venv)
    assert (done.returncode, "usage:" in done.stderr) == (2, True)


def test_a_venv_beside_a_users_copy_switches_its_own(wheel: Path, tmp_path: Path) -> None:
    """With ``--system-site-packages`` the user's directory is on the path too; the venv's own files come first."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(tmp_path / "v")])
    mixed = Environment(tmp_path / "v")
    home = {"PYTHONUSERBASE": str(tmp_path / "home")}
    user = Path(mixed.run("-c", "import site; print(site.getusersitepackages())", **home).stdout.strip())
    for target in (user, mixed.site):
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
        subprocess.run([*install, str(target), str(wheel)], check=True, env=clean_environment({}))
    done = mixed.run("-m", "mx_driving.bootstrap", "enable", **home)
    assert (done.stdout, done.stderr) == (f"on: auto ({mixed.site / SETTINGS})\n", "")
    assert (user / SETTINGS).read_text() == ""
    # Without a copy of its own the user's is all there is, and whom that reaches is said.
    for name in START_FILES:
        (mixed.site / name).unlink()
    done = mixed.run("-m", "mx_driving.bootstrap", "enable", **home)
    assert done.stdout == f"on: auto ({user / SETTINGS})\n"
    assert f"of this user reads {user}" in done.stderr


def test_status_without_start_up_files_is_not_in_order(switched: Environment, toys: ToyPackages) -> None:
    toys.checking("mmneeds", "1.3.8", "1.4.0")
    for name in START_FILES:
        (switched.site / name).unlink()
    done = switched.run("-m", "mx_driving.bootstrap", "status", path=[toys.root], check=False)
    assert done.returncode == 1
    assert "start-up files: not installed" in done.stdout
    assert "mmneeds: asserts mmcv>=1.3.8,<=1.4.0; is not shown 1.4.0" in done.stdout
    assert "problem: expected mx_driving_bootstrap.pth in a site-packages directory" in done.stdout


def test_install_again_names_the_wheel_that_pip_noted(switched: Environment, wheel: Path) -> None:
    (switched.site / startup.STARTER_NAME).unlink()
    again = f"install mx_driving's checkout or wheel again: pip install --force-reinstall --no-deps {wheel}"
    assert f"missing in {switched.site}: {again}" in command(switched, "status").stdout
