"""What a clean stop is made of, common to both runner families."""

from __future__ import annotations


class StopTraining(BaseException):
    """Unwinds a training loop between two iterations; the adapter that raised it catches it around the loop.

    Not an ``Exception``: it is no error, and a ``except Exception`` in a user's hook or dataset must not keep training
    alive on one rank while the others have stopped.
    """
