"""Duplicates: what is grouped and why, what is not, and that nothing hangs on how the work is cut up."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from earmark.audio.fingerprint import FRAME_SECONDS, Fingerprinter, fingerprint
from earmark.audio.io import open_audio
from earmark.errors import InputError, UsageError
from earmark.library import duplicates, word_index
from earmark.library.duplicates import Duplicate, DuplicateGroup, find_duplicates

Words = NDArray[np.uint32]


def recording(seed: int, n_frames: int = 600) -> Words:
    """Words whose bits last for some frames, as those of music do."""
    rng = np.random.default_rng(seed)
    flips = rng.random((n_frames, 32)) < 0.15
    flips[0] = rng.random(32) < 0.5
    bits = np.cumsum(flips, axis=0) % 2
    words = (bits.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
    return np.where(words == 0, np.uint32(1), words)


def copied(words: Words, seed: int = 0, *, rate: float = 0.004) -> Words:
    """A copy that begins between two frames, with about `rate` of its bits turned, for half a dozen frames each."""
    rng = np.random.default_rng(seed)
    behind = np.append(words[1:], words[-1])
    late = rng.integers(0, 1 << 32, len(words), dtype=np.uint32)
    out = np.where((words == 0) | (behind == 0), words, (words & ~late) | (behind & late))
    begun = np.cumsum(rng.random((len(words), 32)) < rate / 6, axis=0)
    turned = begun != np.concatenate([np.zeros((6, 32), dtype=int), begun])[: len(words)]
    errors = (turned.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
    return np.where(out == 0, out, out ^ errors)


def only(groups: Sequence[DuplicateGroup]) -> DuplicateGroup:
    assert len(groups) == 1
    return groups[0]


def relations(group: DuplicateGroup) -> dict[str, str]:
    return {each.id: each.relation for each in group.duplicates}


def test_copies_are_one_group_and_others_none() -> None:
    prints = [recording(seed) for seed in range(5)] + [copied(recording(1), 7), copied(recording(1), 8)[40:]]
    group = only(find_duplicates(list("abcdefg"), prints))
    assert group.reference == "b"
    assert relations(group) == {"f": "same recording", "g": "same recording"}
    assert group.same == ("b", "f", "g")
    first, second = group.duplicates
    assert first.of == second.of == "b"
    assert 0 < first.bit_error_rate < 0.02
    assert (first.offset_seconds, first.n_pieces) == (0, 1)
    assert first.coverage == first.coverage_of == 1
    assert first.matched_seconds == pytest.approx(600 * FRAME_SECONDS, abs=0.15)
    assert second.offset_seconds == pytest.approx(40 * FRAME_SECONDS, abs=0.15)
    assert (second.coverage, second.coverage_of) == (pytest.approx(1, abs=0.01), pytest.approx(560 / 600, abs=0.01))


def test_the_first_of_the_same_stands_for_them() -> None:
    short, long = copied(recording(1))[20:], np.concatenate([recording(1), recording(2, 30)])
    group = only(find_duplicates(["best", "worse"], [short, long]))
    assert group.reference == "best"
    assert group.duplicates[0].offset_seconds == pytest.approx(-20 * FRAME_SECONDS, abs=0.15)
    assert only(find_duplicates(["worse", "best"], [long, short])).reference == "worse"


def test_an_excerpt_is_told_by_where_it_lies() -> None:
    part = copied(recording(1, 1800)[700:930])
    for ids, prints in ((["song", "part"], [recording(1, 1800), part]), (["part", "song"], [part, recording(1, 1800)])):
        group = only(find_duplicates(ids, prints))
        assert group.reference == "song"
        assert relations(group) == {"part": "excerpt"}
        found = group.duplicates[0]
        assert found.offset_seconds == pytest.approx(700 * FRAME_SECONDS, abs=0.15)
        assert (found.coverage, found.coverage_of) == (1, pytest.approx(230 / 1800, abs=0.01))


def test_a_longer_version_is_named_where_there_are_copies_of_the_short_one() -> None:
    short, long = recording(1, 400), np.concatenate([recording(2, 100), recording(1, 400), recording(3, 200)])
    groups = find_duplicates(["one", "two", "long"], [short, copied(short), long])
    assert [group.reference for group in groups] == ["one", "long"]
    assert relations(groups[0]) == {"two": "same recording", "long": "longer version"}
    assert groups[0].duplicates[1].offset_seconds == pytest.approx(-100 * FRAME_SECONDS, abs=0.15)
    assert relations(groups[1]) == {"one": "excerpt", "two": "excerpt"}
    assert groups[0].same == ("one", "two")


def test_a_mix_does_not_join_the_tracks_in_it() -> None:
    tracks = [recording(seed, 300) for seed in range(6)]
    mix = np.concatenate([copied(track, seed) for seed, track in enumerate(tracks)])
    groups = find_duplicates([*"abcdef", "mix", "b2"], [*tracks, mix, copied(tracks[1], 9)])
    assert [group.reference for group in groups] == ["b", "mix"]
    assert relations(groups[0]) == {"b2": "same recording", "mix": "longer version"}
    assert relations(groups[1]) == dict.fromkeys([*"abcdef", "b2"], "excerpt")
    offsets = {each.id: each.offset_seconds for each in groups[1].duplicates}
    assert offsets["d"] == pytest.approx(900 * FRAME_SECONDS, abs=0.15)


def test_an_excerpt_of_an_excerpt_is_told_once() -> None:
    song = recording(1, 900)
    group = only(find_duplicates(["part", "part of it", "song"], [song[200:600], song[300:400], song]))
    assert group.reference == "song"
    assert relations(group) == {"part": "excerpt", "part of it": "excerpt"}


@pytest.mark.parametrize("n_common", [100, 250])
def test_a_common_beginning_makes_no_duplicates(n_common: int) -> None:
    start = recording(9, n_common)
    prints = [np.concatenate([start, recording(seed, 600 - n_common)]) for seed in (1, 2)]
    assert find_duplicates(["a", "b"], prints) == []


def test_a_mix_with_other_voices_is_another_recording() -> None:
    other = copied(recording(1), rate=0.08)
    assert find_duplicates(["song", "instrumental"], [recording(1), other]) == []
    loose = only(find_duplicates(["song", "instrumental"], [recording(1), other], max_bit_error_rate=0.12))
    assert 0.04 < loose.duplicates[0].bit_error_rate < 0.12


def test_an_edit_is_found_by_its_pieces() -> None:
    song = recording(1, 1200)
    edit = copied(np.concatenate([song[:400], song[700:]]))
    found = only(find_duplicates(["song", "edit"], [song, edit])).duplicates[0]
    assert found.relation == "excerpt"
    assert found.n_pieces == 2
    assert found.coverage > 0.95
    assert found.coverage_of == pytest.approx(0.75, abs=0.03)


def test_a_copy_that_runs_a_little_faster_is_found_by_its_pieces() -> None:
    song = recording(1, 1600)
    faster = copied(np.delete(song, np.arange(100, 1600, 200)))  # 0.5 %
    found = only(find_duplicates(["song", "faster"], [song, faster])).duplicates[0]
    assert found.relation == "same recording"
    assert found.n_pieces > 1


def test_loops_are_laid_where_all_of_them_fits() -> None:
    bar = recording(1, 60)
    song = np.concatenate([recording(2, 90), *[copied(bar, 50, rate=0)] * 12, recording(3, 90)])
    part = copied(song[300:])
    group = only(find_duplicates(["song", "part"], [song, part]))
    assert group.duplicates[0].offset_seconds == pytest.approx(300 * FRAME_SECONDS, abs=0.15)
    assert group.duplicates[0].coverage > 0.99


def test_silence_counts_for_nothing() -> None:
    silence = np.zeros(400, dtype=np.uint32)
    song = recording(1, 300)
    gap = np.concatenate([song[:150], silence, song[150:]])
    prints = [np.concatenate([song, silence]), copied(np.concatenate([silence, song])), gap, silence, silence[:0]]
    group = only(find_duplicates(["a", "b", "gap", "silent", "empty"], prints))
    assert relations(group) == {"b": "same recording", "gap": "same recording"}
    assert group.duplicates[0].offset_seconds == pytest.approx(-400 * FRAME_SECONDS, abs=0.15)
    assert group.duplicates[0].matched_seconds == pytest.approx(300 * FRAME_SECONDS, abs=0.3)


@pytest.mark.parametrize(("n_frames", "is_found"), [(60, True), (20, False)])
def test_very_short_tracks_are_left_alone(n_frames: int, is_found: bool) -> None:
    short = recording(1, n_frames)
    assert bool(find_duplicates(["a", "b"], [short, copied(short)])) == is_found


def test_many_copies_are_one_group() -> None:
    song = recording(1, 400)
    ids = [str(i) for i in range(70)]
    group = only(find_duplicates(ids, [copied(song, i, rate=0.01) for i in range(70)]))
    assert group.same == tuple(ids)


def test_what_joins_two_that_differ_is_named() -> None:
    song = recording(1)
    prints = [song[:545], song[55:], song]  # the first two have less than 90 % in common
    group = only(find_duplicates(["start", "end", "song"], prints))
    assert group.same == ("start", "end", "song")
    assert {each.id: each.of for each in group.duplicates} == {"end": "song", "song": "start"}


def library() -> tuple[list[str], list[Words]]:
    prints = [recording(seed, 300 + 40 * seed) for seed in range(12)]
    prints += [copied(prints[seed], seed) for seed in (1, 4, 4, 7)]
    prints += [copied(prints[8], 20)[100:350], np.concatenate([recording(50, 80), prints[2], prints[9]])]
    return [f"t{i}" for i in range(len(prints))], prints


def test_it_does_not_matter_how_the_work_is_cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, prints = library()
    expected = find_duplicates(ids, prints)
    assert [group.reference for group in expected] == ["t1", "t4", "t7", "t8", "t17"]
    monkeypatch.setattr(word_index, "_MAX_ENTRIES", 1000)
    monkeypatch.setattr(word_index, "_SLAB", 137)
    monkeypatch.setattr(word_index, "_READ_TRACKS", 3)
    assert find_duplicates(ids, prints) == expected


def test_all_pairs_compared_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, prints = library()
    expected = find_duplicates(ids, prints)
    pairs = np.array([(i, j) for j in range(len(ids)) for i in range(j)])
    relate = duplicates._relate
    monkeypatch.setattr(duplicates, "candidates", lambda *_: (pairs, pairs[:, 0]))
    monkeypatch.setattr(duplicates, "_relate", lambda a, b, limits, **_: relate(a, b, limits))
    everything = find_duplicates(ids, prints)
    assert [relations(group) for group in everything] == [relations(group) for group in expected]


def test_fingerprints_may_be_read_as_they_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ids, prints = library()
    monkeypatch.setattr(word_index, "_READ_TRACKS", 5)
    asked: list[list[str]] = []

    def read(names: Sequence[str]) -> list[Words]:
        asked.append(list(names))
        return [prints[ids.index(name)] for name in names]

    assert find_duplicates(ids, read, folder=tmp_path) == find_duplicates(ids, prints)
    assert [name for names in asked for name in names] == ids
    assert max(map(len, asked)) == 5
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told() -> None:
    told: list[tuple[str, float]] = []
    find_duplicates(*library(), on_progress=lambda step, done: told.append((step, done)))
    assert list(dict.fromkeys(step for step, _ in told)) == ["reading", "searching", "comparing"]
    assert all(0 <= done <= 1 for _, done in told)
    for step in ("reading", "searching", "comparing"):
        shares = [done for name, done in told if name == step]
        assert shares == sorted(shares)
        assert shares[-1] == 1


def test_nothing_to_look_through() -> None:
    assert find_duplicates([], []) == []
    assert find_duplicates(["a", "b"], [np.zeros(0, dtype=np.uint32)] * 2) == []
    assert find_duplicates(["a"], [recording(1)]) == []


def test_what_does_not_go_together() -> None:
    with pytest.raises(InputError, match="same id"):
        find_duplicates(["a", "a"], [recording(1)] * 2)
    with pytest.raises(InputError, match="1 fingerprints of 2 tracks"):
        find_duplicates(["a", "b"], [recording(1)])
    with pytest.raises(InputError, match="asked for 2 fingerprints, 1 came"):
        find_duplicates(["a", "b"], lambda names: [recording(1)])
    with pytest.raises(InputError, match="b: float64 of shape"):
        find_duplicates(["a", "b"], [recording(1), np.zeros(3)])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="min_seconds=0"):
        find_duplicates(["a"], [recording(1)], min_seconds=0)
    with pytest.raises(UsageError, match="max_bit_error_rate=1"):
        find_duplicates(["a"], [recording(1)], max_bit_error_rate=1)


@pytest.mark.shared
def test_real_music(shared: Path) -> None:
    """Of three tracks by one composer: a lossy copy, one that fades in later, an excerpt, and a mix of two."""
    rate = 16000
    names = ("hustle", "fluffing_a_duck", "sneaky_snitch")
    music = {}
    for name in names:
        with open_audio(shared / "audio" / "kevin_macleod" / f"{name}.mp3", sample_rate=rate, duration=60) as reader:
            music[name] = np.concatenate(list(reader.blocks()))
    later = music["fluffing_a_duck"][round(2.31 * rate) :].copy()
    later[: 2 * rate] *= np.linspace(0, 1, 2 * rate, dtype=np.float32)
    music["lossy"] = lossy(music["hustle"], rate)
    music["later"] = 0.3 * later
    music["excerpt"] = lossy(music["sneaky_snitch"][round(20.03 * rate) : 40 * rate], rate)
    music["mix"] = np.concatenate([music["hustle"][:-rate], music["fluffing_a_duck"]])
    music["both at once"] = music["hustle"][: 55 * rate] + music["fluffing_a_duck"][: 55 * rate]
    prints = Fingerprinter(rate)
    prints.push(music["hustle"])
    assert (prints.finish() == fingerprint(music["hustle"], rate)).all()
    found = find_duplicates(list(music), [fingerprint(samples, rate) for samples in music.values()])
    assert {group.reference: relations(group) for group in found} == {
        "hustle": {"lossy": "same recording", "mix": "longer version"},
        "fluffing_a_duck": {"later": "same recording", "mix": "longer version"},
        "sneaky_snitch": {"excerpt": "excerpt"},
        "mix": {"hustle": "excerpt", "fluffing_a_duck": "excerpt", "lossy": "excerpt", "later": "excerpt"},
    }
    excerpt = next(group for group in found if group.reference == "sneaky_snitch").duplicates[0]
    assert isinstance(excerpt, Duplicate)
    assert excerpt.offset_seconds == pytest.approx(20.03, abs=0.2)
    assert excerpt.bit_error_rate < 0.02


def lossy(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, "MPEG_LAYER_III", format="MP3", compression_level=0.9) as sound:
        sound.write(samples)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]
