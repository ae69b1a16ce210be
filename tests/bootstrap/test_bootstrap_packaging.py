"""What the wheel installs, how long it stays, and the format of the two start-up files."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import environments
import pytest
from environments import START_FILES, Environment

from mx_driving.bootstrap import startup


def test_the_wheel_lists_the_files_in_its_record(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = archive.read(next(name for name in names if name.endswith(".dist-info/RECORD"))).decode()
    assert all(re.search(rf"^{re.escape(name)},sha256=", record, re.MULTILINE) for name in START_FILES)
    assert not any("sitecustomize" in name or "usercustomize" in name for name in names)
    assert len(names) == len(set(names))


def test_the_pth_is_one_import_line() -> None:
    for text in (startup.PTH_OFF, startup.PTH_ON):
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(lines) == 1
        assert lines[0].startswith("import ")
        assert text.isascii()
        ast.parse(lines[0])


def test_the_start_file_is_what_pep_829_asks_for(wheel: Path, tmp_path: Path) -> None:
    """UTF-8, one ``module:callable`` a line, blank lines and # comments aside; Python 3.15 itself is not here."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        lines = archive.read("mx_driving_bootstrap.start").decode("utf-8-sig").splitlines()
    entries = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert entries == ["_mx_driving_bootstrap:start", "_mx_driving_bootstrap:offer_ext"]
    assert all(re.fullmatch(r"(?!\d)[\w.]+:(?!\d)[\w.]+", entry) for entry in entries)
    # What site.py of 3.15 does with an entry: resolve it, call it without arguments.
    code = f"""
import pkgutil, sys
sys.path.insert(0, {str(tmp_path)!r})
found = len(sys.meta_path)
for entry in {entries!r}:
    pkgutil.resolve_name(entry)()
offered = sys.meta_path[-1].find_spec("json") is None and len(sys.meta_path) > found
print(type(sys.meta_path[0]).__name__, offered, [name for name in sys.modules if name.startswith("mx_driving")])
"""
    command = [sys.executable, "-S", "-c", code]
    for value, expected in (("auto", "StartFinder"), ("", "type")):
        environment = environments.clean_environment({"MX_DRIVING_MMCV_VERSION": value})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [expected, "True", "[]"]
    assert callable(pkgutil.resolve_name)


def test_the_start_file_obeys_the_settings_beside_it(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import _mx_driving_bootstrap as starter
starter.start(); starter.start()
print([finder.value for finder in sys.meta_path if type(finder).__name__ == "StartFinder"])
"""
    for content, expected in ((b"", "[]"), (b" \n", "[]"), (b"1.6.0\n", "[b'1.6.0\\n']")):
        (tmp_path / "mx_driving_bootstrap.settings").write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-S", "-c", code], env=environments.clean_environment({}), capture_output=True, text=True
        )
        assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_uninstall_leaves_no_file(bare: Environment, tmp_path: Path) -> None:
    breakable = bare.copy(tmp_path / "venv", with_pip=True)
    breakable.run("-m", "mx_driving.bootstrap", "enable", "1.6.0")
    breakable.run("-c", "pass")
    assert any(path.endswith(".pth") for path in breakable.leftovers())
    breakable.pip("uninstall", "--yes", "--quiet", "mx_driving")
    assert breakable.leftovers() == []
    assert breakable.run("-c", "pass").stderr == ""


@pytest.fixture
def editable(bare: Environment, tmp_path: Path) -> tuple[Environment, Path]:
    """An editable installation of a copy of the sources, and that copy."""
    environment = bare.copy(tmp_path / "venv", with_pip=True)
    sources = environments.copy_sources(tmp_path / "sources")
    environment.pip("uninstall", "--yes", "--quiet", "mx_driving")
    version = tuple(map(int, environment.run("-c", "import sys; print(*sys.version_info[:2])").stdout.split()))
    if version == sys.version_info[:2]:
        # With the build tools of the interpreter that runs the tests nothing needs to be downloaded.
        parent = [sys.executable, "-m", "pip", "--python", str(environment.python)]
        tools = Path(next(path for path in sys.path if Path(path, "setuptools").is_dir()))
        (environment.site / "zz_tools.pth").write_text(f"{tools}\n", encoding="utf-8")
        command = [*parent, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(sources)]
        subprocess.run(command, env=environments.clean_environment(environments.BUILD), check=True)
        (environment.site / "zz_tools.pth").unlink()
    else:
        environment.pip("install", "--quiet", "--no-deps", "--editable", str(sources))
    return environment, sources


def test_editable_installation(editable: tuple[Environment, Path], tmp_path: Path) -> None:
    environment, sources = editable
    found = environment.run("-c", "import mx_driving; print(mx_driving.__file__)").stdout
    assert found.strip() == str(sources / "mx_driving" / "__init__.py")
    assert all((environment.site / name).is_file() for name in START_FILES)
    environment.run("-m", "mx_driving.bootstrap", "enable")
    status = environment.run("-m", "mx_driving.bootstrap", "status").stdout
    assert "switched on:    auto" in status
    (sources / "mx_driving").rename(sources / "gone")
    assert environment.run("-c", "pass").stderr == ""
    (sources / "gone").rename(sources / "mx_driving")
    environment.pip("uninstall", "--yes", "--quiet", "mx_driving")
    assert environment.leftovers() == []
