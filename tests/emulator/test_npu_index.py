"""``index`` on the emulated NPU: values and gradients, what goes where, and the native kernel again afterwards."""

from __future__ import annotations

import json

import pytest
from conftest import HERE, read_counts


@pytest.fixture(scope="module")
def run(emulate, tmp_path_factory):
    def run(*arguments):
        counts = tmp_path_factory.mktemp("index") / "counts"
        done = emulate("--count", counts, script=[HERE / "index_cases.py", *arguments])
        assert done.returncode == 0, done.stderr[-3000:]
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
        return json.loads(line[len("SEEN") :]), read_counts(counts)

    return run


@pytest.fixture(scope="module")
def outcome(run):
    return run()


def test_values_and_gradients_equal_those_of_the_cpu(outcome):
    seen = outcome[0]
    assert seen["status"] == "applied"
    assert seen["patched"] == seen["cases"]
    assert seen["host_mask"] is True


def test_rows_and_lines_go_to_masked_select_and_the_rest_to_the_native_kernel(outcome):
    """Five cases and the mask on the host; six others, and all eleven again when the patch is gone."""
    counts = outcome[1]
    assert counts["aclnn aclnnMaskedSelect"] == 6
    assert counts["aclnn aclnnIndex"] == 6 + 11


def test_native_kernel_serves_again_afterwards(outcome):
    assert outcome[0]["after"] == outcome[0]["cases"]


def test_a_mask_of_the_wrong_length_gets_the_native_error(outcome):
    assert "shape of the mask" in outcome[0]["mismatch"]


def test_data_apart_from_its_mask_gets_the_native_error(outcome):
    assert "Expected all tensors to be on the same device" in outcome[0]["apart"]


def test_older_torch_says_why_it_is_skipped(run):
    seen, counts = run("old")
    assert seen["status"] == "skipped"
    assert "cannot call the native kernel (no torch.library.get_kernel)" in seen["reason"]
    assert counts["aclnn aclnnMaskedSelect"] == 0
    assert seen["patched"] == seen["cases"]
