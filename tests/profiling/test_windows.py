"""What is to be recorded, as a user says it: windows one by one, or torch's schedule."""

from __future__ import annotations

import itertools

import pytest
from torch.profiler import ProfilerAction, schedule

from mx_driving.profiling import Plan, Window, read_plan
from mx_driving.profiling.windows import beyond, overlap

CASES = [
    {"active": 2},
    {"active": 1, "wait": 3, "repeat": 2},
    {"active": 2, "wait": 1, "warmup": 2, "repeat": 3},
    {"active": 3, "wait": 0, "warmup": 1, "repeat": 0},
    {"active": 1, "wait": 2, "warmup": 1, "repeat": 0, "skip_first": 4},
    {"active": 2, "wait": 1, "warmup": 1, "repeat": 1, "skip_first": 5},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_schedule_means_what_torchs_does(case):
    asked = schedule(**{"wait": 0, "warmup": 0, "repeat": 1, **case})
    actions = [asked(step) for step in range(40)]
    windows = list(itertools.takewhile(lambda window: window.start < 40, read_plan(**case)))
    kept = {step for window in windows for step in range(window.start, min(window.stop, 40))}
    warm = {step for window in windows for step in range(window.opens, window.start)}
    keeping = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
    assert kept == {step for step, action in enumerate(actions) if action in keeping}
    assert warm >= {step for step, action in enumerate(actions) if action is ProfilerAction.WARMUP}
    ends = [step + 1 for step, action in enumerate(actions) if action is ProfilerAction.RECORD_AND_SAVE]
    assert [window.stop for window in windows if window.stop <= 40] == ends


def test_nothing_asked_is_no_plan():
    assert read_plan() is None


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"iters": (0, 5), "active": 3}, TypeError, "active: expected without iters, which says what to record"),
        ({"wait": 3}, TypeError, "wait: expected together with active=<iterations> or iters"),
        ({"warmup": 3}, TypeError, "warmup: expected together with active=<iterations> or iters"),
        ({"active": 0}, ValueError, "active: expected at least 1, got 0"),
        ({"active": 2.0}, TypeError, "active: expected a whole number of iterations such as 5, got 2.0"),
        ({"active": 1, "wait": -1}, ValueError, "wait: expected at least 0, got -1"),
        ({"active": 1, "repeat": True}, TypeError, "repeat: expected a whole number"),
        ({"active": 1, "skip_first": "5"}, TypeError, "skip_first: expected a whole number"),
        ({"iters": (1, 5), "warmup": 2}, ValueError, r"warmup: expected at most the 1 iterations before window \(1, 5"),
        (
            {"iters": ((2, 5), (6, 7)), "warmup": 2},
            ValueError,
            r"the 1 iterations before window \(6, 7\), got 2",
        ),
    ],
)
def test_bad_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        read_plan(**arguments)


def test_a_schedules_windows_beyond_the_runs_end_are_found():
    plan = read_plan(active=2, wait=3, repeat=0)
    assert beyond(plan, None) == (None, None)
    assert beyond(plan, 9) == (Window(13, 15), Window(8, 10))
    assert beyond(plan, 10) == (Window(13, 15), None)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"iters": (3, 6)}, {"iters": (5, 7)}, (Window(3, 6), Window(5, 7))),
        ({"iters": (3, 6)}, {"iters": (6, 7)}, None),
        ({"iters": (3, 6)}, {"iters": (6, 7), "warmup": 1}, (Window(3, 6), Window(6, 7, 1))),
        ({"iters": ((0, 1), (9, 10))}, {"active": 1, "wait": 4, "repeat": 0}, (Window(9, 10), Window(9, 10))),
        ({"iters": ((0, 1), (50, 60))}, {"active": 1, "wait": 4, "repeat": 0}, None),  # the run ends before
        ({"active": 1, "wait": 1, "repeat": 0}, {"active": 1, "wait": 1, "skip_first": 1, "repeat": 0}, None),
    ],
)
def test_overlap_of_two_plans(one, other, expected):
    assert overlap(read_plan(**one), read_plan(**other), 50) == expected
    assert overlap(read_plan(**other), read_plan(**one), 50) == (expected and expected[::-1])


def test_two_endless_plans_are_compared_in_finite_time():
    never = Plan((Window(0, 1),), 2, 0), Plan((Window(1, 2),), 2, 0)
    assert overlap(*never, None) is None


def test_last_iteration_of_a_plan():
    assert read_plan(active=2, wait=3, repeat=3).stop == 15
    assert read_plan(iters=((5, 7), (1, 2))).stop == 7
    assert read_plan(active=2, repeat=0).stop is None
