"""What a clean stop is made of, common to both runner families."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, NamedTuple, Optional

MARK = "mx_driving_stop"
"""Key of a ``Position`` in the meta data of a checkpoint that was saved at a stop."""

UNLOADED = "the batch after the stop could not be loaded, which is of no account here: %s: %s"


class StopTraining(BaseException):
    """Unwinds a training loop between two iterations; the adapter that raised it catches it around the loop.

    Not an ``Exception``: it is no error, and a ``except Exception`` in a user's hook or dataset must not keep training
    alive on one rank while the others have stopped.
    """


class Stopping:
    """What a hook is that may end a run early: ``stop_at`` is the number of iterations after which it does, if any."""

    stop_at: Optional[int] = None
    stop_argument = "stop_at"
    """The user's argument that asks for it."""


class Loans:
    """Attributes of other objects that are changed for a while, and given back as they were, the last change first."""

    def __init__(self) -> None:
        self._back: List[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Change an attribute until ``give_back``."""
        own, held = name in vars(owner), getattr(owner, name)
        setattr(owner, name, value)
        self._back.append(lambda: setattr(owner, name, held) if own else delattr(owner, name))

    def give_back(self) -> None:
        """Undo all changes; a second call changes nothing."""
        while self._back:
            self._back.pop()()


class Position(NamedTuple):
    """Where a run stopped inside its data, for the run that is resumed from there.

    Args:
        iteration: iterations done.
        batches: of the epoch that was going on, how many were trained; 0 between two epochs.
        of: batches in an epoch.
    """

    iteration: int
    batches: int
    of: int

    @classmethod
    def read(cls, checkpoint: Any) -> Optional[Position]:
        """Return what a checkpoint's meta data says, None for a checkpoint that was not saved at a stop."""
        meta = checkpoint.get("meta") if isinstance(checkpoint, Mapping) else None
        mark = meta.get(MARK) if isinstance(meta, Mapping) else None
        return None if mark is None else cls(**mark)

    def to_skip(self, iteration: int, of: int, logger: Any) -> int:
        """Return how many batches of its first epoch a run that begins here has to skip, and say so."""
        if not self.batches or iteration != self.iteration:
            return 0
        if of != self.of:
            message = "resumed in mid-epoch, after %d of %d batches; an epoch has %d now: it is trained from its start"
            logger.warning(message, self.batches, self.of, of)
            return 0
        logger.info("resumed in mid-epoch: %d of %d batches are trained already and skipped", self.batches, of)
        return self.batches
