"""What the service tells of itself."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from earmark.service.settings import Settings


def test_models(still: TestClient) -> None:
    found = still.get("/v1/models").json()
    names = {model["name"]: model for model in found["models"]}
    assert len(names["musicnn.pons_mtt"]["tags"]) == 50
    assert found["presets"]["standard"] == ["musicnn.pons_msd", "musicnn.pons_mtt"]
    assert (found["preset"], found["library"]) == ("standard", ["standard"])
    assert isinstance(names["musicnn.pons_mtt"]["local"], bool)


def test_well(still: TestClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = still.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["cache-control"] == "no-store"


def test_not_ready(client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != settings.data)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]) == (503, "the folder for data cannot be written")
    assert client.get("/healthz").status_code == 200


def test_no_catalogue(client: TestClient, library_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.errors import InputError
    from earmark.service.state import Service

    def broken(self: Service) -> None:
        raise InputError("the disk is gone")

    monkeypatch.setattr(Service, "library", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "the disk is gone" in answer.json()["error"]
