"""Patch files written for DrivingSDK's patcher, of both generations, said in config lines."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mx_driving.patcher.migration import read
from mx_driving.patches import CATALOGUE, excluded

ONE_BY_ONE = """
import mx_driving
from mx_driving.patcher import PatcherBuilder, Patch
from mx_driving.patcher import msda, index as tensor_index, resnet_add_relu

def attention(module, options):
    if hasattr(module, "Attention"):
        module.Attention.forward = lambda self, x: x

def make(performance=False):
    builder = (
        PatcherBuilder()
        .add_module_patch("mmcv", Patch(msda))
        .add_module_patch("torch", Patch(tensor_index))
        .add_module_patch("mmdet", Patch(resnet_add_relu))
        .add_module_patch("projects.plugin", Patch(attention))
    )
    if performance:
        builder.brake_at(500)
    return builder

with make().with_profiling("./prof", 1, wait=2).build(allow_internal_format=True):
    main()
"""

DEFAULT = """
from mx_driving.patcher import default_patcher_builder, patch_mmcv_version, batch_matmul, Patch
patch_mmcv_version("1.6.0")
with default_patcher_builder.disable_patches("msda", "index").brake_at(1000).build() as patcher:
    main()
"""

SECOND = """
from mx_driving.patcher import default_patcher, AtomicPatch, Patch, TensorIndex
from mx_driving.patcher.patch import with_imports

class Mine(Patch):
    name = "mine"
    @classmethod
    def patches(cls, options=None):
        return [AtomicPatch("projects.heads.Head.forward", cls.forward)]

default_patcher.skip_import("torch_scatter")
default_patcher.disable("tensor_index").add(Mine)
default_patcher.apply()
"""


def test_a_builder_of_ones_own():
    migration = read(ONE_BY_ONE)
    assert migration.config() == (
        'custom_imports = dict(imports=["mx_driving.runner_hooks"], allow_failed_imports=False)\n'
        "custom_hooks = [\n"
        '    dict(type="NPUPatchHook", only=["msda", "index", "resnet_add_relu"], stop_at=500, '
        "allow_internal_format=True),\n"
        '    dict(type="ProfilerHook", path="./prof", level=1, skip_first=20, wait=2, warmup=1, active=1, repeat=1),\n'
        "]\n"
    )
    (left,) = migration.left
    assert left.startswith("line 16: Patch(attention): a patch of your own")


def test_the_default_builder():
    migration = read(DEFAULT)
    assert 'dict(type="NPUPatchHook", disable=["msda", "index"], stop_at=1000)' in migration.config()
    assert migration.mmcv_version == "1.6.0"
    assert migration.left == []


def test_the_second_generation():
    migration = read(SECOND)
    assert 'disable=["index"]' in migration.config()
    assert [line.partition(": ")[2].partition(":")[0] for line in migration.left] == [
        'default_patcher.skip_import("torch_scatter")',
        "Mine",
    ]


@pytest.mark.parametrize("argument", ["steps", "int(os.environ['N'])"])
def test_what_is_no_literal_is_left_and_said(argument):
    migration = read(f"from mx_driving.patcher import default_patcher_builder as b\nb.brake_at({argument}).build()\n")
    assert migration.stop_at is None
    assert "stop_at takes a number" in migration.left[0]


def test_the_lines_are_a_config_that_can_be_read():
    hooks: dict = {}
    exec(read(ONE_BY_ONE).config(), hooks)  # noqa: S102
    assert [hook["type"] for hook in hooks["custom_hooks"]] == ["NPUPatchHook", "ProfilerHook"]


def migrate(path):
    command = [sys.executable, "-m", "mx_driving.cli", "migrate", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_command_executes_nothing(tmp_path):
    path, trace = tmp_path / "patch.py", tmp_path / "executed"
    path.write_text(f"open({str(trace)!r}, 'w').close()\n{DEFAULT}")
    done = migrate(path)
    assert done.returncode == 0, done.stderr
    assert "# start the training with MX_DRIVING_MMCV_VERSION=1.6.0 in its environment" in done.stdout
    assert not trace.exists()


def test_the_command_says_what_is_left(tmp_path):
    path = tmp_path / "patch.py"
    path.write_text(ONE_BY_ONE)
    done = migrate(path)
    assert done.returncode == 2
    assert "mx-driving migrate: line 16: Patch(attention)" in done.stderr


@pytest.mark.parametrize(("text", "words"), [("def (", "expected a Python file"), (None, "No such file")])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, text, words):
    path = tmp_path / "patch.py"
    if text is not None:
        path.write_text(text)
    done = migrate(path)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_both_generations_names_are_taken():
    assert excluded(["tensor_index"], [], None)["index"] == "disabled by the user"
    assert set(excluded([], [], ["deform_conv"])) == set(CATALOGUE) - {"dc"}
