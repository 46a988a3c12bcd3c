"""Requests made up from the OpenAPI document, right ones and wrong ones: each answer is one that the document tells of.

schemathesis makes them up, with the names of what is really there between them. Each answer has a status, a media type
and a shape that the document declares; none has a status of 500 or above; what the document does not allow is refused;
a method that a path does not take is answered with those that it takes; and every request can be answered well.
"""

import copy
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi import FastAPI
from fastapi.testclient import TestClient

from earmark.audio.identity import content_id
from earmark.library.store import Store
from earmark.service.app import create_app
from earmark.service.jobs.kinds import check
from earmark.service.jobs.shapes import Add
from earmark.service.players.methods import METHODS
from earmark.service.settings import make_settings
from earmark.service.tokens import Tokens

from ..library.conftest import track_id, track_row
from .conftest import make_catalogue
from .listener import put

schemathesis = pytest.importorskip("schemathesis")

from schemathesis.config import SchemathesisConfig  # noqa: E402
from schemathesis.engine import events, from_schema  # noqa: E402

A_FEW, MANY = 4, 100
"""Requests of each kind that are made up, beside those that lie at the edges of what is allowed."""
TRACKS = [track_id(1), "Title 2", "Artist 1 - Title 4", "tone.wav"]
FILTERS = ["genre:own", "artist:'Artist 1' and bpm > 60", "not (rock > 0.5)", "bpm:60..90"]
JOBS_OF_OTHERS = "/v1/jobs/upload"
"""Where GET asks for a job of this id, which there is not: the document has that under /v1/jobs/{id}."""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    """A service over made-up tracks, of which two have files, whose models are a stand-in; clients may write."""
    music = tmp_path / "music"
    music.mkdir()
    soundfile.write(music / "tone.wav", np.sin(np.arange(16000) / 9) / 2, 16000)
    shutil.copy(music / "tone.wav", music / "4.mp3")
    (music / "cover.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    address = make_catalogue(tmp_path / "catalogue", music)
    soundfile.write(music / "song.flac", np.sin(np.arange(8000) / 9) / 2, 8000)
    row = track_row(40) | {"files": [{"path": os.fsencode(music / "song.flac"), "size": 1, "mtime_ns": 1}]}
    Store(address).put("tracks", [row | {"id": content_id(music / "song.flac")}])
    settings = make_settings(library=address, music=[music], data=tmp_path / "service", rate=0)
    made = create_app(replace(settings, may_write=True), n_jobs=0)
    put(made.state.hearing)
    made.state.jobs.start()
    yield made
    made.state.hearing.close()
    made.state.jobs.stop()
    made.state.service.close()


def make_bodies(client: TestClient) -> dict[str, Any]:
    """Return bodies of requests that are answered well; what they are about is made first."""
    answers = {"yes": ["Title 1", "Title 4"], "no": ["Title 2", "Title 3"]}
    for body in ({"tag": "good", **answers}, {"tag": "bad", "yes": ["Title 1"]}):
        assert client.post("/v1/own-tags", json=body).status_code == 200
    written = client.post("/v1/write", json={"tracks": ["Title 40"], "apply": True}).json()
    assert written["run"]
    return {
        "/v1/tag": {"path": "tone.wav"},
        "/v1/embeddings": {"path": "tone.wav"},
        "/v1/playlist": {"seeds": ["Title 1"], "length": 3, "moods": ["calm:0.2 -> calm:0.8"]},
        "/v1/compatibility": {"a": "artist:'Artist 0'", "b": "artist:'Artist 1' or artist:'Artist 2'"},
        "/v1/jobs": {"kind": "tag", "parameters": {"path": "tone.wav"}},
        "/v1/write": {"tracks": ["Title 40"], "apply": True},
        "/v1/write/undo": {"run": written["run"]},
        "/v1/own-tags": {"tag": "good", "yes": ["Title 5"]},
    }


def make_values(app: FastAPI) -> dict[str, list[str]]:
    """Return values that lead somewhere, by the parameter that takes them."""
    queue = app.state.jobs.queue
    jobs = [queue.add("add", check(app.state.service, "add", Add())).id for _ in range(2)]
    queue.cancel(jobs[0])
    tracks = TRACKS[:3]
    return {
        "query.track": tracks, "query.start": tracks, "query.end": TRACKS[1:3], "query.filter": FILTERS,
        "body.filter": FILTERS, "body.seeds[*]": tracks, "body.moods[*]": ["calm", "calm:0.2 -> calm:0.8"],
        "query.q": ["calm piano -rock", "sad jazz"], "body.a": FILTERS, "body.b": FILTERS, "body.tag": ["good"],
        "body.yes[*]": tracks, "body.no[*]": tracks, "body.tracks[*]": [*tracks, "Title 40"],
        "body.path": ["tone.wav"], "query.item_id": tracks[:1], "query.title": ["Title 2"],
        "query.artist": ["Artist 0"], "query.start_song_id": tracks[:1], "query.end_song_id": [track_id(4)],
        "path.method": sorted(METHODS), "query.apiKey": [Tokens(app.state.service.settings.data).add("made up")],
        "query.f": ["json", "xml"], "query.id": [track_id(3)], "path.id": [*jobs, *tracks],
        "path.tag": ["good"],
    }  # fmt: skip


def with_examples(document: dict[str, Any], values: dict[str, list[str]], bodies: dict[str, Any]) -> dict[str, Any]:
    """Add requests that are answered well to a document; schemathesis sends them as they are."""
    document = copy.deepcopy(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for one in operation.get("parameters", ()):
                found = values.get(f"{one['in']}.{one['name']}", [])
                if one["name"] == "id" and not path.startswith("/v1/jobs"):
                    found = found[-1:]
                if method == "delete":
                    found = ["bad"]
                if found and (one["required"] or path.startswith(("/rest", "/AudioMuse"))):
                    one["example"] = found[:1] if one["schema"].get("type") == "array" else found[0]
            if path in bodies and "requestBody" in operation:
                operation["requestBody"]["content"]["application/json"]["example"] = bodies[path]
    return document


def make_schema(app: FastAPI, n: int) -> Any:
    """Return what makes so many requests up."""
    client = TestClient(app, base_url="http://127.0.0.1:8337", client=("127.0.0.1", 5000))
    values, bodies = make_values(app), make_bodies(client)
    places = {name: re.sub(r"\W", "_", name) for name in values}
    settings = {
        "base-url": "http://127.0.0.1:8337",
        "seed": 1,
        "request-timeout": 10,
        "max-stream-events": 1,
        "phases": {"coverage": {"unexpected-methods": ["OPTIONS", "PATCH"]}},
        "generation": {"max-examples": n, "deterministic": True, "no-shrink": n == A_FEW},
        # What a parameter takes is more than a schema says: there may be no such track, a filter may have no sense.
        "checks": {"positive_data_acceptance": {"enabled": False}},
        "dictionaries": {place: {"values": values[name]} for name, place in places.items()},
        "parameters": {name: {"dictionary": place, "probability": 0.7} for name, place in places.items()},
        "operations": [{"include-path": JOBS_OF_OTHERS, "checks": {"allow_header_conformance": {"enabled": False}}}],
    }
    document = with_examples(app.openapi(), values, bodies)
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(settings))
    schema.app = app
    return schema


@pytest.mark.parametrize("n", [A_FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_answers_are_those_that_are_told(app: FastAPI, n: int) -> None:
    answered: Counter[tuple[str, int]] = Counter()
    wrong: dict[tuple[str, str], str] = {}
    schema = make_schema(app, n)
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError), event.exception
        if isinstance(event, events.NonFatalError):
            wrong[event.label, "an error"] = repr(event.value)
        if not isinstance(event, events.ScenarioFinished):
            continue
        for exchange in event.recorder.interactions.values():
            if exchange.response is not None:
                answered[event.recorder.label, exchange.response.status_code] += 1
        for outcome in (one for several in event.recorder.checks.values() for one in several):
            if (failed := outcome.failure_info) is not None:
                place = event.recorder.label, failed.failure.title
                wrong.setdefault(place, f"{failed.failure.message}\n{failed.code_sample}")
    assert not wrong, "\n\n".join(f"{where}: {title}: {what}" for (where, title), what in wrong.items())
    names = {operation.ok().label for operation in schema.get_all_operations()}
    assert names - {name for name, status in answered if status < 300} == set()
