"""What became of each patch, as a table for the log and as JSON."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Tuple

APPLIED, WAITING, SKIPPED, FAILED = "applied", "waiting", "skipped", "failed"


@dataclass
class Outcome:
    """One patch's outcome.

    Args:
        name: the patch.
        status: ``applied``, ``waiting`` (for its target's import), ``skipped`` or ``failed``.
        reason: why, in words; empty if applied without remark.
        targets: changed places, each with the names of the aliases that followed.
        waiting_for: modules that are not imported yet.
        in_model: instances in the runner's model whose code the patch changes, by class name.
    """

    name: str
    status: str
    reason: str = ""
    targets: Dict[str, List[str]] = field(default_factory=dict)
    waiting_for: List[str] = field(default_factory=list)
    in_model: Dict[str, int] = field(default_factory=dict)

    def row(self) -> Tuple[str, ...]:
        """Return the table's cells."""
        aliases = sum(len(found) for found in self.targets.values())
        model = ", ".join(f"{count} x {name}" for name, count in self.in_model.items())
        counts = (str(len(self.targets)), str(aliases)) if self.targets else ("-", "-")
        return (self.name, self.status, *counts, model or "-", self.reason or "-")


HEADER = ("patch", "status", "targets", "aliases", "in this model", "remark")


@dataclass
class Report:
    """Outcomes of all patches of one set, in catalogue order.

    Args:
        device: where the patches apply.
        operators: one line about who provides mmcv's operators; empty if nobody asked.
    """

    device: str
    outcomes: List[Outcome] = field(default_factory=list)
    operators: str = ""

    def __getitem__(self, name: str) -> Outcome:
        return {outcome.name: outcome for outcome in self.outcomes}[name]

    def names(self, status: str) -> List[str]:
        """Return the names of the patches with this status."""
        return [outcome.name for outcome in self.outcomes if outcome.status == status]

    def table(self) -> str:
        """Return a table for the log."""
        table = render(HEADER, [outcome.row() for outcome in self.outcomes])
        return "\n".join(filter(None, (f"mx_driving patches on {self.device}", table, self.operators)))

    def as_dict(self) -> Dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "device": self.device,
            "operators": self.operators,
            "patches": [asdict(outcome) for outcome in self.outcomes],
        }

    def save(self, path: Path) -> None:
        """Write the JSON file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def render(header: Tuple[str, ...], rows: Iterable[Tuple[str, ...]]) -> str:
    """Lay out a plain text table with columns as wide as their widest cell."""
    lines = [header, *rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(header))]

    def row(cells: Tuple[str, ...]) -> str:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths))
        return "| " + " | ".join(padded) + " |"

    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    return "\n".join([rule, row(header), rule, *(row(line) for line in lines[1:]), rule])
