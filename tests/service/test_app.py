"""The app as a whole: its OpenAPI document is valid and tells of everything."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from earmark.service.app import create_app
from earmark.service.settings import Settings

ROUTES = {
    ("post", "/v1/tag"), ("post", "/v1/embeddings"), ("get", "/v1/tracks"), ("get", "/v1/tracks/{id}"),
    ("get", "/v1/similar"), ("get", "/v1/search"), ("post", "/v1/playlist"), ("get", "/v1/path"),
    ("get", "/v1/tracks/{id}/audio"), ("get", "/v1/tracks/{id}/waveform"), ("get", "/v1/tracks/{id}/cover"),
    ("get", "/v1/map"), ("get", "/v1/own-tags"), ("post", "/v1/own-tags"), ("get", "/v1/own-tags/{tag}"),
    ("delete", "/v1/own-tags/{tag}"), ("get", "/v1/own-tags/{tag}/suggestions"),
    ("post", "/v1/write"), ("get", "/v1/write/profiles"), ("get", "/v1/write/runs"), ("post", "/v1/write/undo"),
    ("post", "/v1/compatibility"), ("get", "/v1/models"), ("get", "/healthz"), ("get", "/readyz"), ("get", "/metrics"),
}  # fmt: skip


@pytest.fixture
def client(still: TestClient) -> TestClient:
    """Nothing here changes the service: one serves all tests."""
    return still


@pytest.fixture
def document(client: TestClient) -> Any:
    return client.get("/openapi.json").json()


def test_everything_is_told(document: Any) -> None:
    told = {(method, path) for path, operations in document["paths"].items() for method in operations}
    assert told >= ROUTES
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (method, path) not in ROUTES:
                continue
            assert operation["summary"], path
            assert operation["description"], path
            problem = operation["responses"]["4XX"]["content"]["application/json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/Problem"}
            assert "422" not in operation["responses"]


def test_references_lead_somewhere(document: Any) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                place: Any = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    place = place[part]
            for one in node.values():
                walk(one)
        elif isinstance(node, list):
            for one in node:
                walk(one)

    walk(document)
    names = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(names) == len(set(names))
    assert document["security"] == [{}, {"token": []}, {"key": []}]


def test_what_is_sent_and_how(document: Any) -> None:
    content = document["paths"]["/v1/tag"]["post"]["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"]["properties"]["file"]["format"] == "binary"
    assert content["application/json"]["schema"]["required"] == ["path"]


def test_two_apps_count_for_themselves(settings: Settings) -> None:
    one, other = create_app(settings), create_app(settings)
    one.state.metrics.heard(5, 1)
    assert other.state.metrics.speed() == 0
    for app in (one, other):
        app.state.hearing.close()
        app.state.service.close()


def test_answers_have_the_shapes_that_are_told(client: TestClient, document: Any) -> None:
    from earmark.service.routes import shapes

    shapes.TrackPage.model_validate(client.get("/v1/tracks").json(), strict=True)
    shapes.Track.model_validate(client.get("/v1/tracks/Title 1").json(), strict=True)
    shapes.Matches.model_validate(client.get("/v1/similar?track=Title 1").json(), strict=True)
    shapes.Matches.model_validate(client.get("/v1/search?q=calm").json(), strict=True)
    shapes.Tracks.model_validate(client.get("/v1/path?start=Title 1&end=Title 4").json(), strict=True)
    shapes.Models.model_validate(client.get("/v1/models").json(), strict=True)
