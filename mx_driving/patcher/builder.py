"""PatcherBuilder, Patcher and Patch: the Python interface of the founding text."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple, Union

from mx_driving import _core, device
from mx_driving._core import FAILED, PatchSet, Report, UnknownPatchError, unknown_name
from mx_driving.patcher.functions import PatchFunction, as_patch
from mx_driving.patcher.steps import DEFAULT_PLAN, Training, make_scheduler
from mx_driving.patches import load_all
from mx_driving.profiling import read_plan
from mx_driving.training import arguments
from mx_driving.training.scheduler import Recording
from mx_driving.training.stop import StopTraining

_log = logging.getLogger("mx_driving")


class Patch:
    """A patch to add to a builder.

    Args:
        patch: one of ours (``from mx_driving.patcher import msda``) or a function ``f(module, options)`` that assigns
            what it changes.
        options: handed to such a function.

    Raises:
        TypeError: neither of the two, or options for one of ours, which takes none.
    """

    def __init__(self, patch: Union[_core.PatchRecord, PatchFunction], options: Optional[Dict[str, Any]] = None):
        if not isinstance(patch, _core.PatchRecord) and not callable(patch):
            raise TypeError(f"Patch: expected a patch of mx_driving or a function f(module, options), got {patch!r}")
        if isinstance(patch, _core.PatchRecord) and options:
            raise TypeError(f"Patch: expected no options for {patch.name!r}, got {options!r}")
        self._patch = patch
        self._options = options

    def bound_to(self, module: str) -> _core.PatchRecord:
        """Return the record for use on a module.

        Raises:
            ValueError: a patch of ours that has nothing to do with the module's package.
        """
        if not isinstance(self._patch, _core.PatchRecord):
            return as_patch(self._patch, module, self._options)
        packages = {name.partition(".")[0] for name in self._patch.modules} or {"torch"}
        if module.partition(".")[0] not in packages:
            expected = " or ".join(sorted(packages))
            raise ValueError(f"add_module_patch: {self._patch.name!r} changes {expected}, got the module {module!r}")
        return self._patch


class PatcherBuilder:
    """Collects patches and settings; every method changes the builder and returns it."""

    def __init__(self) -> None:
        self._patches: Dict[str, _core.PatchRecord] = {}
        self._unasked: Set[str] = set()  # patches that nobody named: each device may leave some of them out
        self._disabled: List[str] = []
        self._profiling: Optional[Tuple[Recording, Path]] = None
        self._stop_at: Optional[int] = None

    def add_module_patch(self, module: str, *patches: Patch) -> PatcherBuilder:
        """Add patches for a module such as ``"mmcv.ops"``."""
        for patch in patches:
            if not isinstance(patch, Patch):
                raise TypeError(f"add_module_patch: expected Patch(...), got {patch!r}; write Patch(msda), not msda")
            record = patch.bound_to(module)
            self._patches[record.name] = record
            self._unasked.discard(record.name)
        return self

    def disable_patches(self, *names: str) -> PatcherBuilder:
        """Leave patches out.

        Raises:
            UnknownPatchError: a name is not among the builder's patches.
        """
        for name in names:
            if name not in self._patches:
                raise UnknownPatchError(unknown_name(name, self._patches, "disable_patches"))
        self._disabled.extend(names)
        return self

    def with_profiling(
        self,
        path: Union[str, os.PathLike],
        level: int = 0,
        iters: Any = None,
        skip_first: Optional[int] = None,
        wait: Optional[int] = None,
        warmup: Optional[int] = None,
        active: Optional[int] = None,
        repeat: Optional[int] = None,
        **options: bool,
    ) -> PatcherBuilder:
        """Record windows of iterations, counted by the optimizer's steps; with neither windows nor a schedule (10, 15).

        Args:
            path: folder for traces and summaries.
            level: 0 device activity only, 1 device and CPU, 2 with call stacks as well.
            iters: half-open window ``(start, stop)``, or several of them.
            skip_first: instead of ``iters``, as in ``torch.profiler.schedule``: iterations before the first cycle.
            wait: iterations of a cycle with nothing running.
            warmup: iterations traced and thrown away before those that are kept; goes with ``iters`` as well.
            active: iterations that a cycle keeps.
            repeat: cycles, 1 if left out; 0 goes on to the end.
            options: ``record_shapes``, ``profile_memory``, ``with_stack``, ``with_flops``, ``with_modules`` override
                what the level chooses.
        """
        plan = read_plan(iters, skip_first, wait, warmup, active, repeat) or DEFAULT_PLAN
        self._profiling = (Recording.checked(plan, level, options), Path(path))
        return self

    def stop_at(self, iteration: int) -> PatcherBuilder:
        """Leave the ``with`` after so many optimizer steps; what follows it in the script still runs."""
        self._stop_at = arguments.iteration("stop_at", iteration)
        return self

    brake_at = stop_at

    def build(self, device: str = "auto", strict: bool = False) -> Patcher:
        """Return a patcher; nothing is changed before its ``with`` or its ``apply``."""
        excluded = dict.fromkeys(self._disabled, "disabled by the user")
        unasked = tuple(record for name, record in self._patches.items() if name in self._unasked)
        patcher = Patcher(tuple(self._patches.values()), excluded, device, strict, self._profiling, self._stop_at)
        patcher._unasked = unasked
        return patcher


class Patcher:
    """Patches in force inside a ``with``, or from ``apply`` to ``undo``."""

    def __init__(self, patches: Tuple, excluded: Dict, on: str, strict: bool, profiling: Any, stop_at: Optional[int]):
        self._device = arguments.one_of("device", on, arguments.DEVICES)
        self._set: Optional[PatchSet] = None
        self._arguments: Dict[str, Any] = {"patches": patches, "excluded": excluded, "strict": strict}
        self._profiling = profiling
        self._stop_at = stop_at
        self._training: Optional[Training] = None
        self._unasked: Tuple[_core.PatchRecord, ...] = ()

    @property
    def report(self) -> Report:
        """What became of each patch; empty before they are applied."""
        return self._set.report if self._set else Report(self._device)

    def apply(self) -> Report:
        """Put the patches in force and log the table; a second call changes nothing."""
        if self._set is None:
            on = device.resolve(self._device)
            off = {patch.name: patch.why_off(on) for patch in self._unasked if patch.why_off(on)}
            self._set = PatchSet(device=on, **{**self._arguments, "excluded": {**off, **self._arguments["excluded"]}})
        report = self._set.apply()
        _log.info("%s", report.table())
        for name in report.names(FAILED):
            _log.error("patch %s failed: %s", name, report[name].reason)
        return report

    def undo(self) -> None:
        """Take the patches back; a second call changes nothing."""
        if self._set is not None:
            self._set.undo()

    def __enter__(self) -> Patcher:
        self.apply()
        recorder = None
        if self._profiling is not None:
            recording, path = self._profiling
            recorder = make_scheduler(recording, path, device.resolve(self._device))
        if recorder is not None or self._stop_at is not None:
            self._training = Training(recorder, self._stop_at)
        return self

    def __exit__(self, kind: Any, exc: Any, traceback: Any) -> bool:
        try:
            if self._training is not None:
                self._training.finish()
        finally:
            self._training = None
            self.undo()
        return isinstance(exc, StopTraining)


def default_builder() -> PatcherBuilder:
    """Return a new builder that holds every patch that is on by default."""
    builder = PatcherBuilder()
    builder._patches = {patch.name: patch for patch in load_all() if patch.default}
    builder._unasked = set(builder._patches)
    return builder
