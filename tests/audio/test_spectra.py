"""Front ends in numpy: the same names, parameters and numbers as the torch modules, and what every call owes."""

import inspect
import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("scipy")

from earmark.audio import mel_power
from earmark.audio.constant_q import ConstantQ, constant_q_power, half_band_filter
from earmark.audio.filters import frame_window, mel_filter_bank
from earmark.audio.mel_power import PowerMel
from earmark.audio.spectra import SPECTRA, default_range
from earmark.errors import EarmarkWarning, InputError, MissingExtraError, UsageError

Array = NDArray[Any]
# What each may differ from the torch module: float32 rounds differently, most in the quiet bins beside a loud one.
TOLERANCES = {"musicnn": 5e-4, "won": 1e-3, "choi": 1e-3, "log_mel": 1e-3, "mfcc": 1e-3, "cqt": 5e-3, "raw": 0.0}
OTHERS: list[tuple[str, dict[str, object]]] = [
    ("log_mel", {"scaling": "unit"}),
    ("log_mel", {"scaling": "log", "n_mels": 40, "f_min": 50.0, "f_max": 7000}),
    ("log_mel", {"scaling": "compressed", "mel_scale": "htk", "mel_norm": None, "n_mels": 80}),
    ("log_mel", {"scaling": "magnitude", "n_fft": 1024, "win_length": 400, "hop_length": 160}),
    ("log_mel", {"scaling": "power", "center": False}),
    ("log_mel", {"range_db": 40.0, "hop_length": 700}),
    ("mfcc", {"n_coefficients": 13, "n_fft": 512, "range_db": None, "center": False, "f_max": 4000.0}),
    ("cqt", {"hop_length": 160, "n_bins": 40, "bins_per_octave": 24, "f_min": 110.0, "scaling": "magnitude"}),
    ("cqt", {"hop_length": 441, "sample_rate": 22050, "scaling": "unit"}),
    ("won", {"n_mels": 64}),
    ("musicnn", {"center": False}),
]


def tones(n_samples: int = 24000, *, seed: int = 0) -> NDArray[np.float32]:
    """Noise and a few tones: something in every bin."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples)
    waveform = 0.05 * rng.standard_normal(n_samples)
    for frequency in (0.005, 0.0275, 0.11, 0.2):
        waveform += 0.1 * np.sin(2 * np.pi * frequency * t + rng.uniform(0, 6))
    return waveform.astype(np.float32)


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in SPECTRA), *OTHERS])
def test_numpy_equals_torch(name: str, options: dict[str, object]) -> None:
    torch = pytest.importorskip("torch")
    from earmark.audio.frontends import FRONTENDS

    waveform = tones()
    expected = FRONTENDS.build(name, **options)(torch.from_numpy(waveform)).numpy()
    ours = SPECTRA.build(name, **options)(waveform)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=TOLERANCES[name])


def test_both_registries_have_the_same_names_and_parameters() -> None:
    pytest.importorskip("torch")
    from earmark.audio.frontends import FRONTENDS

    def parameters(factory: Any) -> dict[str, object]:
        return {name: p.default for name, p in inspect.signature(factory).parameters.items()}

    assert list(SPECTRA) == list(FRONTENDS)
    for name in SPECTRA:
        assert parameters(SPECTRA[name]) == parameters(FRONTENDS[name])


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in SPECTRA), *OTHERS])
def test_what_a_spectrum_says_of_itself_is_so(name: str, options: dict[str, object]) -> None:
    spectrum = SPECTRA.build(name, **options)
    assert set(spectrum.parameters) == set(inspect.signature(SPECTRA[name]).parameters)
    again = SPECTRA.build(name, **json.loads(json.dumps(spectrum.parameters)))
    assert again == spectrum
    assert again.parameters == spectrum.parameters
    picture = spectrum(tones())
    np.testing.assert_array_equal(again(tones()), picture)
    assert picture.shape[0] == spectrum.n_features
    assert abs(picture.shape[1] - 24000 / spectrum.hop_length) <= 2048 / spectrum.hop_length
    assert picture.flags.c_contiguous
    assert spectrum.sample_rate in (12000, 16000, 22050)
    assert spectrum.unit in ("dB", "1")
    shown = default_range(spectrum)
    if shown is not None:
        assert shown[0] < np.median(picture) < picture.max() <= shown[1] + 1e-4


def test_parameters_are_resolved() -> None:
    parameters = SPECTRA.build("log_mel", scaling="unit").parameters
    assert (parameters["win_length"], parameters["f_max"], parameters["range_db"]) == (512, 8000.0, 80.0)
    assert SPECTRA.build("log_mel", f_max=8000) == SPECTRA.build("log_mel")
    assert SPECTRA.build("log_mel", f_max=7999) != SPECTRA.build("log_mel")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["musicnn", "won", "choi", "log_mel", "mfcc"])
def test_spectrum_equals_librosa_on_real_music(name: str, shared: Path) -> None:
    golden = json.loads((Path(__file__).parents[1] / "golden" / "frontends.json").read_text())
    music, _ = soundfile.read(shared / "references" / "audio" / "bensound-cute_16k.wav", dtype="float32")
    ours = SPECTRA.build(name)(music)
    assert list(ours.shape) == golden["shapes"][name]
    atol = 3e-4 if name == "musicnn" else 1e-3  # one step of float16 is 2**-11
    np.testing.assert_allclose(ours[:, :: golden["frames_step"]], golden["values"][name], rtol=1e-4, atol=atol)


@pytest.mark.shared
def test_constant_q_is_near_librosa_on_real_music(shared: Path) -> None:
    # librosa rounds the windows of low octaves to whole samples of a low rate: 1 % of its magnitudes, more in onsets
    golden = json.loads((Path(__file__).parents[1] / "golden" / "frontends.json").read_text())
    music, _ = soundfile.read(shared / "references" / "audio" / "bensound-cute_16k.wav", dtype="float32")
    ours = SPECTRA.build("cqt", scaling="magnitude")(music)
    assert list(ours.shape) == golden["shapes"]["cqt"]
    expected = np.array(golden["values"]["cqt"])
    error = np.abs(ours[:, :: golden["frames_step"]] - expected)
    assert np.sqrt(np.square(error).mean() / np.square(expected).mean()) < 0.015
    assert error.max() < 0.02 * expected.max()
    assert error[-12:].max() < 1e-3 * expected.max()  # the top octave, of which librosa does not lower the rate either


def directly(waveform: Array, plan: ConstantQ, frames: list[int]) -> Array:
    """The definition, term by term, in float64."""
    values = np.empty((plan.n_bins, len(frames)))
    for k, frequency in enumerate(plan.frequencies):
        length = plan.quality * plan.sample_rate / frequency
        n = np.arange(-int(length / 2), int(length / 2) + 1)
        kernel = 2 / np.sqrt(length) * np.cos(np.pi * n / length) ** 2
        kernel = kernel * np.exp(-2j * np.pi * frequency * n / plan.sample_rate)
        for column, frame in enumerate(frames):
            at = frame * plan.hop_length + n
            inside = (at >= 0) & (at < len(waveform))
            values[k, column] = abs(np.sum(waveform[at[inside]].astype(np.float64) * kernel[inside]))
    return values


@pytest.mark.parametrize(
    ("hop_length", "n_bins", "bins_per_octave", "sample_rate"),
    [(512, 84, 12, 16000), (160, 84, 12, 16000), (441, 60, 12, 22050), (256, 30, 24, 8000), (1, 13, 12, 16000)],
)
def test_constant_q_is_its_definition(hop_length: int, n_bins: int, bins_per_octave: int, sample_rate: int) -> None:
    plan = ConstantQ(
        sample_rate=sample_rate,
        hop_length=hop_length,
        f_min=32.7 if n_bins > 30 else 440.0,
        n_bins=n_bins,
        bins_per_octave=bins_per_octave,
    )
    waveform = tones(9001)
    magnitude = np.sqrt(constant_q_power(waveform, plan))
    last = magnitude.shape[1] - 1
    assert last == 9001 // hop_length
    frames = sorted({0, 1, 2, last // 3, last // 2, last - 1, last})
    expected = directly(waveform, plan, frames)
    np.testing.assert_allclose(magnitude[:, frames], expected, rtol=0, atol=1e-4 * expected.max())


def test_constant_q_finds_a_tone_with_its_amplitude() -> None:
    spectrum = SPECTRA.build("cqt", scaling="magnitude")
    a4 = np.sin(2 * np.pi * 440 * np.arange(32000) / 16000).astype(np.float32)
    column = spectrum(a4)[:, 60]
    assert column.argmax() == 45  # 45 semitones over C1
    length = (4 ** (1 / 12) + 1) / (4 ** (1 / 12) - 1) * 16000 / 440
    assert column[45] == pytest.approx(np.sqrt(length) / 2, rel=1e-3)


def test_constant_q_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ConstantQ(sample_rate=16000, hop_length=256, f_min=32.7, n_bins=84, bins_per_octave=12)
    whole = constant_q_power(tones(50000), plan)
    monkeypatch.setattr("earmark.audio.constant_q._BLOCK_SAMPLES", 7000)
    np.testing.assert_allclose(constant_q_power(tones(50000), plan), whole, rtol=1e-4, atol=1e-8)


def test_half_band_filter_passes_and_stops() -> None:
    response = np.abs(np.fft.rfft(half_band_filter(), 4096))
    frequency = np.arange(2049) / 4096
    np.testing.assert_allclose(response[frequency <= 0.2], 1.0, atol=2e-5)
    assert response[frequency >= 0.3].max() < 2e-5


@pytest.mark.parametrize(
    ("options", "match"),
    [({"n_bins": 97}, "the highest of 97 bins reaches to"), ({"hop_length": 0}, "hop_length=0 must be positive")],
)
def test_impossible_constant_q_is_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        SPECTRA.build("cqt", **options)


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(64, 3000),
    hop_length=st.integers(1, 200),
    win_length=st.integers(1, 64),
    center=st.booleans(),
    n_mels=st.integers(1, 50),
)
def test_mel_power_is_its_definition(
    n_samples: int, hop_length: int, win_length: int, center: bool, n_mels: int
) -> None:
    waveform = tones(n_samples)
    ours = PowerMel(
        sample_rate=8000, n_fft=64, hop_length=hop_length, win_length=win_length, n_mels=n_mels, center=center
    )(waveform)
    padded = np.pad(waveform.astype(np.float64), 32 if center else 0, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 64)[::hop_length] * frame_window(64, win_length)
    expected = mel_filter_bank(8000, n_fft=64, n_mels=n_mels) @ np.square(np.abs(np.fft.rfft(frames))).T
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_blocks_and_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = PowerMel(sample_rate=16000)(tones(70000))
    for samples, products in product((1 << 12, 1 << 15), (1 << 10, 1 << 14)):
        monkeypatch.setattr(mel_power, "_BLOCK_SAMPLES", samples)
        monkeypatch.setattr(mel_power, "PRODUCT_SIZE", products)
        np.testing.assert_allclose(PowerMel(sample_rate=16000)(tones(70000)), expected, rtol=1e-5)


def test_memory_does_not_grow_with_the_track() -> None:
    import tracemalloc

    waveform = np.zeros(16000 * 600, dtype=np.float32)
    for name in ("log_mel", "mfcc", "cqt"):
        spectrum = SPECTRA.build(name)
        spectrum(waveform[:48000])
        tracemalloc.start()
        picture = spectrum(waveform)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        stored = picture.nbytes if name != "mfcc" else 128 * picture.shape[1] * 4 + picture.nbytes
        assert peak - stored < 12e6, name


@pytest.mark.parametrize("name", list(SPECTRA))
def test_what_no_spectrum_can_be_made_of_is_refused(name: str) -> None:
    spectrum = SPECTRA.build(name)
    waveform = tones(4000)
    with pytest.raises(InputError, match="samples are fewer than one"):
        spectrum(waveform[:0])
    with pytest.raises(InputError, match=r"shape \(2, 2000\) is not one row"):
        spectrum(waveform.reshape(2, 2000))
    for value in (np.nan, np.inf, -np.inf):
        broken = waveform.copy()
        broken[1234] = value
        with pytest.raises(InputError, match="holds a NaN or an infinity"):
            spectrum(broken)


@pytest.mark.parametrize("name", list(SPECTRA))
def test_any_real_numbers_are_taken_and_left_alone(name: str) -> None:
    spectrum = SPECTRA.build(name)
    waveform = tones(9000)
    expected = spectrum(waveform)
    np.testing.assert_array_equal(spectrum(waveform.astype(np.float64)), expected)
    np.testing.assert_array_equal(spectrum(np.stack([waveform, waveform], axis=1)[:, 0]), expected)
    read_only = waveform.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(spectrum(read_only), expected)
    np.testing.assert_array_equal(waveform, read_only)


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in SPECTRA), *OTHERS])
def test_silence_gives_finite_values(name: str, options: dict[str, object]) -> None:
    assert np.isfinite(SPECTRA.build(name, **options)(np.zeros(8000, dtype=np.float32))).all()


def test_musicnn_rounds_as_float16_does() -> None:
    rng = np.random.default_rng(0)
    power = (10.0 ** rng.uniform(-9, 4.8, (96, 1000))).astype(np.float32)
    power[0, :4] = 0.0, 2**-14, 2**-24, 65504.0
    expected = power.astype(np.float16).astype(np.float32)
    between = getattr(SPECTRA.build("musicnn"), "between")  # noqa: B009
    np.testing.assert_array_equal(between(power), expected)


def test_unit_scaling_spans_zero_to_one() -> None:
    picture = SPECTRA.build("log_mel", scaling="unit", range_db=30.0)(tones())
    decibels = SPECTRA.build("log_mel")(tones())
    expected = np.maximum(decibels - decibels.max(), -30) / 30 + 1
    np.testing.assert_allclose(picture, expected, atol=1e-5)
    assert (picture.min(), picture.max()) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["log_mel", "mfcc", "cqt"])
def test_threads_do_not_disturb_each_other(name: str) -> None:
    spectrum = SPECTRA.build(name)
    waveforms = [tones(20000 + 3000 * seed, seed=seed) for seed in range(8)]
    expected = [spectrum(waveform) for waveform in waveforms]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for picture, alone in zip(pool.map(spectrum, waveforms), expected, strict=True):
                np.testing.assert_array_equal(picture, alone)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scaling": "decibel"}, "scaling='decibel' is none of db, unit,"),
        ({"scaling": "power", "range_db": 80.0}, "scaling='power' takes no range_db"),
        ({"range_db": -1.0}, "range_db=-1.0 must be positive"),
        ({"win_length": 513}, "win_length=513 must lie between 1 and n_fft=512"),
        ({"n_fft": 511}, "n_fft=511 must be even"),
        ({"hop_length": 0}, "hop_length=0 and n_mels=128 must be positive"),
        ({"f_max": 9000.0}, "must lie in order"),
        ({"n_mel": 40}, "takes no option 'n_mel'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        SPECTRA.build("log_mel", **options)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.fft", None)
    mel_power._rfft.cache_clear()
    with pytest.raises(MissingExtraError, match=r"features needs the extra \[features\]"):
        SPECTRA.build("log_mel")


@pytest.mark.parametrize(("name", "options"), [("log_mel", {}), ("mfcc", {"n_fft": 512})])
def test_empty_bands_are_warned_of_once(name: str, options: dict[str, object]) -> None:
    with pytest.warns(EarmarkWarning, match="24 of 256 mel bands are empty, narrower") as found:
        spectrum = SPECTRA.build(name, n_mels=256, **options)
    assert len(found) == 1
    with warnings.catch_warnings(action="error"):
        spectrum(tones())
        SPECTRA.build("won", n_mels=128)  # published weights hear it: one band is empty there
