"""The commands' output: a pipe that closes, a full disk, the version; and what is asked of them in odd orders."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from environments import START_FILES, Environment, clean_environment

import mx_driving
from mx_driving.patcher import patch_mmcv_version

FORMS = (["-m", "mx_driving.cli", "bootstrap"], ["-m", "mx_driving.bootstrap"])


@pytest.fixture
def own(venv: Environment, tmp_path) -> Environment:
    return venv.copy(tmp_path / "venv")


def start(environment: Environment, command: list[str], stdout) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(environment.python), *command],
        env=clean_environment({}),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("command", [[*form, action] for form in FORMS for action in ("status", "--help")])
def test_a_closed_pipe_is_silent(venv: Environment, command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = start(venv, command, writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_one_line(venv: Environment, form: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = start(venv, [*form, "status"], full)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(": the output could not be written: No space left on device")


def test_without_an_output(venv: Environment) -> None:
    code = "import sys; sys.stdout = None; from mx_driving.cli import main; sys.exit(main(['bootstrap', 'status']))"
    assert venv.run("-c", code).stderr == ""


def test_the_version_says_which_package_this_is(venv: Environment) -> None:
    line = venv.run("-m", "mx_driving.cli", "--version").stdout
    python = ".".join(map(str, sys.version_info[:3]))
    folder = venv.site.resolve() / "mx_driving"
    expected = f"mx-driving {mx_driving.__version__}, without compiled operators, in {folder} (Python {python})\n"
    assert line == expected


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("--also mmdet auto", "auto,mmdet"),
        ("--also mmdet mmseg 1.6.0", "1.6.0,mmdet,mmseg"),
        ("--also mmdet,mmseg", "auto,mmdet,mmseg"),
        ("1.6.0 --also mmdet", "1.6.0,mmdet"),
    ],
)
def test_the_version_may_stand_after_the_packages(own: Environment, words: str, value: str) -> None:
    done = own.run("-m", "mx_driving.bootstrap", "enable", *words.split())
    assert done.stdout.startswith(f"on: {value} (")


def test_a_text_for_the_packages_is_refused_as_one() -> None:
    with pytest.raises(TypeError, match=r"expected a list of packages such as \['mmdet'\], got the text 'mmdet'"):
        patch_mmcv_version("auto", also="mmdet")


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_a_read_only_site_names_the_settings(own: Environment, action: str) -> None:
    # A folder that nobody can write, root included: no file can be made in one of /proc.
    code = (
        "import pathlib, sys; from mx_driving.bootstrap import switch; from mx_driving.bootstrap.__main__ import main;"
        "switch.site_directory = lambda: pathlib.Path('/proc/self'); sys.exit(main(sys.argv[1:]))"
    )
    done = own.run("-c", code, action, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith(f"mx-driving bootstrap {action}: [Errno ")
    assert done.stderr.endswith(f": '/proc/self/{START_FILES[2]}'\n")
