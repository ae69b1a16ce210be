"""The scheduler of windows, fed by hand, with the real torch.profiler under it."""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys

import pytest
import torch
from torch import profiler

from mx_driving.profiling import read_plan
from mx_driving.training.scheduler import Recording, WindowScheduler, require_folder


def work():
    tensor = torch.randn(16, 16, requires_grad=True)
    (tensor @ tensor).sum().backward()


class Loop:
    """A training loop of one matrix product per iteration, and its scheduler."""

    def __init__(self, folder, level=0, options=(), **plan):
        self.folder = folder
        recording = Recording.checked(read_plan(**plan), level, dict(options))
        self.spent = []
        logger = logging.getLogger("mx_driving")
        self.scheduler = WindowScheduler(recording, folder, "cpu", logger, self.spent.append)

    def run(self, start, stop, inside=lambda iteration: None):
        for iteration in range(start, stop):
            self.scheduler.before_iteration(iteration)
            work()
            inside(iteration)
            self.scheduler.after_iteration(iteration)

    def recorded(self):
        """Return the iterations and the number of products in each trace."""
        found = {}
        for path in sorted(self.folder.glob("*.json")):
            events = json.loads(path.read_text())["traceEvents"]
            steps = {e["name"] for e in events if e.get("name", "").startswith("ProfilerStep#")}
            products = sum(e.get("name") == "aten::mm" for e in events) / 3
            found[path.name.partition(".")[0]] = (sorted(int(name.partition("#")[2]) for name in steps), products)
        return found


def users(**arguments):
    return profiler.profile(activities=[profiler.ProfilerActivity.CPU], **arguments)


def products(profile, folder):
    """Write a profile of the user's and count its products: this is where the process died."""
    profile.export_chrome_trace(str(folder / "users.json"))
    events = json.loads((folder / "users.json").read_text())["traceEvents"]
    (folder / "users.json").unlink()
    return sum(event.get("name") == "aten::mm" for event in events) / 3


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO, logger="mx_driving")
    yield caplog
    assert not torch.autograd._profiler_enabled()


def test_every_iteration_of_a_window_has_its_mark(tmp_path):
    loop = Loop(tmp_path, iters=((3, 6), (8, 9)))
    loop.run(0, 12)
    assert loop.recorded() == {"iters_3_6": ([3, 4, 5], 3), "iters_8_9": ([8], 1)}


@pytest.mark.parametrize("warmup", [0, 2])
def test_a_schedule_leaves_one_trace_a_cycle_without_its_warm_up(tmp_path, warmup):
    loop = Loop(tmp_path, skip_first=1, wait=2, warmup=warmup, active=2, repeat=2)
    loop.run(0, 30)
    starts = (3 + warmup, 7 + 2 * warmup)
    assert loop.recorded() == {f"iters_{n}_{n + 2}": ([n, n + 1], 2) for n in starts}


def test_warm_up_is_shorter_for_a_run_resumed_inside_it(tmp_path):
    loop = Loop(tmp_path, iters=(5, 6), warmup=3)
    loop.scheduler.skip_to(4)
    loop.run(4, 8)
    assert loop.recorded() == {"iters_5_6": ([5], 1)}


def test_resume_past_many_cycles_is_one_line(tmp_path, log):
    loop = Loop(tmp_path, active=1, wait=1, repeat=0)
    loop.scheduler.skip_to(1000)
    loop.run(1000, 1003)
    assert loop.recorded() == {"iters_1001_1002": ([1001], 1)}
    assert [r.getMessage() for r in log.records if "left out" in r.getMessage()] == [
        "profiling: window (1, 2) and 499 more began before iteration 1000: left out"
    ]


def test_training_that_ends_in_a_warm_up_leaves_nothing_on_and_no_trace(tmp_path, log):
    loop = Loop(tmp_path, iters=(5, 6), warmup=3)
    loop.run(0, 4)
    loop.scheduler.finish("4 iterations were run")
    assert loop.recorded() == {}
    assert "written" not in log.text
    with users() as after:
        work()
    assert products(after, tmp_path) == 1


@pytest.mark.parametrize("where", ["around", "warm-up", "legacy"])
def test_window_that_finds_a_profiler_running_is_left_out(tmp_path, log, where):
    loop = Loop(tmp_path, iters=((1, 3), (6, 7)))
    if where == "legacy":
        other = torch.autograd.profiler.profile()
        other.__enter__()
    else:
        other = users(schedule=profiler.schedule(wait=0, warmup=1, active=2) if where == "warm-up" else None)
        other.start()
    loop.run(0, 2)
    if where == "warm-up":
        other.step()
        work()
        other.step()
    other.__exit__(None, None, None)
    assert products(other, tmp_path) > 0, "the user's own profile is whole"
    loop.run(2, 8)
    assert loop.recorded() == {"iters_6_7": ([6], 1)}
    assert log.text.count("window (1, 3) is left out, torch's profiler is running; stop it before") == 1


@pytest.mark.parametrize("how", ["inside", "across", "from the warm-up on"])
def test_profiler_started_inside_a_window_is_not_harmed(tmp_path, log, how):
    loop = Loop(tmp_path, iters=((2, 4), (6, 7)), warmup=1)
    other = users()
    begin, end = {"inside": (2, 2), "across": (2, 4), "from the warm-up on": (1, 4)}[how]

    def around(iteration):
        if iteration == begin:
            other.start()
            work()
        if iteration == end:
            other.stop()

    loop.run(0, 8, around)
    assert products(other, tmp_path) >= 1
    assert loop.recorded() == {"iters_6_7": ([6], 1)}
    assert log.text.count("window (2, 4) is lost") == 1


@pytest.mark.parametrize("fault", ["file in the way", "file size limit"])
def test_trace_that_cannot_be_written_is_one_line(tmp_path, log, fault):
    loop = Loop(tmp_path / "profile", iters=((1, 2), (4, 5)))
    require_folder(loop.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def harm(iteration):
        if iteration == 1 and fault == "file in the way":
            loop.folder.rmdir()
            loop.folder.write_text("")
        elif iteration == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))

    try:
        loop.run(0, 3, harm)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    if fault == "file in the way":
        loop.folder.unlink()
    (line,) = [record.getMessage() for record in log.records if record.levelno >= logging.ERROR]
    assert line.startswith("profiling: window (1, 2) is lost, training goes on: ")
    loop.run(3, 6)
    assert list(loop.recorded()) == ["iters_4_5"]


def test_trace_alone_that_cannot_be_written_is_one_line(tmp_path, log):
    """torch says nothing then, and leaves the trace of an earlier run."""
    (tmp_path / "iters_1_2.pt.trace.json.tmp").mkdir()
    (tmp_path / "iters_1_2.pt.trace.json").write_text("an earlier run's")
    Loop(tmp_path, iters=(1, 2)).run(0, 3)
    assert "window (1, 2) is lost, training goes on: torch could not write" in log.text
    assert not (tmp_path / "iters_1_2.pt.trace.json").exists()


def test_folder_that_was_removed_is_made_again(tmp_path):
    loop = Loop(tmp_path / "profile", iters=(1, 2))
    require_folder(loop.folder)
    loop.folder.rmdir()
    loop.run(0, 3)
    assert loop.recorded() == {"iters_1_2": ([1], 1)}


def test_folder_is_tried_before_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"path: expected a folder that can be written to, got .*file/rank0"):
        require_folder(tmp_path / "file" / "rank0")


def test_pause_leaves_out_what_is_no_training(tmp_path, log):
    loop = Loop(tmp_path, iters=(2, 5))
    loop.run(0, 3)
    loop.scheduler.pause("validation")
    work()
    work()
    loop.run(3, 8)
    assert loop.recorded() == {"iters_2_5": ([2], 1), "iters_3_5": ([3, 4], 2)}
    assert "validation after iteration 3 is not recorded; window (2, 5) goes on as (3, 5)" in log.text


def test_pause_in_a_warm_up_warms_up_again(tmp_path):
    loop = Loop(tmp_path, iters=(4, 6), warmup=3)
    loop.run(0, 2)
    loop.scheduler.pause("validation")
    work()
    loop.run(2, 8)
    assert loop.recorded() == {"iters_4_6": ([4, 5], 2)}


def test_windows_never_reached_are_one_line(tmp_path, log):
    loop = Loop(tmp_path, iters=((1, 2), (50, 60), (70, 80)))
    loop.run(0, 5)
    loop.scheduler.finish("5 iterations were run")
    loop.scheduler.finish("5 iterations were run")
    lines = [r.getMessage() for r in log.records if "not reached" in r.getMessage()]
    assert lines == ["profiling: 5 iterations were run, window (50, 60) and 1 more were not reached"]


def test_what_it_took_is_told(tmp_path, log):
    loop = Loop(tmp_path, iters=(1, 2))
    loop.run(0, 3)
    assert len(loop.spent) == 2
    assert all(seconds > 0 for seconds in loop.spent)
    assert "profile written in 0." in log.text


OVERRIDES = [
    (0, {}, []),
    (2, {}, ["with_stack"]),
    (2, {"with_stack": False, "record_shapes": True}, ["record_shapes"]),
    (1, {"with_stack": True, "profile_memory": True, "with_flops": True, "with_modules": True},
     ["profile_memory", "with_flops", "with_modules", "with_stack"]),
]  # fmt: skip
# In a process of its own: with call stacks torch's profiler takes gigabytes for the frames of a test session.
CODE = """
import json, logging, pathlib, sys, torch
from mx_driving.profiling import read_plan
from mx_driving.training.scheduler import Recording, WindowScheduler
names = {"with_stack", "record_shapes", "profile_memory", "with_flops", "with_modules"}
for number, (level, options, _) in enumerate(json.loads(sys.argv[2])):
    folder = pathlib.Path(sys.argv[1], str(number))
    recording = Recording.checked(read_plan(iters=(0, 1)), level, options)
    scheduler = WindowScheduler(recording, folder, "cpu", logging.getLogger("mx_driving"), lambda seconds: None)
    scheduler.before_iteration(0)
    torch.ones(2) + 1
    scheduler.after_iteration(0)
    trace = json.loads((folder / "iters_0_1.pt.trace.json").read_text())
    print(json.dumps(sorted(name for name in names if trace.get(name) == 1)))
"""


def test_options_override_the_level(tmp_path):
    command = [sys.executable, "-c", CODE, str(tmp_path), json.dumps(OVERRIDES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [expected for *_, expected in OVERRIDES]


def test_option_that_is_no_bool_is_an_error():
    with pytest.raises(TypeError, match="with_stack: expected True or False, got 'False'"):
        Recording.checked(read_plan(active=1), 0, {"with_stack": "False"})
    with pytest.raises(TypeError, match="did you mean 'with_stack'"):
        Recording.checked(read_plan(active=1), 0, {"with_stak": True})
