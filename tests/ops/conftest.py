"""Fixtures of the operators' tests."""

from __future__ import annotations

from typing import Any, Callable

import pytest
import torch


@pytest.fixture(autouse=True)
def two_threads():
    """Run on two threads, so that the parallel paths are what is tested."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two_thread_counts():
    """Return a function that runs something on one thread and on two, and returns both results."""

    def both(function: Callable[[], Any]) -> tuple:
        results = []
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(function())
        return tuple(results)

    return both


@pytest.fixture(params=["kernel", "torch"])
def either_path(request, monkeypatch):
    """Run a test with our CPU kernels, and with what other devices and builds without a compiler run."""
    from mx_driving.ops import _library

    if request.param == "torch":
        monkeypatch.setattr(_library, "_loaded", False)
        monkeypatch.setattr(_library, "is_built", lambda: False)
    elif not _library.is_built():
        pytest.skip("the compiled operators were not built")
    assert (_library.cpu_kernels(torch.zeros(1)) is not None) == (request.param == "kernel")
    assert _library.cpu_kernels(torch.zeros(1, device="meta")) is None
