"""The window is read from source: from every real package of the list, and from every way of writing a check."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Callable

import pytest

from mx_driving.bootstrap.window import read_checks

REAL = {
    ("mmdet==2.14.0", "mmdet"): {"mmcv": ">=1.3.8,<=1.4.0"},
    ("mmdet==2.25.3", "mmdet"): {"mmcv": ">=1.3.17,<=1.7.0"},
    ("mmdet==2.28.2", "mmdet"): {"mmcv": ">=1.3.17,<=1.8.0"},
    ("mmdet==3.3.0", "mmdet"): {"mmcv": ">=2.0.0rc4,<2.2.0", "mmengine": ">=0.7.1,<1.0.0"},
    ("mmsegmentation==0.14.1", "mmseg"): {"mmcv": ">=1.3.1,<=1.4.0"},
    ("mmsegmentation==0.30.0", "mmseg"): {"mmcv": ">=1.3.13,<1.8.0"},
    ("mmsegmentation==1.2.2", "mmseg"): {"mmcv": ">=2.0.0rc4,<2.2.0", "mmengine": ">=0.5.0,<1.0.0"},
    ("mmdet3d==0.17.1", "mmdet3d"): {
        "mmcv": ">=1.3.8,<=1.4.0",
        "mmdet": ">=2.14.0,<=3.0.0",
        "mmseg": ">=0.14.1,<=1.0.0",
    },
    ("mmdet3d==1.0.0rc6", "mmdet3d"): {
        "mmcv": ">=1.5.2,<=1.7.0",
        "mmdet": ">=2.24.0,<=3.0.0",
        "mmseg": ">=0.20.0,<=1.0.0",
    },
    ("mmdet3d==1.4.0", "mmdet3d"): {
        "mmcv": ">=2.0.0rc4,<2.2.0",
        "mmengine": ">=0.8.0,<1.0.0",
        "mmdet": ">=3.0.0rc5,<3.4.0",
    },
}


@pytest.mark.parametrize(("pin", "name"), REAL, ids=lambda value: str(value))
def test_real_packages(real: Callable[[str], Path], pin: str, name: str) -> None:
    source = (real(pin) / name / "__init__.py").read_text(encoding="utf-8")
    assert {target: str(window) for target, window in read_checks(source).windows.items()} == REAL[pin, name]


WRITTEN = {
    "inline": "import mmcv\nassert mmcv.__version__ >= '1.3.8' and mmcv.__version__ < '1.8.0'",
    "renamed module": "import mmcv as m\nassert '1.3.8' <= d(m.__version__) < d('1.8.0')",
    "imported version": "from mmcv import __version__ as v\nassert d('1.3.8') <= d(v) < d('1.8.0')",
    "version module": "from mmcv.version import __version__ as v\nassert d('1.3.8') <= d(v) < d('1.8.0')",
    "submodule import": "import mmcv.utils\nassert d('1.3.8') <= d(mmcv.__version__) < d('1.8.0')",
    "annotated": "import mmcv\nLOW: str = '1.3.8'\nassert d(LOW) <= d(mmcv.__version__) < d('1.8.0')",
    "if raise": "import mmcv\nv = d(mmcv.__version__)\nif v < d('1.3.8') or v >= d('1.8.0'):\n    raise ImportError",
    "if not raise": "import mmcv\nv = d(mmcv.__version__)\nif not (d('1.3.8') <= v < d('1.8.0')):\n    raise E()",
    "else raise": "import mmcv\nv = d(mmcv.__version__)\n"
    "if d('1.3.8') <= v < d('1.8.0'):\n    ok = 1\nelse:\n    raise E",
    "two asserts": "import mmcv\nv = d(mmcv.__version__)\nassert v >= d('1.3.8')\nassert v < d('1.8.0')",
    "packaging": "import mmcv\nfrom packaging import version\n"
    "v = version.parse(mmcv.__version__)\nassert version.parse('1.3.8') <= v < version.parse('1.8.0')",
    "release": "import mmcv\nassert (1, 3, 8) <= Version(mmcv.__version__).release < (1, 8, 0)",
    "split": "import mmcv\n"
    "v = tuple(int(x) for x in mmcv.__version__.split('.')[:3])\nassert (1, 3, 8) <= v < (1, 8, 0)",
    "tuple call": "import mmcv\nv = tuple(map(int, mmcv.__version__.split('.')))\nassert (1, 3, 8) <= v < (1, 8, 0)",
    "in a function": "def check():\n    import mmcv\n"
    "    assert d('1.3.8') <= d(mmcv.__version__) < d('1.8.0')\ncheck()",
    "in a try": "try:\n    import mmcv\n    v = d(mmcv.__version__)\nexcept ImportError:\n    v = None\n"
    "assert d('1.3.8') <= v < d('1.8.0')",
}


@pytest.mark.parametrize("source", WRITTEN.values(), ids=WRITTEN)
def test_other_ways_of_writing_it(source: str) -> None:
    assert {target: set(window.bounds) for target, window in read_checks(source).windows.items()} == {
        "mmcv": {(">=", "1.3.8"), ("<", "1.8.0")}
    }


NOT_A_CHECK = {
    "feature test": "import mmcv\nnew = d(mmcv.__version__) >= d('1.6.0')",
    "warning only": "import mmcv\nif d(mmcv.__version__) < d('1.6.0'):\n    print('old')",
    "another package": "import torch, mmcv\nassert d(torch.__version__) >= d('1.6.0')",
    "its own version": "from .version import __version__\nimport mmcv\nassert d(__version__) >= d('1.6.0')",
    "function never called": "import mmcv\ndef f():\n    assert d(mmcv.__version__) < d('1.8.0')",
    "method": "import mmcv\nclass A:\n    assert d(mmcv.__version__) < d('1.8.0')",
    "no version": "import mmcv\nassert mmcv.__version__ >= 'new'",
    "no source": "import mmcv\nassert mmcv.__version__ ==",
    "null byte": "import mmcv\nassert mmcv.__version__ < '1.8'\0",
    "either of two": "import mmcv\nv = d(mmcv.__version__)\nassert v < d('1.2') or v > d('1.4')",
}


@pytest.mark.parametrize("source", NOT_A_CHECK.values(), ids=NOT_A_CHECK)
def test_what_is_no_check(source: str) -> None:
    assert read_checks(source).windows == {}


def test_a_version_that_is_read_without_a_check_is_known() -> None:
    assert read_checks("import mmcv\ncheck(mmcv.__version__)").reads == {"mmcv"}
    assert read_checks("from mmcv import __version__\ncheck(__version__)").reads == {"mmcv"}
    assert read_checks("import mmcv\nversion = mmcv.name").reads == set()


def test_nothing_is_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    source = f"""
        import mmcv
        open({str(marker)!r}, "w").close()
        assert d(mmcv.__version__) <= d((lambda: open({str(marker)!r}, "w"))() and "1.7.0")
        assert d(mmcv.__version__) <= d("1.7.0")
    """
    assert str(read_checks(textwrap.dedent(source)).windows["mmcv"]) == "<=1.7.0"
    assert not marker.exists()
