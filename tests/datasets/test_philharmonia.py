"""The samples of the Philharmonia: names, groups, the split, on the real phrases and on made-up files."""

from pathlib import Path

import pytest

from earmark.datasets import open_dataset
from earmark.datasets.philharmonia import Sample, parse_name
from earmark.errors import InputError


@pytest.mark.shared
def test_real_phrases(shared: Path) -> None:
    dataset = open_dataset("philharmonia", shared / "datasets" / "philharmonia")
    assert len(dataset) == 730
    assert len(dataset.vocabulary) == 32
    assert len({track.groups["track"] for track in dataset if track.groups}) + sum(not t.groups for t in dataset) == 239
    split = dataset.split("track")
    assert sum(split.sizes.values()) == 730
    assert split.sizes["train"] == pytest.approx(730 * 12 / 16, abs=15)
    keys = [{dataset[id].groups["track"] for id in ids if dataset[id].groups} for ids in split.parts.values()]
    assert sum(map(len, keys)) == len(set.union(*keys)), "no pitch of an instrument is in two parts"
    assert dataset["cello_A3_phrase_mezzo-forte_arco-legato"].title == "A3 phrase, mezzo-forte, arco-legato"
    assert all(track.audio is not None and track.audio.is_file() for track in dataset)


@pytest.mark.shared
def test_pitched_instruments_in_five_folds(shared: Path) -> None:
    dataset = open_dataset("philharmonia", shared / "datasets" / "philharmonia", instruments="pitched")
    assert (len(dataset), len(dataset.vocabulary)) == (693, 12)
    tested = []
    for number in range(1, 6):
        split = dataset.split(f"fold-{number}")
        keys = [{dataset[id].groups["track"] for id in split[part]} for part in ("train", "test")]
        assert not keys[0] & keys[1], "no pitch of an instrument is in two parts"
        assert dataset.targets(split["train"]).any(axis=0).all()
        tested += split["test"]
    assert sorted(tested) == sorted(track.id for track in dataset), "every phrase is tested on once"


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("cello_As3_15_forte_con-sord", Sample("cello", "As3", "15", "forte", "con-sord")),
        ("tam-tam__phrase_mezzo-piano_rimshot", Sample("tam-tam", "", "phrase", "mezzo-piano", "rimshot")),
        ("viola_E4_long_piano_", Sample("viola", "E4", "long", "piano", "")),
        ("my own take", None),
        ("cello_H3_1_forte_normal", None),
        ("cello_A3_1_forte_normal_2", None),
    ],
)
def test_names(stem: str, expected: Sample | None) -> None:
    assert parse_name(stem) == expected


def test_damaged_samples_are_known(tmp_path: Path) -> None:
    for name in ("viola_D6_05_piano_arco-normal.mp3", "viola_D6_1_piano_arco-normal.mp3"):
        (tmp_path / name).touch()
    dataset = open_dataset("philharmonia", tmp_path)
    (fault,) = dataset.faults
    assert fault.track == "viola_D6_05_piano_arco-normal"
    assert fault.is_fatal


def test_the_same_sample_twice(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "oboe_A4_1_forte_normal.mp3").touch()
    with pytest.raises(InputError, match="have the id 'oboe_A4_1_forte_normal'"):
        open_dataset("philharmonia", tmp_path)


def test_archives_that_are_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cello.zip").touch()
    with pytest.raises(InputError, match="no file is called like") as error:
        open_dataset("philharmonia", tmp_path)
    assert "unpack every zip file" in (error.value.hint or "")
