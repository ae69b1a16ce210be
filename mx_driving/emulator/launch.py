"""The emulated machine as the child sees it: environment variables, nothing else."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple

from mx_driving.emulator.errors import EmulatorError

_PREFIX = "MX_DRIVING_EMULATOR_"
_FAULT = re.compile(r"[A-Za-z]\w*(=[1-9]\d{0,8})?(@run)?")
_CANN = ("ASCEND_HOME_PATH", "ASCEND_OPP_PATH", "ASCEND_CUSTOM_OPP_PATH", "ASCEND_TOOLKIT_HOME", "ASCEND_AICPU_PATH")
"""Where a real CANN is: torch_npu searches some of these for libraries of operators."""
_CHIP = re.compile(r"Ascend\w{1,40}")
_SETTINGS = {"MEMORY_GB": r"[1-9]\d{0,3}", "HCCL_TIMEOUT": r"[1-9]\d{0,5}", "CANN": r"\d+(\.\w{1,9}){1,4}"}
"""Variables of the user that the libraries read, and what they may hold: a number of GB, of seconds, a version."""


@dataclass(frozen=True)
class Machine:
    """What to emulate.

    Args:
        devices: number of NPUs, 1 to 16.
        soc: what aclrtGetSocName answers, ``Ascend...``; torch_npu chooses routes by it.
        fail: operators that return an error, ``name[=code][@run]``: at their check, or with ``@run`` when the kernel
            runs (asynchronously, so the error arrives at the next synchronisation, as on the device).
        count: file to which every process appends ``route name calls`` lines when it ends.

    Raises:
        EmulatorError: devices out of range, a chip or a fault that cannot be read, a file that cannot be written.
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
        if not _CHIP.fullmatch(self.soc):
            raise EmulatorError(f"--soc must be the name of a chip, such as Ascend910B1, got {self.soc!r}")
        if self.count:
            _check_writable(self.count)


def _check_writable(file: Path) -> None:
    # The libraries write it when a process ends, where nobody would hear that it failed.
    try:
        file.open("a").close()
    except OSError as error:
        raise EmulatorError(f"--count {file}: a file that can be written was expected ({error.strerror})") from error


def child_environment(machine: Machine, libraries: Path, environment: Mapping[str, str]) -> Dict[str, str]:
    """A copy of ``environment`` in which torch_npu finds the emulated libraries first, and is not told of a real CANN.

    Raises:
        EmulatorError: a variable of the emulator's holds what it may not.
    """
    child = {name: value for name, value in environment.items() if not name.startswith((_PREFIX, *_CANN))}
    child.update(_settings(environment))
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


def _settings(environment: Mapping[str, str]) -> Dict[str, str]:
    found = {_PREFIX + name: environment.get(_PREFIX + name, "") for name in _SETTINGS}
    for name, value in found.items():
        if value and not re.fullmatch(_SETTINGS[name[len(_PREFIX) :]], value):
            raise EmulatorError(f"{name} is {value!r}: a whole number was expected, for CANN a version like 8.5.0")
    return {name: value for name, value in found.items() if value}
