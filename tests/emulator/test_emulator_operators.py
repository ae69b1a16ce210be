"""Every operator that the emulator writes, against the CPU. It proves argument order and dtypes, not Ascend."""

from __future__ import annotations

import json

import pytest
from conftest import HERE, ROOT, read_counts
from operator_cases import CASES

from mx_driving.emulator.symbols import called_operators, missing_lines, written_operators

TOLERANCE = 1e-6  # the same ATen kernel computes both sides
# Called by the tests of the adapters and of training, which count them there.
ELSEWHERE = {
    "aclnnDeformableConv2d",
    "aclnnDeformableConv2dBackward",
    "aclnnForeachNonFiniteCheckAndUnscale",
    "aclnnMaxPool2dWithIndices",
    "aclnnMaxPool2dWithIndicesBackward",
    "aclnnMultiScaleDeformableAttentionGrad",
    "aclnnMultiScaleDeformableAttnFunction",
}


@pytest.fixture(scope="module")
def outcome(emulate, tmp_path_factory):
    counts = tmp_path_factory.mktemp("counts") / "counts.txt"
    done = emulate("--count", counts, script=[HERE / "operator_cases.py"])
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), read_counts(counts)


@pytest.mark.parametrize("name", CASES)
def test_operator_agrees_with_the_cpu(outcome, name):
    error = outcome[0][name]
    assert not isinstance(error, str), error
    assert error <= TOLERANCE


def test_every_written_operator_was_called(outcome):
    written = written_operators((ROOT / "csrc" / "emulator").rglob("*.cpp"))
    assert len(written) > 250
    uncalled = {name for name in written if f"aclnn {name}" not in outcome[1]}
    assert uncalled == ELSEWHERE, "an operator that no test calls is dropped: its signature may be wrong"


def test_every_other_name_has_a_trampoline(installation):
    written = written_operators((ROOT / "csrc" / "emulator").rglob("*.cpp"))
    lines = missing_lines(called_operators(installation.library), written)
    assert "MISSING(aclnnFlashAttentionScore)" in lines
    assert "MISSING(aclnnFlashAttentionScoreGetWorkspaceSize)" in lines
    assert not {f"MISSING({name})" for name in written} & set(lines)
