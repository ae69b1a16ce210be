"""Fixtures that several test folders share."""

from __future__ import annotations

import signal
import sys
import textwrap
import types

import pytest

from mx_driving._core.versions import installed_version, is_installed
from mx_driving.patcher import patch_mmcv_version

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so, children inherit it, and the tests interrupt children as a user does.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if is_installed("mmcv") and installed_version("mmcv").major == 1:
    # mmdet3d 1.0.0rc6 refuses mmcv 1.7.2; tests/bootstrap shows that and tests the remedy.
    patch_mmcv_version("1.7.0")


@pytest.fixture
def make_module():
    """Return a function that makes a loaded module from source; the modules are unloaded afterwards."""
    made = []

    def make(name: str, source: str = "", **names: object) -> types.ModuleType:
        module = types.ModuleType(name)
        vars(module).update(names)
        sys.modules[name] = module
        exec(textwrap.dedent(source), vars(module))  # noqa: S102 - the tests' own text
        made.append(name)
        return module

    yield make
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def nothing_left_in_force():
    """Fail a test that leaves a patch behind: the next one would run on it."""
    yield
    engine = sys.modules.get("mx_driving._core.engine")
    if engine is not None:
        left = [f"{stack.site.owner!r}.{stack.site.name}" for stack in engine._stacks.values()]
        engine._stacks.clear()
        assert not left, f"still patched: {left}"
