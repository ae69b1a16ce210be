"""The one import hook: what the bootstrap and the patches that wait for an import stand on."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import itertools
import pickle
import subprocess
import sys
import textwrap
import types
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from mx_driving._core import PatchRecord, PatchSet, Replace
from mx_driving._core.waiting import when_imported
from mx_driving._import_hook import HookedLoader, ImportHook
from mx_driving.patcher import patch_mmcv_version


class Recording(ImportHook):
    """Wraps every module of one package."""

    def __init__(self, package, events, label="hook"):
        super().__init__()
        self.package, self.events, self.label = package, events, label

    def wants(self, name):
        return name.partition(".")[0] == self.package

    def around(self, name, spec):
        def run_inside(module, run):
            self.events.append(f"{self.label} {name}")
            run()
            self.events.append(f"{self.label} {name} done")

        return run_inside


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose ``__init__`` checks mmcv's version and imports a submodule, as mmdet's does."""
    root = tmp_path / "mmhook"
    root.mkdir()
    check = "import mmcv\nassert mmcv.__version__ == '1.6.0', mmcv.__version__\n"
    (root / "__init__.py").write_text(f"{check}from mmhook import ops\nfrom mmhook.ops import f\n")
    (root / "ops.py").write_text("def f():\n    return 'old'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    meta_path = list(sys.meta_path)
    yield root
    sys.meta_path[:] = meta_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mmhook"]:
        del sys.modules[name]


@pytest.fixture
def mmcv(monkeypatch):
    """An mmcv of a version that the package refuses; the real one, if it is loaded, comes back."""
    module = types.ModuleType("mmcv")
    module.__version__ = "1.7.2"
    monkeypatch.setitem(sys.modules, "mmcv", module)
    return module


@pytest.mark.filterwarnings("ignore:mx_driving. mmhook")
@pytest.mark.parametrize("version_first", [True, False])
def test_a_patch_that_waits_and_a_version_that_is_shown_meet(package, mmcv, version_first):
    """The target lies in a submodule that the checking package's own __init__ imports."""
    patches = PatchSet([PatchRecord("late", (Replace("mmhook.ops:f", lambda: "new"),), "-", "-", "-")])
    if not version_first:
        patches.apply()
    with patch_mmcv_version("1.6.0"):
        patches.apply() if version_first else None
        module = importlib.import_module("mmhook")
    assert (module.f(), module.ops.f()) == ("new", "new")
    assert type(module.ops.__loader__).__name__ == type(module.ops.__spec__.loader).__name__ == "SourceFileLoader"
    patches.undo()
    assert (module.f(), module.ops.f()) == ("old", "old")


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_hooks_nest_in_any_order(package, order):
    (package / "__init__.py").write_text("from mmhook import ops\n")
    events = []
    for label in order:
        sys.meta_path.insert(0, Recording("mmhook", events, label))
    importlib.import_module("mmhook.ops")
    first, second, third = reversed(order)
    begun = [f"{label} mmhook" for label in (first, second, third)]
    inner = [f"{label} mmhook.ops" for label in (first, second, third)]
    done = [f"{label} mmhook.ops done" for label in (third, second, first)]
    assert events == [*begun, *inner, *done, *(event.replace(".ops", "") for event in done)]


def test_a_finder_that_asks_everybody_else_does_not_go_round_in_circles(package):
    class AsksAll:
        def find_spec(self, name, path=None, target=None):
            for finder in list(sys.meta_path):
                spec = finder.find_spec(name, path, target) if finder is not self else None
                if spec is not None:
                    return spec
            return None

    (package / "__init__.py").write_text("")
    events = []
    sys.meta_path[:0] = [Recording("mmhook", events), AsksAll()]
    assert importlib.import_module("mmhook.ops").f() == "old"
    assert events.count("hook mmhook.ops") == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
def test_loader_can_be_copied(package, duplicate):
    real = PathFinder.find_spec("mmhook").loader  # not by way of a version shim that is on
    loader = duplicate(HookedLoader(real, print))
    assert loader.get_source("mmhook") == real.get_source("mmhook")
    with pytest.raises(AttributeError, match="_no_such"):
        loader._no_such  # noqa: B018


def test_loader_of_an_awaited_module_can_be_copied(package):
    withdraw = when_imported("mmhook", print)
    assert copy.copy(importlib.util.find_spec("mmhook").loader).is_package("mmhook")
    withdraw()


class Legacy:
    """A loader as zipimport's before Python 3.10: it knows ``load_module`` and ``get_code``, no more."""

    def __init__(self, real):
        self._real = real

    def get_code(self, name):
        return self._real.get_code(name)

    def load_module(self, name):
        return sys.modules[name]


def test_loader_without_exec_module(package):
    class LegacyFinder:
        def find_spec(self, name, path=None, target=None):
            if name != "mmhook.ops":
                return None
            location = str(package / "ops.py")
            return importlib.util.spec_from_file_location(
                name, location, loader=Legacy(importlib.machinery.SourceFileLoader(name, location))
            )

    (package / "__init__.py").write_text("")
    sys.meta_path.insert(0, LegacyFinder())
    seen = []
    when_imported("mmhook.ops", lambda module: seen.append(module.f()))
    module = importlib.import_module("mmhook.ops")
    assert (module.f(), seen, type(module.__loader__)) == ("old", ["old"], Legacy)


ZIPPED = """
    import sys
    sys.path[:0] = [{sources!r}, {archive!r}]
    from mx_driving._import_hook import ImportHook

    class Hook(ImportHook):
        def wants(self, name):
            return name.startswith("zipped_pkg")
        def around(self, name, spec):
            return lambda module, run: (run(), seen.append((name, module.VALUE)))

    seen = []
    sys.meta_path.insert(0, Hook())
    import zipped_pkg.sub
    print(seen, type(zipped_pkg.__loader__).__name__, zipped_pkg.__file__.endswith("__init__.py"))
"""


def interpreters():
    """Return this interpreter and, where pyenv has one, the oldest that we support."""
    old = sorted((Path.home() / ".pyenv" / "versions").glob("3.8.*/bin/python"))
    return [sys.executable, *map(str, old[-1:])]


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda path: path.split("/")[-3])
def test_zipped_package(tmp_path, interpreter):
    """Zipped packages had no ``create_module`` and only ``load_module`` on Python 3.8."""
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_pkg/__init__.py", "VALUE = 1\n")
        file.writestr("zipped_pkg/sub.py", "VALUE = 2\n")
    sources = importlib.util.find_spec("mx_driving").submodule_search_locations[0].rpartition("/")[0]
    code = textwrap.dedent(ZIPPED.format(sources=sources, archive=str(archive)))
    done = subprocess.run([interpreter, "-S", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[('zipped_pkg', 1), ('zipped_pkg.sub', 2)] zipimporter True\n", done.stderr
