"""Tokens: shown once, kept as hashes by one owner, whole or not at all."""

import json
import stat
import sys
import threading
from pathlib import Path

import pytest

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.service.tokens import FILE, Tokens


def test_a_token_is_known_by_its_name(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    one, other = tokens.add("radio"), tokens.add("Anna's".replace("'", ""))
    assert one != other
    assert len(one) >= 50
    assert tokens.check(one) == "radio"
    assert tokens.check(other) == "Annas"
    for wrong in ("", one[:-1], one + "a", one.lower(), one.removeprefix("earmark_"), "\udcff", "x" * 10_000):
        assert tokens.check(wrong) is None
    assert [token.name for token in tokens.list()] == ["radio", "Annas"]


def test_the_file_holds_hashes_for_one_owner(tmp_path: Path) -> None:
    token = Tokens(tmp_path).add("radio")
    text = (tmp_path / FILE).read_text()
    assert token not in text
    assert token.removeprefix("earmark_") not in text
    assert len(json.loads(text)["tokens"][0]["sha256"]) == 64
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == [FILE, "tokens.lock"]


def test_what_another_process_changes_holds_at_once(tmp_path: Path) -> None:
    here, there = Tokens(tmp_path), Tokens(tmp_path)
    token = there.add("radio")
    assert here.check(token) == "radio"
    there.remove("radio")
    assert here.check(token) is None


def test_a_damaged_file_lets_nobody_in(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    token = tokens.add("radio")
    for text in ("{", "[]", '{"tokens": [1]}', '{"tokens": [{"name": "a"}]}', "\0"):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(InputError, match="is no file of tokens"):
            tokens.check(token)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a" * 65, "é\0", "a\x1b[2J"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a token"):
        Tokens(tmp_path).add(name)


def test_names_are_given_once(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    token = tokens.add("radio")
    with pytest.raises(UsageError, match="there is a token 'radio' already"):
        tokens.add("radio")
    assert tokens.check(token) == "radio"


def test_what_is_not_there_is_not_removed(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    with pytest.raises(UsageError, match="and no other"):
        tokens.remove("radio")
    tokens.add("radio")
    with pytest.raises(UnknownNameError, match="there is no token 'raido'") as caught:
        tokens.remove("raido")
    assert caught.value.hint == "did you mean 'radio'?"


def test_several_at_once_lose_none(tmp_path: Path) -> None:
    threads = [threading.Thread(target=Tokens(tmp_path).add, args=(f"n{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name for one in Tokens(tmp_path).list()} == {f"n{i}" for i in range(8)}
