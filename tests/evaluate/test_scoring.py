"""A part is scored track by track: segments are honoured, chunks chosen, bad tracks counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.datasets.base import Dataset, Split, Track
from earmark.datasets.table import INFO
from earmark.errors import InputError
from earmark.evaluate.scoring import score_part
from earmark.track_tags import Tag, TrackTags
from earmark.vocabulary import from_tags

TRACKS = (
    Track("one", Path("one.mp3"), ("rock",)),
    Track("two", Path("two.mp3"), ("piano",), segment=(10.0, 25.0)),
    Track("bad", Path("bad.mp3"), ("rock",)),
    Track("mute", None, ("rock",)),
)


class Ears:
    """Hears four chunks of any track; its tags stand in another order than the dataset's."""

    threads = 2

    def __init__(self) -> None:
        self.asked: dict[str, tuple[float, float | None]] = {}

    def tag(self, source: Path, *, offset: float = 0.0, duration: float | None = None) -> TrackTags:
        self.asked[source.stem] = (offset, duration)
        if source.stem == "bad":
            raise InputError("bad.mp3: is a letter")
        taggram = np.array([[0.1, 0.9], [0.2, 0.6], [0.3, 0.2], [0.6, 0.1]], np.float32)
        tags = tuple(
            Tag(name, "other", float(score), None, 1.0, 0.0)
            for name, score in zip(("piano", "rock"), taggram.mean(axis=0), strict=True)
        )
        times = np.array([[i, i + 1] for i in range(4)], float)
        return TrackTags(str(source), 4.0, tags, taggram, times, np.zeros(2, np.float32), "ears", ("ears",))


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(INFO, Path("root"), {}, TRACKS, from_tags("own", ("rock", "piano")))


@pytest.fixture
def split() -> Split:
    return Split("ours", "", {"test": tuple(track.id for track in TRACKS), "validation": ()})


def scored(dataset, split, **options):
    ears = Ears()
    found = score_part(ears, dataset, split, "test", tags=dataset.vocabulary.tags, model="ears", **options)
    return found, ears


def test_bad_tracks_stop_nothing_and_are_named(dataset, split) -> None:
    steps = []
    found, _ = scored(dataset, split, on_track=lambda *counts: steps.append(counts))
    assert found.predictions.ids == ("one", "two")
    assert {id: str(error) for id, error in found.failures.items()} == {
        "bad": "bad.mp3: is a letter",
        "mute": "mute: has no audio",
    }
    assert steps[-1] == (4, 4, 2)


def test_segments_are_heard_and_nothing_else(dataset, split) -> None:
    _, ears = scored(dataset, split)
    assert ears.asked == {"one": (0.0, None), "two": (10.0, 15.0), "bad": (0.0, None)}


def test_columns_are_those_of_the_dataset(dataset, split) -> None:
    found, _ = scored(dataset, split)
    assert found.predictions.tags == ("rock", "piano")
    assert found.predictions.scores[0].tolist() == pytest.approx([0.45, 0.3])


def test_chunks_are_evenly_spaced(dataset, split) -> None:
    found, _ = scored(dataset, split, chunks=2)
    assert found.predictions.scores[0].tolist() == pytest.approx([0.5, 0.35])
    assert "2 chunks" in found.predictions.protocol
    assert scored(dataset, split, chunks=9)[0].predictions.scores[0].tolist() == pytest.approx([0.45, 0.3])


def test_nothing_to_score(dataset, split) -> None:
    bad = replace(split, parts={"test": ("bad", "mute"), "validation": ()}, left_out={"one": "", "two": ""})
    with pytest.raises(InputError, match=r"none of the 2 tracks of the test part could be scored: bad.mp3"):
        scored(dataset, bad)
    with pytest.raises(InputError, match="the validation part of split 'ours' has no tracks"):
        score_part(Ears(), dataset, split, "validation", tags=("rock", "piano"), model="ears")
    with pytest.raises(InputError, match="different tags"):
        score_part(Ears(), dataset, split, "test", tags=("rock", "choir"), model="ears")
