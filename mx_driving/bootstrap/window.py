"""Read the version window that a package asserts from its source, without executing it.

The names of the variables do not matter: constants are followed from their assignment through helper calls such as
``digit_version`` or ``packaging.version.parse`` into the comparison, so that ``mmcv_maximum_version``, ``MMCV_MAX`` and
names yet unseen read alike.
"""

from __future__ import annotations

import ast
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from .versions import Window, parse

#: Distributions whose version a package of the family may assert.
TARGETS = ("mmcv", "mmengine", "mmdet", "mmseg")

_OPERATORS = {ast.GtE: ">=", ast.Gt: ">", ast.LtE: "<=", ast.Lt: "<", ast.Eq: "==", ast.NotEq: "!="}
_MIRROR = {">=": "<=", ">": "<", "<=": ">=", "<": ">", "==": "==", "!=": "!="}
_NEGATE = {">=": "<", ">": "<=", "<=": ">", "<": ">=", "==": "!=", "!=": "=="}


class Checks(NamedTuple):
    """What a module's source says about versions of others."""

    #: Windows by the name of the package whose version is asserted.
    windows: Dict[str, Window]
    #: Packages whose ``__version__`` is read at all, in a recognised check or not.
    reads: Set[str]


class _Value(NamedTuple):
    """An expression's meaning: the version of ``target``, or the literal ``text``."""

    target: Optional[str]
    text: str


def read_checks(source: str) -> Checks:
    """Find the version checks that run when this source is imported.

    Args:
        source: Python source of a package's ``__init__`` or of a module.

    Returns:
        Empty when nothing is checked or the source does not parse.
    """
    if "__version__" not in source or not any(target in source for target in TARGETS):
        return Checks({}, set())
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # The import that follows reports it with the right file and line.
        return Checks({}, set())
    return _Reader(tree).checks()


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self._modules: Dict[str, str] = {}
        self._values: Dict[str, _Value] = {}
        self._reads: Set[str] = set()
        self._statements = list(_executed(tree))
        for node in self._statements:
            self._bind(node)
            for inner in ast.walk(node):
                self._note_read(inner)

    def checks(self) -> Checks:
        found: Dict[str, List[Tuple[str, str]]] = {}
        for node in self._statements:
            for target, bound in self._conditions(node):
                bounds = found.setdefault(target, [])
                if bound not in bounds:
                    bounds.append(bound)
        return Checks({target: Window(tuple(bounds)) for target, bounds in found.items()}, self._reads)

    def _bind(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for name in node.names:
                root = name.name.split(".")[0]
                if root in TARGETS and (name.asname is None or name.name == root):
                    self._modules[name.asname or root] = root
        elif isinstance(node, ast.ImportFrom) and not node.level:
            root, _, rest = (node.module or "").partition(".")
            for name in node.names if root in TARGETS and rest in ("", "version") else ():
                if name.name == "__version__":
                    self._reads.add(root)
                    self._values[name.asname or name.name] = _Value(root, "")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            value = self._resolve(node.value)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and value is not None:
                    self._values[target.id] = value

    def _resolve(self, node: ast.expr) -> Optional[_Value]:
        if isinstance(node, ast.Constant):
            return _literal(node.value)
        if isinstance(node, ast.Name):
            return self._values.get(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            inner = [*node.args, *(word.value for word in node.keywords)]
            inner += [node.func.value] if isinstance(node.func, ast.Attribute) else []
            return next((value for value in map(self._resolve, inner) if value), None)
        if isinstance(node, ast.Subscript):
            return self._resolve(node.value)
        if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            return self._resolve(node.generators[0].iter)
        if isinstance(node, (ast.Tuple, ast.List)):
            return _literal(".".join(str(getattr(item, "value", "?")) for item in node.elts))
        return None

    def _attribute(self, node: ast.Attribute) -> Optional[_Value]:
        root = self._modules.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if root is not None and node.attr == "__version__":
            return _Value(root, "")
        # `Version(text).release` means the version it was taken from.
        return self._resolve(node.value) if isinstance(node.value, ast.Call) else None

    def _note_read(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr == "__version__":
            self._reads.update({self._modules[node.value.id]} if node.value.id in self._modules else ())

    def _conditions(self, node: ast.stmt) -> Iterator[Tuple[str, Tuple[str, str]]]:
        if isinstance(node, ast.Assert):
            yield from self._required(node.test, True)
        elif isinstance(node, ast.If) and any(isinstance(inner, ast.Raise) for inner in node.body):
            yield from self._required(node.test, False)
        elif isinstance(node, ast.If) and any(isinstance(inner, ast.Raise) for inner in node.orelse):
            yield from self._required(node.test, True)

    def _required(self, test: ast.expr, truth: bool) -> Iterator[Tuple[str, Tuple[str, str]]]:
        """Yield what must hold so that ``test`` has this truth value."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield from self._required(test.operand, not truth)
        elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And if truth else ast.Or):
            for value in test.values:
                yield from self._required(value, truth)
        elif isinstance(test, ast.Compare) and (truth or len(test.ops) == 1):
            operands = [test.left, *test.comparators]
            for left, operation, right in zip(operands, test.ops, operands[1:]):
                yield from self._pair(left, _OPERATORS.get(type(operation)), right, truth)

    def _pair(
        self, left: ast.expr, op: Optional[str], right: ast.expr, truth: bool
    ) -> Iterator[Tuple[str, Tuple[str, str]]]:
        first, second = self._resolve(left), self._resolve(right)
        if op is None or first is None or second is None or bool(first.target) == bool(second.target):
            return
        if second.target:
            first, second, op = second, first, _MIRROR[op]
        yield first.target or "", (op if truth else _NEGATE[op], second.text)


def _literal(value: object) -> Optional[_Value]:
    if not isinstance(value, str):
        return None
    try:
        parse(value)
    except ValueError:
        return None
    return _Value(None, value)


def _executed(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run at import, in order: the module's own and those of functions it calls by name."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    yield from _run(tree.body, functions, set())


def _run(body: Sequence[ast.stmt], functions: Dict[str, ast.FunctionDef], entered: Set[str]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        yield node
        for name in _called(node) & functions.keys() - entered:
            entered.add(name)
            yield from _run(functions[name].body, functions, entered)
        for block in ("body", "orelse", "finalbody"):
            yield from _run(getattr(node, block, ()), functions, entered)
        for handler in getattr(node, "handlers", ()):
            yield from _run(handler.body, functions, entered)


def _called(node: ast.stmt) -> Set[str]:
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}
