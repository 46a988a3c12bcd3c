"""Pickles of strangers: plain values and arrays of every protocol, and nothing else, whatever it asks for."""

import collections
import contextlib
import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.datasets.safe_pickle import read_npy, read_pickle
from earmark.errors import InputError

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# What Python 2 and numpy 1.8 wrote for {"TR": numpy.array([[1.], [0.]])}, protocol 2.
PYTHON_2 = (
    b"\x80\x02}q\x01U\x02TRq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05"
    b"(K\x01K\x02K\x01\x86cnumpy\ndtype\nq\x06U\x02f8K\x00K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89U\x10" + struct.pack("<2d", 1, 0) + b"tbs."
)


def load(data: bytes) -> Any:
    return read_pickle(io.BytesIO(data))


@given(plain, st.integers(0, 5))
def test_plain_values(value: Any, protocol: int) -> None:
    assert load(pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array([True, False]),
        np.array(["a", "ünï"]),
        np.array([b"a", b"bc"]),
        np.zeros((0, 4), np.float32),
        np.arange(4, dtype=">i8"),
        np.array(7, np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays(protocol: int, array: np.ndarray[Any, Any]) -> None:
    back = load(pickle.dumps({"a": [array]}, protocol=protocol))["a"][0]
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_other_values(protocol: int) -> None:
    value = [{1, 2}, frozenset("a"), bytearray(b"x"), np.float64(0.5), np.int32(7), collections.OrderedDict(a=1)]
    assert load(pickle.dumps(value, protocol=protocol)) == value
    assert load(pickle.dumps(np.array(["a", None, 3], object), protocol=protocol)) == ["a", None, 3]


def test_what_python_2_wrote() -> None:
    content = load(PYTHON_2)
    assert list(content) == ["TR"]
    assert content["TR"].tolist() == [[1.0], [0.0]]


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_called(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    for evil in (Evil(os.mkdir, str(target)), Evil(eval, f"open({str(target)!r}, 'w')"), Evil(getattr, 1, "real")):
        with pytest.raises(InputError, match="which is refused"):
            load(pickle.dumps([evil], protocol=protocol))
    assert not target.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"rubbish",
        PYTHON_2[:60],
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a place in the memo that would take 16 GB
        b"(lp99999999999\n.",
        b"\x80\x02B\xff\xff\xff\x7fabc.",
        b"\x80\x02Q.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR.",  # an array without content
        PYTHON_2.replace(b"K\x02K\x01\x86", b"K\x09K\x01\x86"),
        PYTHON_2.replace(b"U\x02f8", b"U\x02V8"),
        PYTHON_2.replace(b"U\x02f8", b"U\x02O8"),
    ],
)
def test_damage_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(InputError, match="no pickle, or a damaged one"):
        load(data)


def test_what_stands_in_many_places_is_made_once() -> None:
    """Forty lists, each holding the one before twice, are forty lists, and no billions of them."""
    nested: Any = [np.zeros(1)]
    for _ in range(40):
        nested = [nested, nested]
    content = load(pickle.dumps(nested))
    assert content[0] is content[1]
    objects: Any = np.array([0], object)
    for _ in range(40):
        pair = np.empty(2, object)
        pair[:] = [objects, objects]
        objects = pair
    content = load(pickle.dumps(objects))
    assert content[0] is content[1]


def test_an_array_without_content_asks_for_no_memory() -> None:
    data = pickle.dumps(np.empty((3, 0), object), protocol=2)
    assert data.count(b"K\x03K\x00\x86") == 1
    huge = data.replace(b"K\x03K\x00\x86", b"J" + struct.pack("<i", 10**9) + b"K\x00\x86")
    assert load(huge) == []


def test_no_pickle_changes_what_the_next_one_means() -> None:
    """One that sets the defaults of what stands for a function."""
    load(b"\x80\x02c_codecs\nencode\nN}X\x0c\x00\x00\x00__defaults__Ns\x86b.")
    assert load(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00a\x85R.") == b"a"


def test_a_list_that_holds_itself_and_an_array() -> None:
    whole = [np.arange(2)]
    whole.append(whole)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no pickle"):
        load(pickle.dumps(whole))


@settings(max_examples=300)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    good = bytearray(data.draw(st.sampled_from([PYTHON_2, pickle.dumps(["TRA", {"a": np.arange(3)}], 4)])))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        load(bytes(good[: data.draw(st.integers(0, len(good)))]))


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3), np.array(["a", "b"], object), np.array([["a"], ["b"]], object)]
)
def test_npy(array: np.ndarray[Any, Any]) -> None:
    np.testing.assert_array_equal(
        read_npy(io.BytesIO(npy(array))), array.astype(str) if array.dtype == object else array
    )


def test_npy_damage() -> None:
    whole = npy(np.arange(100))
    objects = npy(np.array([Evil(os.getcwd)], object))
    for data in (b"", whole[:5], whole[:50], whole[:-9], b"rubbish" * 9, objects, npy(np.array([{}, 1], object))):
        with pytest.raises(InputError):
            read_npy(io.BytesIO(data))
    with pytest.raises(InputError, match="refused"):
        read_npy(io.BytesIO(objects))
    huge = whole.replace(b"(100,)", b"(9**9,)").replace(b"'shape': (100,), ", b"'shape': (10**15,), ")
    with pytest.raises(InputError):
        read_npy(io.BytesIO(huge))
