"""Run the stock train.py of the installed mmdet3d on the demo config and say where to look.

python demo/run_demo.py --data data/nuscenes_demo --work-dir work_dirs/demo
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Dict, List

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "demo_fcos3d.py"


def stock_script() -> Path:
    """The train.py that mmdet3d's wheel carries.

    Raises:
        FileNotFoundError: if this mmdet3d was installed without it.
    """
    # The installation's own list of files: importing mmdet3d only to find it would take seconds.
    for file in metadata.files("mmdet3d") or ():
        if file.parts[-3:] == (".mim", "tools", "train.py"):
            return Path(str(file.locate()))
    raise FileNotFoundError("mmdet3d is installed without .mim/tools/train.py: install the wheel of mmdet3d 1.4.0")


def box_losses(work_dir: Path) -> List[Dict[str, float]]:
    """Losses per iteration of the newest run below ``work_dir``."""
    logs = sorted(work_dir.glob("*/vis_data/scalars.json"), key=lambda path: path.stat().st_mtime)
    if not logs:
        return []
    lines = [json.loads(line) for line in logs[-1].read_text().splitlines()]
    return [{key: value for key, value in line.items() if key.startswith("loss")} for line in lines if "loss" in line]


def where_to_look(work_dir: Path) -> str:
    """Short text about what the run left behind."""
    lines = ["", "The demo is done. Where to look:"]
    for title, pattern in (
        ("log", "*/*.log"),
        ("patch report", "mx_driving/patches.json"),
        ("profile traces (open in https://ui.perfetto.dev or chrome://tracing)", "mx_driving/profile/**/*.json"),
        ("profile summaries", "mx_driving/profile/**/*.txt"),
        ("checkpoints", "*.pth"),
    ):
        found = sorted(work_dir.glob(pattern), key=lambda path: path.stat().st_mtime)
        lines.append(f"  {title}: {os.path.relpath(found[-1]) if found else 'none'}")
    losses = box_losses(work_dir)
    if losses:
        lines.append(f"  iterations: {len(losses)}, loss {losses[0]['loss']:.3f} -> {losses[-1]['loss']:.3f}")
    lines.append(f"  the two statements that did it: {os.path.relpath(CONFIG)}")
    return "\n".join(lines)


def main() -> int:
    """Command line; returns the exit code of train.py."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data_root in nuScenes' layout")
    parser.add_argument("--work-dir", type=Path, required=True, help="where mmengine writes")
    args = parser.parse_args()
    # The trailing slash is part of mmdet3d's convention: its base configs join paths by '+'.
    env = dict(os.environ, MX_DRIVING_DEMO_DATA=f"{args.data}/")
    script = stock_script()
    print(f"running the stock {script}", flush=True)
    command = [sys.executable, str(script), str(CONFIG), "--work-dir", str(args.work_dir)]
    code = subprocess.call(command, env=env, cwd=ROOT)
    if code == 0:
        print(where_to_look(args.work_dir))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
