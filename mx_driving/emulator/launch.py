"""The emulated machine as the child sees it: environment variables, nothing else."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple

from mx_driving.emulator.errors import EmulatorError

_PREFIX = "MX_DRIVING_EMULATOR_"
_FAULT = re.compile(r"[A-Za-z]\w*(=\d+)?(@run)?")


@dataclass(frozen=True)
class Machine:
    """What to emulate.

    Args: devices (int): number of NPUs, 1 to 16.
        soc (str): what aclrtGetSocName answers; torch_npu chooses routes by it.
        fail (tuple[str]): operators that return an error, ``name[=code][@run]``: at their check, or with ``@run`` when
            the kernel runs (asynchronously, so the error arrives at the next synchronisation, as on the device).
        count (Path): file to which every process appends ``route name calls`` lines when it ends.
    Raises: EmulatorError: devices out of range or a fault that cannot be read.
    """

    devices: int = 1
    soc: str = "Ascend910B1"
    fail: Tuple[str, ...] = ()
    count: Optional[Path] = None

    def __post_init__(self) -> None:
        if not 1 <= self.devices <= 16:
            raise EmulatorError(f"--devices must be 1 to 16, got {self.devices}")
        for fault in self.fail:
            if not _FAULT.fullmatch(fault):
                raise EmulatorError(f"--fail must read name[=code][@run], such as aclnnAdd=161002, got {fault!r}")


def child_environment(machine: Machine, libraries: Path, environment: Mapping[str, str]) -> Dict[str, str]:
    """A copy of ``environment`` in which torch_npu finds the emulated libraries. Nothing of a real CANN is kept."""
    child = {name: value for name, value in environment.items() if not name.startswith(_PREFIX)}
    child.update({name: environment[name] for name in (_PREFIX + "MEMORY_GB", _PREFIX + "CANN") if name in environment})
    search_path = [str(libraries), environment.get("LD_LIBRARY_PATH", "")]
    child.update(
        {
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, search_path)),
            "TORCH_DEVICE_BACKEND_AUTOLOAD": "1",
            _PREFIX + "DEVICES": str(machine.devices),
            _PREFIX + "SOC": machine.soc,
            _PREFIX + "FAIL": " ".join(machine.fail),
            _PREFIX + "COUNT": str(machine.count.resolve()) if machine.count else "",
        }
    )
    return child
