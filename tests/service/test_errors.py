"""Answers to what goes wrong: a status, an error, a hint, and nothing that is not meant for the client."""

import json
import logging
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from earmark.errors import (
    AssetError,
    EarmarkError,
    InputError,
    MissingExtraError,
    SourceError,
    UnknownNameError,
    UsageError,
)
from earmark.service.errors import Json, NotFound, TooOften, plain_problem, problem, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("a"), 400),
        (InputError("a"), 400),
        (UnknownNameError("tag", "a", ["b"]), 400),
        (NotFound("a"), 404),
        (AssetError("a"), 502),
        (SourceError("a"), 502),
        (MissingExtraError("a", "b"), 501),
        (TooOften("a", retry_after=3), 429),
        (EarmarkError("a"), 500),
    ],
)
def test_every_error_has_its_status(error: EarmarkError, status: int) -> None:
    answer = problem(error)
    assert answer.status_code == status_of(error) == status
    assert json.loads(answer.body) == {"error": error.message, "hint": error.hint}


def test_errors_say_when_to_come_again() -> None:
    assert problem(TooOften("a", retry_after=3)).headers["retry-after"] == "3"
    assert problem(TooOften("a", retry_after=0)).headers["retry-after"] == "1"


def test_what_was_sent_is_not_sent_back_at_length() -> None:
    answer = plain_problem(400, "x" * 5000)
    assert len(json.loads(answer.body)["error"]) == 1001


def test_names_that_are_no_text_are_escaped() -> None:
    assert json.loads(Json({"path": "caf\udce9", "title": "é"}).body) == {"path": "caf\udce9", "title": "é"}
    assert Json({"title": "é"}).body == '{"title":"é"}'.encode()


def test_no_page(still: TestClient) -> None:
    answer = still.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"error": "there is no such page", "hint": "the requests that there are stand in /docs"}


def test_wrong_method(still: TestClient) -> None:
    answer = still.delete("/v1/tracks")
    assert (answer.status_code, answer.json()["error"]) == (405, "DELETE is not taken here")
    assert answer.headers["allow"] == "GET"
    several = {"/v1/jobs": "GET, POST", "/rest/ping": "GET, HEAD, POST", "/v1/jobs/x/cancel": "POST"}
    assert {path: still.put(path).headers["allow"] for path in several} == several


def test_parameters_that_are_wrong_are_named(still: TestClient) -> None:
    answer = still.get("/v1/tracks?limit=0")
    assert answer.status_code == 422
    assert answer.json()["error"] == "limit is '0': input should be greater than or equal to 1"
    assert still.get("/v1/similar").json()["error"] == "track: field required"
    body = still.post("/v1/playlist", json={"sedes": ["a"]})
    assert body.status_code == 422
    assert body.json()["error"].startswith("sedes")
    assert still.post("/v1/playlist", content=b"{", headers={"content-type": "application/json"}).status_code == 422


def test_a_defect_gives_nothing_away(
    make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object) -> None:
        raise KeyError("/secret/place")

    monkeypatch.setattr("earmark.service.routes.tracks.page", broken)
    with caplog.at_level(logging.ERROR, "earmark.service"):
        answer = make_client().get("/v1/tracks")
    assert answer.status_code == 500
    assert answer.json()["error"] == "a defect of earmark"
    assert "secret" not in answer.text
    assert "KeyError" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"
