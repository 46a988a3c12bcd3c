"""Splits keep groups whole and tags in balance, whatever the tracks are."""

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.datasets import dataset_info, splitting
from earmark.datasets.base import Dataset, Split, Track
from earmark.datasets.splitting import By, fold_split, folds, group_key, split_by_group
from earmark.errors import InputError, UsageError
from earmark.vocabulary import from_tags

TAGS = ("rock", "jazz", "piano", "slow")


@st.composite
def collections(draw: st.DrawFn) -> list[Track]:
    n = draw(st.integers(3, 60))
    artists = [f"artist {i}" for i in range(draw(st.integers(3, 20)))] + [""]
    chosen = [draw(st.sampled_from(artists)) for _ in range(n)]
    chosen[:3] = artists[:3]
    return [
        Track(
            f"t{i}",
            tags=tuple(draw(st.sets(st.sampled_from(TAGS)))),
            groups={"artist": chosen[i]} if chosen[i] else {},
        )
        for i in range(n)
    ]


@settings(max_examples=60, deadline=None)
@given(collections(), st.sampled_from(["artist", "id", "album"]), st.integers(0, 3))
def test_disjoint_exhaustive_whole_and_reproducible(tracks: list[Track], by: By, seed: int) -> None:
    split = split_by_group(tracks, by=by, seed=seed)
    part = split.part_of()
    assert sorted(id for ids in split.parts.values() for id in ids) == sorted(t.id for t in tracks)
    parts_of_group: dict[tuple[int, str], set[str]] = {}
    for track in tracks:
        parts_of_group.setdefault(group_key(track, by), set()).add(part[track.id])
    assert all(len(parts) == 1 for parts in parts_of_group.values())
    assert all(split.parts.values()), "no part is empty"
    shuffled = random.Random(seed).sample(tracks, len(tracks))
    assert split_by_group(shuffled, by=by, seed=seed).part_of() == part, "the order of the tracks changes nothing"


@settings(max_examples=30, deadline=None)
@given(collections(), st.integers(2, 3), st.sampled_from(["artist", "id"]))
def test_folds(tracks: list[Track], n_folds: int, by: By) -> None:
    dealt = folds(tracks, n_folds, by=by, seed=1)
    assert sorted(id for fold in dealt for id in fold) == sorted(t.id for t in tracks)
    for fold in range(n_folds):
        split = fold_split("a", "of a test", dealt, fold, tracks)
        assert set(split["test"]) == set(dealt[fold])
        assert len(split["train"]) + len(split["test"]) == len(tracks)


def test_shares_and_tags_are_kept_where_groups_are_small() -> None:
    generator = np.random.default_rng(0)
    rates = np.array([0.5, 0.2, 0.1, 0.02])
    tracks = [
        Track(
            str(i),
            tags=tuple(t for t, held in zip(TAGS, generator.random(4) < rates, strict=True) if held),
            groups={"artist": str(i // 3)},
        )
        for i in range(3000)
    ]
    split = split_by_group(tracks, parts={"train": 8, "validation": 1, "test": 1}, seed=3)
    by_id = {track.id: track for track in tracks}
    for part, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert len(split[part]) == pytest.approx(share * 3000, rel=0.02)
        for tag in TAGS:
            all_of_it = sum(tag in track.tags for track in tracks)
            assert sum(tag in by_id[id].tags for id in split[part]) == pytest.approx(share * all_of_it, abs=2)


def many_tracks(n: int = 600) -> list[Track]:
    """Tracks of artists of every size, with frequent and rare tags; whole numbers alone, so the same everywhere."""
    return [
        Track(
            f"t{i}",
            tags=tuple(dict.fromkeys(f"tag{i * i * k % 97 % (3 + k * 7)}" for k in (1, 2, 3))),
            groups={"artist": f"a{i * 7919 % 251 % (1 + i % 83)}"},
        )
        for i in range(n)
    ]


def test_splits_stay_the_same_from_one_version_to_the_next() -> None:
    split = split_by_group(many_tracks(), parts={"train": 3, "test": 1}, seed=5)
    digest = hashlib.sha256("\n".join(f"{id} {part}" for id, part in split.part_of().items()).encode()).hexdigest()
    assert (split.sizes, digest[:16]) == ({"train": 449, "test": 151}, "68a5cc90b854cd30")


def test_looking_at_more_groups_together_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [split_by_group(many_tracks(), by=by, seed=1) for by in ("artist", "id")]
    monkeypatch.setattr(splitting, "BLOCK_CELLS", 1)
    assert [split_by_group(many_tracks(), by=by, seed=1) for by in ("artist", "id")] == expected


def test_of_too_many_tags_the_most_frequent_are_balanced(monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = [
        Track(str(i), tags=(("often",) if i % 4 == 0 else ()) + (("twice",) if i < 2 else ()) + (f"once {i}",))
        for i in range(80)
    ]
    monkeypatch.setattr(splitting, "MOST_CELLS", 2 * 80)
    few = split_by_group(tracks, by="id", seed=2)
    assert few == split_by_group(tracks, by="id", seed=2, tags=["often", "twice"])
    often = {track.id for track in tracks if "often" in track.tags}
    assert [len(often & set(few[part])) for part in ("train", "validation", "test")] == [15, 1, 4]


def test_another_seed_is_another_split() -> None:
    tracks = [Track(str(i), groups={"artist": str(i // 2)}) for i in range(100)]
    assert split_by_group(tracks, seed=0).part_of() != split_by_group(tracks, seed=1).part_of()


def test_left_out_tracks_keep_their_reason() -> None:
    tracks = [Track(str(i)) for i in range(10)]
    split = split_by_group(tracks, by="id", left_out={"3": "broken", "unknown": "of another folder"})
    assert split.left_out == {"3": "broken"}
    assert "3" not in split.part_of()


def test_what_cannot_be_split() -> None:
    tracks = [Track(str(i), groups={"artist": str(i % 2)}) for i in range(10)]
    with pytest.raises(UsageError, match="2 groups by artist cannot fill 3 parts") as caught:
        split_by_group(tracks)
    assert caught.value.hint == "split by id, or by track"
    with pytest.raises(UsageError, match="1 track cannot fill 3 parts") as caught:
        split_by_group(tracks[:1], by="id")
    assert caught.value.hint == "it takes more tracks"
    with pytest.raises(UsageError, match="no part 'dev'"):
        split_by_group(tracks, parts={"train": 1, "dev": 1})
    with pytest.raises(UsageError, match=r"parts \{'train': 1, 'test': 0\}"):
        split_by_group(tracks, parts={"train": 1, "test": 0})
    with pytest.raises(UsageError, match=r"parts \{'train': 1, 'test': inf\}"):
        split_by_group(tracks, parts={"train": 1, "test": float("inf")})
    with pytest.raises(UsageError, match="split by 'genre'"):
        split_by_group(tracks, by="genre")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 folds of 2 groups"):
        folds(tracks, 3, by="artist")


def test_a_track_without_a_group_is_none_of_those_that_have_its_name() -> None:
    with_key, without = Track("a", groups={"artist": "b"}), Track("b")
    assert group_key(with_key, "artist") != group_key(without, "artist")


def test_a_track_stands_once_in_a_split() -> None:
    with pytest.raises(InputError, match="split 'x': track 'a' stands in it 2 times"):
        Split("x", "of a test", {"train": ("a", "b"), "test": ("a",)})
    with pytest.raises(InputError, match="track 'a' stands in it 2 times"):
        Split("x", "of a test", {"train": ("a",)}, {"a": "left out"})
    dataset = Dataset(
        dataset_info("table"),
        Path(),
        {},
        (Track("a"), Track("b")),
        from_tags("x", ["rock"]),
        split_makers={
            "less": lambda: Split("less", "", {"train": ("a",)}),
            "more": lambda: Split("more", "", {"train": ("a", "b", "c")}),
        },
    )
    with pytest.raises(InputError, match="says nothing of track 'b'"):
        dataset.split("less")
    with pytest.raises(InputError, match="names track 'c', which the dataset does not have"):
        dataset.split("more")
