"""``patch_mmcv_version`` as the seed has it, with undo."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest
from conftest import ToyPackages
from environments import Environment

from mx_driving.bootstrap import FINDER
from mx_driving.patcher.mmcv_version import patch_mmcv_version

PRELUDE = """
import json, sys, warnings
caught = []
warnings.showwarning = lambda message, category, filename, lineno, *rest: caught.append([str(message), filename])
from mx_driving.patcher import patch_mmcv_version
"""


@pytest.fixture
def ask(venv: Environment, toys: ToyPackages) -> Callable[[str], Any]:
    """Run code in a new interpreter, the bootstrap off, and return the value of its ``answer``."""
    return lambda code: venv.answer(f"{PRELUDE}{code}\nprint(json.dumps(answer))", path=[toys.root])


@pytest.mark.parametrize("order", ["", "import mmcv\n"], ids=["before mmcv", "after mmcv"])
def test_explicit_version(ask: Callable[[str], Any], toys: ToyPackages, order: str) -> None:
    toys.checking("mmdet", "1.3.8", "1.6.0")
    toys.checking("mmdet3d", "1.5.2", "1.7.0", before="import mmdet\n")
    answer = ask(f"""
{order}patch_mmcv_version("1.6.0")
loaded = [name for name in ("mmdet", "mmdet3d", "torch") if name in sys.modules]
import mmdet3d, mmdet, mmcv
answer = [loaded, mmdet.mmcv_version, mmdet3d.mmcv_version, mmcv.__version__, len(caught)]
""")
    assert answer == [[], [1, 6, 0], [1, 6, 0], "1.7.2", 2]


def test_a_check_that_cannot_be_read_sees_the_explicit_version(ask: Callable[[str], Any], toys: ToyPackages) -> None:
    toys.module("mmodd.py", "import mmcv\nseen = [mmcv.__version__ + '']\nassert mmcv.__version__ in ['1.6.0']\n")
    answer = ask("patch_mmcv_version('1.6.0')\nimport mmodd; answer = [mmodd.seen, caught[0][0]]")
    assert answer[0] == ["1.6.0"]
    assert "no window could be read" in answer[1]


def test_with_ends_it(ask: Callable[[str], Any], toys: ToyPackages) -> None:
    toys.checking("mmone", "1.3.8", "1.6.0")
    toys.checking("mmtwo", "1.3.8", "1.6.0")
    answer = ask("""
before = list(sys.meta_path)
with patch_mmcv_version("1.6.0"):
    import mmone
same = sys.meta_path == before
try:
    import mmtwo
except AssertionError as exc:
    answer = [mmone.mmcv_version, same, str(exc)]
""")
    assert answer == [[1, 6, 0], True, "MMCV==1.7.2 is used but incompatible."]


def test_undo_in_any_order() -> None:
    before = list(sys.meta_path)
    first, second = patch_mmcv_version("1.6.0"), patch_mmcv_version("1.6.0")
    third = patch_mmcv_version("auto", also=["mmdet"])
    assert FINDER.request is third.request
    second.undo()
    third.undo()
    third.undo()
    assert FINDER.request is first.request
    assert sys.meta_path == [FINDER, *before]
    first.undo()
    assert FINDER.request is None
    assert sys.meta_path == before


def test_a_package_imported_already_is_named(ask: Callable[[str], Any], toys: ToyPackages) -> None:
    toys.checking("mmdet", "1.3.8", "1.8.0")
    toys.module("mmplain.py", "")
    answer = ask("import mmdet, mmplain\npatch_mmcv_version('1.6.0')\nanswer = [caught, mmdet.mmcv_version]")
    [[message, filename]], version = answer
    assert "mmdet is already imported" in message
    assert "call patch_mmcv_version before the first import of mmdet" in message
    assert filename == "<string>"
    assert version == [1, 7, 2]


def test_automatic_from_python(ask: Callable[[str], Any], toys: ToyPackages) -> None:
    toys.checking("mmdet", "1.3.8", "1.4.0")
    assert ask("patch_mmcv_version('auto')\nimport mmdet; answer = mmdet.mmcv_version") == [1, 4, 0]


def test_an_explicit_call_has_precedence_over_the_bootstrap(venv: Environment, toys: ToyPackages) -> None:
    toys.checking("mmone", "1.3.8", "1.6.0")
    toys.checking("mmtwo", "1.3.8", "1.6.0")
    code = f"""{PRELUDE}
with patch_mmcv_version("1.4.0"):
    import mmone
    names = [type(finder).__name__ for finder in sys.meta_path]
import mmtwo
finders = [names.count("VersionFinder"), names.count("StartFinder")]
print(json.dumps([mmone.mmcv_version, mmtwo.mmcv_version, len(caught), *finders]))
"""
    answer = venv.answer(code, path=[toys.root], MX_DRIVING_MMCV_VERSION="auto")
    assert answer == [[1, 4, 0], [1, 6, 0], 2, 1, 0]
    # A value that is refused is refused once, and the call works without it.
    code = PRELUDE + "patch_mmcv_version('1.4.0')\nimport mmone; print(json.dumps([mmone.mmcv_version, caught[0][0]]))"
    version, message = venv.answer(code, path=[toys.root], MX_DRIVING_MMCV_VERSION="latest")
    assert version == [1, 4, 0]
    assert "MX_DRIVING_MMCV_VERSION was ignored" in message


def test_explicit_version_of_another_line_warns_and_is_obeyed(ask: Callable[[str], Any], toys: ToyPackages) -> None:
    toys.checking("mmdet", "2.0.0", "2.1.0")
    answer = ask("patch_mmcv_version('2.0.1')\nimport mmdet; answer = [mmdet.mmcv_version, caught[0][0]]")
    assert answer[0] == [2, 0, 1]
    assert "2.x and 1.x have different interfaces" in answer[1]


def test_explicit_version_outside_the_window_says_so(ask: Callable[[str], Any], toys: ToyPackages) -> None:
    toys.checking("mmdet", "1.3.8", "1.4.0")
    code = "patch_mmcv_version('1.6.0')\ntry:\n    import mmdet\nexcept AssertionError as exc:\n    answer = str(exc)"
    assert '1.6.0 asked for by patch_mmcv_version("1.6.0") is outside mmcv>=1.3.8,<=1.4.0' in ask(code)


@pytest.mark.parametrize("value", ["", "latest", "1.6.x", "1.6.0; import os", "1.6.0\n2", "9" * 10_000])
def test_no_version(value: str) -> None:
    with pytest.raises(ValueError, match="expected 'auto' or a version such as '1.6.0'") as caught:
        patch_mmcv_version(value)
    assert len(str(caught.value)) < 200
    assert FINDER.request is None


def test_a_number_is_not_a_version() -> None:
    with pytest.raises(TypeError, match="got float: quote it"):
        patch_mmcv_version(1.6)  # type: ignore[arg-type]


def test_unknown_sibling() -> None:
    with pytest.raises(ValueError, match="expected packages out of mmengine, mmdet, mmseg"):
        patch_mmcv_version("auto", also=["mmpose"])
