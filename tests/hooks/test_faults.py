"""Whatever a run fails by, the libraries are as before, nobody hangs, and nothing of it stays in memory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trials import MMCV1, latest

HERE = Path(__file__).parent
IN_PROCESS = {
    "data set": "KeyError: 'in the data set'",
    "model": "KeyError: 'in the model'",
    "out of memory in a window": "OutOfMemoryError: a stand-in",
    "hook": "KeyError: 'in a hook'",
    "before_run of another": "KeyError: 'before the run'",
    "after_run of another": "KeyError: 'after the run'",
    "after_run before ours": "KeyError: 'after the run'",
    "validation": "KeyError: 'in validation'",
    "validation at the stop": "KeyError: 'in validation'",
    "ctrl-c in validation": "KeyboardInterrupt: ",
    "ctrl-c": "KeyboardInterrupt: ",
    "device": "RuntimeError: device='npu': ",
    **(
        {"workflow's val": 'KeyError: "in a workflow\'s val"'}
        if MMCV1
        else {"load_from": "FileNotFoundError: missing.pth", "activation checkpointing": "AttributeError: 'Toy'"}
    ),
}


def start(script, *arguments, **environment):
    """Start a script of this folder in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(HERE / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "OMP_NUM_THREADS": "1", **environment},
    )


def finished(process, seconds=120):
    """Wait for the end and return what was printed; a process that hangs is killed with all that it started."""
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("it hangs: " + process.communicate()[0][-3000:])


def seen_in(text):
    return [json.loads(line[len("SEEN") :]) for line in text.splitlines() if line.startswith("SEEN")]


def gone(session, seconds=10):
    """Tell whether no process of a session is left, workers included."""
    for _ in range(seconds * 10):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    text = finished(start("faults.py", tmp_path_factory.mktemp("faults")), seconds=240)
    found = seen_in(text)
    assert found, text[-3000:]
    return found[0]


@pytest.mark.parametrize("fault", IN_PROCESS)
def test_everything_is_as_before(outcomes, fault):
    seen = outcomes[fault]
    assert seen["error"].startswith(IN_PROCESS[fault]), "the user's own error, and no other"
    assert seen["in_force"] > 0 or fault in ("load_from", "activation checkpointing", "device")
    assert (seen["changed"], seen["left"]) == ([], 0)
    assert seen["held"] == [False], "the model is free"


DEADLY = {
    "sigint": (-signal.SIGINT, ["KeyboardInterrupt"], None),
    "sigterm": (-signal.SIGTERM, [], None),
    "worker killed": (1, ["RuntimeError: DataLoader worker", "is killed by signal: Killed"], None),
    "disk full": (0, ["patches.json could not be written (File too large); the run goes on without it"], "iter_6.pth"),
}


@pytest.mark.parametrize("fault", DEADLY)
def test_exit_code_what_was_saved_and_who_is_left(tmp_path, fault):
    code, said, saved = DEADLY[fault]
    process = start("faults.py", tmp_path, "--die", fault)
    text = finished(process)
    assert process.returncode == code, text[-3000:]
    assert gone(process.pid), "no worker is left"
    for words in said:
        assert words in text
    assert latest(tmp_path) == saved
    assert json.loads((tmp_path / "mx_driving" / "patches.json").read_text())["patches"]


def test_fault_on_one_rank_only(tmp_path):
    """What fails when a run begins fails on both ranks; a rank that is gone ends the other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [start("ranks.py", tmp_path, RANK=str(rank), LOCAL_RANK=str(rank), **common) for rank in range(2)]
    texts = [finished(process, seconds=60) for process in ranks]
    first, second = ({name: rest for name, *rest in seen_in(text)} for text in texts)
    assert first["folder"][0].startswith("OSError: work_dir: expected a folder that can be written to"), texts[0][
        -3000:
    ]
    assert second["folder"][0].startswith("RuntimeError: rank 0 cannot begin and this rank would wait for it: OSError")
    assert first["device"][0].startswith("RuntimeError: rank 1 cannot begin and this rank would wait for it: RuntimeE")
    assert second["device"][0].startswith("RuntimeError: device='npu': ")
    assert (first["batch"][:2], second["batch"][0]) == ([2, "iter_2.pth"], 2)
    assert [outcome["after"][0] for outcome in (first, second)] == [3, 3], "also where nothing is recorded"
    assert [path.parent.name for path in (tmp_path / "traces").rglob("*.json")] == ["rank0"]
    assert second["model"][0] == "KeyError: 'in the model, on rank 1'"
    assert first["model"][0].startswith("RuntimeError: ")
    assert {rest[-1] for outcome in (first, second) for rest in outcome.values()} == {0}, "undone each time"
