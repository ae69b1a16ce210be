"""What the hooks need to know of a run, whatever runner it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional


@dataclass(frozen=True)
class Run:
    """A training run as both runner families have it.

    Args:
        logger: the runner's own logger.
        work_dir: where the run's files go.
        rank: of this process.
        model: the (wrapped) model, a ``torch.nn.Module``.
        max_iters: iteration at which the run ends by itself; None if the runner does not know.
    """

    logger: logging.Logger
    work_dir: Path
    rank: int
    model: Any
    max_iters: Optional[int]

    @property
    def directory(self) -> Path:
        """Our own folder below the work_dir."""
        return self.work_dir / "mx_driving"

    def require_writable(self) -> None:
        """Create our folder.

        Raises:
            OSError: it cannot be written to; better known now than when the first trace is written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            probe = self.directory / f".rank{self.rank}"
            probe.touch()
            probe.unlink()
        except OSError as exc:
            reason = f"work_dir: expected a folder that can be written to, got {self.work_dir} ({exc.strerror})"
            raise OSError(f"{reason}; give another one by --work-dir") from exc
