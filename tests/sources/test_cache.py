"""Answers that are kept for a while."""

import json
import os
from pathlib import Path

import pytest

from earmark.errors import InputError
from earmark.sources.cache import DAY, Cache


class Now:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def files(cache: Cache) -> list[Path]:
    return sorted(cache.folder.rglob("*.json"))


def test_what_is_kept_is_given_until_it_expires() -> None:
    now = Now()
    cache = Cache("test", DAY, clock=now)
    cache.put("anna", "likes", [1, {"b": None}])
    assert cache.get("anna", "likes") == [1, {"b": None}]
    assert cache.get("anna", "other") is None
    assert cache.get("berta", "likes") is None
    now.seconds += DAY - 1
    assert cache.get("anna", "likes") is not None
    now.seconds += 1
    assert cache.get("anna", "likes") is None
    assert not files(cache)


def test_any_question_deletes_what_has_expired_of_others() -> None:
    now = Now()
    cache = Cache("test", DAY, clock=now)
    cache.put("anna", "likes", 1)
    now.seconds += 2 * DAY
    cache.get("berta", "likes")
    assert not files(cache)


def test_a_clock_that_was_wrong_keeps_nothing_for_ever() -> None:
    now = Now()
    cache = Cache("test", DAY, clock=now)
    now.seconds += 5000 * DAY
    cache.put("anna", "likes", 1)
    now.seconds -= 5000 * DAY
    assert cache.get("anna", "likes") is None


def test_one_listener_can_be_forgotten_and_all() -> None:
    cache = Cache("test", DAY)
    for listener in ("anna", "berta"):
        for key in ("likes", "listens"):
            cache.put(listener, key, 1)
    assert cache.forget("anna") == 2
    assert cache.get("anna", "likes") is None
    assert cache.get("berta", "likes") == 1
    assert cache.forget() == 2
    assert cache.forget() == 0


def test_damaged_files_are_as_none_and_go() -> None:
    cache = Cache("test", DAY)
    cache.put("anna", "likes", 1)
    for content in (b"", b"{", b"[]", b'{"until": "x"}', b"\xff"):
        [path] = files(cache) or [cache.folder / "x" / "y.json"]
        path.write_bytes(content)
        assert cache.get("anna", "likes") is None
        cache.put("anna", "likes", 1)
    assert cache.get("anna", "likes") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_files_are_for_their_owner_alone() -> None:
    cache = Cache("test", DAY)
    cache.put("anna", "likes", 1)
    [path] = files(cache)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "anna" not in str(path)
    assert json.loads(path.read_text())["listener"] == "anna"


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written"):
        Cache("test", DAY).put("anna", "likes", 1)


def test_many_questions_do_not_read_all_answers_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, swept = Now(), []
    cache = Cache("test", DAY, clock=now)
    original = Cache.sweep
    monkeypatch.setattr(Cache, "sweep", lambda self: swept.append(1) or original(self))
    for number in range(100):
        cache.put("", str(number), number)
        assert cache.get("", str(number)) == number
    assert len(swept) == 1
    now.seconds += 61
    cache.get("", "1")
    assert len(swept) == 2
