"""PatcherBuilder, Patcher and Patch: the Python interface of the founding text."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple, Union

from mx_driving import _core, device
from mx_driving._core import FAILED, PatchSet, Report, UnknownPatchError, unknown_name
from mx_driving.patcher.functions import PatchFunction, as_patch
from mx_driving.patcher.steps import DEFAULT_PLAN, Training, make_scheduler
from mx_driving.patches import CATALOGUE, canonical, load_all
from mx_driving.profiling import read_plan
from mx_driving.training import arguments, npu_setup
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
    """Collects patches and settings; every method changes the builder and returns it.

    Example:
        >>> import math
        >>> def rounder(module, options):
        ...     module.tau = options["tau"]
        >>> builder = PatcherBuilder().add_module_patch("math", Patch(rounder, {"tau": 6}))
        >>> with builder.build(device="cpu"):
        ...     print(math.tau)
        6
        >>> round(math.tau, 2)
        6.28
    """

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
            record = self._told_apart(patch.bound_to(module))
            self._patches[record.name] = record
            self._unasked.discard(record.name)
        return self

    def _told_apart(self, record: _core.PatchRecord) -> _core.PatchRecord:
        """Number a function whose name another one has: each is applied, and ``disable_patches`` means all of them."""
        if record.name in CATALOGUE or record.name not in self._patches:
            return record
        taken = sum(_plain(name) == record.name for name in self._patches)
        return dataclasses.replace(record, name=f"{record.name}#{taken + 1}")

    def disable_patches(self, *names: str) -> PatcherBuilder:
        """Leave patches out, those that are added later too.

        A patch of the catalogue that is not in the builder is no error.

        Args:
            names: patches' names (both generations of DrivingSDK's too), functions' names, or places that they change.
        """
        self._disabled.extend(canonical(name) for name in names)
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

    def build(self, allow_internal_format: bool = False, device: str = "auto", strict: bool = False) -> Patcher:
        """Return a patcher; nothing is changed before its ``with`` or its ``apply``.

        Args:
            allow_internal_format: whether torch_npu may use its private memory formats; without an NPU no effect.
            device: ``auto`` (an NPU if there is one), ``npu`` or ``cpu``.
            strict: whether a failed patch is an error.

        Raises:
            UnknownPatchError: a name that was disabled is none of a patch, here or in the catalogue.
        """
        labels = {name: {name, _plain(name), *_places(record)} for name, record in self._patches.items()}
        for name in self._disabled:
            if name not in CATALOGUE and not any(name in own for own in labels.values()):
                known = {*CATALOGUE, *map(_plain, self._patches)}
                raise UnknownPatchError(unknown_name(name, known, "disable_patches"))
        excluded = {name: "disabled by the user" for name, own in labels.items() if own & set(self._disabled)}
        unasked = tuple(record for name, record in self._patches.items() if name in self._unasked)
        setup = _SetUp(
            tuple(self._patches.values()),
            unasked,
            excluded,
            arguments.one_of("device", device, arguments.DEVICES),
            arguments.flag("strict", strict),
            arguments.flag("allow_internal_format", allow_internal_format),
        )
        return Patcher(setup, self._profiling, self._stop_at)


class _SetUp(NamedTuple):
    """What a builder had collected when it built a patcher: later changes of the builder are none of the patcher."""

    patches: Tuple[_core.PatchRecord, ...]
    unasked: Tuple[_core.PatchRecord, ...]
    excluded: Dict[str, str]
    device: str
    strict: bool
    allow_internal_format: bool


_inside: ContextVar[Tuple[Patcher, ...]] = ContextVar("mx_driving patchers", default=())
"""The patchers whose ``with`` this thread or task is in, the innermost last."""


class Patcher:
    """Patches in force inside a ``with``, or from ``apply`` to ``undo``.

    A ``with`` may be entered again, nested, by other threads and by tasks: the last one out takes the patches back. On
    an NPU the patcher also sets the device up, and takes that back (``mx_driving.training.npu_setup``).
    """

    def __init__(self, setup: _SetUp, profiling: Optional[Tuple[Recording, Path]], stop_at: Optional[int]):
        self._setup = setup
        self._set: Optional[PatchSet] = None
        self._profiling = profiling
        self._stop_at = stop_at
        self._training: Optional[Training] = None
        self._lock = threading.RLock()
        self._entered = 0
        self._applied = False

    @property
    def report(self) -> Report:
        """What became of each patch; empty before they are applied."""
        return self._set.report if self._set else Report(self._setup.device)

    @property
    def in_force(self) -> bool:
        """Whether the patches are in force, by ``apply`` or inside a ``with``."""
        return self._applied or self._entered > 0

    def apply(self) -> Report:
        """Put the patches in force until ``undo``; a second call changes nothing.

        Windows and a stop belong to the ``with``: this says so if there are any.
        """
        with self._lock:
            if self._applied:
                _log.warning("these patches are in force already: nothing changed")
                return self.report
            if self._profiling is not None or self._stop_at is not None:
                _log.warning(
                    "apply() neither records nor stops: with_profiling and stop_at need `with builder.build():`"
                )
            self._put()
            self._applied = True
            return self.report

    def undo(self) -> None:
        """Take the patches back, also inside a ``with``; a second call changes nothing."""
        with self._lock:
            self._applied = False
            self._take_back()

    def _put(self) -> None:
        if self.in_force:
            return
        on = device.resolve(self._setup.device)
        npu_setup.hold(self, self._setup.allow_internal_format)
        try:
            off = {patch.name: patch.why_off(on) for patch in self._setup.unasked if patch.why_off(on)}
            excluded = {**off, **self._setup.excluded}
            self._set = PatchSet(self._setup.patches, device=on, excluded=excluded, strict=self._setup.strict)
            report = self._set.apply()
        except BaseException:
            npu_setup.release(self)
            raise
        _log.info("%s", report.table())
        for name in report.names(FAILED):
            _log.error("patch %s failed: %s", name, report[name].reason)

    def _take_back(self) -> None:
        try:
            if self._set is not None:
                self._set.undo()
        finally:
            npu_setup.release(self)

    def __enter__(self) -> Patcher:
        with self._lock:
            self._put()
            self._entered += 1
            try:
                if self._entered == 1:
                    self._training = self._begin_training()
            except BaseException:
                self._leave()
                raise
        _inside.set((*_inside.get(), self))
        return self

    def __exit__(self, kind: Any, exc: Any, traceback: Any) -> bool:
        outer = list(_inside.get())
        if self in outer:
            outer.reverse()
            outer.remove(self)
            outer.reverse()
        _inside.set(tuple(outer))
        # Read before it is let go: the stop belongs to whoever counted, and an outer `with` ends with it.
        mine = isinstance(exc, StopTraining) and exc.args == (self._training,) and self not in outer
        with self._lock:
            self._leave()
        return mine

    def _begin_training(self) -> Optional[Training]:
        recorder = None
        if self._profiling is not None:
            recording, path = self._profiling
            recorder = make_scheduler(recording, path, device.resolve(self._setup.device))
        return Training(recorder, self._stop_at) if recorder is not None or self._stop_at is not None else None

    def _leave(self) -> None:
        self._entered -= 1
        if self._entered:
            return
        training, self._training = self._training, None
        try:
            if training is not None:
                training.finish()
        finally:
            if not self._applied:
                self._take_back()


def _places(record: _core.PatchRecord) -> List[str]:
    """Return a patch's target paths, in our writing and with dots alone."""
    paths = [target.path for target in record.targets]
    return [*paths, *(path.replace(":", ".") for path in paths)]


def _plain(name: str) -> str:
    """Return a patch's name without the number that tells functions of one name apart."""
    return name.partition("#")[0]


def default_builder() -> PatcherBuilder:
    """Return a new builder that holds every patch that is on by default."""
    builder = PatcherBuilder()
    builder._patches = {patch.name: patch for patch in load_all() if patch.default}
    builder._unasked = set(builder._patches)
    return builder
