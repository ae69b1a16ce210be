"""Patches that a user writes as a function: what they change, and that all of it is as it was afterwards."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
import sys
import threading
import types

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mx_driving._core import PatchRecord, Replace
from mx_driving.patcher import Patch, PatcherBuilder

SOURCE = """
    import torch
    LIMIT = 3

    def gelu(x):
        "The package's own."
        return "own gelu"

    def size(x):
        return "own size"

    def f(x=0):
        return ("f", x)

    class Conv2d:
        pass

    class Box:
        def area(self):
            return 1

        @staticmethod
        def unit():
            return "unit"

    class Cube(Box):
        pass
"""
USER = "from fun_pkg import Conv2d, f, gelu, size\nclass Holder:\n    op = staticmethod(f)\n"


@pytest.fixture
def module(make_module):
    return make_module("fun_pkg", SOURCE)


@pytest.fixture
def user(module, make_module):
    return make_module("fun_user", USER)


def build(function, module="fun_pkg", **options):
    return PatcherBuilder().add_module_patch(module, Patch(function, options)).build(device="cpu")


def everything():
    """Return the namespaces of all modules and of the classes that these hold, by identity."""
    spaces = {}
    for name, module in list(sys.modules.items()):
        if type(getattr(module, "__dict__", None)) is not dict or name.startswith(("mx_driving", "hypothesis")):
            continue
        spaces[name] = {key: id(value) for key, value in list(vars(module).items()) if key != "__warningregistry__"}
        for key, value in list(vars(module).items()):
            if isinstance(value, type):
                spaces[f"{name}.{key}"] = {name: id(held) for name, held in vars(value).items()}
    return spaces


def differences(before, after):
    """Return the names that changed, without submodules that were imported meanwhile."""
    return [
        f"{space}.{key}"
        for space in before
        for key in {**before[space], **after.get(space, {})}
        if before[space].get(key) != after.get(space, {}).get(key) and f"{space}.{key}" not in sys.modules
    ]


@pytest.mark.parametrize("name", ["gelu", "Conv2d", "size"])
def test_only_what_was_moved_is_moved_back(module, user, name):
    """torch's gelu, torch's Conv2d and ``len`` had many holders before: they are nobody's alias."""
    value = {"gelu": torch.nn.functional.gelu, "Conv2d": torch.nn.Conv2d, "size": len}[name]
    stock, before = getattr(module, name), everything()

    def assign(package, options):
        setattr(package, name, value)

    with build(assign):
        assert getattr(module, name) is value
        assert getattr(user, name) is value, "who imported the package's own follows"
    assert getattr(module, name) is getattr(user, name) is stock
    assert (torch.nn.functional.gelu([]) if name == "never" else len([])) == 0
    assert differences(before, everything()) == []


def test_who_holds_another_packages_function_is_left_alone(make_module):
    """A package's own name for torch's function is changed, and torch is not."""
    module = make_module("fun_pkg", "from torch.nn.functional import gelu, relu")
    gelu, relu = torch.nn.functional.gelu, torch.nn.functional.relu

    def assign(package, options):
        package.gelu = package.relu = lambda x: "mine"

    with build(assign):
        assert (module.gelu(0), module.relu(0)) == ("mine", "mine")
        assert torch.nn.functional.gelu is gelu
        assert torch.nn.functional.relu is relu
    assert (module.gelu, module.relu) == (gelu, relu)


def test_name_that_is_imported_while_in_force_returns_too(module, make_module):
    def assign(package, options):
        package.f = lambda x=0: "mine"

    with build(assign):
        late = make_module("fun_late", "from fun_pkg import f")
        assert late.f() == "mine"
    assert late.f is module.f


def test_what_is_assigned_outside_of_the_package_is_taken_back(module, make_module):
    other = make_module("fun_other", "def g():\n    return 'g'\nclass Thing:\n    def run(self): return 'run'")
    before = everything()

    def assign(package, options):
        other.g = lambda: "mine"
        other.Thing.run = lambda self: "mine"
        other.NEW = 1
        torch.nn.Linear.forward = lambda self, x: "mine"
        json = importlib.import_module("json")
        json.dumps = lambda value: "mine"
        del module.LIMIT

    with build(assign):
        assert (other.g(), other.Thing().run(), other.NEW) == ("mine", "mine", 1)
        assert torch.nn.Linear(1, 1)(torch.ones(1)) == "mine"
        assert not hasattr(module, "LIMIT")
    assert differences(before, everything()) == []


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    root = tmp_path / "fun_disk"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "sub.py").write_text("from fun_disk import deep\ndef g():\n    return 'g'\nclass C:\n    x = 1\n")
    (root / "deep.py").write_text("def h():\n    return 'h'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fun_disk"]:
        del sys.modules[name]


def test_module_that_the_function_itself_imports_first_is_as_it_was_imported(on_disk):
    def assign(package, options):
        from fun_disk import sub

        sub.g = sub.deep.h = lambda: "mine"
        sub.C.x = 2
        sub.NEW = 3

    meta_path = list(sys.meta_path)
    with build(assign, "fun_disk"):
        sub = sys.modules["fun_disk.sub"]
        assert (sub.g(), sub.deep.h(), sub.C.x, sub.NEW) == ("mine", "mine", 2, 3)
    assert (sub.g(), sub.deep.h(), sub.C.x, hasattr(sub, "NEW")) == ("g", "h", 1, False)
    assert sys.modules["fun_disk"].sub is sub, "what was imported stays so"
    assert sys.meta_path == meta_path


def test_patch_that_waits_for_a_module_which_the_function_imports(on_disk):
    late = Patch(PatchRecord("late", (Replace("fun_disk.sub:g", lambda: "ours"),), "-", "-", "-"))

    def assign(package, options):
        from fun_disk import sub

        sub.h = sub.g

    for name in (["late"], ["assign"], []):
        builder = PatcherBuilder().add_module_patch("fun_disk", late, Patch(assign))
        with builder.disable_patches(*name).build(device="cpu"):
            sub = importlib.import_module("fun_disk.sub")
            assert sub.g() == ("g" if name == ["late"] else "ours")
            assert (sub.h() if name != ["assign"] else sub.g()) == sub.g()
        assert (sub.g(), hasattr(sub, "h")) == ("g", False)
        for loaded in ("fun_disk.sub", "fun_disk.deep", "fun_disk"):
            del sys.modules[loaded]


def test_function_that_raises_half_way(module, user):
    before = everything()

    def half(package, options):
        package.f = package.Box.area = lambda *args: "mine"
        package.LIMIT = 4
        torch.nn.functional.gelu = len
        del package.size
        raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        build(half).apply()
    assert differences(before, everything()) == []


def test_function_that_raises_takes_the_patches_before_it_along(module):
    stock = module.f

    def good(package, options):
        package.f = lambda x=0: "mine"

    def bad(package, options):
        assert package.f() == "mine", "those before it are in force"
        raise KeyError("bad")

    with pytest.raises(KeyError, match="bad"):
        PatcherBuilder().add_module_patch("fun_pkg", Patch(good), Patch(bad)).build(device="cpu").apply()
    assert module.f is stock


def test_bookkeeping_in_the_functions_own_module_is_left_alone(module, make_module):
    source = (
        "def assign(package, options):\n    global calls\n    calls += 1\n    package.f = lambda x=0: 'mine'\ncalls = 0"
    )
    mine = make_module("my_patches", source)
    with build(mine.assign):
        assert module.f() == "mine"
    assert (module.f(), mine.calls) == (("f", 0), 1)


def test_changed_number_that_changed_again_is_left(module, caplog):
    def assign(package, options):
        package.LIMIT = 4

    with caplog.at_level(logging.WARNING, logger="mx_driving"), build(assign):
        module.LIMIT = 5
    assert module.LIMIT == 5
    assert caplog.text == ""


def wrapping(mark):
    """Return a patch function that wraps what it finds, as a user writes it."""

    def wrap(package, options):
        original = package.f
        package.f = lambda x=0: (mark, *original(x))
        package.Cube.area = lambda self: mark

    return wrap


def ours(mark):
    def wrap(original, x=0):
        return (mark, *original(x))

    return PatchRecord(f"ours_{mark}", (Replace("fun_pkg:f", wrap, wrap=True),), "-", "-", "-")


@pytest.mark.parametrize("kinds", list(itertools.product(["theirs", "ours"], repeat=3)), ids="-".join)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_ours_and_theirs_are_undone_in_every_order(module, user, kinds, order):
    before = everything()
    patchers = []
    for mark, kind in enumerate(kinds):
        patch = Patch(ours(mark) if kind == "ours" else wrapping(mark))
        patchers.append(PatcherBuilder().add_module_patch("fun_pkg", patch).build(device="cpu"))
        patchers[-1].apply()
    assert module.f(5) == user.f(5) == (2, 1, 0, "f", 5)
    left = {0, 1, 2}
    for mark in order:
        patchers[mark].undo()
        left.remove(mark)
        runs = [found for found in module.f(5) if found in (0, 1, 2)]
        # A user's wrapper that another one has closed over runs as long as that one: only the user could take it out.
        enclosed = {low for low in (0, 1, 2) for high in left if kinds[low] == kinds[high] == "theirs" and low < high}
        assert left <= set(runs) <= left | enclosed
        assert user.f is module.f
    assert differences(before, everything()) == []


ASSIGNMENTS = {
    "f = new": lambda m, u: setattr(m, "f", lambda x=0: "new"),
    "f = wrapper": lambda m, u: setattr(m, "f", (lambda old: lambda *a: old(*a))(m.f)),
    "g = f": lambda m, u: setattr(m, "g", m.f),
    "user.f = new": lambda m, u: setattr(u, "f", lambda x=0: "user's"),
    "user.f = gelu": lambda m, u: setattr(u, "f", torch.nn.functional.gelu),
    "f = len": lambda m, u: setattr(m, "f", len),
    "both": lambda m, u: (lambda new: (setattr(m, "f", new), setattr(u, "f", new)))(lambda x=0: "both"),
    "area": lambda m, u: setattr(m.Box, "area", lambda self: 2),
    "cube": lambda m, u: setattr(m.Cube, "area", lambda self: 3),
    "unit": lambda m, u: setattr(m.Box, "unit", staticmethod(m.f)),
    "op": lambda m, u: setattr(u.Holder, "op", staticmethod(lambda: "op")),
    "del": lambda m, u: m.__dict__.pop("Conv2d", None),
    "limit": lambda m, u: setattr(m, "LIMIT", u.f),
}
REPLACED = ["fun_pkg:f", "fun_pkg:size", "fun_user:f", "fun_pkg:Box.area", "fun_pkg:Cube.area"]


def record(path, wrap):
    by = (lambda original, *args: original(*args)) if wrap else (lambda *args: "ours")
    return PatchRecord("ours", (Replace(path, by, wrap=wrap),), "-", "-", "-")


changes = st.one_of(
    st.sampled_from(sorted(ASSIGNMENTS)).map(lambda name: ("theirs", name)),
    st.tuples(st.sampled_from(REPLACED), st.booleans()).map(lambda found: ("ours", found)),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.lists(changes, min_size=1, max_size=3), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_whatever_is_mixed_returns(sets, chance):
    worlds = {}
    for name, source in (("fun_pkg", SOURCE), ("fun_user", USER)):
        worlds[name] = sys.modules[name] = types.ModuleType(name)
        exec(__import__("textwrap").dedent(source), vars(worlds[name]))  # noqa: S102
    module, user = worlds.values()
    spaces = [module, user, module.Box, module.Cube, user.Holder]
    before = [{key: id(value) for key, value in vars(space).items()} for space in spaces]
    gelu, length = torch.nn.functional.gelu, len
    try:
        patchers = []
        for each in sets:
            builder = PatcherBuilder()
            for index, (kind, what) in enumerate(each):
                patch = ours_of(index, *what) if kind == "ours" else Patch(assigning(ASSIGNMENTS[what], user))
                builder.add_module_patch("fun_pkg", patch)
            patchers.append(builder.build(device="cpu"))
        todo = [*patchers, *patchers]
        chance.shuffle(todo)
        for patcher in todo:
            # The first time it is met it is applied, the second time undone: both in any order.
            patcher.undo() if patcher.in_force else patcher.apply()
        assert [{key: id(value) for key, value in vars(space).items()} for space in spaces] == before
        assert torch.nn.functional.gelu is gelu
        assert module.__builtins__["len"] is length
    finally:
        del sys.modules["fun_pkg"], sys.modules["fun_user"]


def ours_of(index, path, wrap):
    found = record(path, wrap)
    # A patch of the user's own may be added for any module that it changes.
    patch = Patch(PatchRecord(f"ours_{index}", (*found.targets, Replace("fun_pkg:gelu", lambda x: 0)), "-", "-", "-"))
    return patch


def assigning(assign, user):
    return lambda package, options: assign(package, user) and None


def test_overlapping_threads(module, user):
    before, inside, failures = everything(), threading.Barrier(4), []

    def work(patcher, mark):
        try:
            for _ in range(5):
                with patcher:
                    inside.wait(30)
                    if mark not in module.f():
                        failures.append(module.f())
                    inside.wait(30)
        except BaseException as exc:  # noqa: BLE001 - a thread's failure is to fail the test
            failures.append(exc)
            inside.abort()

    one = build(wrapping("theirs"))
    two = PatcherBuilder().add_module_patch("fun_pkg", Patch(ours("ours"))).build(device="cpu")
    jobs = [(one, "theirs"), (one, "theirs"), (two, "ours"), (two, "ours")]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert differences(before, everything()) == []


def test_async_tasks(module):
    stock = module.f
    patcher, other = build(wrapping("theirs")), build(wrapping("others"))

    async def work(patcher, mark, delay):
        with patcher:
            for _ in range(delay):
                await asyncio.sleep(0)
                assert module.f().count(mark) == 1

    async def run():
        await asyncio.gather(
            *(work(*job) for job in ((patcher, "theirs", 9), (other, "others", 3), (patcher, "theirs", 1)))
        )

    asyncio.run(run())
    assert module.f is stock


def test_somebody_elses_wrapper_over_ours_never_runs_it_again(module, caplog):
    """They patch over ours, ours is undone, they restore what they found: ours."""
    stock = module.f
    patcher = PatcherBuilder().add_module_patch("fun_pkg", Patch(ours("ours"))).build(device="cpu")
    with caplog.at_level(logging.WARNING, logger="mx_driving"):
        with patcher:
            found = module.f
            module.f = lambda x=0: ("foreign", *found(x))
            assert module.f() == ("foreign", "ours", "f", 0)
        assert module.f() == ("foreign", "f", 0)
        module.f = found
        assert module.f() == ("f", 0)
    assert caplog.text.count("fun_pkg.f was changed by somebody else") == 1
    with patcher:
        assert module.f() == ("ours", "f", 0)
    assert module.f() == ("f", 0)
    module.f = stock
