"""What all ranks of a run do together."""

from __future__ import annotations

from typing import Callable, List, Optional

import torch.distributed as dist


def together(action: Callable[[], None]) -> None:
    """Run an action on every rank; where it fails on one it fails on all, so that nobody waits for a rank that is gone.

    Raises:
        Exception: what the action raised on this rank.
        RuntimeError: it failed on another rank.
    """
    error: Optional[Exception] = None
    try:
        action()
    except Exception as exc:  # noqa: BLE001 - raised again below, when the others know of it
        error = exc
    failures = _gathered("" if error is None else f"{type(error).__name__}: {error}")
    if error is not None:
        raise error
    for rank, failure in enumerate(failures):
        if failure:
            raise RuntimeError(f"rank {rank} cannot begin and this rank would wait for it: {failure}")


def _gathered(text: str) -> List[str]:
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return [text]
    texts: List[str] = [""] * dist.get_world_size()
    dist.all_gather_object(texts, text)
    return texts
