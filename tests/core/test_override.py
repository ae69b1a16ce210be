"""An attribute of one instance, overridden and taken back."""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import weakref

import pytest

from mx_driving._core import PatchRecord, PatchSet, Replace, override


class Runner:
    """What a runner looks like: a method, a property and a state of its own."""

    def __init__(self):
        self.name = "runner"

    def train(self, steps=1):
        """Train."""
        return [f"{self.name} trained {steps}"]

    @property
    def loop(self):
        return self.train


def marking(mark):
    return lambda original, *args, **kwargs: [mark, *original(*args, **kwargs)]


def test_wrapper_gets_the_bound_original_and_the_arguments():
    runner = Runner()
    undo = override(runner, "train", marking("a"))
    assert runner.train(steps=2) == ["a", "runner trained 2"]
    assert (runner.train.__name__, runner.train.__doc__) == ("train", "Train.")
    assert Runner.train is type(runner).train
    assert Runner().train() == ["runner trained 1"], "other instances are left alone"
    undo()
    assert vars(runner) == {"name": "runner"}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_taken_back_in_any_order(own, order):
    runner = Runner()
    if own:
        runner.train = lambda steps=1: ["mine"]
    before = dict(vars(runner))
    undos = {mark: override(runner, "train", marking(mark)) for mark in range(3)}
    left, tail = [0, 1, 2], ["mine"] if own else ["runner trained 1"]
    for mark in order:
        assert runner.train() == [*reversed(left), *tail]
        undos[mark]()
        left.remove(mark)
    assert vars(runner) == before
    assert runner.train() == tail
    undos[0]()
    assert vars(runner) == before


def test_own_attribute_is_the_same_object_again():
    runner = Runner()
    runner.train = mine = functools.partial(runner.train, 5)
    override(runner, "train", marking("a"))()
    assert runner.train is mine


def test_a_patch_of_the_class_reaches_through(make_module):
    module = make_module("run_pkg", "class Runner:\n    def train(self): return ['stock']")
    runner = module.Runner()
    undo = override(runner, "train", marking("a"))
    with PatchSet([PatchRecord("p", (Replace("run_pkg:Runner.train", lambda self: ["new"]),), "-", "-", "-")]):
        assert runner.train() == ["a", "new"]
    assert runner.train() == ["a", "stock"]
    undo()


def test_somebody_elses_wrapper_on_top_stays_and_calls_through(caplog):
    runner = Runner()
    undo = override(runner, "train", marking("ours"))
    ours = runner.train
    runner.train = functools.wraps(ours)(lambda *args: ["theirs", *ours(*args)])
    with caplog.at_level(logging.WARNING, logger="mx_driving"):
        undo()
    assert runner.train() == ["theirs", "runner trained 1"]
    assert "Runner.train was changed by somebody else" in caplog.text
    runner.train = ours  # they restore what they found
    assert runner.train() == ["runner trained 1"]


def test_new_override_on_top_of_somebody_elses(caplog):
    runner = Runner()
    first = override(runner, "train", marking("a"))
    below = runner.train
    runner.train = theirs = lambda *args: ["theirs", *below(*args)]
    second = override(runner, "train", marking("b"))
    first()
    assert runner.train() == ["b", "theirs", "runner trained 1"]
    second()
    assert runner.train is theirs


def test_attribute_that_does_not_exist():
    runner = Runner()
    with pytest.raises(AttributeError, match="trian"):
        override(runner, "trian", marking("a"))
    assert vars(runner) == {"name": "runner"}


def test_property_cannot_be_overridden():
    runner = Runner()
    with pytest.raises(TypeError, match="Runner.loop: expected an attribute that an instance can have for itself"):
        override(runner, "loop", marking("a"))
    assert vars(runner) == {"name": "runner"}


def test_exception_of_the_wrapper_reaches_the_caller():
    def broken(original):
        raise ZeroDivisionError("ours")

    runner = Runner()
    undo = override(runner, "train", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        runner.train()
    undo()


def test_instance_that_is_never_taken_back_is_freed():
    runner = Runner()
    override(runner, "train", marking("a"))
    alive = weakref.ref(runner)
    del runner
    gc.collect()
    assert alive() is None
