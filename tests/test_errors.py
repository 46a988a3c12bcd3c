"""Errors keep what they say wherever they go."""

import pickle

import pytest

from earmark.errors import (
    AssetError,
    EarmarkError,
    InputError,
    MissingExtraError,
    UnknownNameError,
    UsageError,
)

ERRORS = [
    EarmarkError("a"),
    InputError("b", hint="c"),
    UsageError("d"),
    AssetError("e", hint="f"),
    UnknownNameError("model", "fnc", ["fcn", "crnn"]),
    MissingExtraError("reading m4a files", "formats"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_errors_cross_from_process_to_process(error: EarmarkError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.message, again.hint) == (str(error), error.message, error.hint)


def test_a_misspelt_name_gets_the_nearest_ones() -> None:
    assert UnknownNameError("model", "fnc", ["fcn", "vgg"]).hint == "did you mean 'fcn'?"
    assert UnknownNameError("model", "zzz", ["fcn", "vgg"]).hint == "known: fcn, vgg"
