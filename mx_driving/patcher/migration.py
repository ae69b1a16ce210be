"""Reads a ``patch.py`` written for DrivingSDK's patcher and says it in config lines; nothing is executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Union

from mx_driving.patches import ALIASES, CATALOGUE

PACKAGE = "mx_driving.patcher"
IMPORT_CONTROL = ("skip_import", "replace_import", "inject_import")
WINDOW = ("skip_first", "wait", "warmup", "active", "repeat")
DEFAULT_WINDOW = {"skip_first": 20, "wait": 1, "warmup": 1, "active": 1, "repeat": 1}
"""The peer's defaults, which a file that leaves them out relies on."""


@dataclass
class Migration:
    """What a patch file asks for.

    Args:
        default: whether the default set is used (``default_patcher_builder`` or ``default_patcher``).
        named: names of our patches that are added, in order.
        disabled: names that are left out.
        stop_at: iteration of ``brake_at``.
        profiling: arguments of ``with_profiling``.
        allow_internal_format: whether private formats are asked for.
        mmcv_version: what ``patch_mmcv_version`` or ``ensure_mmcv_version`` is given.
        left: what config lines cannot say, a line of text each.
    """

    default: bool = False
    named: List[str] = field(default_factory=list)
    disabled: List[str] = field(default_factory=list)
    stop_at: Optional[int] = None
    profiling: Optional[Dict[str, Any]] = None
    allow_internal_format: bool = False
    mmcv_version: Optional[str] = None
    left: List[str] = field(default_factory=list)

    def config(self) -> str:
        """Return the lines for the config."""
        hook: Dict[str, Any] = {"type": "NPUPatchHook"}
        if not self.default:
            hook["only"] = [name for name in self.named if name not in self.disabled]
        elif self.named:
            hook["enable"] = self.named
        disabled = [name for name in self.disabled if self.default and name not in self.named]
        if disabled:
            hook["disable"] = disabled
        if self.stop_at is not None:
            hook["stop_at"] = self.stop_at
        if self.allow_internal_format:
            hook["allow_internal_format"] = True
        hooks = [hook] if self.profiling is None else [hook, {"type": "ProfilerHook", **self.profiling}]
        lines = "".join(f"    {_dict(one)},\n" for one in hooks)
        imports = 'custom_imports = dict(imports=["mx_driving.runner_hooks"], allow_failed_imports=False)'
        return f"{imports}\ncustom_hooks = [\n{lines}]\n"


def _dict(values: Dict[str, Any]) -> str:
    def shown(value: Any) -> str:
        text = repr(value)
        return text.replace("'", '"') if isinstance(value, (str, list)) and '"' not in text else text

    return "dict(" + ", ".join(f"{key}={shown(value)}" for key, value in values.items()) + ")"


def read(source: str) -> Migration:
    """Read a patch file.

    Args:
        source: the file's text.

    Raises:
        SyntaxError: it is not Python.
    """
    return _Reader(source).migration


class _Reader:
    def __init__(self, source: str):
        tree = ast.parse(source)
        self.migration = Migration()
        self._source = source
        self._imported = dict(_imported(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and self._meaning(node) in ("default_patcher_builder", "default_patcher"):
                self.migration.default = True
        for call in sorted((n for n in ast.walk(tree) if isinstance(n, ast.Call)), key=_position):
            handler = getattr(self, f"_on_{_name(call.func)}", None)
            if handler is not None:
                handler(call)
            elif _name(call.func) in IMPORT_CONTROL:
                self._leave(call, "imports are not changed from a config; keep this line in a module that it imports")

    def _meaning(self, node: ast.AST) -> str:
        """Return the name that something was imported under from the patcher, or its own name."""
        name = _name(node)
        return self._imported.get(name, name)

    def _shown(self, node: ast.AST) -> str:
        text = ast.get_source_segment(self._source, node) or ""
        return " ".join(text.split())[:100]

    def _leave(self, node: ast.AST, advice: str) -> None:
        self.migration.left.append(f"line {getattr(node, 'lineno', 0)}: {self._shown(node)}: {advice}")

    def _on_add_module_patch(self, call: ast.Call) -> None:
        for patch in call.args[1:]:
            self._added(patch.args[0] if isinstance(patch, ast.Call) and patch.args else _keyword(patch, "func"), patch)

    def _on_add(self, call: ast.Call) -> None:
        for patch in call.args:
            self._added(patch, patch)

    def _added(self, what: Optional[ast.AST], shown: ast.AST) -> None:
        name = _canonical(self._meaning(what)) if isinstance(what, (ast.Name, ast.Attribute)) else None
        if name is not None:
            if name not in self.migration.named:
                self.migration.named.append(name)
            return
        if isinstance(what, (ast.Name, ast.Attribute, ast.Lambda)) or isinstance(shown, ast.Call):
            self._leave(
                shown, "a patch of your own: make it a record and name it in patches=[...] (writing-a-patch.md)"
            )

    def _on_disable_patches(self, call: ast.Call) -> None:
        for node in call.args:
            given = _literal(node)
            name = _canonical(given if isinstance(given, str) else self._meaning(node))
            if name is None:
                self._leave(call, f"{self._shown(node)} is no patch of ours")
            else:
                self.migration.disabled.append(name)

    _on_disable = _on_disable_patches

    def _on_brake_at(self, call: ast.Call) -> None:
        steps = _literal(call.args[0] if call.args else _keyword(call, "brake_step") or _keyword(call, "step"))
        if isinstance(steps, int):
            self.migration.stop_at = steps
        else:
            self._leave(call, "stop_at takes a number; --cfg-options can give it")

    _on_with_brake = _on_brake_at

    def _on_with_profiling(self, call: ast.Call) -> None:
        names = ("path", "level", *WINDOW)
        given = {name: _literal(node) for name, node in zip(names, call.args)}
        given.update({word.arg: _literal(word.value) for word in call.keywords if word.arg})
        if any(value is None for value in given.values()):
            return self._leave(call, "its arguments are no literals: write a ProfilerHook with the values")
        schedule = {name: given.get(name, DEFAULT_WINDOW[name]) for name in WINDOW}
        self.migration.profiling = {"path": given.get("path"), "level": given.get("level", 0), **schedule}

    def _on_build(self, call: ast.Call) -> None:
        allowed = call.args[0] if call.args else _keyword(call, "allow_internal_format")
        self.migration.allow_internal_format |= _literal(allowed) is True

    def _on_allow_internal_format(self, call: ast.Call) -> None:
        self.migration.allow_internal_format = not call.args or _literal(call.args[0]) is True

    def _on_patch_mmcv_version(self, call: ast.Call) -> None:
        version = _literal(call.args[0] if call.args else _keyword(call, "expected_version"))
        if isinstance(version, str):
            self.migration.mmcv_version = version
        else:
            self._leave(call, "its version is no literal: set MX_DRIVING_MMCV_VERSION to it")

    _on_ensure_mmcv_version = _on_patch_mmcv_version

    def _on_with_precision_debugger(self, call: ast.Call) -> None:
        self._leave(call, "msprobe is started from Python, not from a config")


def _imported(tree: ast.Module) -> Iterator[tuple]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mx_driving"):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)


def _position(call: ast.Call) -> tuple:
    # Of a chain the outer call begins where the inner one does: what it ends with tells their order.
    return (call.end_lineno or 0, call.end_col_offset or 0)


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _keyword(call: ast.AST, name: str) -> Optional[ast.AST]:
    return next((word.value for word in getattr(call, "keywords", ()) if word.arg == name), None)


def _literal(node: Union[ast.AST, None]) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _canonical(name: str) -> Optional[str]:
    name = ALIASES.get(name, name)
    return name if name in CATALOGUE else None
