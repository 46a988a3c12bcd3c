"""Secrets: found, and shown nowhere."""

import copy
import os
import pickle
from pathlib import Path

import pytest

from earmark.errors import InputError, UsageError
from earmark.sources.secrets import Secret, find_secret, need_secret, secrets_path, setting


def written(text: str, mode: int = 0o600) -> Path:
    path = secrets_path()
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    written('[lastfm]\nkey = "of the file"\n')
    found = find_secret("lastfm", "key")
    assert found is not None
    assert found.reveal() == "of the file"
    monkeypatch.setenv("EARMARK_LASTFM_KEY", "of the environment")
    found = find_secret("lastfm", "key")
    assert found is not None
    assert found.reveal() == "of the environment"


def test_none_is_none_and_a_needed_one_says_where_it_goes() -> None:
    assert find_secret("lastfm", "key") is None
    with pytest.raises(UsageError, match="lastfm needs a key: from the page") as caught:
        need_secret("lastfm", "key", why="from the page of accounts")
    assert "EARMARK_LASTFM_KEY" in str(caught.value.hint)
    assert str(secrets_path()) in str(caught.value.hint)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    path = written('[lastfm]\nkey = "abc"\n', mode)
    with pytest.raises(InputError, match="others can read it") as caught:
        find_secret("lastfm", "key")
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("text", ['[lastfm\nkey = "hush"', 'lastfm = "hush"', "[lastfm]\nkey = 12345"])
def test_a_wrong_file_is_an_error_that_tells_nothing(text: str) -> None:
    written(text)
    with pytest.raises(InputError) as caught:
        find_secret("lastfm", "key")
    assert "hush" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_settings_are_read_as_they_are() -> None:
    written("[soundcloud]\nflag = true\n")
    assert setting("soundcloud", "flag") is True
    assert setting("soundcloud", "other") is None
    assert setting("jamendo", "flag") is None


def test_a_secret_is_not_shown_and_not_written() -> None:
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="not written"):
            write(secret)
