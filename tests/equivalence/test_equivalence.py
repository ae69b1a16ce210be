"""The harness sees what patches have got wrong, and nothing where they are right."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from equivalence import MODES, Case
from equivalence.harness import check
from mx_driving._core import PatchRecord, Replace


class Block(nn.Module):
    """A residual block with dropout, which uses the random state."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        out = self.norm(self.conv(x))
        out += x
        return self.drop(self.relu(out))


def right(self, x):
    return self.drop(self.relu(self.norm(self.conv(x)).add_(x)))


def skips_the_activation(self, x):
    return self.drop((self.norm(self.conv(x)).add_(x)).clamp_(min=0))


def another_tensor(self, x):
    return self.drop(torch.relu(self.norm(self.conv(x)) + x))


def another_random_state(self, x):
    torch.rand(1)
    return right(self, x)


def another_gradient(self, x):
    return right(self, x.detach() * 0.5 + x * 0.5)


def another_number(self, x):
    return right(self, x) * 1.001


def another_layout(self, x):
    return right(self, x).transpose(2, 3).contiguous().transpose(2, 3)


def another_precision(self, x):
    return right(self, x).float()


def writes_to_the_input(self, x):
    out = right(self, x)
    with torch.no_grad():
        x.mul_(2)
    return out


def refuses_transforms(self, x):
    if torch._C._functorch.peek_interpreter_stack() is not None:
        raise NotImplementedError("no functorch")
    return right(self, x)


def does_not_normalise(self, x):
    return self.drop(self.relu(self.conv(x) / 2 + x))


FAULTS = {
    skips_the_activation: ("hooks", "calls: expected"),
    another_tensor: ("kept_outputs", "kept output of norm: differs"),
    another_random_state: ("training", "random state of torch"),
    another_gradient: ("training", "gradient of input"),
    another_number: ("evaluation", "result: differs"),
    another_layout: ("no_grad", "result: expected shape, dtype and strides"),
    another_precision: ("float64", "result: expected shape, dtype and strides"),
    writes_to_the_input: ("inference_mode", "input[0] afterwards: differs"),
    refuses_transforms: ("functional_gradient", "raised: expected '', got 'NotImplementedError: no functorch'"),
    does_not_normalise: ("training", "buffer norm.running_mean afterwards"),
}


def record(by):
    return PatchRecord(by.__name__, (Replace(f"{__name__}:Block.forward", by),), why="-", upstream="-", remove_when="-")


LACKING = ("mkldnn", "gradients_per_sample", "compiled_autograd")
"""What the block cannot (dropout in training mode, an in-place sum in a private layout), and what takes long."""


@pytest.fixture
def case():
    assert sys.modules[__name__].Block is Block
    return Case(lambda: Block(), lambda: (torch.randn(2, 4, 6, 6),))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in LACKING])
def test_a_right_patch_passes_in_every_mode(case, mode):
    found = check(case, [record(right)], mode)
    assert found.differences == []
    assert not found.raised
    assert found.results


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(case, fault):
    mode, line = FAULTS[fault]
    assert any(line in found for found in check(case, [record(fault)], mode).differences)


def test_rounding_is_no_difference(case):
    def same_but_for_rounding(self, x):
        return self.drop(self.relu(self.norm(self.conv(x)) + x / 3 + x / 3 + x / 3))

    assert check(case, [record(same_but_for_rounding)], "training").differences == []


def test_what_stock_code_cannot_is_said_and_no_difference(case):
    def never(self, x):
        raise ValueError("never")

    class Stubborn(Block):
        forward = never

    found = check(Case(Stubborn, case.inputs), [record(right)], "training")
    assert found.raised == "ValueError: never"
    assert found.differences == []


def test_a_patch_that_is_not_in_force_is_no_proof(case):
    with pytest.raises(AssertionError, match="not in force"):
        check(case, ["index"], "training")
