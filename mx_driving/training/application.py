"""Patches of one run: chosen when a hook is built, applied when the run begins, taken back after it."""

from __future__ import annotations

from typing import Any, Optional

from mx_driving import device as devices
from mx_driving import mmcv_ext
from mx_driving._core import FAILED, PatchSet
from mx_driving.patches import excluded, load_all
from mx_driving.training import arguments
from mx_driving.training.own_patches import load_own
from mx_driving.training.run import Run


class Application:
    """Chooses the patches when the hook is built, applies them to a run and takes them back after it."""

    def __init__(self, disable: Any, enable: Any, only: Any, device: Any, strict: Any, restore: Any, patches: Any = ()):
        own = self._own = load_own(patches)
        disable, enable = arguments.names("disable", disable, own), arguments.names("enable", enable, own)
        self._choice = (disable, enable, None if only is None else arguments.names("only", only, own))
        excluded(*self._choice, own=own)  # for its errors: a wrong name is said before the run begins
        self._device = arguments.one_of("device", device, arguments.DEVICES)
        self._strict = arguments.flag("strict", strict)
        self.restore = arguments.flag("restore", restore)
        self._patches: Optional[PatchSet] = None

    def begin(self, run: Run) -> None:
        """Apply the patches and report them; those of an earlier run that were to stay are in force already.

        Raises:
            OSError: on rank 0: the report cannot be written; better known now than after a day.
            RuntimeError: ``device='npu'`` and there is none, or ``device='cpu'`` and the model is on one.
            PatchError: with ``strict``: a patch failed; none is in force then.
        """
        if self._patches is not None:
            return
        if run.rank == 0:
            run.require_writable()
        device = devices.resolve(self._device)
        _require_model_on(device, run.model)
        patches = PatchSet(
            (*load_all(), *self._own),
            device=device,
            excluded=excluded(*self._choice, device, self._own),
            strict=self._strict,
            roots=run.model.modules(),
        )
        report = patches.apply()
        self._patches = patches
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
        try:
            self._save(run)
        finally:
            if self.restore:
                patches, self._patches = self._patches, None
                patches.undo()

    def _save(self, run: Run) -> None:
        if run.rank != 0 or self._patches is None:
            return
        path = run.directory / "patches.json"
        try:
            self._patches.report.save(path)
        except OSError as exc:
            # No training was ever worth less than its report.
            run.logger.error("%s could not be written (%s); the run goes on without it", path, exc.strerror or exc)


def _require_model_on(device: str, model: Any) -> None:
    """Refuse to train on an NPU without its patches: the run would end at the first operator that needs one."""
    parameter = next(iter(model.parameters()), None)
    if device == "cpu" and parameter is not None and parameter.device.type == "npu":
        raise RuntimeError(
            f"device='cpu': expected a model on the CPU, got one on {parameter.device}, where the runner put it; leave "
            "device out and the NPU's patches apply, or train on the CPU in an environment without torch_npu"
        )
