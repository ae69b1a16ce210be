"""Where this installation came from: what "install it again" means on this machine."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Optional
from urllib.parse import unquote, urlsplit


def install_again() -> str:
    """Say how to install this package again, from its checkout or wheel: on PyPI the name is another package's."""
    origin = _origin()
    source = f" {origin}" if origin else ""
    return f"install mx_driving's checkout or wheel again: pip install --force-reinstall --no-deps{source}"


def _origin() -> Optional[str]:
    """Return the checkout or wheel that pip noted (PEP 610), if it is still there."""
    try:
        text = metadata.distribution("mx_driving").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    url = urlsplit(json.loads(text or "{}").get("url", ""))
    path = Path(unquote(url.path))
    return str(path) if url.scheme == "file" and path.exists() else None
