"""Who sees which version: only the package that checks, only while its ``__init__`` runs."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from conftest import ToyPackages
from environments import Environment

PRELUDE = """
import json, warnings
caught = []
warnings.showwarning = lambda message, category, filename, lineno, *rest: caught.append(
    [category.__name__, str(message), filename])
"""


@pytest.fixture
def ask(venv: Environment, toys: ToyPackages) -> Callable[..., Any]:
    """Run code in a new interpreter that is switched on, and return the value of its ``answer``."""

    def run(code: str, value: str = "auto") -> Any:
        text = f"{PRELUDE}{code}\nprint(json.dumps(answer))"
        return venv.answer(text, path=[toys.root], MX_DRIVING_MMCV_VERSION=value)

    return run


def test_only_the_checking_package_sees_it(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.module("bystander.py", "import mmcv\nseen = mmcv.__version__\n")
    toys.checking("mmtoy", "1.3.8", "1.4.0", after="import bystander\n")
    answer = ask(
        "import mmcv; before = mmcv.__version__\nimport mmtoy, bystander\n"
        "answer = [before, mmtoy.seen, bystander.seen, mmcv.__version__, mmtoy.mmcv is mmcv, mmtoy.mmcv.__version__]"
    )
    # `seen` held the very text that was shown, so it is put right afterwards like the module itself.
    assert answer == ["1.7.2", "1.7.2", "1.7.2", "1.7.2", True, "1.7.2"]


def test_the_check_runs_for_real_and_passes(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0")
    assert ask("import mmtoy; answer = mmtoy.mmcv_version") == [1, 4, 0]


def test_another_thread_that_imports_mmcv_meanwhile_sees_the_true_version(
    ask: Callable[..., Any], toys: ToyPackages
) -> None:
    pause = "import gate\ngate.inside.set()\nassert gate.done.wait(20)\n"
    toys.checking("mmtoy", "1.3.8", "1.4.0", after=pause)
    toys.module("gate.py", "import threading\ninside, done = threading.Event(), threading.Event()\n")
    answer = ask("""
import gate, threading
importer = threading.Thread(target=__import__, args=("mmtoy",))
importer.start()
assert gate.inside.wait(20)
import builtins, mmcv, sys
answer = [mmcv.__version__, sys.modules["mmcv"].__version__, builtins.__import__.__module__]
gate.done.set()
importer.join()
answer.append(sys.modules["mmtoy"].mmcv_version)
""")
    assert answer == ["1.7.2", "1.7.2", "builtins", [1, 4, 0]]


def test_siblings_with_disjoint_windows_each_see_their_own(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmold", "1.3.8", "1.4.0")
    toys.checking("mmnew", "1.5.2", "1.7.0", before="import mmold\n")
    answer = ask("import mmnew, mmold; answer = [mmold.mmcv_version, mmnew.mmcv_version, caught]")
    assert answer[:2] == [[1, 4, 0], [1, 7, 0]]
    assert [message.split()[1] for _, message, _ in answer[2]] == ["mmold", "mmnew"]


def test_one_warning_names_package_window_true_and_shown_version(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0", before="from mmcv import name\nimport mmcv.version\n")
    category, message, filename = ask("import mmtoy, importlib; importlib.reload(mmtoy); answer, = caught")
    assert category == "MmcvVersionWarning"
    assert filename.endswith("mmtoy/__init__.py")
    for part in ("mmtoy asserts mmcv>=1.3.8,<=1.4.0", "mmcv 1.7.2", "as 1.4.0", "MX_DRIVING_MMCV_VERSION"):
        assert part in message


def test_a_package_that_accepts_the_true_version_is_left_alone(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.8.0")
    assert ask("import mmtoy; answer = [mmtoy.mmcv_version, caught]") == [[1, 7, 2], []]


def test_another_major_line_fails_with_the_stock_message_and_a_reason(
    ask: Callable[..., Any], toys: ToyPackages
) -> None:
    toys.checking("mmtoy", "2.0.0", "2.1.0")
    answer = ask("""
try:
    import mmtoy
except AssertionError as exc:
    answer = [str(exc), caught]
""")
    assert answer[0].startswith("MMCV==1.7.2 is used but incompatible. mx_driving cannot help: mmtoy is written for")
    assert "mmcv 2.x" in answer[0]
    assert "mmcv 1.7.2" in answer[0]
    assert answer[1] == []


def test_an_error_of_the_package_itself_is_not_explained(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0", after="import mmbroken\n")
    toys.module("mmbroken.py", "raise RuntimeError('mmcv ops are missing')\n")
    attempt = "import sys\ntry:\n    import mmtoy\nexcept RuntimeError as exc:\n    answer = [str(exc), "
    assert ask(attempt + "'mmtoy' in sys.modules]") == ["mmcv ops are missing", False]


CHECK = "\nassert d(mmcv.__version__) <= d('1.4.0')"
WAYS = {
    "from mmcv import __version__": "from mmcv import __version__ as v\nassert d(v) <= d('1.4.0')",
    "import mmcv as m": "import mmcv as m\nassert d(m.__version__) <= d('1.4.0')",
    "version module": "from mmcv.version import __version__ as v\nassert d(v) <= d('1.4.0')",
    "mmcv.version attribute": "import mmcv\nassert d(mmcv.version.__version__) <= [1, 4, 0]" + CHECK,
    "import mmcv.version as": "import mmcv.version as mv, mmcv\nassert d(mv.__version__) <= [1, 4, 0]" + CHECK,
    "function called at import": "def check():\n    import mmcv\n    assert d(mmcv.__version__) <= d('1.4.0')\ncheck()",
    "global seen by a function": "import mmcv\ndef check():\n    assert d(mmcv.__version__) <= d('1.4.0')\ncheck()",
    "class body": "import mmcv\nclass A:\n    v = mmcv.__version__\nassert d(A.v) == [1, 4, 0]" + CHECK,
    "comprehension": "import mmcv\nassert [d(mmcv.__version__) for _ in '1'] == [[1, 4, 0]]" + CHECK,
}


@pytest.mark.parametrize("source", WAYS.values(), ids=WAYS)
def test_ways_of_asking(ask: Callable[..., Any], toys: ToyPackages, source: str) -> None:
    toys.module("mmtoy.py", "def d(text):\n    return [int(x) for x in text.split('.')]\n" + source + "\n")
    assert ask("import mmtoy, mmcv; answer = [mmcv.__version__, len(caught)]") == ["1.7.2", 1]


def test_a_check_in_a_submodule_that_init_imports(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.module("mmtoy/__init__.py", "from . import check, feature\n")
    toys.module("mmtoy/check.py", "import mmcv\nseen = [mmcv.__version__ + '']\nassert mmcv.__version__ <= '1.4.0'\n")
    toys.module("mmtoy/feature.py", "import mmcv\nseen = [mmcv.__version__ + '']\nnew = mmcv.__version__ > '1.5.0'\n")
    answer = ask("import mmtoy; answer = [mmtoy.check.seen, mmtoy.feature.seen, mmtoy.feature.new]")
    assert answer == [["1.4.0"], ["1.7.2"], True]


def test_nothing_of_ours_stays_on_the_module(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0", after="def late():\n    import mmcv\n    return mmcv.__version__\n")
    toys.module("mmtoy/data.txt", "data")
    answer = ask("""
import builtins, inspect, pkgutil, sys, mmtoy
builtins.extra = "late"
answer = [type(mmtoy.__loader__).__module__, mmtoy.__spec__.loader is mmtoy.__loader__,
          mmtoy.__builtins__ is vars(builtins), mmtoy.late(), "digit_version" in inspect.getsource(mmtoy),
          pkgutil.get_data("mmtoy", "data.txt").decode(),
          [name for name, value in vars(mmtoy).items() if "mx_driving" in type(value).__module__]]
""")
    loader, *rest = answer
    assert "importlib" in loader
    assert rest == [True, True, "1.7.2", True, "data", []]


def test_functions_of_the_package_see_builtins_of_later(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0", after="def late():\n    return extra\n")
    assert ask("import builtins, mmtoy; builtins.extra = 7; answer = mmtoy.late()") == 7


def test_specs_can_be_read_without_importing(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0")
    answer = ask("""
import importlib.util, sys
spec = importlib.util.find_spec("mmtoy")
answer = ["mmtoy" in sys.modules, "mmcv_maximum_version" in spec.loader.get_source("mmtoy"), spec.origin[-11:]]
""")
    assert answer == [False, True, "__init__.py"]


def test_siblings_ranges_are_left_alone_unless_asked_for(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmdet", "1.3.8", "1.8.0")
    toys.module("mmtoy.py", "import mmdet\nassert mmdet.__version__ < '9.5'\nseen = [mmdet.__version__ + '']\n")
    code = "\ntry:\n    import mmtoy; answer = mmtoy.seen\nexcept AssertionError as exc:\n    answer = 'refused'"
    assert ask(code) == "refused"
    assert ask(code, "auto,mmdet") == ["9.4.0"]


def test_a_plugin_in_a_namespace_package(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmdet3d", "1.5.2", "1.7.0")
    toys.module("projects/mmdet3d_plugin/ops.py", "import mmdet3d, mmcv\nseen = mmcv.__version__\n")
    toys.checking("other/mmdet3d_plugin", "1.3.8", "1.4.0")
    answer = ask("""
import projects.mmdet3d_plugin.ops as ops, other.mmdet3d_plugin as checks, mmdet3d
answer = [ops.seen, checks.mmcv_version, mmdet3d.mmcv_version, type(__import__("projects").__path__).__name__]
""")
    assert answer == ["1.7.2", [1, 4, 0], [1, 7, 0], "_NamespacePath"]


def test_a_package_that_extends_another_ones_path(ask: Callable[..., Any], toys: ToyPackages) -> None:
    extend = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    toys.checking("mmdet3d", "1.5.2", "1.7.0", before=extend)
    toys.module("more/mmdet3d/__init__.py", "")
    toys.module("more/mmdet3d/plugin.py", "import mmcv\nseen = mmcv.__version__\n")
    code = (
        f"import sys; sys.path.append({str(toys.root / 'more')!r})\nimport mmdet3d.plugin\nanswer = mmdet3d.plugin.seen"
    )
    assert ask(code) == "1.7.2"


def test_a_local_version_of_mmcv(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.7.2")
    toys.mmcv("1.7.2+npu")
    assert ask("import mmtoy; answer = mmtoy.mmcv_version") == [1, 7, 2]


def test_an_unknown_kind_of_version_is_not_guessed_at(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.7.2")
    toys.mmcv("parrots-1")
    code = "\ntry:\n    import mmtoy\nexcept AssertionError as exc:\n    answer = str(exc)"
    assert "cannot compare mmcv's version 'parrots-1'" in ask(code)


def test_mmcv_that_cannot_be_imported_is_reported_by_its_own_error(ask: Callable[..., Any], toys: ToyPackages) -> None:
    toys.checking("mmtoy", "1.3.8", "1.4.0")
    toys.module("mmcv/__init__.py", "import no_such_library\n")
    assert ask("\ntry:\n    import mmtoy\nexcept ImportError as exc:\n    answer = exc.name") == "no_such_library"
