"""Targets that are imported after the patches were applied."""

from __future__ import annotations

import importlib
import logging
import sys
import zipfile

import pytest

from mx_driving._core import APPLIED, FAILED, WAITING, PatchError, PatchRecord, PatchSet, Replace
from mx_driving._core.waiting import _finder, when_imported


def patch(*targets):
    return PatchRecord("late", targets, "test", "none", "never")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on disk, not imported yet, whose second module copies a function from the first."""
    root = tmp_path / "late_pkg"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "ops.py").write_text("def f():\n    return 'old'\n")
    (root / "user.py").write_text("from late_pkg.ops import f\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == "late_pkg"]:
        del sys.modules[name]


def test_target_is_patched_when_it_is_imported(package):
    with PatchSet([patch(Replace("late_pkg.ops:f", lambda: "new"))]) as patches:
        assert patches.report["late"].status == WAITING
        assert "late_pkg.ops" not in sys.modules, "waiting must not import"
        user = importlib.import_module("late_pkg.user")
        assert user.f() == "new"
        assert patches.report["late"].status == APPLIED
    assert user.f() == "old"
    assert _finder not in sys.meta_path


def test_undo_before_the_import_withdraws(package):
    PatchSet([patch(Replace("late_pkg.ops:f", lambda: "new"))]).__enter__().undo()
    assert _finder not in sys.meta_path
    assert importlib.import_module("late_pkg.ops").f() == "old"


def test_module_keeps_its_real_loader(package):
    with PatchSet([patch(Replace("late_pkg.ops:f", lambda: "new"))]):
        module = importlib.import_module("late_pkg.ops")
        assert type(module.__loader__).__name__ == type(module.__spec__.loader).__name__ == "SourceFileLoader"
        assert importlib.reload(module).f() == "old", "a reload is the user's own wish"


def test_module_that_fails_to_import_can_be_imported_later(package):
    (package / "ops.py").write_text("raise RuntimeError('not yet')")
    with PatchSet([patch(Replace("late_pkg.ops:f", lambda: "new"))]):
        with pytest.raises(RuntimeError, match="not yet"):
            importlib.import_module("late_pkg.ops")
        (package / "ops.py").write_text("def f():\n    return 'old and longer'\n")
        importlib.invalidate_caches()
        assert importlib.import_module("late_pkg.ops").f() == "new"


def test_missing_target_is_reported_when_its_module_comes(package, caplog):
    with PatchSet([patch(Replace("late_pkg.ops:g", lambda: "new"))]) as patches:
        with caplog.at_level(logging.ERROR, logger="mx_driving"):
            importlib.import_module("late_pkg.ops")
        assert patches.report["late"].status == FAILED
        assert "has no late_pkg.ops:g" in caplog.text


def test_strict_missing_target_fails_the_import(package):
    with PatchSet([patch(Replace("late_pkg.ops:g", lambda: "new"))], strict=True), pytest.raises(PatchError):
        importlib.import_module("late_pkg.ops")


def test_module_missing_from_a_loaded_package_is_a_failure(package):
    importlib.import_module("late_pkg")
    with PatchSet([patch(Replace("late_pkg.kernels:f", lambda: "new"))]) as patches:
        assert patches.report["late"].status == FAILED
        assert "has no module late_pkg.kernels" in patches.report["late"].reason


def test_callback_may_import_another_awaited_module(package):
    seen = []

    def first(module):
        importlib.import_module("late_pkg.user")
        seen.append(module.__name__)

    when_imported("late_pkg.ops", first)
    when_imported("late_pkg.user", lambda module: seen.append(module.__name__))
    importlib.import_module("late_pkg.ops")
    assert seen == ["late_pkg.user", "late_pkg.ops"]


def test_zipped_package(tmp_path, monkeypatch):
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_pkg/__init__.py", "def f():\n    return 'old'\n")
    monkeypatch.syspath_prepend(str(archive))
    with PatchSet([patch(Replace("zipped_pkg:f", lambda: "new"))]):
        assert importlib.import_module("zipped_pkg").f() == "new"
    del sys.modules["zipped_pkg"]
