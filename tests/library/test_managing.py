"""What is in a catalogue, and what goes."""

from pathlib import Path

import pytest

from earmark.errors import InputError
from earmark.library import managing
from earmark.library.resolving import find, find_all, matching
from earmark.library.rows import FilePlace
from earmark.library.schema import TRACKS, files_columns, text_columns
from earmark.library.store import Store

from .conftest import TAGS, track_id


def test_status_counts(store: Store) -> None:
    store.put(TRACKS, [{"id": track_id(0), **files_columns([])}])
    state = managing.status(store)
    assert (state.n_tracks, state.n_files, state.n_lost, state.n_failures) == (12, 11, 1, 0)
    assert state.seconds == sum(60.0 + i for i in range(12))
    assert [(model.name, model.n_tags, model.n_tracks) for model in state.models] == [("standard", len(TAGS), 12)]
    assert state.size is not None
    assert state.size > 1000
    assert state.to_dict()["models"][0]["listened"] == {"whole": 12}


def test_pruning_takes_tracks_without_any_file(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.mp3"
    there.write_bytes(b"x")
    store.put(
        TRACKS, [{"id": track_id(0), **files_columns([FilePlace("/music/0.mp3", 1, 1), FilePlace(str(there), 1, 1)])}]
    )
    missing = managing.missing_files(store)
    assert str(there) not in missing
    assert len(missing) == 12
    assert managing.prune(store, missing) == 11
    (track,) = store.tracks()
    assert [file.path for file in track.files] == [str(there)]


def test_removing_leaves_the_rest(store: Store) -> None:
    assert managing.remove(store, [track_id(1), track_id(2), track_id(77)]) == 2
    assert store.count() == 10


def test_tracks_are_found_by_id_file_and_name(store: Store) -> None:
    facts = {"abcdef": {"artist": "Miles", "title": "So What"}, "abcde0": {"artist": "Other", "title": "So What"}}
    store.put(TRACKS, [{"id": start + "0" * 26, **text_columns(one)} for start, one in facts.items()])
    assert find(store, track_id(3)).title == "Title 3"
    assert find(store, "ABCDEF").artist == "Miles"
    assert find(store, "/music/4.mp3").title == "Title 4"
    assert find(store, "title 5").id == track_id(5)
    assert find(store, "miles - so what").id.startswith("abcdef")
    assert len(matching(store, "0000000")) == 12
    store.put(TRACKS, [{"id": track_id(7), **files_columns([FilePlace("/music/Été 99.flac", 1, 1)])}])
    assert find(store, "ETE 99").id == find(store, "été 99.flac").id == track_id(7)
    with pytest.raises(InputError, match="no track"):
        find(store, "99")
    assert [track.title for track in find_all(store, ["title 5", "/music/4.mp3", "Title 5"])] == ["Title 5", "Title 4"]


@pytest.mark.parametrize("text", ["", "no such song", "f" * 32, "/music/none.mp3", 'it\'s "odd" \\ % _'])
def test_what_is_not_there_is_told(store: Store, text: str) -> None:
    with pytest.raises(InputError, match="no track of the catalogue"):
        find(store, text)


def test_a_name_of_two_tracks_is_told(store: Store) -> None:
    store.put(TRACKS, [{"id": track_id(1), **text_columns({"title": "Title 0"})}])
    with pytest.raises(InputError, match="2 tracks answer to this") as caught:
        find(store, "Title 0")
    assert caught.value.hint == "give the id"
