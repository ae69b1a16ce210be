"""The marks of iterations in a trace."""

from __future__ import annotations

from typing import Optional

from torch.autograd.profiler import record_function


class IterationMarks:
    """Marks iterations in the running trace, by the name under which TensorBoard and torch_npu look for steps."""

    def __init__(self) -> None:
        self._open: Optional[record_function] = None

    def begin(self, iteration: int) -> None:
        """End the mark of the iteration before, and begin this one's."""
        self.end()
        self._open = record_function(f"ProfilerStep#{iteration}")
        self._open.__enter__()

    def end(self) -> None:
        """End the mark that is open, if any."""
        mark, self._open = self._open, None
        if mark is not None:
            mark.__exit__(None, None, None)
