"""docs/operators.md has a row for every operator, made of its docstring."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from mx_driving import ops

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"


def row(name):
    function = getattr(ops, name)
    text = inspect.getdoc(function)
    source = text.partition("Source: ")[2].partition("\n\n")[0].replace("\n", " ").strip().rstrip(".")
    cells = (f"``{name}``", text.splitlines()[0].rstrip("."), source)
    return re.sub(r":\w+:`(\w+)`", r"`\1`", f"| {' | '.join(cells)} |".replace("``", "`"))


def test_every_operator_has_its_row():
    rows = [row(name) for name in ops.__all__]
    written = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert written == rows, "docs/operators.md: replace the rows of the table by\n" + "\n".join(rows)
