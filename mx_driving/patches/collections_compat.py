"""``collections_compat``: the names that Python 3.10 removed from ``collections``, which old repositories still use."""

from __future__ import annotations

import collections.abc

from mx_driving._core import ANYWHERE, PatchRecord, Provide

NAMES = (
    "AsyncGenerator", "AsyncIterable", "AsyncIterator", "Awaitable", "Callable", "Collection", "Container", "Coroutine",
    "Generator", "Hashable", "ItemsView", "Iterable", "Iterator", "KeysView", "Mapping", "MappingView",
    "MutableMapping", "MutableSequence", "MutableSet", "Reversible", "Sequence", "Set", "Sized", "ValuesView",
)  # fmt: skip
"""What Python 3.9 had there, but ``ByteString``, which is on its way out of ``collections.abc`` as well."""

PATCH = PatchRecord(
    name="collections_compat",
    what="the names that Python 3.10 removed (`collections.Iterable` and its kin)",
    what_zh="Python 3.10 删除的名称（`collections.Iterable` 等）",
    targets=tuple(Provide(f"collections:{name}", getattr(collections.abc, name)) for name in NAMES),
    devices=ANYWHERE,
    default=False,
    why="AttributeError: module 'collections' has no attribute 'Iterable', in code written before Python 3.3",
    upstream="removed in Python 3.10 after seven years of deprecation",
    remove_when="the repositories in use import from collections.abc",
)
