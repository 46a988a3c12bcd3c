"""LanceDB is imported only where it can run, and its errors are words."""

import sys

import numpy as np
import pytest

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.library.engine import has_needed_instructions, load_lancedb, worded


def test_only_x86_without_avx2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    features = dict(np._core._multiarray_umath.__cpu_features__)
    monkeypatch.setattr(np._core._multiarray_umath, "__cpu_features__", features | {"AVX2": False})
    assert has_needed_instructions("arm64")
    assert has_needed_instructions("aarch64")
    assert not has_needed_instructions("x86_64")
    assert not has_needed_instructions("AMD64")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delitem(sys.modules, "lancedb", raising=False)
    with pytest.raises(UsageError, match="no AVX2"):
        load_lancedb()
    assert "lancedb" not in sys.modules
    monkeypatch.setattr(np._core._multiarray_umath, "__cpu_features__", features | {"AVX2": True})
    assert has_needed_instructions("x86_64")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"\[library\]"):
        load_lancedb()


def test_errors_are_words_without_places_in_code() -> None:
    text = "lance error: LanceError(IO): No space left on device (os error 28), /root/.cargo/lance-io/src/local.rs:9:3"
    with (
        pytest.raises(InputError, match="here: cannot be written: lance error") as caught,
        worded("here", "cannot be written"),
    ):
        raise RuntimeError(text)
    assert ".rs" not in caught.value.message
    assert caught.value.hint is not None
    with pytest.raises(InputError, match=r"^as it was$"), worded("here", "cannot be written"):
        raise InputError("as it was")
