"""Tags of the user's own over HTTP: one answer is kept, enough are learned from; who may change them, and when."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from earmark.library.facade import Library
from earmark.library.models import TAUGHT
from earmark.library.store import Store
from earmark.service.routes import teaching

from ...library.conftest import MODEL, track_id, track_row

NAME = "for dinner"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of forty tracks, which tests copy."""
    folder = tmp_path_factory.mktemp("teaching") / "catalogue"
    store = Store(folder, create=True)
    store.keep_model(MODEL)
    store.put("tracks", [track_row(i) for i in range(40)])
    return folder


@pytest.fixture
def library_address(template: Path, tmp_path: Path) -> str:
    import shutil

    shutil.copytree(template, tmp_path / "catalogue")
    return str(tmp_path / "catalogue")


def answer(client: TestClient, tag: str = NAME, *, status: int = 200, **body: Any) -> Any:
    found = client.post("/v1/own-tags", json={"tag": tag, **body})
    assert found.status_code == status, found.text
    return found.json()


def sides(address: str, n: int) -> tuple[list[str], list[str]]:
    """Ids where the first value of the embedding is above a half, and where it is not."""
    tracks = list(Store(address).tracks(ids=[track_id(i) for i in range(n)], embeddings=True))
    yes = [one.id for one in tracks if one.heard["standard"].embedding[0] > 0.5]  # type: ignore[index]
    return yes, [one.id for one in tracks if one.id not in yes]


def test_a_tag_is_taught_and_given_to_every_track(client: TestClient, library_address: str) -> None:
    yes, no = sides(library_address, 30)
    found = answer(client, category="mood", yes=yes, no=no)
    assert (found["tag"], found["category"], found["n_yes"], found["n_no"]) == (NAME, "mood", len(yes), len(no))
    assert (found["missing"], found["is_taught"], found["is_applied"], found["notes"]) == (
        {"yes": 0, "no": 0}, True, True, [],
    )  # fmt: skip
    assert found["report"]["roc_auc"]["value"] > 0.7
    assert found["report"]["verdict"]
    scores = [track.heard[TAUGHT].scores[NAME] for track in Library(library_address)]
    assert len(scores) == 40
    assert found["n_tracks"] == sum(score >= found["threshold"] for score in scores)
    (listed,) = client.get("/v1/own-tags", params={"track": yes[0]}).json()["tags"]
    assert listed["answer"] is True
    assert {key: listed[key] for key in listed if key != "answer"} == {
        key: found[key] for key in found if key != "notes"
    }
    assert client.get("/v1/tracks", params={"filter": f"mood:'{NAME}'"}).json()["total"] == found["n_tracks"]


def test_one_no_is_kept_and_the_rest_is_asked_for(client: TestClient, library_address: str) -> None:
    found = answer(client, no=["Title 3"])
    assert (found["n_yes"], found["n_no"], found["missing"]) == (0, 1, {"yes": 1, "no": 0})
    assert (found["is_taught"], found["is_applied"], found["n_tracks"], found["report"]) == (False, False, None, None)
    assert found["notes"] == ["kept; still needed: 1 more track that has it"]
    no_suggestion = client.get(f"/v1/own-tags/{NAME}/suggestions")
    assert (no_suggestion.status_code, no_suggestion.json()["hint"]) == (400, found["notes"][0])
    found = answer(client, yes=[track_id(4)])
    assert (found["is_taught"], found["is_applied"], found["notes"]) == (True, True, [])
    shown = client.get(f"/v1/own-tags/{NAME}").json()
    assert [(one["track"], one["name"], one["answer"]) for one in shown["answers"]] == [
        (track_id(3), "Artist 1 – Title 3", False),
        (track_id(4), "Artist 1 – Title 4", True),
    ]


def test_a_yes_alone_is_learned_from_but_given_to_no_track(client: TestClient) -> None:
    found = answer(client, yes=["Title 3"])
    assert (found["is_taught"], found["is_applied"], found["missing"]) == (True, False, {"yes": 0, "no": 1})
    suggested = client.get(f"/v1/own-tags/{NAME}/suggestions", params={"n": 5, "tags": 1}).json()["suggestions"]
    assert len({one["id"] for one in suggested} - {track_id(3)}) == 5
    assert all(0 <= one["probability"] <= 1 and len(one["heard"]["standard"]["tags"]) == 1 for one in suggested)
    assert answer(client, apply=True)["is_applied"] is True


def test_what_a_model_hears_is_not_replaced_by_a_few_answers(client: TestClient, library_address: str) -> None:
    found = answer(client, "piano", no=["Title 3"])
    assert (found["category"], found["missing"]) == ("instrument", {"yes": 5, "no": 4})
    assert found["notes"] == ["kept; still needed: 5 more tracks that have it and 4 more tracks that do not"]
    yes, no = sides(library_address, 30)
    found = answer(client, "piano", yes=yes[:5], no=no[:3])
    assert (found["is_taught"], found["is_applied"]) == (True, False)
    found = answer(client, "piano", no=no[3:5])
    assert (found["is_applied"], found["category"]) == (True, "instrument")
    with_it = answer(client, "rock", yes=["Title 3"], no=["Title 4"], apply=True)
    assert with_it["is_applied"] is True  # whoever asks for it gets it


def test_answers_are_withdrawn(client: TestClient, library_address: str) -> None:
    answer(client, yes=["Title 3"], no=["Title 4"])
    Store(library_address).delete("tracks", [track_id(4)])
    found = answer(client, forget=[track_id(4)])  # of a track that is gone
    assert (found["n_yes"], found["n_no"]) == (1, 0)
    found = answer(client, forget=[track_id(3)])
    assert (found["n_yes"], found["n_no"], found["is_taught"], found["is_applied"]) == (0, 0, False, False)
    assert client.get("/v1/own-tags").json() == {"tags": []}
    assert all(TAUGHT not in track.heard for track in Library(library_address))


def test_a_yes_that_becomes_a_no(client: TestClient) -> None:
    assert answer(client, yes=["Title 3"], no=["Title 4"])["is_applied"] is True
    found = answer(client, no=["Title 3"])
    assert (found["n_yes"], found["n_no"], found["is_taught"], found["is_applied"]) == (0, 2, False, False)


def test_a_tag_that_was_shared_outlives_a_no(client: TestClient, library_address: str, tmp_path: Path) -> None:
    library = Library(library_address)
    yes, no = sides(library_address, 20)
    library.teach(NAME, yes=yes, no=no)
    library.export_tag(NAME, tmp_path / "a.tag.json")
    library.remove_tag(NAME)
    library.import_tag(tmp_path / "a.tag.json")
    found = answer(client, no=["Title 3"])
    assert (found["n_yes"], found["n_no"], found["is_taught"]) == (0, 1, True)


def test_tags_are_removed(client: TestClient, library_address: str) -> None:
    answer(client, yes=["Title 3"], no=["Title 4"])
    answer(client, "late", no=["Title 3"])
    for name in (NAME, "late"):
        assert client.delete(f"/v1/own-tags/{name}").status_code == 204
        for answered in (client.delete(f"/v1/own-tags/{name}"), client.get(f"/v1/own-tags/{name}"),
                         client.get(f"/v1/own-tags/{name}/suggestions")):  # fmt: skip
            assert (answered.status_code, answered.json()["hint"]) == (404, "GET /v1/own-tags lists them")
    assert client.get("/v1/own-tags").json() == {"tags": []}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"tag": NAME}, 400, "no answers about 'for dinner' yet"),
        ({"tag": NAME, "yes": ["nothing"]}, 404, "no track 'nothing'"),
        ({"tag": NAME, "yes": ["/etc/passwd"]}, 404, "no track"),
        ({"tag": NAME, "yes": ["Title 1"], "no": ["Title 1"]}, 400, "both yes and no"),
        ({"tag": "a;b", "yes": ["Title 1"]}, 400, "cannot be the name"),
        ({"tag": "", "yes": ["Title 1"]}, 422, "tag"),
        ({"tag": NAME, "category": "colour", "yes": ["Title 1"]}, 422, "category"),
        ({"tag": NAME, "yes": ["a"] * 201}, 422, "yes"),
        ({"tag": NAME, "maybe": ["Title 1"]}, 422, "maybe"),
    ],
)
def test_what_cannot_be_taught(still: TestClient, body: Any, status: int, words: str) -> None:
    found = still.post("/v1/own-tags", json=body)
    assert found.status_code == status, found.text
    assert words in found.json()["error"]
    assert still.get("/v1/own-tags").json() == {"tags": []}


def test_who_may_not_change_tags(make_client: Callable[..., TestClient]) -> None:
    client = make_client(may_write=False)
    for refused in (client.post("/v1/own-tags", json={"tag": NAME, "yes": ["Title 1"]}),
                    client.delete(f"/v1/own-tags/{NAME}")):  # fmt: skip
        assert refused.status_code == 403
        assert "--may-write" in refused.json()["hint"]
    assert client.get("/v1/own-tags").json() == {"tags": []}


@pytest.fixture
def being_filled(library_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else writes to the catalogue."""
    monkeypatch.setattr(teaching, "PATIENCE", 0.0)
    with Store(library_address).writing():
        yield


@pytest.mark.usefixtures("being_filled")
def test_answers_are_kept_while_music_is_added(client: TestClient) -> None:
    found = answer(client, yes=["Title 3"], no=["Title 4"])
    assert (found["n_yes"], found["n_no"], found["is_taught"], len(found["notes"])) == (1, 1, False, 1)
    assert found["notes"][0].startswith("music is being added")
    busy = client.delete(f"/v1/own-tags/{NAME}")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "30")


def test_an_empty_catalogue(make_client: Callable[..., TestClient], tmp_path: Path) -> None:
    client = make_client(library=str(tmp_path / "empty"))
    assert client.get("/v1/own-tags").json() == {"tags": []}
    assert client.post("/v1/own-tags", json={"tag": NAME, "yes": ["Title 1"]}).status_code == 404
