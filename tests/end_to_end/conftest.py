"""The stock training scripts on this machine, on a small generated data set."""

from __future__ import annotations

import functools

import pytest
from stock_scripts import make_demo_data, run_stock


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """Return a function that runs the stock train.py and returns the finished process."""
    return functools.partial(run_stock, make_demo_data(tmp_path_factory.mktemp("nuscenes") / "demo"))
