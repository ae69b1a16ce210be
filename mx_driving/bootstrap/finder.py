"""The meta path finder that lets checking packages run their ``__init__`` inside a scope."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import nullcontext
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from mx_driving._import_hook import ImportHook

from .request import Request
from .starter import may_check
from .verdict import MmcvVersionWarning, Verdict, decide
from .view import Scope
from .window import Checks, read_checks

_lock = threading.Lock()
_running = threading.local()


def _running_roots() -> List[str]:
    """Packages whose ``__init__`` runs in this thread right now."""
    if not hasattr(_running, "roots"):
        _running.roots = []
    return _running.roots


class VersionFinder(ImportHook):
    """First on ``sys.meta_path`` while anybody asks for it; passes over all but packages that check a version."""

    def __init__(self) -> None:
        super().__init__()
        self._requests: List[Request] = []
        self.warned: Set[Tuple[str, str, str]] = set()

    @property
    def request(self) -> Optional[Request]:
        """The request in force: the youngest one."""
        return self._requests[-1] if self._requests else None

    def add(self, request: Request) -> None:
        """Put a request in force and make sure that the finder is asked first."""
        with _lock:
            self._requests.append(request)
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def remove(self, request: Request) -> None:
        """Take back one request, in any order; the last one takes the finder away as well."""
        with _lock:
            # By identity: two equal requests are two wishes.
            self._requests = [kept for kept in self._requests if kept is not request]
            if not self._requests and self in sys.meta_path:
                sys.meta_path.remove(self)

    def wants(self, name: str) -> bool:
        """Tell whether a request is in force and the name, or the package that runs now, is one that may check."""
        inside = name.partition(".")[0] in _running_roots()
        return self.request is not None and (inside or may_check(name))

    def around(self, name: str, spec: ModuleSpec) -> Optional[Check]:
        """Return the scope for a module that checks, None for all others."""
        request = self.request
        if request is None:
            return None
        checks = _checks_of(spec.loader, name)
        wanted = set(request.targets) & set(checks.windows)
        # An explicit version also reaches a check that could not be read; in a submodule only what is surely a check.
        if request.version is not None and may_check(name):
            wanted |= {"mmcv"} & checks.reads
        # A package that checks nothing itself is wrapped too: its `__init__` may import the module that does.
        if wanted or (spec.submodule_search_locations is not None and may_check(name)):
            return Check(self, request, checks, sorted(wanted))
        return None


def _checks_of(loader: Any, name: str) -> Checks:
    try:
        source = loader.get_source(name)
    except (AttributeError, ImportError, OSError, SyntaxError, ValueError):
        # No readable source: the import itself reports whatever is wrong with it.
        source = None
    return read_checks(source or "")


class Check:
    """Stands around a module that checks: its code runs inside a scope, and a failing check of it is explained."""

    def __init__(self, finder: VersionFinder, request: Request, checks: Checks, targets: Sequence[str]) -> None:
        self._finder = finder
        self._request = request
        self._checks = checks
        self._targets = targets

    def __call__(self, module: ModuleType, run: Callable[[], None]) -> None:
        """Run the module's code.

        Raises:
            whatever the module raises, the very exception object.
        """
        name = module.__name__
        verdicts: Dict[str, Verdict] = {}

        def ask(target: str, true: str) -> Optional[str]:
            verdict = verdicts[target] = decide(name, target, true, self._checks.windows.get(target), self._request)
            self._warn_once(name, target, verdict)
            return verdict.shown

        roots = _running_roots()
        roots.append(name.partition(".")[0])
        try:
            with Scope(vars(module), roots[-1], self._targets, ask) if self._targets else nullcontext():
                run()
        except Exception as exc:
            _explain(exc, module, verdicts)
            raise
        finally:
            roots.pop()

    def _warn_once(self, name: str, target: str, verdict: Verdict) -> None:
        key = (name, target, verdict.shown or "")
        if verdict.message is None or key in self._finder.warned:
            return
        self._finder.warned.add(key)
        # Level 5 is the import statement in the package: warn, ask, view_of, _import, module.
        warnings.warn(verdict.message, MmcvVersionWarning, stacklevel=5)


def _explain(exc: Exception, module: ModuleType, verdicts: Dict[str, Verdict]) -> None:
    """Append to the message of the module's own failing check why no other version was shown."""
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    raised_here = frame is not None and frame.tb_frame.f_globals is vars(module)
    for target, verdict in verdicts.items():
        if raised_here and verdict.reason and target in str(exc).lower():
            exc.args = (f"{exc} {verdict.reason}",)
            return


#: The one finder of this process.
FINDER = VersionFinder()
