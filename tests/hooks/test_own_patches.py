"""Patches of a team's own, named in the config by where they stand: they are chosen, reported and undone like ours."""

from __future__ import annotations

import subprocess
import sys

import pytest
from trials import Hook, report_of, trial

from mx_driving._core import PatchError, UnknownPatchError
from mx_driving.runner_hooks import NPUPatchHook

MODULE = """
from mx_driving.patcher import PatchRecord, Replace

NUMBER = 7


def _doubled(original, x):
    return 2 * original(x)


SCALE = PatchRecord(
    name="scale_boxes",
    targets=(Replace("their_plugin:scale", _doubled, wrap=True),),
    why="a test",
    upstream="-",
    remove_when="-",
)
MISSING = Replace("their_plugin:missing", _doubled, wrap=True)
BROKEN = PatchRecord(name="no_target", targets=(MISSING,), why="", upstream="", remove_when="")
OURS = PatchRecord(name="index", targets=(), why="", upstream="", remove_when="")
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a plugin that a patch of one's own changes, and a user of it that copied the function."""
    (tmp_path / "their_plugin.py").write_text("def scale(x):\n    return x\n")
    (tmp_path / "their_user.py").write_text("from their_plugin import scale\n")
    (tmp_path / "my_patches.py").write_text(MODULE)
    (tmp_path / "my_broken.py").write_text("import a_package_that_is_not_there")
    (tmp_path / "my_empty.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    import their_plugin
    import their_user

    yield their_plugin, their_user
    for name in ("their_plugin", "their_user", "my_patches"):
        sys.modules.pop(name, None)


def attempt(folder, plugin, **arguments):
    """Run one iteration from a config and return what the plugin answered in it."""
    answers = []
    hook = {"type": "NPUPatchHook", "stop_at": 1, "patches": ["my_patches:SCALE"], **arguments}

    class Asking(Hook):
        def after_train_iter(self, runner, *args, **kwargs):
            answers.append([module.scale(21) for module in plugin])

    trial(folder, "epoch", hook, Asking())
    return answers


def test_applied_reported_and_undone(tmp_path, plugin):
    before = [dict(vars(module)) for module in plugin]
    assert attempt(tmp_path / "run", plugin) == [[42, 42]]
    assert [dict(vars(module)) for module in plugin] == before
    entry = report_of(tmp_path / "run")["scale_boxes"]
    assert (entry["status"], entry["targets"]) == ("applied", {"their_plugin:scale": ["their_user.scale"]})


@pytest.mark.parametrize("choice", [{"disable": ["scale_boxes"]}, {"only": ["index"]}])
def test_left_out_by_name(tmp_path, plugin, choice):
    assert attempt(tmp_path / "run", plugin, **choice) == [[21, 21]]
    assert report_of(tmp_path / "run")["scale_boxes"]["status"] == "skipped"


def test_only_theirs(tmp_path, plugin):
    assert attempt(tmp_path / "run", plugin, only=["scale_boxes"]) == [[42, 42]]
    report = report_of(tmp_path / "run")
    assert [name for name, entry in report.items() if entry["status"] == "applied"] == ["scale_boxes"]


def test_strict_holds_for_them(tmp_path, plugin):
    with pytest.raises(PatchError, match="no_target: .*their_plugin"):
        attempt(tmp_path / "run", plugin, patches=["my_patches:BROKEN", "my_patches:SCALE"], strict=True)
    assert plugin[0].scale(21) == 21


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"patches": "my_patches:SCALE"},
            TypeError,
            r"expected a list such as \['my_team.patches:SCALE'\], got 'my_pa",
        ),
        ({"patches": ["my_patches"]}, ValueError, "expected 'package.module:NAME' such as .*, got 'my_patches'"),
        (
            {"patches": ["my_patches:SCALES"]},
            ValueError,
            "no patch is called 'SCALES'; known are .*did you mean 'SCALE'",
        ),
        ({"patches": ["my_patches:NUMBER"]}, TypeError, "to be a PatchRecord of mx_driving.patcher, got 7"),
        ({"patches": ["my_patchs:SCALE"]}, ValueError, "there is no 'my_patchs'; it must be importable"),
        ({"patches": ["my_empty:SCALE"]}, ValueError, "got a module 'my_empty' that holds none"),
        ({"patches": ["my_broken:SCALE"]}, ModuleNotFoundError, "a_package_that_is_not_there"),
        ({"patches": ["my_patches:OURS"]}, ValueError, "is called 'index', as is a patch of mx_driving; rename it"),
        ({"patches": ["my_patches:SCALE"] * 2}, ValueError, "is called 'scale_boxes', as is another of yours"),
        (
            {"patches": ["my_patches:SCALE"], "disable": ["scale_box"]},
            UnknownPatchError,
            "did you mean 'scale_boxes'",
        ),
        ({"disable": ["scale_boxes"]}, UnknownPatchError, "no patch is called 'scale_boxes'"),
    ],
)
def test_what_is_wrong_is_said_when_the_hook_is_built(arguments, error, text):
    with pytest.raises(error, match=text) as caught:
        NPUPatchHook(**arguments)
    assert "\n" not in str(caught.value)


def test_records_load_neither_torch_nor_mmcv():
    code = (
        "import sys; from mx_driving.patcher import Effect, PatchRecord, PatchSkipped, Provide, Replace\n"
        "print([name for name in ('torch', 'mmcv', 'mmengine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
