"""One file, one catalogue line, one docs row and one test for each patch; every target exists in a real package."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import mx_driving.patches
from mx_driving._core import Effect, Replace
from mx_driving._core.record import find, split
from mx_driving._core.site import MISSING, stored
from mx_driving._core.versions import is_installed, unmet
from mx_driving.patches import CATALOGUE, load, load_all

ROOT = Path(__file__).parents[2]
FOLDER = Path(mx_driving.patches.__file__).parent


def test_files_and_catalogue_agree():
    files = {path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")}
    assert files == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_record_is_complete(name):
    patch = load(name)
    assert patch.name == name
    assert patch.targets
    assert all((patch.what, patch.what_zh, patch.why, patch.upstream, patch.remove_when))
    assert importlib.import_module(f"mx_driving.patches.{name}").__doc__.startswith(f"``{name}``")


@pytest.mark.parametrize(("language", "title"), [("README.md", "## Patches"), ("README.zh-CN.md", "## 补丁")])
def test_readme_has_a_row_for_each(language, title):
    section = (ROOT / language).read_text(encoding="utf-8").partition(f"\n{title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, flags=re.M)
    assert rows == list(CATALOGUE)


TARGETS: dict = {}
"""Targets by path: one path may have a target for each range of versions."""
for _patch in load_all():
    for _target in _patch.targets:
        if not isinstance(_target, Effect):
            TARGETS.setdefault(_target.path, []).append((_patch, _target))


@pytest.mark.parametrize("path", TARGETS)
def test_target_exists_in_the_real_package(path):
    """Each line of packages runs this; ci/never_ran.py fails when a path was skipped on all of them.

    Ranges that no line installs are held against the packages' sources by tests/bootstrap/test_older_targets.py.
    """
    module, attributes = split(path)
    reasons = [unmet((*patch.requires, *target.requires)) for patch, target in TARGETS[path]]
    if all(reasons) or not is_installed(module.partition(".")[0]):
        pytest.skip(f"{path}: {reasons[0] or 'package not installed'} on this line; the other line runs it")
    owner = find(importlib.import_module(module), attributes)
    assert owner is not None
    if isinstance(TARGETS[path][0][1], Replace):
        assert stored(owner, attributes[-1]) is not MISSING
