"""Runs a case on stock code and with patches in force, and says where they differ."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple, Union

import pytest
import torch
from torch import Tensor, nn

from equivalence.case import EPS, Case
from equivalence.compare import differences, distance
from equivalence.modes import MAY_GAIN, MODES
from equivalence.observe import Seen
from mx_driving._core import APPLIED, PatchRecord, PatchSet
from mx_driving.patches import load

PRECISION = {"float64": torch.float64, "autocast": torch.bfloat16}
"""Precision of a mode, float32 if not named."""

STEPS = 16
"""How many steps of rounding a result may be off."""

RAISED = "raised"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What came of a case in a mode.

    Args:
        raised: what stock code raised, empty if nothing.
        differences: one line each.
        results: how many tensors were compared.
    """

    raised: str
    differences: List[str]
    results: int


def check(case: Case, patches: Iterable[Union[str, PatchRecord]], mode: str) -> Finding:
    """Run a case on stock code and with the patches in force, in a mode of :data:`MODES`.

    Distances are judged against rounding: a result may be off by a few of the precision's steps, or by as much as stock
    code itself is when its inputs and parameters are disturbed by that little.
    """
    case.made()  # a case that cannot be built is an error of its own, not something that both sides raise
    records = [load(patch) if isinstance(patch, str) else patch for patch in patches]
    stock = observe(case, mode)
    with PatchSet(records, strict=True) as in_force:
        idle = [outcome for outcome in in_force.report.outcomes if outcome.status != APPLIED]
        assert not idle, f"not in force: {[(outcome.name, outcome.reason) for outcome in idle]}"
        patched = observe(case, mode)
    raised = stock.get(RAISED, "")
    if mode in MAY_GAIN and raised and RAISED not in patched:
        return Finding(raised, [], 0)
    if raised or RAISED in patched:
        return Finding(raised, differences({RAISED: raised}, {RAISED: patched.get(RAISED, "")}, 0, {}), 0)
    step = EPS[PRECISION.get(mode, torch.float32)]
    found = differences(stock, patched, STEPS * step, {})
    if found:
        found = differences(stock, patched, STEPS * step, rounding(case, mode, stock, step))
    return Finding(raised, found, sum(isinstance(value, Tensor) for value in stock.values()))


def rounding(case: Case, mode: str, stock: Seen, step: float) -> Dict[str, float]:
    """Return how far rounding may move each result: a multiple of what one disturbance by the precision's step does.

    One draw says little of a single number, such as the gradient of one scale: what is usual in the run is allowed too.
    """
    moved = observe(dataclasses.replace(case, disturbed=step), mode)
    both = [name for name in stock if isinstance(stock[name], Tensor) and isinstance(moved.get(name), Tensor)]
    gaps = {name: distance(stock[name], moved[name]) for name in both if stock[name].shape == moved[name].shape}
    usual = statistics.median(gaps.values()) if gaps else 0.0
    return {name: max(16 * gap, 4 * usual) for name, gap in gaps.items()}


def observe(case: Case, mode: str) -> Seen:
    """Run a case in a mode; an exception is something to see like any other."""
    try:
        return MODES[mode](case)
    except Exception as exc:  # noqa: BLE001 - whatever stock code raises is what patched code has to raise
        return {RAISED: f"{type(exc).__name__}: {(str(exc).splitlines() or [''])[0]}"}


def agreement(
    patches: Sequence[Union[str, PatchRecord]],
    build: Callable[[], nn.Module],
    inputs: Callable[[], Tuple],
    call: Callable[..., Any] = lambda module, *inputs: module(*inputs),
    without: Sequence[str] = (),
) -> Callable[[str], None]:
    """Return a test with a case for each mode; assign it to a name that begins with ``test_``.

    Args:
        patches: names of ours, or records; all in force together.
        build, inputs, call: as for :class:`Case`.
        without: modes in which stock code raises, or that mean nothing for this module.
    """

    @pytest.mark.parametrize("mode", [name for name in MODES if name not in without])
    @pytest.mark.filterwarnings("ignore")
    def test(mode: str) -> None:
        found = check(Case(build, inputs, call), patches, mode)
        assert not found.differences, "\n".join(found.differences)
        # Where stock code raises nothing was compared: that has to be said in `without`.
        assert not found.raised, f"stock code raises: {found.raised}"
        assert found.results, "no tensor in the result"

    return test
