"""The check that no test is silently run nowhere, on reports that pytest itself wrote."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository_scripts import CI, ROOT

SUITE = """
import os
import pytest

def test_everywhere():
    pass

@pytest.mark.skipif(os.environ["LINE"] != "a", reason="line a only")
def test_on_a():
    pass

@pytest.mark.skip(reason="{reason}")
def test_nowhere():
    pass
"""


MODULE_OF_ONE_LINE = """
import os
import pytest

if os.environ["LINE"] not in {lines!r}:
    pytest.skip("of another line", allow_module_level=True)

class TestInside:
    def test_one(self):
        pass
"""


def reports(tmp_path: Path, reason: str, lines: str = "ab") -> Path:
    (tmp_path / "test_suite.py").write_text(SUITE.format(reason=reason))
    results = tmp_path / "results"
    for line in lines:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
        subprocess.run(
            [*command, f"--junitxml={results / line}.xml"],
            cwd=tmp_path, env={"LINE": line, "PATH": ""}, check=True, capture_output=True,
        )  # fmt: skip
    results.mkdir(exist_ok=True)
    return results


def check(results: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(CI / "never_ran.py"), str(results)], capture_output=True, text=True, timeout=60
    )


def test_a_test_that_no_session_ran_is_an_error(tmp_path):
    done = check(reports(tmp_path, "mmcv 3 only"))
    assert done.returncode == 1
    assert re.search(r"NEVER RAN: \S*test_nowhere: .*mmcv 3 only", done.stdout)
    assert "test_on_a" not in done.stdout
    assert "2 sessions (a, b), 1 tests that ran in none" in done.stdout


def test_it_notices_a_session_that_is_left_out(tmp_path):
    done = check(reports(tmp_path, "no NPU here", lines="b"))
    assert done.returncode == 1
    assert re.search(r"NEVER RAN: \S*test_on_a: .*line a only", done.stdout)


def test_what_a_machine_may_lack_is_named_but_no_error(tmp_path):
    done = check(reports(tmp_path, "no NPU here"))
    assert done.returncode == 0
    assert re.search(r"excused: \S*test_nowhere: .*no NPU here", done.stdout)


def test_a_module_that_skips_as_a_whole_counts_by_its_tests(tmp_path):
    (tmp_path / "test_a_only.py").write_text(MODULE_OF_ONE_LINE.format(lines="a"))
    (tmp_path / "test_c_only.py").write_text(MODULE_OF_ONE_LINE.format(lines="c"))
    done = check(reports(tmp_path, "no NPU here"))
    assert done.returncode == 1
    assert "test_a_only" not in done.stdout
    assert re.search(r"NEVER RAN: \S*test_c_only: .*of another line", done.stdout)


def test_no_reports_is_an_error(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 1
    assert "run the test sessions first" in done.stderr


@pytest.mark.parametrize("tool", ["ruff", "mypy", "clang-format", "pytest"])
def test_pre_commit_uses_the_versions_of_the_lint_session(tool):
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    pin = re.search(rf"^{tool}==(\S+)", (ROOT / "requirements" / "lint.txt").read_text(), re.MULTILINE).group(1)
    assert set(re.findall(rf"[\[ ]{tool}==([^\s,\]]+)", hooks)) == {pin}


def test_every_requirement_is_pinned():
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            requirement = line.split("#")[0].strip()
            assert not requirement or re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.]*", requirement), f"{path.name}: {line}"
