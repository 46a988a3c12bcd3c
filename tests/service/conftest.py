"""A service over a catalogue with made-up tracks, without weights and network."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("lancedb")

with warnings.catch_warnings():  # Starlette wishes for another client than httpx
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

from earmark.library.store import Store
from earmark.service.app import create_app
from earmark.service.settings import Settings, make_settings
from earmark.service.state import Service

from ..library.conftest import MODEL, track_row


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder of music, empty."""
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def make_catalogue(folder: Path, music: Path) -> str:
    """Make a catalogue with twelve made-up tracks, whose files would lie in `music`; return its address."""
    store = Store(folder, create=True)
    store.keep_model(MODEL)
    store.put("tracks", [track_row(i, folder=str(music)) for i in range(12)])
    return store.address


@pytest.fixture
def library_address(tmp_path: Path, music: Path) -> str:
    """The address of a catalogue with twelve made-up tracks, whose files would lie in `music`."""
    return make_catalogue(tmp_path / "catalogue", music)


@pytest.fixture
def settings(library_address: str, music: Path, tmp_path: Path) -> Settings:
    """What the service is told."""
    return make_settings(library=library_address, music=[music], data=tmp_path / "service")


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """What parts of the service share, without an app."""
    one = Service(settings)
    yield one
    one.close()


@pytest.fixture
def make_client(settings: Settings) -> Iterator[Callable[..., TestClient]]:
    """Make a client of an app; options are those of `Settings`, and of `TestClient`."""
    from dataclasses import replace

    open_clients: list[TestClient] = []

    def make(client: dict[str, Any] | None = None, **options: Any) -> TestClient:
        app = create_app(replace(settings, **options), n_jobs=0)
        made = TestClient(app, **{"base_url": "http://127.0.0.1:8337", "client": ("127.0.0.1", 5000)} | (client or {}))
        made.__enter__()
        open_clients.append(made)
        return made

    yield make
    for one in open_clients:
        one.__exit__(None, None, None)


@pytest.fixture
def client(make_client: Callable[..., TestClient]) -> TestClient:
    """A client of the service on this machine."""
    return make_client()


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service that no test changes, for requests that are refused; it has no limit of rate."""
    folder = tmp_path_factory.mktemp("still")
    music = folder / "music"
    music.mkdir()
    address = make_catalogue(folder / "catalogue", music)
    app = create_app(make_settings(library=address, music=[music], data=folder / "service", rate=0), n_jobs=0)
    with TestClient(app, base_url="http://127.0.0.1:8337", client=("127.0.0.1", 5000)) as made:
        yield made
