"""``mx-driving patches``: what each patch changes, needs and why, and what would become of it here."""

from __future__ import annotations

import argparse
import json
import sys

HELP = "list the patches: what, where, needs, why, and whether they would apply here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", nargs="*", help="patches to show in full; all in a table without it")
    parser.add_argument("--device", choices=("auto", "cpu", "npu", "cuda"), default="auto", help="default: auto")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, as JSON")
    form.add_argument("--markdown", action="store_true", help="as in the documentation")


def run(arguments: argparse.Namespace) -> int:
    """Print the chosen patches.

    Returns:
        Exit code: 0 done, 1 a name is unknown or torch, which the patches import, is missing.
    """
    from mx_driving.patches import CATALOGUE, UnknownPatchError, _table, load

    try:
        patches = [load(name) for name in arguments.name or CATALOGUE]
    except UnknownPatchError as exc:
        print(f"mx-driving patches: {exc}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as exc:
        if exc.name != "torch":
            raise
        print("mx-driving patches: expected torch, which these patches import; install it first", file=sys.stderr)
        return 1
    if arguments.markdown:
        print(_table.full(patches) if arguments.name else _table.short(patches), end="")
        return 0
    prospects = [_table.prospect(patch, _device(arguments.device, patch.devices)) for patch in patches]
    if arguments.json:
        print(json.dumps([one.as_dict() for one in prospects], indent=2, ensure_ascii=False))
    elif arguments.name:
        print("\n\n".join(_in_full(one.as_dict()) for one in prospects))
    else:
        print(_overview(prospects))
    return 0


def _device(chosen: str, devices: tuple) -> str:
    from mx_driving._core import ANYWHERE

    if chosen != "auto" or devices == ANYWHERE:
        # A patch for every device is shown without asking for one, which would import torch.
        return chosen if chosen != "auto" else "cpu"
    from mx_driving import device

    return device.resolve("auto")


def _overview(prospects: list) -> str:
    from mx_driving._core.report import render
    from mx_driving.patches._table import needs

    rows = [
        (p.patch.name, "skip" if p.reason else "apply", needs(p.patch).replace("`", ""), p.reason) for p in prospects
    ]
    return render(("patch", "would", "needs", "remark"), rows)


def _in_full(facts: dict) -> str:
    would = f"would {facts['would']} here" + (f": {facts['reason']}" if facts["reason"] else "")
    lines = [f"{facts['name']} ({would})"]
    for label in ("what", "why", "upstream", "remove_when"):
        lines.append(f"  {label.replace('_', ' ')}: {facts[label]}")
    lines.append(f"  requires: {', '.join(facts['requires']) or '-'}; devices: {', '.join(facts['devices'])}")
    lines.extend(f"  changes: {path}" for path in facts["targets"])
    return "\n".join(lines)
