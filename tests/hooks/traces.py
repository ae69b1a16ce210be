"""What a run's traces show."""

from __future__ import annotations

import json


def traces(work_dir):
    """Return the recorded iterations of each trace, by file name, as the trace viewer shows them."""
    found = {}
    for path in sorted(work_dir.rglob("*.pt.trace.json")):
        events = json.loads(path.read_text())["traceEvents"]
        steps = {e["name"] for e in events if e.get("name", "").startswith("ProfilerStep#")}
        found[path.name] = sorted(int(name.partition("#")[2]) for name in steps)
    return found
