"""The page of a map: what it carries, that nothing in it is executed but its own script, and what that script does."""

import base64
import hashlib
import html
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.plots.map_data import MapData
from earmark.plots.map_page import map_page, write_map_page

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "{{script}} {{data}} \\u003c ' \" ` ${1}",
    "<!--<script>",
    "caf\udce9 \x00\x1b[31m\u202egpj",
    "日本語 🎵",
)
NODE = shutil.which("node")
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


def some(n: int = 40, seed: int = 0, **facts: Any) -> MapData:
    random = np.random.default_rng(seed)
    given: dict[str, Any] = {
        "points": random.normal(size=(n, 2)) * [5, 2] + 7,
        "titles": [f"Título {i}" for i in range(n)],
        "artists": [("Björk", "Cher", "Ella", "")[i % 4] for i in range(n)],
        "genres": [("Rock", "")[i % 2] for i in range(n)],
        "keys": [("C major", "A minor", "F# minor", "", "odd")[i % 5] for i in range(n)],
        "paths": [f"/music/{'ab'[i % 2]}/{i}.mp3" for i in range(n)],
        "durations": random.uniform(60, 400, n),
        "bpm": np.where(random.random(n) < 0.8, random.uniform(70, 170, n), np.nan),
        "scores": random.beta(0.4, 2, (n, 3)),
        "tags": ["piano", "rock", "slow"],
        "categories": ["instrument", "genre", "other"],
        "base_rates": [0.1, 0.2, 0.05],
        "groups": np.arange(n) % 3 - (np.arange(n) == n - 1) * (np.arange(n) % 3 + 1),
        "group_names": ["piano, slow", "rock", "empty & <b>"],
        "neighbours": np.stack([(np.arange(n) + k) % n for k in range(1, 11)], axis=1),
        "mean_rank": 0.03,
        "model": "standard",
        "heading": "Music of <me> & you",
    }
    return MapData(**(given | facts))


def data_of(page: str) -> bytes:
    found = re.search(r'<script type="text/plain" id="data">([A-Za-z0-9+/=]*)</script>', page)
    assert found
    return zlib.decompress(base64.b64decode(found[1]))


def unpacked(page: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    raw = data_of(page)
    (length,) = struct.unpack_from("<I", raw)
    head = json.loads(raw[4 : 4 + length])
    start = -(-(4 + length) // 8) * 8
    kinds = {"f4": "<f4", "i4": "<i4", "u1": "u1"}
    arrays = {
        name: np.frombuffer(raw, kinds[kind], count, start + at) for name, (at, count, kind) in head["arrays"].items()
    }
    return head, arrays


class Elements(HTMLParser):
    """Gathers the elements of a page, as a browser's parser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def test_the_page_carries_what_it_is_given() -> None:
    data = some()
    head, arrays = unpacked(map_page(data))
    assert head["titles"][3] == "Título 3"
    assert [head["artists"][i] if i >= 0 else "" for i in arrays["artist"]] == list(data.artists)
    assert [head["keys"][i] if i >= 0 else "" for i in arrays["key"]] == [k if k != "odd" else "" for k in data.keys]
    assert head["keys"] == ["A minor", "C major", "F# minor"]
    assert head["keyColours"] == [0, 0, 3]
    assert head["tags"] == ["piano", "rock", "slow"]
    assert head["usual"] == [0.1, 0.2, 0.05]
    assert arrays["group"].tolist() == data.groups.tolist()  # type: ignore[union-attr]
    assert arrays["neighbours"].reshape(40, 8).tolist() == data.neighbours[:, :8].tolist()  # type: ignore[index]
    np.testing.assert_array_equal(np.isnan(arrays["bpm"]), np.isnan(data.bpm))  # type: ignore[arg-type]
    scores = (arrays["scores"].reshape(3, 40).T / 255) ** 2
    np.testing.assert_allclose(scores, data.scores, atol=0.004)
    small = data.scores < 0.01
    np.testing.assert_allclose(scores[small], data.scores[small], atol=0.0004)


def test_the_reader_begins_with_the_colouring_that_was_asked_for() -> None:
    data = some(base_rates=[0.1, np.nan, 0.05])
    assert unpacked(map_page(data, colour_by="rock"))[0]["colour"] == "tag:rock"
    assert unpacked(map_page(data, colour_by="bpm"))[0]["colour"] == "bpm"
    assert "colour" not in unpacked(map_page(data))[0]
    assert unpacked(map_page(data))[0]["usual"] == [0.1, 0.05, 0.05]  # what is not known is taken as rare
    with pytest.raises(UnknownNameError, match="no colouring 'rokc'"):
        map_page(data, colour_by="rokc")


def test_points_keep_their_shape_around_the_middle() -> None:
    data = some()
    points = unpacked(map_page(data))[1]["points"].reshape(-1, 2)
    assert np.ptp(points, axis=0).max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(points.max(axis=0), -points.min(axis=0), atol=1e-6)
    scale = np.ptp(data.points, axis=0).max()
    np.testing.assert_allclose(points - points[0], (data.points - data.points[0]) / scale, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_libraries_have_a_page(n: int) -> None:
    head, arrays = unpacked(map_page(MapData(np.zeros((n, 2)), ["x"] * n)))
    assert head["fields"] == []
    assert arrays["points"].tolist() == [0] * 2 * n
    assert f"{n} track" in map_page(MapData(np.zeros((n, 2)), ["x"] * n))


def test_names_are_data_and_never_page() -> None:
    data = some(6, titles=HOSTILE, artists=HOSTILE, genres=HOSTILE, tags=HOSTILE[:3], heading=HOSTILE[0])
    page = map_page(data)
    plain = map_page(some(6, heading="x"))
    assert [tag for tag, _ in Elements(page).found] == [tag for tag, _ in Elements(plain).found]
    assert f"<title>{html.escape(HOSTILE[0])}</title>" in page
    assert "onerror" not in page
    head, _ = unpacked(page)
    assert head["titles"][0] == HOSTILE[0]
    assert head["titles"][2] == HOSTILE[2]
    assert head["titles"][4] == "caf� [31m gpj"
    assert head["titles"][5] == "日本語 🎵"


def test_the_page_fetches_nothing_and_runs_only_its_own_script() -> None:
    page = map_page(some())
    policy = next(dict_["content"] for tag, dict_ in Elements(page).found if dict_.get("http-equiv"))
    assert policy is not None
    style, script = (
        re.search(pattern, page, re.DOTALL)[1]  # type: ignore[index]
        for pattern in (r"<style>(.*?)</style>", r"<script>(.*?)</script>")
    )
    for part, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{part} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    for tag, attributes in Elements(page).found:
        assert not {"src", "href", "style"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert not re.search(r"https?://|@import|url\(|\bimport\b|innerHTML|\beval\b", page)


def test_the_page_says_what_the_map_does_not_show() -> None:
    page = map_page(some())
    assert "<p>UMAP: near means alike; distances between far groups mean little.</p>" in page
    assert "Distances between far groups mean little" in page
    assert "a mean rank of 3.0 % of the library" in page
    assert "Principal axes:" in map_page(some(method="pca"))
    assert "t-SNE:" in map_page(some(method="tsne"))


def urls(page: str) -> list[str]:
    head, arrays = unpacked(page)
    return [head["folders"][k] + name if name else "" for k, name in zip(arrays["folder"], head["files"], strict=True)]


def test_links_lead_from_the_page_to_the_files(tmp_path: Path) -> None:
    paths = [str(tmp_path / "a b#?%/ü'\".mp3"), str(tmp_path / "maps" / "x:y.mp3"), ""]
    if os.name != "nt":
        paths[2] = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3")
    data = MapData(np.eye(3, 2), ["a", "b", "c"], paths=paths)
    relative = urls(map_page(data, links="relative", folder=tmp_path / "maps"))
    assert relative[:2] == ["./../a%20b%23%3F%25/%C3%BC%27%22.mp3", "./x%3Ay.mp3"]
    absolute = urls(map_page(data, links="absolute"))
    assert absolute[1] == "file://" + ("/" if os.name == "nt" else "") + Path(paths[1]).as_posix().replace(":", "%3A")
    if os.name != "nt":
        assert relative[2] == "./../caf%E9.mp3"
        assert absolute[2].endswith("/caf%E9.mp3")


def test_without_links_no_path_stands_in_the_page() -> None:
    page = map_page(some(), links="none")
    assert b"/music/" not in data_of(page)
    assert unpacked(page)[0]["hasLinks"] is False
    assert unpacked(map_page(some(), links="absolute"))[0]["hasLinks"] is True


def test_links_that_there_are_not_are_refused() -> None:
    with pytest.raises(UsageError, match="no links 'all'"):
        map_page(some(), links="all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="need the folder"):
        map_page(some(), links="relative")


def test_a_page_is_written_whole_with_links_from_where_it_lies(tmp_path: Path) -> None:
    data = MapData(np.eye(2), ["a", "b"], paths=[str(tmp_path / "a.mp3"), ""])
    write_map_page(tmp_path / "map.html", data)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert urls(page) == ["./a.mp3", ""]
    with pytest.raises(InputError, match="there is no folder"):
        write_map_page(tmp_path / "no" / "map.html", data)


def test_the_same_data_give_the_same_page() -> None:
    assert map_page(some()) == map_page(some())


@pytest.mark.skipif(NODE is None, reason="no node to run the script of the page with")
def test_what_the_script_works_out() -> None:
    page = map_page(some(), links="absolute")
    done = subprocess.run(
        [str(NODE), str(Path(__file__).with_name("map_checks.js"))],
        input=page.encode("utf-8"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.decode().strip()) == (0, "all well"), done.stderr.decode()[-1500:]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the page with")
def test_a_browser_draws_the_page_and_runs_nothing_else(tmp_path: Path) -> None:
    data = some(6, titles=HOSTILE, artists=HOSTILE, tags=HOSTILE[:3], groups=None, neighbours=None)
    write_map_page(tmp_path / "map.html", data, colour_by="bpm")
    address = (tmp_path / "map.html").as_uri() + "#track=0&theme=dark"
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=4000", "--dump-dom", address],
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    seen = done.stdout.decode("utf-8")
    assert "<title>Music of &lt;me&gt; &amp; you</title>" in seen
    assert 'id="fault" role="alert" hidden' in seen
    assert f'<h2 id="title" dir="auto" tabindex="-1">{html.escape(HOSTILE[0], quote=False)}</h2>' in seen
    assert 'data-theme="dark"' in seen
    assert "<summary>Tempo</summary>" in seen
    assert 'id="data"' not in seen  # was read, and let go
    assert "<img" not in seen
