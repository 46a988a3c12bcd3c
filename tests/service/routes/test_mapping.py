"""The map as numbers: what `chart` gives, kept until the catalogue changes, made once for all who ask."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from earmark.library.charting import chart
from earmark.library.facade import Library
from earmark.library.store import Store
from earmark.plots.map_data import MapData
from earmark.service.errors import TooBusy
from earmark.service.routes import mapping
from earmark.service.settings import Settings
from earmark.service.state import Service

from ...library.conftest import track_id, track_row


def test_a_map_is_what_python_gives(still: TestClient) -> None:
    found = still.get("/v1/map").json()
    data = chart(Store(still.app.state.service.settings.library), groups=True)  # type: ignore[attr-defined]
    assert (found["method"], found["ids"]) == ("pca", [track_id(i) for i in range(12)])
    assert np.allclose(found["points"], mapping.to_unit(data.points), atol=1e-5)
    points = np.array(found["points"])
    assert (points.min(), points.max()) == (0.0, 1.0)
    assert found["titles"] == [f"Title {i}" for i in range(12)]
    assert found["artists"] == [f"Artist {i // 3}" for i in range(12)]
    assert found["genres"] == ["Own"] * 12
    assert found["groups"] == data.groups.tolist()  # type: ignore[union-attr]
    assert found["group_names"] == list(data.group_names)
    (track,) = Library(still.app.state.service.settings.library).store.tracks(ids=[track_id(5)])  # type: ignore[attr-defined]
    assert found["top_tags"][5] == [name for name, _ in track.heard["standard"].top(3)]


def test_filters_and_models(still: TestClient) -> None:
    found = still.get("/v1/map", params={"filter": "artist:'Artist 1'", "model": "standard"}).json()
    assert found["ids"] == [track_id(i) for i in (3, 4, 5)]
    one = still.get("/v1/map", params={"filter": "title:'Title 7'"}).json()
    assert (one["points"], one["groups"], len(one["group_names"])) == ([[0.5, 0.5]], [0], 1)
    assert still.get("/v1/map", params={"filter": "nonsense"}).status_code == 400
    assert still.get("/v1/map", params={"model": "nothing"}).status_code == 400


def test_no_track_is_an_empty_map(still: TestClient, make_client: Callable[..., TestClient], tmp_path: Path) -> None:
    empty = {"method": None, "points": [], "ids": [], "titles": [], "artists": [], "genres": [], "top_tags": [],
             "groups": [], "group_names": []}  # fmt: skip
    assert still.get("/v1/map", params={"filter": "bpm > 900"}).json() == empty
    assert make_client(library=str(tmp_path / "empty")).get("/v1/map").json() == empty


def test_a_map_is_kept_until_the_catalogue_changes(
    client: TestClient, library_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str | None] = []
    true = mapping.tracks_on_a_map

    def count(service: Service, filter: str | None, model: str | None) -> Any:
        made.append(filter)
        return true(service, filter, model)

    monkeypatch.setattr(mapping, "tracks_on_a_map", count)
    first = client.get("/v1/map")
    assert client.get("/v1/map").json() == first.json()
    again = client.get("/v1/map", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, made) == (304, [None])
    client.get("/v1/map", params={"filter": "bpm > 90"})
    assert made == [None, "bpm > 90"]
    assert client.get("/v1/map", params={"filter": "nonsense"}).status_code == 400
    assert client.get("/v1/map", params={"filter": "nonsense"}).status_code == 400  # asked for anew
    assert made[2:] == ["nonsense"] * 2
    Store(library_address).put("tracks", [track_row(12)])
    assert len(client.get("/v1/map").json()["ids"]) == 13


def test_a_map_that_takes_long_is_asked_for_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, running, most = threading.Event(), 0, 0

    def slow(service: Service, filter: str | None, model: str | None) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        assert may_end.wait(5)
        running -= 1
        return {"filter": filter}

    monkeypatch.setattr(mapping, "tracks_on_a_map", slow)
    service = Service(replace(settings, timeout=0.1))

    async def ask() -> Any:
        maps = mapping.Maps(service)
        found = await asyncio.gather(*(maps.get(key, key, None) for key in ("a", "b", "a")), return_exceptions=True)
        assert all(isinstance(one, TooBusy) and one.retry_after == 10 for one in found)
        may_end.set()
        begun = time.monotonic()
        while time.monotonic() - begun < 5:
            try:
                return [await maps.get(key, key, None) for key in ("a", "b")]
            except TooBusy:
                continue
        return None

    assert asyncio.run(ask()) == [{"filter": "a"}, {"filter": "b"}]
    assert most == 1
    service.close()


def test_few_maps_are_kept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str | None] = []
    monkeypatch.setattr(mapping, "tracks_on_a_map", lambda service, filter, model: made.append(filter) or {})

    async def ask() -> None:
        maps = mapping.Maps(service)
        for i in [*range(mapping.MOST_KEPT + 1), mapping.MOST_KEPT, 1, 0]:
            await maps.get(str(i), str(i), None)

    asyncio.run(ask())
    assert made == [str(i) for i in range(mapping.MOST_KEPT + 1)] + ["0"]


def test_a_taught_tag_with_the_name_of_a_models_tag_is_told_once() -> None:
    scores = np.array([[0.9, 0.8, 0.1, 0.2, 0.3]], np.float32)
    data = MapData(np.zeros((1, 2)), ["a"], scores=scores, tags=["piano", "piano", "jazz", "calm", "rock"])
    assert mapping.best_tags(data) == [["piano", "rock", "calm"]]
    assert mapping.best_tags(MapData(np.zeros((2, 2)), ["a", "b"])) == [[], []]
