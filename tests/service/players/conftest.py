"""A service for players over twelve made-up songs by four artists, without weights and network."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("lancedb")

with warnings.catch_warnings():  # Starlette wishes for another client than httpx
    warnings.simplefilter("ignore")
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

from earmark.library.store import Store
from earmark.service import errors
from earmark.service.players.calls import Players
from earmark.service.players.routes import router
from earmark.service.settings import Settings, make_settings
from earmark.service.state import Service
from earmark.service.tokens import Tokens

from ...library.conftest import MODEL, track_row

MBID = "189002e7-3285-4e2e-92a3-7f6c30d407a2"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A catalogue that tests copy, and its folder of music.

    Songs 0 to 8 are by three artists; 9 to 11 stand on an album of two discs by "The Éclairs", with a guest.
    """
    folder = tmp_path_factory.mktemp("players")
    music = folder / "music"
    music.mkdir()
    store = Store(folder / "catalogue", create=True)
    store.keep_model(MODEL)
    rows = [track_row(i, folder=str(music)) | {"track_number": 12 - i} for i in range(9)]
    rows[0] |= {"genres": []}
    album = {"artist": "The Éclairs; Guest", "album": "Best of", "genres": ["Pop", "Rock"]}
    more = {"album_artist": "The Éclairs", "year": 1999, "isrc": "USABC1234567", "bit_rate": 320_000}
    rows += [track_row(i, folder=f"{music}/Best", **album) | more | {"track_number": i} for i in range(9, 12)]
    rows[9] |= {"mb_recording_id": MBID, "file_tags": '{"TPOS": ["2/2"]}'}
    rows[10] |= {"file_tags": '{"DISCNUMBER": ["1"]}'}
    store.put("tracks", rows)
    return folder / "catalogue", music


@pytest.fixture
def music(template: tuple[Path, Path]) -> Iterator[Path]:
    """The folder of music, empty; what a test puts there goes again."""
    yield template[1]
    shutil.rmtree(template[1])
    template[1].mkdir()


@pytest.fixture
def store(tmp_path: Path, template: tuple[Path, Path]) -> Store:
    """The catalogue, a test's own."""
    shutil.copytree(template[0], tmp_path / "catalogue")
    return Store(tmp_path / "catalogue")


@pytest.fixture
def settings(store: Store, music: Path, tmp_path: Path) -> Settings:
    """What the service is told."""
    return make_settings(library=store.address, music=[music], data=tmp_path / "data")


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """What requests share."""
    one = Service(settings)
    yield one
    one.close()


@pytest.fixture
def players(service: Service) -> Players:
    """What the service keeps for players."""
    return Players(service)


@pytest.fixture
def key(settings: Settings) -> str:
    """An API key."""
    return Tokens(settings.data).add("kitchen radio")


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """A client of the players' API alone."""
    app = FastAPI()
    errors.register(app)
    app.include_router(router(service))
    with TestClient(app) as made:  # one event loop for all requests
        yield made


@pytest.fixture
def ask(client: TestClient, key: str) -> Callable[..., dict[str, Any]]:
    """Ask a method with a key; returns what stands in the envelope."""

    def ask(method: str, **parameters: Any) -> dict[str, Any]:
        answer = client.get(f"/rest/{method}", params={"f": "json", "apiKey": key, **parameters})
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()["subsonic-response"]
        return body

    return ask
