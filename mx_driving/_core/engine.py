"""Apply sets of patches and take them back.

A set resolves all targets of a patch before it touches any: a patch is in force as a whole or not at all. What is in
force at a site is a ``Stack`` that all sets of the process share.
"""

from __future__ import annotations

import logging
import threading
import weakref
from types import ModuleType
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from mx_driving._core import effects
from mx_driving._core.errors import PatchError, PatchSkipped
from mx_driving._core.record import Effect, PatchRecord
from mx_driving._core.report import APPLIED, FAILED, SKIPPED, WAITING, Outcome, Report
from mx_driving._core.resolve import Found, Lacking, NotYet, instances, resolve
from mx_driving._core.stack import Stack
from mx_driving._core.stacks import _stacks as _stacks  # what tests look into
from mx_driving._core.stacks import release, settle, stack_at
from mx_driving._core.versions import unmet
from mx_driving._core.waiting import when_imported

_log = logging.getLogger("mx_driving")
_lock = threading.RLock()


class PatchSet:
    """Patches that are applied and undone together; also a context manager.

    Args:
        patches: in the order in which they are applied.
        device: ``cpu`` or ``npu``; patches for other devices are skipped.
        excluded: reasons of patches that the user switched off, by name.
        strict: whether a failed patch is an error.
        roots: objects whose attributes are searched for aliases, such as the submodules of a model; held weakly.

    Raises:
        PatchError: from ``apply``, with ``strict``: a patch failed. What was applied before is undone.
    """

    def __init__(
        self,
        patches: Iterable[PatchRecord],
        device: str = "cpu",
        excluded: Optional[Mapping[str, str]] = None,
        strict: bool = False,
        roots: Iterable[Any] = (),
    ):
        self.patches = tuple(patches)
        self.device = device
        self.strict = strict
        self.report = Report(device)
        self._excluded = dict(excluded or {})
        # Weakly: patches that stay in force are no reason to keep a model in memory.
        self._references = [weakref.ref(root) for root in roots]
        self._active = False
        self._withdraw: List[Callable[[], None]] = []
        self._places: List[Tuple[Outcome, str, Stack]] = []

    @property
    def _roots(self) -> List[Any]:
        return [root for root in (reference() for reference in self._references) if root is not None]

    def __enter__(self) -> PatchSet:
        self.apply()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()

    def apply(self) -> Report:
        """Put the patches in force; a second call changes nothing."""
        with _lock:
            if self._active:
                _log.warning("these patches are in force already: nothing changed")
                return self.report
            self._active = True
            self.report = Report(self.device)
            try:
                self._apply_all()
            except BaseException:
                # Half of a set in force would make a second try say that all of it is.
                self.undo()
                raise
        return self.report

    def _apply_all(self) -> None:
        touched: List[Stack] = []
        for patch in self.patches:
            outcome = Outcome(patch.name, SKIPPED, in_model=instances(patch, self._roots))
            self.report.outcomes.append(outcome)
            self._apply(patch, outcome, touched)
        self._settle(touched)
        self._fail_if_strict()

    def undo(self) -> None:
        """Take back what this set alone holds in force; a second call changes nothing."""
        with _lock:
            self._active = False
            while self._withdraw:
                self._withdraw.pop()()
            effects.release(self)
            release(self, self._roots)
            self._places.clear()

    def _apply(self, patch: PatchRecord, outcome: Outcome, touched: List[Stack]) -> None:
        reason = self._why_not(patch)
        if reason:
            outcome.reason = reason
            return
        places = [resolve(target) for target in patch.targets]
        fatal = [place.reason for place in places if isinstance(place, Lacking) and place.fatal]
        if fatal:
            outcome.status, outcome.reason = FAILED, "; ".join(fatal)
            return
        try:
            if patch.prepare is not None:
                patch.prepare()
            self._put(places, outcome, touched)
        except PatchSkipped as skip:
            outcome.reason = str(skip)
            return
        except PatchError as exc:
            outcome.status, outcome.reason = FAILED, str(exc)
            return
        self._wait(patch, places, outcome)
        _conclude(places, outcome)

    def _why_not(self, patch: PatchRecord) -> Optional[str]:
        if patch.name in self._excluded:
            return self._excluded[patch.name]
        if self.device not in patch.devices:
            return f"only on {' and '.join(patch.devices)}"
        return unmet(patch.requires)

    def _put(self, places: Sequence[Union[Found, NotYet, Lacking]], outcome: Outcome, touched: List[Stack]) -> None:
        for place in places:
            if not isinstance(place, Found):
                continue
            outcome.targets[place.target.path] = []
            if isinstance(place.target, Effect):
                if place.target.last:
                    self._settle(touched)
                effects.hold(place.target, self)
                continue
            stack = stack_at(place.owner, place.name)
            if stack.hold(place.target, self):
                touched.append(stack)
            self._places.append((outcome, place.target.path, stack))

    def _settle(self, touched: List[Stack]) -> None:
        """Put in force what has been held, and report which aliases followed."""
        settle(touched, self._roots)
        touched.clear()
        for outcome, path, stack in self._places:
            outcome.targets[path] = [alias.where for alias in stack.aliases]

    def _wait(self, patch: PatchRecord, places: Sequence[Union[Found, NotYet, Lacking]], outcome: Outcome) -> None:
        for name in dict.fromkeys(place.module for place in places if isinstance(place, NotYet)):
            outcome.waiting_for.append(name)
            self._withdraw.append(when_imported(name, lambda module: self._arrived(patch, outcome, module)))

    def _arrived(self, patch: PatchRecord, outcome: Outcome, module: ModuleType) -> None:
        with _lock:
            if not self._active:
                return
            outcome.waiting_for.remove(module.__name__)
            targets = [target for target in patch.targets if getattr(target, "module", None) == module.__name__]
            places = [resolve(target) for target in targets]
            fatal = [place.reason for place in places if isinstance(place, Lacking) and place.fatal]
            if fatal:
                outcome.status, outcome.reason = FAILED, "; ".join(fatal)
                _log.error("patch %s failed when %s was imported: %s", patch.name, module.__name__, outcome.reason)
                return self._fail_if_strict()
            touched: List[Stack] = []
            self._put(places, outcome, touched)
            self._settle(touched)
            _conclude(places, outcome)

    def _fail_if_strict(self) -> None:
        failed = self.report.names(FAILED)
        if self.strict and failed:
            self.undo()
            reasons = "; ".join(f"{name}: {self.report[name].reason}" for name in failed)
            raise PatchError(
                f"strict=True and these patches failed: {reasons}; disable them or install a range they know"
            )


def _conclude(places: Sequence[Union[Found, NotYet, Lacking]], outcome: Outcome) -> None:
    # A path may have a target for each range of versions: the ones that another stands in for are nothing to remark.
    remarks = [p.reason for p in places if isinstance(p, Lacking) and p.target.path not in outcome.targets]
    if outcome.waiting_for:
        remarks.append(f"waits for the import of {', '.join(outcome.waiting_for)}")
    if outcome.targets:
        outcome.status = APPLIED
    elif outcome.waiting_for:
        outcome.status = WAITING
    outcome.reason = "; ".join(dict.fromkeys(remarks))
