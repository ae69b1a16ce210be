"""Applying and undoing: what changes, what follows, what is restored, what is said."""

from __future__ import annotations

import functools
import logging
import threading

import pytest

from mx_driving._core import (
    APPLIED,
    FAILED,
    SKIPPED,
    Effect,
    PatchError,
    PatchRecord,
    PatchSet,
    PatchSkipped,
    Provide,
    Replace,
)

SOURCE = """
    import functools

    def area(w, h=1):
        "Return w * h."
        return w * h

    class Shape:
        sides = 4
        def name(self): return "shape"
        @staticmethod
        def unit(x): return x
        @classmethod
        def build(cls): return cls
        @property
        def size(self): return 1

    class Square(Shape):
        pass
"""


def patch(*targets, name="p", **fields):
    return PatchRecord(name=name, targets=targets, why="test", upstream="none", remove_when="never", **fields)


@pytest.fixture
def shapes(make_module):
    return make_module("shapes_pkg", SOURCE)


def test_replaces_a_function_and_keeps_its_name(shapes):
    with PatchSet([patch(Replace("shapes_pkg:area", lambda w, h=1: -1))]):
        assert shapes.area(2, 3) == -1
        assert shapes.area.__name__ == "area"
        assert shapes.area.__doc__ == "Return w * h."
    assert shapes.area(2, 3) == 6


def test_wrapper_gets_the_original_first(shapes):
    double = Replace("shapes_pkg:area", lambda original, *args: 2 * original(*args), wrap=True)
    with PatchSet([patch(double)]):
        assert shapes.area(2, 3) == 12


@pytest.mark.parametrize(
    ("path", "by", "read"),
    [
        ("Shape.name", lambda self: "new", lambda m: m.Shape().name()),
        ("Shape.unit", lambda x: "new", lambda m: m.Shape.unit(0)),
        ("Shape.unit", lambda x: "new", lambda m: m.Shape().unit(0)),
        ("Shape.build", lambda cls: "new", lambda m: m.Shape.build()),
        ("Shape.size", lambda self: "new", lambda m: m.Shape().size),
        ("Square.name", lambda self: "new", lambda m: m.Square().name()),
        ("Square.unit", lambda x: "new", lambda m: m.Square().unit(0)),
    ],
)
def test_every_kind_of_attribute_keeps_its_kind(shapes, path, by, read):
    before = {cls: dict(vars(cls)) for cls in (shapes.Shape, shapes.Square)}
    old = read(shapes)
    with PatchSet([patch(Replace(f"shapes_pkg:{path}", by))]):
        assert read(shapes) == "new"
    assert read(shapes) == old
    assert {cls: dict(vars(cls)) for cls in before} == before


def test_inherited_attribute_leaves_the_base_alone(shapes):
    with PatchSet([patch(Replace("shapes_pkg:Square.name", lambda self: "new"))]):
        assert shapes.Shape().name() == "shape"
        assert "name" in vars(shapes.Square)
    assert "name" not in vars(shapes.Square)


def test_live_instances_change(shapes):
    square = shapes.Square()
    with PatchSet([patch(Replace("shapes_pkg:Shape.name", lambda self: "new"))]):
        assert square.name() == "new"


def test_aliases_follow_and_return(shapes, make_module):
    user = make_module("user_pkg", "from shapes_pkg import area\nimport functools\ntwice = functools.partial(area, 2)")
    twice = user.twice
    with PatchSet([patch(Replace("shapes_pkg:area", lambda w, h=1: -1))]) as patches:
        assert (user.area(1), user.twice(5)) == (-1, -1)
        assert user.twice is twice, "a partial changes in place: somebody else may hold it"
        assert sorted(patches.report["p"].targets["shapes_pkg:area"]) == ["user_pkg.area", "user_pkg.twice"]
    assert user.area is shapes.area
    assert user.twice(5) == 10


def test_alias_made_while_in_force_returns_too(shapes, make_module):
    with PatchSet([patch(Replace("shapes_pkg:area", lambda w, h=1: -1))]):
        late = make_module("late_pkg", "from shapes_pkg import area")
        assert late.area(1) == -1
    assert late.area is shapes.area


def test_alias_in_a_module_unloaded_meanwhile_returns(shapes, make_module):
    import sys

    user = make_module("user_pkg", "from shapes_pkg import area")
    with PatchSet([patch(Replace("shapes_pkg:area", lambda w, h=1: -1))]):
        del sys.modules["user_pkg"]
    assert user.area is shapes.area


def test_attributes_of_given_objects_follow(shapes):
    class Layer:
        op = staticmethod(shapes.area)

    layer = Layer()
    layer.mine = shapes.area
    with PatchSet([patch(Replace("shapes_pkg:area", lambda w, h=1: -1))], roots=[layer]):
        assert (layer.mine(1), layer.op(1), Layer.op(1)) == (-1, -1, -1)
    assert layer.mine is shapes.area
    assert vars(Layer)["op"].__func__ is shapes.area


def test_objects_that_answer_to_anything_are_not_asked(shapes, make_module):
    """torch.distributed.reduce_op warns, and lazy modules import, when somebody asks for any attribute of theirs."""

    class Touchy:
        def __getattribute__(self, name):
            raise AssertionError(f"asked for {name}")

    holder = type("Holder", (), {"touchy": Touchy()})()
    user = make_module("user_pkg", "from shapes_pkg import area", touchy=Touchy())
    with PatchSet([patch(Replace("shapes_pkg:area", lambda *a: -1))], roots=[holder]):
        assert user.area() == -1


def test_alias_of_the_base_method_stays_with_the_base(shapes, make_module):
    """Patching the subclass's inherited method must not reach those who hold the base's."""
    user = make_module("user_pkg", "from shapes_pkg import Shape\nname = Shape.name")
    with PatchSet([patch(Replace("shapes_pkg:Square.name", lambda self: "new"))]):
        assert user.name(None) == "shape"


def test_second_apply_changes_nothing_and_warns(shapes, caplog):
    patches = PatchSet([patch(Replace("shapes_pkg:area", lambda original, *a: 1 + original(*a), wrap=True))])
    with patches:
        first = shapes.area
        with caplog.at_level(logging.WARNING, logger="mx_driving"):
            patches.apply()
        assert shapes.area is first
        assert "in force already" in caplog.text
    patches.undo()
    assert shapes.area(2, 3) == 6


def test_same_patch_in_two_sets_wraps_once_and_stays_until_the_last_lets_go(shapes):
    record = patch(Replace("shapes_pkg:area", lambda original, *a: 10 * original(*a), wrap=True))
    one, two = PatchSet([record]), PatchSet([record])
    one.apply()
    two.apply()
    assert shapes.area(2, 3) == 60
    one.undo()
    assert shapes.area(2, 3) == 60
    two.undo()
    assert shapes.area(2, 3) == 6


@pytest.mark.parametrize("first_out", [0, 1])
def test_two_sets_on_one_site_are_undone_in_any_order(shapes, make_module, first_out):
    original = shapes.area
    user = make_module("user_pkg", "from shapes_pkg import area")
    sets = [
        PatchSet([patch(Replace("shapes_pkg:area", lambda original, *a: original(*a) + 1, wrap=True), name="plus")]),
        PatchSet([patch(Replace("user_pkg:area", lambda original, *a: original(*a) * 10, wrap=True), name="times")]),
    ]
    for patches in sets:
        patches.apply()
    assert (shapes.area(2, 3), user.area(2, 3)) == (70, 70), "an alias is the same site"
    sets.pop(first_out).undo()
    assert shapes.area(2, 3) == user.area(2, 3) == (60 if first_out == 0 else 7)
    sets.pop().undo()
    assert shapes.area is user.area is original


def test_exception_of_the_replacement_reaches_the_caller_and_the_original_is_not_called(shapes):
    called = []
    shapes.area = lambda *args: called.append(args)

    def broken(*args):
        raise ZeroDivisionError("ours")

    with PatchSet([patch(Replace("shapes_pkg:area", broken))]), pytest.raises(ZeroDivisionError, match="ours"):
        shapes.area(1)
    assert called == []


def test_patch_with_a_missing_target_is_not_applied_by_half(shapes):
    record = patch(Replace("shapes_pkg:area", lambda *a: -1), Replace("shapes_pkg:perimeter", lambda *a: -1))
    with PatchSet([record]) as patches:
        assert patches.report["p"].status == FAILED
        assert "has no shapes_pkg:perimeter" in patches.report["p"].reason
        assert shapes.area(2, 3) == 6


def test_strict_makes_a_missing_target_an_error_and_undoes_the_rest(shapes):
    good = patch(Replace("shapes_pkg:area", lambda *a: -1), name="good")
    bad = patch(Replace("shapes_pkg:Shape.colour", lambda self: 0), name="bad")
    with pytest.raises(PatchError, match="bad: shapes_pkg.*has no shapes_pkg:Shape.colour"):
        PatchSet([good, bad], strict=True).apply()
    assert shapes.area(2, 3) == 6


def test_optional_target_may_be_missing(shapes):
    record = patch(
        Replace("shapes_pkg:area", lambda *a: -1),
        Replace("shapes_pkg:perimeter", lambda *a: -1, optional="built without it"),
    )
    with PatchSet([record], strict=True) as patches:
        assert patches.report["p"].status == APPLIED
        assert "built without it" in patches.report["p"].reason


def test_one_path_with_a_target_for_each_range_of_versions(shapes):
    old = Replace("shapes_pkg:area", lambda *a: -1, requires=("packaging<1",))
    new = Replace("shapes_pkg:area", lambda *a: -2, requires=("packaging>=1",))
    with PatchSet([patch(old, new)], strict=True) as patches:
        assert shapes.area() == -2
        assert (patches.report["p"].status, patches.report["p"].reason) == (APPLIED, "")


@pytest.mark.parametrize(
    ("fields", "excluded", "reason"),
    [
        ({"requires": ("no_such_package>=1",)}, {}, "no_such_package is not installed"),
        ({"requires": ("packaging<1",)}, {}, "needs packaging<1, found packaging"),
        ({"devices": ("npu",)}, {}, "only on npu"),
        ({}, {"p": "disabled by the user"}, "disabled by the user"),
    ],
)
def test_skips_say_why(shapes, fields, excluded, reason):
    record = patch(Replace("shapes_pkg:area", lambda *a: -1), **fields)
    with PatchSet([record], excluded=excluded, strict=True) as patches:
        assert patches.report["p"].status == SKIPPED
        assert reason in patches.report["p"].reason
        assert shapes.area(2, 3) == 6


def test_target_of_a_package_that_is_not_installed_is_no_failure(shapes):
    with PatchSet([patch(Replace("no_such_package.ops:f", lambda: 0))], strict=True) as patches:
        assert patches.report["p"].status == SKIPPED
        assert patches.report["p"].reason == "no_such_package is not installed"


def test_provided_attribute_is_added_and_removed(shapes):
    with PatchSet([patch(Provide("shapes_pkg:PI", 3))]):
        assert shapes.PI == 3
    assert not hasattr(shapes, "PI")


def test_provided_attribute_that_exists_is_left_alone(shapes):
    with PatchSet([patch(Provide("shapes_pkg:area", 3))]) as patches:
        assert shapes.area(2, 3) == 6
        assert "is there already" in patches.report["p"].reason


def test_providing_a_builtin_does_not_sweep_the_builtin_away(shapes, make_module):
    user = make_module("user_pkg", "kind = bool")
    with PatchSet([patch(Provide("shapes_pkg:bool_", bool))]):
        pass
    assert user.kind is bool


def test_effect_runs_once_for_all_holders(shapes):
    events = []

    def start():
        events.append("start")
        return lambda: events.append("stop")

    record = patch(Effect("a switch", start))
    with PatchSet([record]), PatchSet([record]):
        assert events == ["start"]
    assert events == ["start", "stop"]


def test_effect_may_say_that_it_does_not_apply(shapes):
    def start():
        raise PatchSkipped("this torch is too old")

    with PatchSet([patch(Effect("a switch", start))], strict=True) as patches:
        assert (patches.report["p"].status, patches.report["p"].reason) == (SKIPPED, "this torch is too old")


def test_bug_in_an_effect_is_not_called_a_skip(shapes):
    def start():
        raise AttributeError("a bug")

    with pytest.raises(AttributeError, match="a bug"):
        PatchSet([patch(Effect("a switch", start))]).apply()


def test_what_somebody_else_put_there_meanwhile_is_left(shapes, caplog):
    patches = PatchSet([patch(Replace("shapes_pkg:area", lambda *a: -1))])
    patches.apply()
    shapes.area = theirs = lambda *a: "theirs"
    with caplog.at_level(logging.WARNING, logger="mx_driving"):
        patches.undo()
    assert shapes.area is theirs
    assert "shapes_pkg.area was changed by somebody else" in caplog.text


def test_new_set_builds_on_what_somebody_else_put_there(shapes, caplog):
    first = PatchSet([patch(Replace("shapes_pkg:area", lambda *a: -1), name="first")])
    first.apply()
    shapes.area = theirs = lambda *a: 100
    plus = Replace("shapes_pkg:area", lambda original, *a: original(*a) + 1, wrap=True)
    second = PatchSet([patch(plus, name="second")])
    with caplog.at_level(logging.WARNING, logger="mx_driving"):
        second.apply()
    assert shapes.area(2, 3) == 101, "a patch that is reported as applied is in force"
    second.undo()
    first.undo()
    assert shapes.area is theirs


def test_apply_that_raises_leaves_nothing_in_force(shapes):
    def start():
        raise KeyError("a bug")

    patches = PatchSet(
        [patch(Replace("shapes_pkg:area", lambda *a: -1), name="a"), patch(Effect("b", start), name="b")]
    )
    for _ in range(2):
        with pytest.raises(KeyError, match="a bug"):
            patches.apply()
        assert shapes.area(2, 3) == 6


def test_subclass_that_overrides_the_patched_method_does_not_count(shapes):
    class Own(shapes.Shape):
        def name(self):
            return "own"

    record = patch(Replace("shapes_pkg:Shape.name", lambda self: 0), reaches=("shapes_pkg:Shape",))
    model = [Own(), shapes.Square()]
    with PatchSet([record], roots=model) as patches:
        assert patches.report["p"].in_model == {"Square": 1}


def test_counts_the_instances_that_a_patch_reaches(shapes):
    objects = [shapes.Square(), shapes.Square(), shapes.Shape(), object()]
    record = patch(Replace("shapes_pkg:Shape.name", lambda self: 0), reaches=("shapes_pkg:Shape",))
    with PatchSet([record], roots=objects[:3]) as patches:
        assert patches.report["p"].in_model == {"Square": 2, "Shape": 1}


def test_threads_that_apply_and_undo_leave_the_original(shapes):
    original = shapes.area
    record = patch(Replace("shapes_pkg:area", lambda original, *a: original(*a) + 1, wrap=True))
    seen = []

    def work():
        for _ in range(50):
            with PatchSet([record]):
                seen.append(shapes.area(2, 3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {7}
    assert shapes.area is original


@pytest.mark.parametrize("path", ["no_colon", "a:", ":b"])
def test_target_of_another_form_is_an_error(path):
    with pytest.raises(ValueError, match="'package.module:Owner.attribute', got"):
        PatchSet([patch(Replace(path, functools.partial))]).apply()
