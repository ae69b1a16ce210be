"""mmcv's own wrappers, once on the compiled extension and once on ours."""

from __future__ import annotations

import importlib
import types

import pytest
import torch

from mx_driving.mmcv_ext.provider import functions


@pytest.fixture
def both(monkeypatch):
    """``both("nms", call)`` returns what ``call(mmcv.ops module)`` gives with mmcv's extension and with ours."""

    def run(name, call):
        module = importlib.import_module(f"mmcv.ops.{name}")
        theirs = call(module)
        with monkeypatch.context() as patch:
            patch.setattr(module, "ext_module", types.SimpleNamespace(**functions()))
            ours = call(module)
        return theirs, ours

    return run


@pytest.fixture
def ours(monkeypatch):
    """``ours("carafe")`` gives mmcv's module on our functions: where mmcv has no CPU kernel."""

    def use(name):
        module = importlib.import_module(f"mmcv.ops.{name}")
        monkeypatch.setattr(module, "ext_module", types.SimpleNamespace(**functions()))
        return module

    return use


@pytest.fixture
def random():
    """A generator of its own."""
    return torch.Generator().manual_seed(0)
