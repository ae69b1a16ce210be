"""The README as package indexes show it."""

from __future__ import annotations

import re
from pathlib import Path

_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)")


def long_description(readme: Path) -> str:
    """Return the README's text; links to files of the repository, which lead nowhere on an index, become plain text."""
    return _RELATIVE_LINK.sub(r"\1", readme.read_text(encoding="utf-8"))
