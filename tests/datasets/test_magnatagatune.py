"""MagnaTagATune: the published numbers on the real annotations, and its awkward cases."""

import csv
import io
import json
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import open_dataset
from earmark.datasets.base import Dataset, count_tags
from earmark.datasets.magnatagatune import by_frequency, merge, read_annotations, read_clip_info, read_jukemir
from earmark.errors import InputError, UsageError
from earmark.vocabulary import get_vocabulary

MAKE = runpy.run_path(str(Path(__file__).parent / "makers" / "magnatagatune.py"))["make"]


@pytest.fixture(scope="module")
def real(shared: Path) -> Dataset:
    return open_dataset("magnatagatune", shared / "datasets" / "magnatagatune")


@pytest.mark.shared
def test_published_counts(real: Dataset) -> None:
    assert len(real) == 25_863
    assert len(count_tags(real)) == 188
    assert real.split().name == "full"
    assert real.split("full").sizes == {"train": 18_706, "validation": 1_825, "test": 5_329}
    assert real.split("clean").sizes == {"train": 15_247, "validation": 1_529, "test": 4_332}
    assert real.split("lee").sizes == {"train": 15_247, "validation": 1_529, "test": 4_332}, "no audio: as clean"
    assert sum(not track.tags for track in real) == 4_221
    assert {f.track for f in real.faults} == set(real.split("full").left_out) == {"35644", "55753", "57881"}


@pytest.mark.shared
def test_the_split_by_artist_is_one_whatever_the_vocabulary(real: Dataset) -> None:
    merged = open_dataset("magnatagatune", real.root, vocabulary="merged")
    assert merged.split("artist") == real.split("artist")


@pytest.mark.parametrize("path", ["../../secret.mp3", "/etc/passwd", ""])
def test_clips_outside_the_folder_are_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"clip 1: mp3_path is .* leads out of the folder"):
        read_annotations(io.StringIO(f"clip_id\trock\tmp3_path\n1\t1\t{path}\n"))


def test_rubbish_in_the_file_of_jukemir() -> None:
    names = {"artist": None, "album": "A", "title": 5}
    good = {"y_all": ["rock"], "extra": {"clip_id": 5, "mp3_path": "f/a.mp3", **names}, "clip": {}}
    (track,) = read_jukemir(io.StringIO(json.dumps({"5": good})))
    assert (track.id, track.artist, track.title, track.duration) == ("5", "", "5", None)
    for key, value in (("y_all", "rock"), ("y_all", [1]), ("extra", None), ("clip", {"clip_duration": "long"})):
        with pytest.raises(InputError, match=r"not the JSON of jukemir|clip_duration is 'long'"):
            read_jukemir(io.StringIO(json.dumps({"5": {**good, key: value}})))


@pytest.mark.shared
def test_memberships_and_positives_are_the_published_ones(real: Dataset, shared: Path) -> None:
    """The split of jukemir's file track by track, and another project's counts of positives tag by tag."""
    import gzip
    import json

    with gzip.open(shared / "datasets/magnatagatune/magnatagatune.json.gz") as file:
        published = json.load(file)
    names = {"train": "train", "valid": "validation", "test": "test"}
    wanted = {clip["extra"]["clip_id"]: names[clip["split"]] for clip in published.values() if clip["split"]}
    assert real.split("full").part_of() == wanted
    assert {t.id: set(t.tags) for t in real} == {
        c["extra"]["clip_id"]: set(c["y_all"]) for c in published.values() if c["y_all"] is not None
    }
    with (shared / "datasets/magnatagatune/top50_counts.csv").open() as file:
        counts = {row[""]: row for row in csv.DictReader(file)}
    for part, ids in real.split("clean").parts.items():
        positives = dict(zip(real.vocabulary.tags, real.targets(ids).sum(axis=0).tolist(), strict=True))
        assert positives == {tag: int(row[part]) for tag, row in counts.items()}


@pytest.mark.shared
def test_top_50_is_the_published_list_in_its_order(real: Dataset) -> None:
    assert real.vocabulary.tags == get_vocabulary("mtt").tags


@pytest.mark.shared
def test_artists_leak_in_the_published_splits_and_not_in_ours(real: Dataset) -> None:
    def artists(part: str, split: str) -> list[str]:
        return [real[id].groups["artist"] for id in real.split(split)[part]]

    train, test = set(artists("train", "full")), artists("test", "full")
    assert (len(set(test)), len(train & set(test))) == (75, 45)
    assert sum(artist in train for artist in test) / len(test) == pytest.approx(0.616, abs=5e-4)
    ours = [set(artists(part, "artist")) for part in ("train", "validation", "test")]
    assert [len(a & b) for a in ours for b in ours if a is not b] == [0] * 6
    assert sum(map(len, ours)) == 230


@pytest.mark.shared
def test_the_artist_split_keeps_the_tags_in_balance(real: Dataset) -> None:
    split = real.split("artist")
    n = len(real) - 3
    for part, share in (("train", 12 / 16), ("validation", 1 / 16), ("test", 3 / 16)):
        assert len(split[part]) == pytest.approx(share * n, rel=0.01)
    rates = real.targets().mean(axis=0)
    for part, tolerance in (("train", 0.1), ("test", 0.4)):
        assert np.abs(real.targets(split[part]).mean(axis=0) / rates - 1).max() < tolerance


@pytest.mark.shared
def test_groups_by_file_name_are_the_artists_of_the_table(real: Dataset) -> None:
    pairs = {(track.groups["artist"], track.artist) for track in real}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 230
    assert len({track.groups["album"] for track in real}) == 446
    assert len({track.groups["track"] for track in real}) == 5_405


@pytest.mark.shared
def test_merged_synonyms(shared: Path) -> None:
    merged = open_dataset("magnatagatune", shared / "datasets" / "magnatagatune", vocabulary="merged")
    counts = count_tags(merged)
    assert len(merged.vocabulary) == 50
    assert not {"woman", "no voice", "beats", "clasical"} & set(counts)
    assert counts["female vocals"] > 2000
    assert merged.split("clean").sizes["train"] == 15_247, "the published split does not depend on the vocabulary"


def test_merging_keeps_order_and_drops_doubles() -> None:
    assert merge(["guitar", "woman", "female", "guitars", "sitar"]) == ("guitar", "female vocals", "sitar")


def test_ties_are_broken_by_the_published_order_then_by_name() -> None:
    assert by_frequency(Counter({"zither": 1, "airy": 1, "male voice": 3, "female vocal": 3})) == [
        "male voice",
        "female vocal",
        "airy",
        "zither",
    ]


def test_tables_and_json_give_the_same(tmp_path: Path) -> None:
    MAKE(tmp_path)
    tables = open_dataset("magnatagatune", tmp_path, vocabulary="all")
    assert tables["10"].artist == 'The "X"'
    assert tables["20"].artist == "Zoë\tZ"
    assert tables["6"].origin == (146.0, 175.0)
    assert tables["2"].groups == {
        "artist": "ana_b",
        "album": "ana_b-first_album",
        "track": "ana_b-first_album-01-a_song",
    }
    assert tables["2"].audio == tmp_path / "mp3" / "f" / "ana_b-first_album-01-a_song-30-59.mp3"
    assert tables.split("full").parts == {"train": ("10", "11"), "validation": ("20",), "test": ("2", "6")}
    assert tables.split("full").left_out == {"35644": "the published mp3 holds no audio"}
    assert tables.split("clean").left_out["11"] == "no tag of the vocabulary"
    import json

    clips = {
        f"{int(t.id):05d}": {
            "clip": {"clip_duration": 29.124},
            "extra": {
                "clip_id": t.id,
                "mp3_path": f"{t.audio.parent.name}/{t.audio.name}" if t.audio else "",
                "artist": t.artist,
                "album": t.album,
                "title": t.title,
            },
            "split": None,
            "y_all": list(t.tags),
        }
        for t in tables
    }
    clips["99999"] = clips["00002"] | {"y_all": None}
    tracks = read_jukemir(io.StringIO(json.dumps(clips)))
    assert [(t.id, t.tags, t.artist, t.groups) for t in tracks] == [(t.id, t.tags, t.artist, t.groups) for t in tables]


def test_without_the_table_of_clips_artists_come_from_the_names(tmp_path: Path) -> None:
    MAKE(tmp_path)
    (tmp_path / "clip_info_final.csv").unlink()
    dataset = open_dataset("magnatagatune", tmp_path)
    assert dataset["2"].artist == "ana b"
    assert dataset["10"].groups["artist"] == "the_x"


def test_lee_leaves_out_what_is_shorter_than_published(tmp_path: Path) -> None:
    MAKE(tmp_path)
    split = open_dataset("magnatagatune", tmp_path).split("lee")
    assert split["test"] == (), "the clips that are there last one second"
    assert split.left_out["2"].endswith("at most 29.1 s")
    assert split["validation"] == ("20",), "no audio: as published"
    audio = tmp_path / "mp3" / "f" / "ana_b-first_album-01-a_song-30-59.mp3"
    for seconds, kept in ((28.9, ()), (29.2, ("2",))):
        soundfile.write(audio, np.zeros(int(16000 * seconds)), 16000, format="MP3", subtype="MPEG_LAYER_III")
        assert open_dataset("magnatagatune", tmp_path).split("lee")["test"] == kept


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clip_id\tguitar\n2\t1\n", "no column 'mp3_path'"),
        ("clip_id\tguitar\tmp3_path\n2\tyes\ta.mp3\n", "clip 2: 'guitar' is 'yes', expected 0 or 1"),
        ("clip_id\tguitar\tmp3_path\n2\t1\ta.mp3\n2\t1\ta.mp3\n", "clip_id '2' stands in line 2 already"),
    ],
)
def test_damaged_annotations(text: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        read_annotations(io.StringIO(text))
    assert problem in error.value.message


def test_other_damage() -> None:
    with pytest.raises(InputError, match="no column 'artist'"):
        read_clip_info(io.StringIO("clip_id\ttrack_number\ttitle\talbum\n"))
    with pytest.raises(InputError, match="not the JSON of jukemir"):
        read_jukemir(io.StringIO('{"a": {"split": "train"}}'))
    with pytest.raises(InputError, match="not the JSON of jukemir"):
        read_jukemir(io.StringIO("[1, 2]"))


def test_vocabularies_that_do_not_exist(tmp_path: Path) -> None:
    MAKE(tmp_path)
    for wrong in ("top", 0, 5):
        with pytest.raises(UsageError, match="vocabulary="):
            open_dataset("magnatagatune", tmp_path, vocabulary=wrong)
