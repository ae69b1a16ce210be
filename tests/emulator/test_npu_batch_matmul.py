"""``batch_matmul`` on the emulated NPU: values and gradients, what goes where, the native kernel again afterwards."""

from __future__ import annotations

import json

from conftest import HERE, read_counts


def test_small_matrices_become_product_and_sum_until_the_patch_is_undone(emulate, tmp_path):
    done = emulate("--count", tmp_path / "counts", script=[HERE / "matmul_cases.py"])
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    seen, counts = json.loads(line[len("SEEN") :]), read_counts(tmp_path / "counts")
    assert seen["status"] == "applied"
    assert seen["patched"] == seen["cases"] == seen["after"]
    # Forward, and two for the gradients: patched two cases use the matrix unit, unpatched all four.
    matrix = sum(calls for name, calls in counts.items() if "Matmul" in name or name.endswith(("Mm", "Gemm")))
    assert matrix == 3 * (2 + 4), counts
