"""Every distinct backbone, neck and head of mmdet and mmdet3d that a patch reaches, stock against patched.

    python ci/zoo.py --list          what is distinct in this environment's packages
    python ci/zoo.py --all --write   run all of it and write this line's table of docs/zoo.md
    python ci/zoo.py mmdet/dyhead/atss_r50_fpn_dyhead_1x_coco.py

Found by walking the configs that the packages ship: a config is run if it brings a component, or a patch to a
component, that none before it brought. Each is shrunk (small images, least depth, few queries) and goes through the
equivalence harness in three modes. Where a detector's call needs more than images, its image backbone and neck are run.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Dict, List, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from equivalence import detectors  # noqa: E402
from equivalence.harness import Finding, check  # noqa: E402

TABLE = ROOT / "docs" / "zoo.md"
MODES = ("evaluation", "training", "autocast")
HEAD = """# Detectors, stock against patched

Written by `python ci/zoo.py --write`, once for each line of packages, for the configs that the last run named (`--all`:
every one that is distinct). A row is a config that brings a component,
or a patch to a component, that no row before it brought. It is shrunk and run in evaluation and in training mode, and
in training mode under bfloat16 autocast, each with gradients. "same" says that outputs, gradients, buffers and random
states agree within rounding; "stock cannot" that stock code raises, and patched code raises the same or works.
"""


def run(found: detectors.Found) -> Dict[str, Finding]:
    """Run a config in all modes; the whole detector if stock code can be called with images alone."""
    patches = sorted({patch for hit in found.components.values() for patch in hit})
    case, what = detectors.whole(found.name), "whole detector"
    if check(case, (), "evaluation").raised:
        case, what = detectors.features(found.name), "backbone and neck"
    return {f"{what}: {mode}": check(case, patches, mode) for mode in MODES}


def verdict(finding: Finding) -> str:
    """Return a mode's cell."""
    if finding.differences:
        return f"**{len(finding.differences)} differences**"
    return "stock cannot" if finding.raised else "same"


def row(found: detectors.Found, findings: Dict[str, Finding], seconds: float) -> str:
    """Return a config's line of the table."""
    reached: List[str] = []
    for (slot, kind), hit in found.components.items():
        reached.append(f"{slot} `{kind}`: " + ", ".join(f"{patch} {count}" for patch, count in hit.items()))
    what = next(iter(findings)).partition(":")[0]
    cells = [f"`{found.name}`", "; ".join(reached), what, *map(verdict, findings.values()), f"{seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


def table(rows: Sequence[str], unbuilt: Sequence[detectors.Found]) -> str:
    """Return this line's section."""
    lines = [
        "| config | components and patches | run | evaluation | training | autocast | s |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += rows
    if unbuilt:
        lines += ["", "Not built here, for what the environment lacks:", ""]
        lines += [f"- `{found.name}`: {found.problem[:160]}" for found in unbuilt]
    return "\n".join([f"## {detectors.line()}", "", *lines, ""])


def write(section: str) -> None:
    """Replace this line's section of the page and leave the other's."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.is_file() else HEAD
    title = section.partition("\n")[0]
    sections = {part.partition("\n")[0]: f"## {part.strip()}\n" for part in text.split("\n## ")[1:]}
    sections[title[3:]] = section
    TABLE.write_text("\n".join([HEAD, *(sections[name] for name in sorted(sections, reverse=True))]), encoding="utf-8")


def main() -> int:
    """Command line; returns 1 if a detector differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="configs to run")
    parser.add_argument("--all", action="store_true", help="run everything that is distinct")
    parser.add_argument("--list", action="store_true", help="print what is distinct, run nothing")
    parser.add_argument("--write", action="store_true", help="write this line's table of docs/zoo.md")
    options = parser.parse_args()
    if not (options.names or options.all or options.list):
        parser.error("name configs, or give --all or --list")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rows, unbuilt, differing = [], [], 0
    for found in detectors.distinct(options.names or detectors.config_names()):
        if found.problem:
            unbuilt.append(found)
            print(f"not built: {found.name}: {found.problem[:160]}", flush=True)
            continue
        if options.list:
            print(found.name, found.components, flush=True)
            continue
        started = time.monotonic()
        findings = run(found)
        rows.append(row(found, findings, time.monotonic() - started))
        print(rows[-1], flush=True)
        if options.write:  # after each: a run that is interrupted leaves what it has found
            write(table(rows, unbuilt))
        for mode, finding in findings.items():
            differing += bool(finding.differences)
            for line in [finding.raised, *finding.differences][:12]:
                if line:
                    print(f"    {mode}: {line}", flush=True)
    if options.write:
        write(table(rows, unbuilt))
    return int(differing > 0)


if __name__ == "__main__":
    raise SystemExit(main())
