"""The page of a comparison: what stands in it, and that names in it do nothing."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import InputError
from earmark.plots.taste_page import shown, taste_page, verdict, write_taste_page

NASTY = "<img src=x onerror=alert(1)>\"&'</title>{{style}}"


def song(i: int, **facts: Any) -> dict[str, Any]:
    plain = {"id": f"{i:032x}", "name": f"Band {i} – Song {i}", "artist": f"Band {i}", "title": f"Song {i}"}
    return {**plain, "duration": 100.0 + i, "path": f"/music/{i} #1.mp3", "url": "", "licence": "", **facts}


def fact(tag: str, a: float, b: float) -> dict[str, Any]:
    return {"tag": tag, "category": "genre", "a": a, "b": b, "usual": 0.1, "error": 0.01}


def side(name: str, **facts: Any) -> dict[str, Any]:
    tracks = {"n": 30, "audio": 20, "tags_alone": 6, "neither": 4}
    return {"name": name, "source": "folder", "url": "", "attribution": "", "notice": "", "tracks": tracks,
            "matched": [], **facts}  # fmt: skip


def found(**facts: Any) -> dict[str, Any]:
    one = {"score": 82.4, "low": 61.0, "high": 95.0, "distance": 0.01, "n_a": 20, "n_b": 18}
    return {
        "a": side("Anna"), "b": side("Berta"), "way": "audio", **one, "by_category": {"genre": one | {"score": 70.0}},
        "as_one": 12.0, "n_pool": 1234, "shared": [fact("jazz", 0.4, 0.5)], "differences": [fact("rock", 0.5, 0.02)],
        "bridges": [{"a": song(1), "b": song(2), "similarity": 0.87, "tags": ["jazz"]}], "for_b": [song(3)],
        "for_a": [song(4)], "same_tracks": ["Same – Song"], "same_artists": ["Same"],
        "playlist": [song(i) for i in range(12)], "notes": [],
    } | facts  # fmt: skip


class Reader(HTMLParser):
    """Collects elements and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_score_interval_and_reasons_stand_in_it() -> None:
    text = re.sub(r"\s+", " ", Reader(taste_page(found())).text)
    for expected in (
        "Anna and Berta", "82of 100", "Near", "82 are further apart", "between 61 and 95", "Genre alone: 70",
        "Over mood apart there is too little to tell", "12 of 100 deals", "jazz", "rock", "usual 10 %", "0.87",
        "Anna could play to Berta", "Songs that both like: Same – Song", "12 songs, 21 minutes", "1,234 tracks",
    ):  # fmt: skip
        assert expected in text, expected


def test_it_fetches_nothing_and_runs_nothing() -> None:
    page = taste_page(found(), links="absolute")
    reader = Reader(page)
    assert not reader.all("script")
    assert not reader.all("link")
    policy = next(one["content"] for one in reader.all("meta") if one.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert {one["src"] for one in reader.all("audio")} >= {"file:///music/1%20%231.mp3"}


def test_names_are_text() -> None:
    given = found(
        a=side(NASTY, attribution=NASTY, url="javascript:alert(1)", matched=[
            {"like": NASTY, "track": NASTY, "by": "name", "similarity": 1.0}]),
        notes=[NASTY], same_tracks=[NASTY], for_b=[song(1, name=NASTY, url="javascript:alert(1)")],
        shared=[fact(NASTY, 0.4, 0.5)],
    )  # fmt: skip
    reader = Reader(taste_page(given))
    assert not reader.all("img")
    assert not reader.all("a")
    assert reader.text.count("<img src=x onerror=alert(1)>") >= 7
    assert not any(name.startswith("on") for _, attributes in reader.elements for name in attributes)


def test_links_and_attribution() -> None:
    url = "https://soundcloud.com/x?a=1&b=2"
    given = found(b=side("B", attribution="Likes from SoundCloud", url=url), for_a=[song(1, url=url)])
    links = Reader(taste_page(given)).all("a")
    assert [one["href"] for one in links] == [url, url]
    assert all(one["rel"] == "noopener noreferrer" for one in links)


def test_without_links_no_path_is_in_it(tmp_path: Path) -> None:
    assert "/music/" not in taste_page(found(), links="none")
    write_taste_page(tmp_path / "page.html", found())
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'src="./' in page
    with pytest.raises(InputError, match="there is no folder"):
        write_taste_page(tmp_path / "none" / "page.html", found())


def test_nothing_to_show_is_said() -> None:
    empty = found(
        shared=[], differences=[], bridges=[], for_a=[], for_b=[], same_tracks=[], same_artists=[], playlist=[],
        by_category={}, low=1.0, high=99.0, way="tags",
    )  # fmt: skip
    text = Reader(taste_page(empty)).text
    for expected in ("They share no such tag", "No difference is beyond chance", "Cannot be told yet", "Tags alone"):
        assert expected in text
    assert "playlist" not in text


def test_scores_in_words() -> None:
    assert [verdict(score, score - 5, score + 5) for score in (99, 75, 50, 20, 3)] == [
        "Very near", "Near", "About as near as any two", "Far", "Very far"
    ]  # fmt: skip
    assert (shown(99.5), shown(99.4), shown(0.4)) == ("> 99", "99", "< 1")
