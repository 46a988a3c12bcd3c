"""Key: names in every notation, and the key of synthetic music in all 24 keys."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("scipy")

from earmark.audio import key as module
from earmark.audio.key import Key, KeyEstimate, estimate_key
from earmark.errors import InputError, MissingExtraError, UsageError

RATE = 16000
KEYS = [Key(tonic, mode) for mode in ("major", "minor") for tonic in range(12)]  # type: ignore[arg-type]
# Camelot and Open Key wheels as DJ tools print them
WHEEL = {
    "C major": ("8B", "1d"), "G major": ("9B", "2d"), "D major": ("10B", "3d"), "A major": ("11B", "4d"),
    "E major": ("12B", "5d"), "B major": ("1B", "6d"), "F# major": ("2B", "7d"), "Db major": ("3B", "8d"),
    "Ab major": ("4B", "9d"), "Eb major": ("5B", "10d"), "Bb major": ("6B", "11d"), "F major": ("7B", "12d"),
    "A minor": ("8A", "1m"), "E minor": ("9A", "2m"), "B minor": ("10A", "3m"), "F# minor": ("11A", "4m"),
    "C# minor": ("12A", "5m"), "G# minor": ("1A", "6m"), "Eb minor": ("2A", "7m"), "Bb minor": ("3A", "8m"),
    "F minor": ("4A", "9m"), "C minor": ("5A", "10m"), "G minor": ("6A", "11m"), "D minor": ("7A", "12m"),
}  # fmt: skip

# I IV I V I vi V7 I, and the same in minor, as semitones above the tonic
CHORDS = {
    "major": ((0, 4, 7), (5, 9, 12), (0, 4, 7), (7, 11, 14), (0, 4, 7), (9, 12, 16), (7, 11, 17), (0, 4, 7)),
    "minor": ((0, 3, 7), (5, 8, 12), (0, 3, 7), (7, 11, 14), (0, 3, 7), (8, 12, 15), (7, 11, 17), (0, 3, 7)),
}
TIMBRES = {
    "sine": (1.0,),
    "string": tuple(0.7**n for n in range(8)),
    "clarinet": tuple(0.75**n * (n % 2 == 0) for n in range(9)),
    "square bass": tuple((n % 2 == 0) / (n + 1) for n in range(9)),
}


def music(key: Key, *, timbre: str = "string", cents: float = 0.0, seconds: float = 0.9) -> NDArray[np.float64]:
    """A progression of eight chords over a bass, every note with the partials of a timbre."""
    t = np.arange(round(seconds * RATE)) / RATE
    fade = np.minimum(1, t / 0.01) * np.exp(-1.5 * t)
    sounds = []
    for chord in CHORDS[key.mode]:
        total = np.zeros_like(t)
        for note in (chord[0] - 12, *chord):
            pitch = 440 * 2 ** ((note + key.tonic - 9 + cents / 100) / 12)
            for n, level in enumerate(TIMBRES[timbre]):
                if level and pitch * (n + 1) < 7000:
                    total += level * np.sin(2 * np.pi * pitch * (n + 1) * t)
        sounds.append(total * fade)
    waveform = np.concatenate(sounds)
    return 0.3 * waveform / np.abs(waveform).max()


def found(waveform: NDArray[np.float64]) -> KeyEstimate:
    return estimate_key(waveform.astype(np.float32), RATE)


def drums(n: int) -> NDArray[np.float64]:
    """Noise bursts four times a second, and a low thud once."""
    rng = np.random.default_rng(0)
    t = np.arange(n) / RATE
    hiss = rng.standard_normal(n) * np.exp(-40 * (t % 0.25))
    thud = np.sin(2 * np.pi * (50 + 60 * np.exp(-30 * (t % 1))) * (t % 1)) * np.exp(-12 * (t % 1))
    return 0.15 * hiss + 0.4 * thud


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.initial)
def test_all_keys(key: Key) -> None:
    for timbre in TIMBRES:
        estimate = found(music(key, timbre=timbre))
        assert estimate.key == key, timbre
        assert 0.2 < estimate.confidence <= 1
        assert abs(estimate.tuning_cents) < 5


@pytest.mark.parametrize("cents", [-45.0, -30.0, -12.0, 12.0, 30.0, 45.0])
@pytest.mark.parametrize("key", [Key(1, "major"), Key(6, "minor"), Key(11, "major")], ids=lambda key: key.initial)
def test_detuned_music_keeps_its_key(key: Key, cents: float) -> None:
    estimate = found(music(key, cents=cents))
    assert estimate.key == key
    assert estimate.tuning_cents == pytest.approx(cents, abs=5)


@pytest.mark.parametrize("key", KEYS[::5], ids=lambda key: key.initial)
def test_drums_do_not_change_the_key(key: Key) -> None:
    tones = music(key)
    assert found(tones + 0.5 * drums(len(tones))).key == key


@pytest.mark.parametrize("rate", [4000, 8000, 22050, 44100])
def test_other_sample_rates(rate: int) -> None:
    t = np.arange(8 * rate) / rate
    chords = [(220.0, 261.63, 329.63), (293.66, 349.23, 440.0), (329.63, 415.30, 493.88), (220.0, 261.63, 329.63)]
    tones = [np.sum([np.sin(2 * np.pi * f * t[: 2 * rate]) for f in chord], axis=0) / 3 for chord in chords]
    assert estimate_key(np.concatenate(tones).astype(np.float32), rate).key == Key.parse("Am")


def test_the_level_does_not_matter() -> None:
    tones = music(Key(3, "minor"))
    assert found(1e-3 * tones).confidence == pytest.approx(found(tones).confidence, abs=1e-3)


def test_a_clear_key_is_surer_than_a_chromatic_one() -> None:
    rng = np.random.default_rng(4)
    t = np.arange(RATE // 4) / RATE
    notes = [np.sin(2 * np.pi * 220 * 2 ** (rng.integers(0, 24) / 12) * t) for _ in range(60)]
    chromatic = found(np.concatenate(notes))
    assert chromatic.confidence < 0.4
    assert found(music(Key(0, "major"))).confidence > 0.45


def noise(slope: float, seconds: int = 20) -> NDArray[np.float64]:
    white = np.random.default_rng(3).standard_normal(seconds * RATE)
    shaped = np.fft.irfft(np.fft.rfft(white) / np.arange(1, len(white) // 2 + 2) ** slope)
    return 0.5 * shaped / np.abs(shaped).max()


@pytest.mark.parametrize(
    "waveform",
    [
        pytest.param(np.zeros(0), id="nothing"),
        pytest.param(np.zeros(20 * RATE), id="silence"),
        pytest.param(np.full(20 * RATE, 0.2), id="constant"),
        pytest.param(noise(0.0), id="white noise"),
        pytest.param(noise(0.5), id="pink noise"),
        pytest.param(noise(1.0), id="brown noise"),
        pytest.param(drums(20 * RATE), id="drums"),
        pytest.param(music(Key(0, "major"), seconds=0.6), id="too short"),
    ],
)
def test_what_has_no_key(waveform: NDArray[np.float64]) -> None:
    assert found(waveform) == KeyEstimate(None, 0.0, 0.0)


def test_what_is_wrong_is_said() -> None:
    tones = music(Key(0, "major")).astype(np.float32)
    with pytest.raises(InputError, match="not one row"):
        estimate_key(tones.reshape(2, -1), RATE)
    tones[5] = np.inf
    with pytest.raises(InputError, match="NaN or an infinity"):
        estimate_key(tones, RATE)
    with pytest.raises(UsageError, match="sample_rate=2000"):
        estimate_key(tones, 2000)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module._scipy_fft.cache_clear()
    monkeypatch.setitem(sys.modules, "scipy.fft", None)
    with pytest.raises(MissingExtraError, match=r"\[library\]"):
        found(music(Key(0, "major")))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.initial)
def test_every_notation_is_read_back(key: Key) -> None:
    assert (key.camelot, key.open_key) == WHEEL[key.name]
    for text in (key.name, str(key), key.initial, key.camelot, key.open_key):
        assert Key.parse(text) == key
    assert len(key.initial) <= 3  # what ID3 allows


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("c", "C major"), ("Cm", "C minor"), ("CM", "C major"), ("Cmin", "C minor"), ("C MAJ", "C major"),
        ("A:min", "A minor"), ("A:maj", "A major"), ("a-minor", "A minor"), ("A_Minor", "A minor"),
        ("Gb minor", "F# minor"), ("D♭m", "C# minor"), ("C♯", "Db major"), ("E sharp", "F major"), ("Cb", "B major"),
        ("B-flat major", "Bb major"), ("F-Sharp Minor", "F# minor"), ("A flat", "Ab major"), ("Fx", ""),
        ("fis-moll", "F# minor"), ("Es-Dur", "Eb major"), ("As-Dur", "Ab major"), ("H-Moll", "B minor"),
        ("B-Dur", "Bb major"), ("Ges-Dur", "F# major"), ("Hm", "B minor"), ("Bm", "B minor"), ("Bbm", "Bb minor"),
        ("8A", "A minor"), ("08b", "C major"), ("12 A", "C# minor"), ("1m", "A minor"), ("12D", "F major"),
        ("  F#m\n", "F# minor"), ("E aeolian", "E minor"), ("G Ionian", "G major"),
        ("", ""),
        ("o", ""), ("H#b", ""), ("13A", ""), ("0B", ""), ("8C", ""), ("Amaz", ""), ("D dorian", ""), ("#", ""),
    ],
)  # fmt: skip
def test_notations(text: str, name: str) -> None:
    if name:
        assert Key.parse(text).name == name
    else:
        with pytest.raises(InputError, match="is no key"):
            Key.parse(text)


@given(st.text(max_size=12))
def test_any_text_is_a_key_or_an_input_error(text: str) -> None:
    try:
        key = Key.parse(text)
    except InputError:
        return
    assert Key.parse(key.initial) == key


def test_compatible_keys_are_neighbours_on_the_wheel() -> None:
    for key in KEYS:
        assert key.relative.relative == key
        number, letter = int(key.camelot[:-1]), key.camelot[-1]
        around = {f"{(number + step) % 12 + 1}{letter}" for step in (-2, -1, 0)}
        assert {other.camelot for other in key.compatible} == around | {key.relative.camelot}
        assert key.relative.camelot == f"{number}{'B' if letter == 'A' else 'A'}"


@pytest.mark.parametrize(("tonic", "mode"), [(12, "major"), (-1, "minor"), (0, "dorian")])
def test_a_key_that_is_none(tonic: int, mode: str) -> None:
    with pytest.raises(UsageError, match="tonic="):
        Key(tonic, mode)  # type: ignore[arg-type]
