"""JAMS files: tags of whole tracks, of pieces, and what is wrong with them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from earmark.datasets import open_dataset
from earmark.datasets.jams import read_jams
from earmark.errors import InputError


def observation(time: float, duration: float, value: Any, confidence: Any = None) -> dict[str, Any]:
    return {"time": time, "duration": duration, "value": value, "confidence": confidence}


def jam(*data: dict[str, Any], namespace: str = "tag_open", extent: Any = (0, None), **about: Any) -> dict[str, Any]:
    annotation = {"annotation_metadata": {}, "namespace": namespace, "data": list(data), "sandbox": {}}
    annotation |= {"time": extent[0], "duration": extent[1]}
    return {"annotations": [annotation], "file_metadata": about, "sandbox": {}}


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_tags_of_a_track(tmp_path: Path) -> None:
    data = [observation(0, 10, "rock", 0.2), observation(10, 10, "jazz", 1), observation(5, 1, "rock", 0.9)]
    about = {"duration": 20.0, "artist": "A", "title": "T", "release": "R", "identifiers": {"isrc": "X", "mbid": ""}}
    path = write(tmp_path, "deep/ä b.jams", jam(*data, **about))
    path.with_suffix(".mp3").write_bytes(b"")
    (track,) = open_dataset("jams", tmp_path)
    assert (track.id, track.tags, track.tag_weights) == ("deep/ä b", ("rock", "jazz"), (0.9, 1.0))
    assert (track.artist, track.title, track.album, track.duration) == ("A", "T", "R", 20.0)
    assert track.audio == path.with_suffix(".mp3")
    assert track.groups == {"artist": "a", "album": "a / r", "track": "isrc:X"}
    assert track.segment is None


def test_pieces(tmp_path: Path) -> None:
    data = [
        observation(10, 10, "jazz"),
        observation(0, 10, "rock"),
        observation(0, 10, "loud"),
        observation(0, 20, "x"),
    ]
    write(tmp_path, "a.jams", jam(*data, duration=20))
    dataset = open_dataset("jams", tmp_path, pieces=True)
    assert {track.id: (track.tags, track.segment, track.duration) for track in dataset} == {
        "a@0-10": (("rock", "loud"), (0.0, 10.0), 10.0),
        "a@10-20": (("jazz",), (10.0, 20.0), 10.0),
        "a": (("x",), None, 20.0),
    }
    assert all(track.groups == {"track": "a"} for track in dataset)
    assert dataset.split_names == ("track",)


@pytest.mark.parametrize(
    ("extent", "duration", "segment"),
    [
        ((5, 10), 30, (5.0, 15.0)),
        ((0, 10), 30, (0.0, 10.0)),
        ((0, 30), 30, None),
        ((0, None), 30, None),
        ((0, 10), None, None),
        ((5, 10), None, (5.0, 15.0)),
    ],
)
def test_the_part_that_an_annotation_holds_for(tmp_path: Path, extent: Any, duration: Any, segment: Any) -> None:
    about = {} if duration is None else {"duration": duration}
    write(tmp_path, "a.jams", jam(observation(extent[0], 1, "rock"), extent=extent, **about))
    assert open_dataset("jams", tmp_path)["a"].segment == segment


def test_namespaces(tmp_path: Path) -> None:
    content = jam(observation(0, 1, "free"))
    content["annotations"] += jam(observation(0, 1, "rock"), namespace="tag_gtzan")["annotations"]
    content["annotations"] += jam(observation(0, 1, [0.1, 0.5]), namespace="mood_thayer")["annotations"]
    write(tmp_path, "a.jams", content)
    assert open_dataset("jams", tmp_path)["a"].tags == ("free", "rock")
    assert open_dataset("jams", tmp_path, namespace="tag_gtzan")["a"].tags == ("rock",)
    with pytest.raises(InputError, match="no track has a tag"):
        open_dataset("jams", tmp_path, namespace="tag_cal500")


def test_one_file_is_a_dataset_too(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jams", jam(observation(0, 1, "rock")))
    write(tmp_path, "b.jams", jam(observation(0, 1, "rock")))
    dataset = open_dataset("jams", path)
    assert [track.id for track in dataset] == ["a"]
    assert dataset.root == tmp_path


def test_audio_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, "labels/x/a.jams", jam(observation(0, 1, "rock")))
    write(tmp_path, "labels/b.mp3.jams", jam(observation(0, 1, "rock")))
    write(tmp_path, "music/x/a.flac", "")
    write(tmp_path, "music/b.mp3", "")
    dataset = open_dataset("jams", tmp_path / "labels", audio_root="../music")
    assert [track.audio for track in dataset] == [
        tmp_path / "labels/../music/b.mp3",
        tmp_path / "labels/../music/x/a.flac",
    ]
    with pytest.raises(InputError, match="there is no such folder of audio"):
        open_dataset("jams", tmp_path / "labels", audio_root="nowhere")


def test_one_list_per_field() -> None:
    """The dense form, which old versions of JAMS wrote for tags as well."""
    content = jam()
    content["annotations"][0]["data"] = {
        "time": [0, 1],
        "duration": [1, 1],
        "value": ["a", "b"],
        "confidence": [1, None],
    }
    found = read_jams(io.StringIO(json.dumps(content))).observations
    assert [(o.tag, o.time, o.confidence) for o in found] == [("a", 0.0, 1.0), ("b", 1.0, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON"),
        ('{"annotations": [', "no JSON"),
        ("[]", "no JAMS: TypeError"),
        ("{}", "no JAMS: KeyError: 'file_metadata'"),
        ("[" * 100_000, "no J"),
        (jam(observation(10**400, 1, "rock")), "no JAMS: OverflowError"),
        (jam(observation(-1, 1, "rock")), "time is -1, expected seconds"),
        (jam(observation(0, 1, ["rock"])), r"no JAMS: TypeError: value \['rock'\] is no tag"),
        (jam(observation(0, 1, "rock"), duration="long"), "duration is 'long', expected seconds"),
        ({**jam(observation(0, 1, "rock")), "sandbox": {"earmark": {"split": "x"}}}, "the split of the sandbox is 'x'"),
        ({**jam(observation(0, 1, "rock")), "sandbox": {"earmark": {"segment": [3]}}}, r"a segment is \[3\]"),
        ({**jam(observation(0, 1, "rock")), "sandbox": {"earmark": {"segment": [3, 2]}}}, "a segment from 3 s to 2 s"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, "a.jams", content)
    with pytest.raises(InputError, match=message) as error:
        open_dataset("jams", tmp_path)
    assert error.value.message.startswith(str(path))
    assert error.value.hint


def test_two_tracks_of_one_id(tmp_path: Path) -> None:
    for name in ("a.jams", "b.jams"):
        write(tmp_path, name, {**jam(observation(0, 1, "rock")), "sandbox": {"earmark": {"id": "same"}}})
    with pytest.raises(InputError, match="two tracks of jams have the id 'same'"):
        open_dataset("jams", tmp_path)


def test_a_folder_without_jams(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no JAMS file is there"):
        open_dataset("jams", tmp_path)


def test_the_highest_confidence_counts_in_whatever_order(tmp_path: Path) -> None:
    for name, confidences in (("a.jams", (0.2, 0.9)), ("b.jams", (0.9, 0.2))):
        write(tmp_path, name, jam(*(observation(0, 1, "rock", confidence) for confidence in confidences)))
    assert [track.tag_weights for track in open_dataset("jams", tmp_path)] == [(0.9,), (0.9,)]
