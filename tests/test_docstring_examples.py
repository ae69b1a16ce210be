"""The examples in public docstrings run, and show what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

SHOWN = {
    "mx_driving.ops.add_relu": ("add_relu",),
    "mx_driving.ops.deform_conv2d": ("deform_conv2d",),
    "mx_driving.ops.max_pool2d": ("max_pool2d",),
    "mx_driving.ops.modulated_deform_conv2d": ("modulated_deform_conv2d",),
    "mx_driving.ops.ms_deform_attn": ("ms_deform_attn",),
    "mx_driving._core.record": ("Replace", "PatchRecord"),
    "mx_driving.patcher.builder": ("PatcherBuilder",),
}


@pytest.mark.parametrize("name", SHOWN)
def test_examples_show_what_happens(name):
    module = importlib.import_module(name)
    found = {test.name.rpartition(".")[2]: test for test in doctest.DocTestFinder().find(module) if test.examples}
    assert set(SHOWN[name]) <= set(found), "a public name without its example"
    for test in found.values():
        assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0, test.name
