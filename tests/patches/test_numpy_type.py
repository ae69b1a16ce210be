"""``numpy_type``: the removed names are there for the pipeline, in workers of every kind, and gone afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mx_driving._core import PatchSet
from mx_driving.patches import load
from mx_driving.patches.numpy_type import NAMES


class Pipeline(Dataset):
    """Does what mmdet3d 1.0's transforms_3d.py does."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.from_numpy(np.ones(3).astype(np.bool))


def missing():
    return [name for name in NAMES if name not in vars(np)]


def load_all(context):
    return list(DataLoader(Pipeline(), batch_size=2, num_workers=1, multiprocessing_context=context))


def test_this_numpy_lacks_the_names():
    assert set(missing()) == set(NAMES), "the tests below would prove nothing on a numpy that has them"


def test_names_are_there_and_gone_afterwards():
    with PatchSet([load("numpy_type")], strict=True):
        assert missing() == []
        assert np.ones(2).astype(np.bool).dtype == bool
        assert np.zeros(1, dtype=np.int).dtype == np.dtype(int)
    assert set(missing()) == set(NAMES)


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_workers_of_every_kind(context):
    with PatchSet([load("numpy_type")], strict=True):
        batches = load_all(context)
    assert [batch.dtype for batch in batches] == [torch.bool, torch.bool]


def test_without_the_patch_a_worker_fails():
    with pytest.raises(AttributeError, match="no attribute 'bool'"):
        load_all("fork")


def test_loop_of_the_workers_is_put_back():
    from torch.utils.data._utils import worker

    before = dict(vars(worker))
    with PatchSet([load("numpy_type")]):
        assert vars(worker) != before
    assert dict(vars(worker)) == before
