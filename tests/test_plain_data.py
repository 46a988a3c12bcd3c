"""Plain data: arrays go into JSON and come back bit by bit; values of another kind are errors."""

import json

import numpy as np
import pytest

from earmark.plain_data import decode_array, encode_array, read_number, read_text, read_texts


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4"])
def test_arrays_survive_bit_by_bit(dtype):
    array = np.array([[1e-45, -0.0, 1.0], [0.1, 3.4e38, 1 / 3]], dtype)
    back = decode_array(json.loads(json.dumps(encode_array(array))))
    assert back.dtype.isnative
    assert back.dtype.itemsize == array.dtype.itemsize
    assert back.tobytes() == array.astype(back.dtype).tobytes()


def test_values_are_read_back_as_what_they_are():
    plain = {"n": 3, "text": "a", "texts": ["a", "b"]}
    assert (read_number(plain, "n"), read_text(plain, "text"), read_texts(plain, "texts")) == (3.0, "a", ("a", "b"))
    with pytest.raises(TypeError, match="text is 3, expected text"):
        read_text({"text": 3}, "text")
    with pytest.raises(TypeError, match="n is True, expected a number"):
        read_number({"n": True}, "n")
    with pytest.raises(TypeError, match="expected a list of texts"):
        read_texts({"texts": "ab"}, "texts")
    with pytest.raises(ValueError, match="'<f4' or '<f8'"):
        decode_array({"dtype": "|O", "shape": [1], "base64": ""})
