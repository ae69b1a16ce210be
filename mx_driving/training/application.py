"""Patches of one run: chosen when a hook is built, applied when the run begins, taken back after it."""

from __future__ import annotations

from typing import Any, Optional

from mx_driving import device as devices
from mx_driving import mmcv_ext
from mx_driving._core import FAILED, PatchSet
from mx_driving.patches import excluded, load_all
from mx_driving.training import arguments
from mx_driving.training.run import Run


class Application:
    """Chooses the patches when the hook is built, applies them to a run and takes them back after it."""

    def __init__(self, disable: Any, enable: Any, only: Any, device: Any, strict: Any, restore: Any):
        disable, enable = arguments.names("disable", disable), arguments.names("enable", enable)
        self._choice = (disable, enable, None if only is None else arguments.names("only", only))
        excluded(*self._choice)  # for its errors: a wrong name is said before the run begins
        self._device = arguments.one_of("device", device, arguments.DEVICES)
        self._strict = arguments.flag("strict", strict)
        self.restore = arguments.flag("restore", restore)
        self._patches: Optional[PatchSet] = None

    def begin(self, run: Run) -> None:
        """Apply the patches and report them; once per run, however often the runner calls ``before_run``."""
        if self._patches is not None:
            return
        run.require_writable()
        device = devices.resolve(self._device)
        self._patches = PatchSet(
            load_all(),
            device=device,
            excluded=excluded(*self._choice, device),
            strict=self._strict,
            roots=run.model.modules(),
        )
        report = self._patches.apply()
        report.operators = mmcv_ext.describe()
        if run.rank == 0:
            run.logger.info(report.table())
            for name in report.names(FAILED):
                run.logger.error("patch %s failed: %s", name, report[name].reason)
        self._save(run)

    def end(self, run: Run) -> None:
        """Save the final report, late imports included, and undo the patches."""
        if self._patches is None:
            return
        self._save(run)
        if self.restore:
            self._patches.undo()
            self._patches = None

    def _save(self, run: Run) -> None:
        if run.rank == 0 and self._patches is not None:
            self._patches.report.save(run.directory / "patches.json")
