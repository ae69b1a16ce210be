"""Version ranges as data, and the table and file that users read."""

from __future__ import annotations

import json
import sys
import types

import pytest

from mx_driving._core import Outcome, Report, versions
from mx_driving._core.report import render


def fake_version(monkeypatch, text):
    monkeypatch.setitem(sys.modules, "stated_pkg", types.SimpleNamespace(__version__=text))


@pytest.mark.parametrize(
    ("installed", "requirement", "met"),
    [
        ("1.7.2", "stated_pkg>=1.4,<2.3", True),
        ("2.3.0", "stated_pkg>=1.4,<2.3", False),
        ("1.7.2+npu", "stated_pkg<=1.7.2", True),
        ("2.0.0rc4", "stated_pkg>=2.0.0rc4", True),
        ("1.0.0rc6", "stated_pkg<1.1", True),
        ("1.0.0rc6", "stated_pkg<1.0.0", False),
    ],
)
def test_ranges(monkeypatch, installed, requirement, met):
    fake_version(monkeypatch, installed)
    assert (versions.unmet((requirement,)) is None) == met


def test_reason_names_range_and_version(monkeypatch):
    fake_version(monkeypatch, "2.3.0")
    assert versions.unmet(("stated_pkg<2.3",)) == "needs stated_pkg<2.3, found stated_pkg 2.3.0"


def test_version_that_is_none_is_an_error(monkeypatch):
    fake_version(monkeypatch, "main-abc")
    with pytest.raises(ValueError, match="states the version 'main-abc'"):
        versions.unmet(("stated_pkg<2.3",))


def test_unstated_version_is_taken_to_be_in_range(monkeypatch):
    monkeypatch.setitem(sys.modules, "stated_pkg", types.SimpleNamespace())
    assert versions.unmet(("stated_pkg<2.3",)) is None


def test_version_check_does_not_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert versions.is_installed("colorsys")
    assert "colorsys" not in sys.modules


def test_distributions_of_another_name(monkeypatch):
    """mmcv comes as mmcv, mmcv-full or mmcv-lite."""
    seen = []

    def version(name):
        seen.append(name)
        return "2.1.0" if name == "mmcv-lite" else None

    monkeypatch.setattr(versions, "_distribution_version", version)
    assert str(versions.installed_version("mmcv")) == "2.1.0"
    assert seen == ["mmcv", "mmcv-full", "mmcv-lite"]


def report():
    return Report(
        "cpu",
        [
            Outcome("msda", "applied", targets={"a:f": ["b.f", "c.f"], "a:g": []}, in_model={"Attention": 6}),
            Outcome("index", "skipped", "only on npu"),
        ],
    )


def test_table_tells_changed_from_unchanged_and_why():
    table = report().table()
    assert "patches on cpu" in table
    assert "| msda  | applied | 2       | 2       | 6 x Attention | -           |" in table
    assert "| index | skipped | -       | -       | -             | only on npu |" in table


def test_file_holds_the_same(tmp_path):
    report().save(tmp_path / "new" / "patches.json")
    data = json.loads((tmp_path / "new" / "patches.json").read_text())
    assert data["device"] == "cpu"
    assert data["patches"][0]["targets"] == {"a:f": ["b.f", "c.f"], "a:g": []}
    assert data["patches"][1]["reason"] == "only on npu"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["patches.json"]


def test_wide_characters_keep_the_columns_straight():
    lines = render(("名", "b"), [("算子", "1"), ("x", "2")]).splitlines()
    assert lines[3] == "| 算子 | 1 |"
    assert lines[4] == "| x    | 2 |"
