"""A recorded window as text: the operators that cost most."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

from mx_driving.profiling.windows import Window

ROWS = 25


def _self_time_us(event: Any) -> float:
    # Renamed in torch 2.4; device time counts where there is any.
    device = getattr(event, "self_device_time_total", getattr(event, "self_cuda_time_total", 0))
    return device or event.self_cpu_time_total


def _lines(events: List[Any], window: Window) -> List[str]:
    events = [event for event in events if not event.key.startswith("ProfilerStep")]
    total = sum(_self_time_us(event) for event in events) or 1.0
    lines = [
        f"Iterations {window.start} to {window.stop - 1}: operators by their own time, {total / 1e3:.1f} ms in all",
        f"{'own time':>12} {'share':>7} {'calls':>8}  operator",
    ]
    for event in sorted(events, key=_self_time_us, reverse=True)[:ROWS]:
        own = _self_time_us(event)
        bar = "#" * round(30 * own / total)
        lines.append(f"{own / 1e3:>9.2f} ms {own / total:>7.1%} {event.count:>8}  {event.key[:60]:<60} {bar}")
    return lines


def write_summary(profile: Any, path: Path, window: Window) -> Path:
    """Write the most expensive operators, with bars that show their shares; return the path."""
    path.write_text("\n".join(_lines(list(profile.key_averages()), window)) + "\n", encoding="utf-8")
    return path
