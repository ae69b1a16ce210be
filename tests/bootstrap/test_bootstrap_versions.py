"""Version arithmetic, held against packaging and against the helpers of the real packages."""

from __future__ import annotations

import pytest
import real_packages
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as Reference

from mx_driving.bootstrap.versions import (
    COMPARE,
    MAX_LENGTH,
    MMCV_LINES,
    Window,
    digit_key,
    list_key,
    mmcv_releases,
    nearest,
    parse,
    pep440_key,
    shorten,
)

number = st.integers(0, 12).map(str)
release = st.lists(number, min_size=1, max_size=4).map(".".join)
pre = st.one_of(st.just(""), st.tuples(st.sampled_from(["a", "b", "rc", "-rc.", "alpha", "c"]), number).map("".join))
post = st.one_of(st.just(""), number.map(".post{}".format), number.map("-{}".format))
dev = st.one_of(st.just(""), number.map(".dev{}".format))
local = st.one_of(st.just(""), st.sampled_from(["+npu", "+cu118", "+1.2", "+torch2-1"]))
versions = st.tuples(release, pre, post, dev, local).map("".join)
plain = st.tuples(release, st.one_of(st.just(""), number.map("rc{}".format))).map("".join)


@given(versions, versions)
def test_order_is_that_of_packaging(left: str, right: str) -> None:
    ours = (pep440_key(parse(left)) < pep440_key(parse(right)), pep440_key(parse(left)) == pep440_key(parse(right)))
    assert ours == (Reference(left) < Reference(right), Reference(left) == Reference(right))


@pytest.mark.parametrize("text", ["", "1.x", "1.7.2;", "auto", "1..2", "import os", "1.6.0 ", "٣.١", "1.6.0\n"])
def test_what_is_no_version(text: str) -> None:
    if text.strip() != text:
        assert parse(text).text == text.strip()
        return
    with pytest.raises(ValueError, match="expected a version"):
        parse(text)


def test_garbage_is_refused_by_length_and_quoted_short() -> None:
    with pytest.raises(ValueError, match=r"10000 characters") as caught:
        parse("1." * 5000)
    assert len(str(caught.value)) < 150
    assert parse("1." * 30 + "1").release == (1,) * 31
    assert len("1." * 30 + "1") < MAX_LENGTH
    assert "\n" not in shorten("a\nb")


def _helper(pin: str, name: str) -> object:
    """The package's own ``digit_version``, compiled out of its real source."""
    import ast

    source = (real_packages.directory(pin) / name / "__init__.py").read_text(encoding="utf-8")
    functions = [node for node in ast.parse(source).body if getattr(node, "name", "") == "digit_version"]
    namespace: dict = {"parse": Reference}
    exec(compile(ast.Module(functions, []), name, "exec"), namespace)  # noqa: S102
    return namespace["digit_version"]


@pytest.mark.parametrize(
    ("pin", "name", "key"),
    [
        ("mmdet==2.14.0", "mmdet", list_key),
        ("mmdet==2.28.2", "mmdet", list_key),
        ("mmseg==0.30.0", "mmseg", digit_key),
        ("mmseg==1.2.2", "mmseg", digit_key),
    ],
)
def test_keys_equal_the_packages_own_helpers(pin: str, name: str, key: object) -> None:
    helper = _helper(pin.replace("mmseg", "mmsegmentation"), name)

    @given(st.one_of(plain, plain.map("{}+npu".format)))
    def check(text: str) -> None:
        expected = key(parse(text))  # type: ignore[operator]
        if expected is None:
            with pytest.raises(ValueError, match="invalid literal for int"):
                helper(text)  # type: ignore[operator]
        else:
            assert list(helper(text)) == list(expected)  # type: ignore[operator]

    check()


@pytest.mark.parametrize(
    ("bounds", "true", "shown"),
    [
        ((">=1.5.2", "<=1.7.0"), "1.7.2", "1.7.0"),
        ((">=1.3.8", "<=1.4.0"), "1.7.2", "1.4.0"),
        ((">=2.0.0rc4", "<2.2.0"), "2.2.0", "2.1.0"),
        ((">=1.3.13", "<1.8.0"), "1.9.0", "1.7.2"),
        ((">=1.3.13", "<1.8.0"), "1.3.9", "1.3.13"),
        ((">=2.0.0rc4", "<2.2.0"), "2.0.0rc1", "2.0.0rc4"),
        ((">1.5.0", "<1.7.0"), "1.5.0", "1.5.1"),
        (("==1.4.0",), "1.7.2", "1.4.0"),
        ((">=1.3.8", "<=1.7.0", "!=1.7.0"), "1.7.2", "1.6.2"),
        # A local version is above the bound for packaging and loses its patch number for mmdet's helper.
        ((">=1.5.2", "<=1.7.0"), "1.7.0+npu", "1.7.0"),
        ((">=1.5.2", "<=1.7.0"), "1.5.2+npu", "1.5.2"),
        ((">=1.5.2", "<=1.7.0"), "1.7.2+npu", "1.7.0"),
        # mmdet's helper raises on this one, so it is not inside although the order of PEP 440 says so.
        ((">=2.0.0rc4", "<2.2.0"), "2.0.0rc4+npu", "2.0.0rc4"),
        # No release of mmcv lies inside: the bounds' neighbours remain.
        ((">2.2.0", "<2.2.2"), "2.2.5", "2.2.1"),
        ((">=1.5", "<1.5"), "1.7.2", None),
    ],
)
def test_nearest(bounds: tuple[str, ...], true: str, shown: str | None) -> None:
    operators = sorted(COMPARE, key=len, reverse=True)
    pairs = tuple(next((op, bound[len(op) :]) for op in operators if bound.startswith(op)) for bound in bounds)
    assert nearest(Window(pairs), true, mmcv_releases()) == shown


@given(plain, plain, versions)
def test_nearest_is_inside_and_nothing_known_is_nearer(low: str, high: str, true: str) -> None:
    window = Window(((">=", low), ("<", high)))
    shown = nearest(window, true, mmcv_releases())
    inside = [text for text in (*mmcv_releases(), low) if window.admits(text)]
    if shown is None:
        assert not inside
        return
    assert window.admits(shown)
    if not window.admits(parse(true).public):
        key, goal = (lambda text: pep440_key(parse(text))), pep440_key(parse(true))
        assert not any(min(key(shown), goal) < key(text) < max(key(shown), goal) for text in inside)


def test_release_table_ends_where_development_ended() -> None:
    assert mmcv_releases()[-1] == "2.2.0"
    assert len(mmcv_releases()) == sum(last + 1 for last in MMCV_LINES.values())
    assert {"1.3.18", "1.7.2", "2.0.1", "2.1.0"} <= set(mmcv_releases())
