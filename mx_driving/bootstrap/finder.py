"""The meta path finder that lets checking packages run their ``__init__`` inside a scope."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import nullcontext
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

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


class VersionFinder:
    """First on ``sys.meta_path`` while anybody asks for it; passes over all but packages that check a version."""

    def __init__(self) -> None:
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

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Meta path protocol: wrap the loader of a module that checks, answer None for all others."""
        request = self.request
        inside = name.partition(".")[0] in _running_roots()
        if request is None or not (inside or may_check(name)):
            return None
        spec = self._ask_others(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        checks = _checks_of(spec.loader, name)
        wanted = set(request.targets) & set(checks.windows)
        # An explicit version also reaches a check that could not be read; in a submodule only what is surely a check.
        if request.version is not None and may_check(name):
            wanted |= {"mmcv"} & checks.reads
        # A package that checks nothing itself is wrapped too: its `__init__` may import the module that does.
        if wanted or (spec.submodule_search_locations is not None and may_check(name)):
            spec.loader = CheckedLoader(spec.loader, self, request, checks, sorted(wanted))  # type: ignore[assignment]
        return spec

    def _ask_others(
        self, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType]
    ) -> Optional[ModuleSpec]:
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if find_spec is not None and finder is not self else None
            if spec is not None:
                return spec
        return None


def _checks_of(loader: Any, name: str) -> Checks:
    try:
        source = loader.get_source(name)
    except (AttributeError, ImportError, OSError, SyntaxError, ValueError):
        # No readable source: the import itself reports whatever is wrong with it.
        source = None
    return read_checks(source or "")


class CheckedLoader:
    """Runs a module with the original loader, inside a scope; leaves no trace of itself on the module."""

    def __init__(
        self, loader: Any, finder: VersionFinder, request: Request, checks: Checks, targets: Sequence[str]
    ) -> None:
        self._loader = loader
        self._finder = finder
        self._request = request
        self._checks = checks
        self._targets = targets

    def __getattr__(self, name: str) -> Any:
        # Readers of a spec (runpy, importlib.resources, pkgutil) expect the original loader's own methods.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """Loader protocol: what the original loader does."""
        create = getattr(self._loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        """Loader protocol: run the module's code; a failing check of it gets a sentence that explains.

        Raises:
            whatever the module raises, the very exception object.
        """
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
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
                self._execute(module)
        except Exception as exc:
            _explain(exc, module, verdicts)
            raise
        finally:
            roots.pop()

    def _execute(self, module: ModuleType) -> None:
        if hasattr(self._loader, "exec_module"):
            self._loader.exec_module(module)
            return
        # zipimport before Python 3.10 has only load_module, which would make a module of its own.
        code: CodeType = self._loader.get_code(module.__name__)
        exec(code, vars(module))  # noqa: S102

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
