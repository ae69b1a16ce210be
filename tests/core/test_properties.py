"""Whatever the owner is and in whatever order sets come and go: undo restores identity."""

from __future__ import annotations

import functools
import random
import sys
import types

from hypothesis import given, settings
from hypothesis import strategies as st

from mx_driving._core import PatchRecord, PatchSet, Replace

try:
    from mmengine.registry import Registry
except ModuleNotFoundError:  # the mmcv1 line
    from mmcv.utils import Registry

PLACES = (
    "f",
    "Base.method",
    "Base.static",
    "Base.klass",
    "Base.prop",
    "Derived.method",
    "Derived.static",
    "Derived.own",
)
ALIASES = ("global", "partial", "registry", "class", "instance")


def build_world(aliases):
    """Return modules with every kind of owner, and the given kinds of aliases of each plain callable."""
    module = types.ModuleType("world_pkg")

    def f(*args):
        return ("f", args)

    class Base:
        def method(self):
            return "method"

        @staticmethod
        def static():
            return "static"

        @classmethod
        def klass(cls):
            return "klass"

        @property
        def prop(self):
            return "prop"

    class Derived(Base):
        def own(self):
            return "own"

    vars(module).update(f=f, Base=Base, Derived=Derived)
    user, instance = types.ModuleType("world_user"), Derived()
    callables = {"f": f, "static": Base.static, "method": Base.method, "own": Derived.own}
    if "registry" in aliases:
        user.OPS = Registry("world ops")
    for name, function in callables.items():
        if "global" in aliases:
            setattr(user, name, function)
        if "partial" in aliases:
            setattr(user, f"partial_{name}", functools.partial(function, 1, key=2))
        if "registry" in aliases:
            user.OPS.register_module(name=name, module=function)
        if "class" in aliases:
            setattr(Derived, f"alias_{name}", staticmethod(function))
        if "instance" in aliases:
            setattr(instance, f"alias_{name}", function)
    return module, user, instance


def flat(partial):
    return (partial.func, partial.args, tuple(partial.keywords.items()))


def snapshot(module, user, instance):
    spaces = [vars(module), vars(user), vars(module.Base), vars(module.Derived), vars(instance)]
    if hasattr(user, "OPS"):
        spaces.append(user.OPS.module_dict)
    return [
        {name: flat(v) if isinstance(v, functools.partial) else id(v) for name, v in space.items()} for space in spaces
    ]


def wrapper(original, *args, **kwargs):
    return ("wrapped", original)


def plain(*args, **kwargs):
    return "plain"


replacements = st.builds(
    lambda place, wrap: Replace(f"world_pkg:{place}", wrapper if wrap else plain, wrap=wrap),
    st.sampled_from(PLACES),
    st.booleans(),
)
patch_sets = st.lists(st.lists(replacements, min_size=1, max_size=4), min_size=1, max_size=4)


@settings(max_examples=80, deadline=None)
@given(sets=patch_sets, aliases=st.sets(st.sampled_from(ALIASES)), seed=st.integers(0, 99))
def test_undo_restores_identity_in_any_order(sets, aliases, seed):
    module, user, instance = build_world(aliases)
    sys.modules.update(world_pkg=module, world_user=user)
    try:
        before = snapshot(module, user, instance)
        active = [
            PatchSet([PatchRecord(f"p{index}", tuple(targets), "why", "upstream", "never")], roots=[instance])
            for index, targets in enumerate(sets)
        ]
        for patches in active:
            patches.apply()
        assert snapshot(module, user, instance) != before
        random.Random(seed).shuffle(active)
        for patches in active:
            patches.undo()
        assert snapshot(module, user, instance) == before
    finally:
        for name in ("world_pkg", "world_user"):
            del sys.modules[name]
