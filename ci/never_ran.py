"""Fail if a test was skipped in every session that collected it, unless the reason is one a machine may have.

python ci/never_ran.py .nox/results
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

# What a fresh machine may lack; anything else that runs nowhere is a mistake in noxfile.py or in the test.
MACHINE_REASONS = ("no Python 3.", "no NPU", "no CUDA", "no accelerator")

Outcome = Tuple[bool, str]  # whether it ran, why not


def read_report(path: Path) -> Dict[str, Outcome]:
    """Outcomes of one of pytest's JUnit files by test."""
    outcomes = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        name = f"{case.get('classname')}::{case.get('name')}"
        # The text has the place and the reason; the message of a module that skipped as a whole has neither.
        outcomes[name] = (skipped is None, "" if skipped is None else skipped.text or skipped.get("message", ""))
    return outcomes


def never_ran(reports: Iterable[Dict[str, Outcome]]) -> Dict[str, List[str]]:
    """Tests, and modules that skipped as a whole, that ran in none of the reports, with the reasons that were given."""
    reasons: Dict[str, List[str]] = {}
    ran = set()
    for report in reports:
        for name, (done, why) in report.items():
            if done:
                # With the test its module has run, and its class: a module that is skipped at its import is one entry.
                parts = name.split("::")[0].split(".")
                ran.update([name, *("::" + ".".join(parts[:end]) for end in range(1, len(parts) + 1))])
            else:
                reasons.setdefault(name, []).append(why)
    return {name: why for name, why in reasons.items() if name not in ran}


def is_excused(reasons: Iterable[str]) -> bool:
    """Tell whether every reason is one that a machine may have."""
    return all(any(known in reason for known in MACHINE_REASONS) for reason in reasons)


def main() -> int:
    """Command line; returns 1 if a test ran nowhere without an excuse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of pytest's --junitxml files, one per session")
    args = parser.parse_args()
    files = sorted(args.results.glob("*.xml"))
    if not files:
        print(f"never_ran: no report in {args.results}: run the test sessions first", file=sys.stderr)
        return 1
    missed = never_ran(read_report(path) for path in files)
    for name, reasons in sorted(missed.items()):
        print(f"{'excused' if is_excused(reasons) else 'NEVER RAN'}: {name}: {'; '.join(sorted(set(reasons)))}")
    print(f"{len(files)} sessions ({', '.join(path.stem for path in files)}), {len(missed)} tests that ran in none")
    return int(any(not is_excused(reasons) for reasons in missed.values()))


if __name__ == "__main__":
    raise SystemExit(main())
