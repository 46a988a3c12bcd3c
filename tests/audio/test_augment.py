"""Augmentations against scipy, numpy and the definitions of what they are named after."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import signal, stats

torch = pytest.importorskip("torch")

from earmark.audio.augment import AUGMENTATIONS  # noqa: E402
from earmark.audio.augment_base import changed, fast_length, gaussian_noise  # noqa: E402
from earmark.audio.augment_time import resampled, stretched  # noqa: E402
from earmark.errors import InputError, UsageError  # noqa: E402

RATE = 16000
TIME = np.arange(2 * RATE) / RATE


def applied(name: str, x: Any, options: Mapping[str, object] | None = None, **parameters: Any) -> np.ndarray:
    """Apply known parameters, the same names as `draw` gives."""
    augmentation = AUGMENTATIONS.build(name, **(options or {}))
    x = torch.as_tensor(np.asarray(x, np.float32))
    values = {key: np.asarray(value) for key, value in parameters.items()}
    return augmentation.apply(x, {**values, "touched": np.ones(len(x), bool)}).numpy().astype(np.float64)


def sines(*frequencies: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * np.array(frequencies)[:, None] * TIME)


def frequency_of(x: np.ndarray) -> float:
    """Return the loudest frequency, Hz, to an eighth of a bin."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), n=8 * len(x)))
    return float(spectrum.argmax() * RATE / (8 * len(x)))


def decibels(ratio: Any) -> Any:
    return 20 * np.log10(ratio)


def rms(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(x), axis=-1))


def test_gain_in_decibels() -> None:
    x = sines(440, 1000, 50)
    gains = [-20.0, 6.0, 0.0]
    np.testing.assert_allclose(decibels(rms(applied("gain", x, gain=gains)) / rms(x)), gains, atol=1e-4)
    assert np.abs(applied("gain", x, gain=[20.0] * 3)).max() > 4.9  # beyond [-1, 1], not clipped


def test_polarity() -> None:
    x = sines(440)
    np.testing.assert_array_equal(applied("polarity", x), -x.astype(np.float32))


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_has_the_ratio_that_was_drawn(colour: str) -> None:
    x = sines(440, 440, 440)
    y = applied("noise", x, {"colour": colour}, snr=[0.0, 20.0, 40.0], key=[[1, 2], [3, 4], [5, 6]])
    np.testing.assert_allclose(decibels(rms(x) / rms(y - x)), [0, 20, 40], atol=0.01)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -10 * math.log10(2))])
def test_noise_has_its_colour(colour: str, slope: float) -> None:
    x = np.ones((4, 4 * RATE))
    noise = applied("noise", x, {"colour": colour}, snr=np.zeros(4), key=np.arange(8).reshape(4, 2)) - x
    frequencies, power = signal.welch(noise, RATE, nperseg=4096)
    octaves = [(50 * 2**i, 100 * 2**i) for i in range(7)]
    bands = [power[:, (frequencies >= low) & (frequencies < high)].mean() for low, high in octaves]
    assert stats.linregress(np.arange(7), 10 * np.log10(bands)).slope == pytest.approx(slope, abs=0.2)
    if colour == "pink":
        assert np.abs(noise.mean(axis=1)).max() < 1e-5


def test_gaussian_noise_is_gaussian_white_and_follows_its_key() -> None:
    key = torch.tensor([[0, 0], [0, 1], [1, 0], [2**31 - 1, 2**31 - 1]])
    noise = gaussian_noise(key, 50001)
    assert noise.shape == (4, 50001)
    assert torch.equal(noise[1:2], gaussian_noise(key[1:2], 50001))
    assert noise.abs().max() < 4.9
    x = noise.double().numpy()
    assert min(stats.kstest(row, "norm").pvalue for row in x) > 0.01
    bound = 4.5 / math.sqrt(50001)  # of 4.5 standard deviations
    assert np.abs(np.corrcoef(x) - np.eye(4)).max() < bound
    around = np.fft.irfft(np.abs(np.fft.rfft(x - x.mean(axis=1, keepdims=True))) ** 2)
    assert np.abs(around[:, 1:] / around[:, :1]).max() < 5.5 / math.sqrt(50001)  # at any of 25000 distances


@pytest.mark.parametrize("order", [1, 4, 5])
@pytest.mark.parametrize("name", ["high_pass", "low_pass"])
def test_filters_have_the_response_of_scipys_butterworth(name: str, order: int) -> None:
    cutoffs = [300.0, 1000.0, 3500.0]
    impulse = np.zeros((3, 16001))
    impulse[:, 8000] = 1.0
    kind = name.removesuffix("_pass")
    y = applied(name, impulse, {"sample_rate": RATE, "order": order}, cutoff=cutoffs)
    at = np.array([60.0, 200.0, 300.0, 1000.0, 2200.0, 3500.0, 6000.0])
    for got, cutoff in zip(y, cutoffs, strict=True):
        _, wanted = signal.sosfreqz(signal.butter(order, cutoff, kind, fs=RATE, output="sos"), worN=at, fs=RATE)
        # The impulse stands in the middle: turned back to place 0, a filter that leaves phases alone is real.
        _, response = signal.freqz(got, worN=at, fs=RATE)
        turned = response * np.exp(2j * np.pi * at / RATE * 8000)
        np.testing.assert_allclose(turned, np.abs(wanted), atol=2e-3)
        assert decibels(abs(turned[at == cutoff][0])) == pytest.approx(-3.01, abs=0.05)


def test_high_low_pass_is_either() -> None:
    x = np.random.default_rng(0).standard_normal((2, RATE))
    y = applied("high_low_pass", x, {"sample_rate": RATE}, is_high=[True, False], cutoff=[800.0, 2500.0])
    np.testing.assert_allclose(y[:1], applied("high_pass", x[:1], {"sample_rate": RATE}, cutoff=[800.0]), atol=1e-5)
    np.testing.assert_allclose(y[1:], applied("low_pass", x[1:], {"sample_rate": RATE}, cutoff=[2500.0]), atol=1e-5)
    drawn = AUGMENTATIONS.build("high_low_pass", sample_rate=RATE).draw(np.random.default_rng(0), 1000, (RATE,))
    assert 0.4 < drawn["is_high"].mean() < 0.6
    high, low = drawn["cutoff"][drawn["is_high"]], drawn["cutoff"][~drawn["is_high"]]
    assert 200 <= high.min() < 220
    assert 1180 < high.max() <= 1200
    assert 2200 <= low.min() < 2240
    assert 3960 < low.max() <= 4000


def test_delay_is_one_echo() -> None:
    x = np.random.default_rng(0).standard_normal((3, 1000)).astype(np.float32)
    y = applied("delay", x, {"sample_rate": RATE, "volume": 0.25}, delay=[100, 0, 5000])
    taps = np.zeros(101)
    taps[[0, 100]] = 1, 0.25
    np.testing.assert_allclose(y[0], signal.lfilter(taps, [1.0], x[0]), atol=1e-6)
    np.testing.assert_allclose(y[1], 1.25 * x[1], rtol=1e-6)
    np.testing.assert_array_equal(y[2], x[2])  # the echo comes after the crop
    drawn = AUGMENTATIONS.build("delay", sample_rate=RATE).draw(np.random.default_rng(0), 1000, (RATE,))["delay"]
    assert 3200 <= drawn.min() < 3300
    assert 7900 < drawn.max() <= 8000


def test_the_room_decays_by_60_db_in_its_time() -> None:
    seconds = np.array([0.2, 0.5, 1.2])
    impulse = np.zeros((3, 2 * RATE))
    impulse[:, 0] = 1.0
    options = {"sample_rate": RATE}
    y = applied("reverb", impulse, options, seconds=seconds, wet=np.ones(3), key=[[1, 1], [2, 2], [3, 3]])
    np.testing.assert_allclose(np.square(y).sum(axis=1), 1, atol=1e-4)
    for room, wanted in zip(y, seconds, strict=True):
        left = 10 * np.log10(np.cumsum(np.square(room)[::-1])[::-1].clip(1e-12))  # Schroeder 1965
        used = (left < -5) & (left > -25)
        slope = stats.linregress(TIME[used], left[used]).slope
        assert -60 / slope == pytest.approx(wanted, rel=0.05)


def test_reverb_is_a_convolution_and_keeps_the_energy() -> None:
    x = np.random.default_rng(0).standard_normal((2, RATE))
    impulse = np.zeros((2, RATE))
    impulse[:, 0] = 1.0
    room = {"seconds": [0.3, 0.8], "wet": [0.2, 0.7], "key": [[1, 2], [3, 4]]}
    responses = applied("reverb", impulse, {"sample_rate": RATE}, **room)
    y = applied("reverb", x, {"sample_rate": RATE}, **room)
    wanted = [signal.fftconvolve(a, b)[:RATE] for a, b in zip(x, responses, strict=True)]
    np.testing.assert_allclose(y, wanted, atol=1e-4)
    assert np.abs(decibels(rms(y[:, RATE // 2 :]) / rms(x[:, RATE // 2 :]))).max() < 0.5
    np.testing.assert_allclose(np.square(responses[:, 1:]).sum(axis=1), [0.2, 0.7], rtol=0.02)


def test_time_shift_is_numpys_roll() -> None:
    x = np.random.default_rng(0).standard_normal((5, 1000)).astype(np.float32)
    shifts = [0, 1, -1, 999, -500]
    y = applied("time_shift", x, shift=shifts)
    np.testing.assert_array_equal(y, [np.roll(row, shift) for row, shift in zip(x, shifts, strict=True)])
    drawn = AUGMENTATIONS.build("time_shift", share=0.1).draw(np.random.default_rng(0), 1000, (1000,))["shift"]
    assert (drawn.min(), drawn.max()) == (-100, 100)


def test_time_mask_silences_what_was_drawn() -> None:
    x = np.random.default_rng(0).standard_normal((2, 100)).astype(np.float32)
    y = applied("time_mask", x, {"n": 2}, start=[[10, 20], [90, 0]], width=[[5, 0], [10, 3]])
    wanted = x.copy()
    wanted[0, 10:15] = wanted[1, 90:] = wanted[1, :3] = 0
    np.testing.assert_array_equal(y, wanted)


def test_spec_augment_hides_what_was_drawn_behind_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((2, 20, 30)).astype(np.float32)
    masks = {"band": [[3], [18]], "band_width": [[4], [2]], "frame": [[0, 25], [7, 7]], "frame_width": [[2, 5], [0, 1]]}
    wanted = x.copy()
    wanted[0, 3:7] = wanted[0, :, :2] = wanted[0, :, 25:] = x[0].mean()
    wanted[1, 18:] = wanted[1, :, 7] = x[1].mean()
    np.testing.assert_allclose(applied("spec_augment", x, **masks), wanted, atol=1e-6)
    channels = np.stack([x, 2 * x], axis=1)  # (2, 2, 20, 30): every channel is hidden at the same places
    y = applied("spec_augment", channels, **masks)
    hidden = wanted != x
    np.testing.assert_array_equal(y[:, 0] != channels[:, 0], hidden)
    np.testing.assert_array_equal(y[:, 1] != channels[:, 1], hidden)
    np.testing.assert_allclose(y[0, 1, 4], 1.5 * x[0].mean(), atol=1e-6)


def test_masks_lie_inside_and_have_every_width() -> None:
    augmentation = AUGMENTATIONS.build("spec_augment", n_time=3, time_width=5, n_frequency=1, frequency_width=2)
    drawn = augmentation.draw(np.random.default_rng(0), 2000, (8, 12))
    assert drawn["frame"].shape == drawn["frame_width"].shape == (2000, 3)
    assert np.bincount(drawn["frame_width"].ravel()).min() > 800  # of 1000 each
    assert drawn["frame"].min() == 0
    assert (drawn["frame"] + drawn["frame_width"]).max() == 12
    assert (drawn["band"] + drawn["band_width"]).max() == 8
    assert set(drawn["band_width"].ravel()) == {0, 1, 2}


def test_a_mask_that_could_hide_everything_is_an_error() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(InputError, match="time_width=24, and the picture has 24") as caught:
        AUGMENTATIONS.build("spec_augment").draw(generator, 2, (96, 24))
    assert caught.value.hint is not None
    assert "lower augment.spec_augment.time_width" in caught.value.hint
    with pytest.raises(InputError, match="frequency_width=16, and the picture has 1"):
        AUGMENTATIONS.build("spec_augment").draw(generator, 2, (1, 59049))
    assert AUGMENTATIONS.build("spec_augment", n_frequency=0).draw(generator, 2, (1, 59049))["band"].shape == (2, 0)


@pytest.mark.parametrize("rate", [0.8, 0.95, 1.0, 1.1, 1.5])
def test_speed_is_the_sine_read_faster(rate: float) -> None:
    frequencies = np.array([110.0, 440.0, 2000.0])
    x = sines(*frequencies)
    y = applied("speed", x, rate=[rate] * 3)
    until = int(len(TIME) / max(rate, 1)) - 100  # there a faster one begins again
    wanted = sines(*(frequencies * rate))
    assert np.abs(y - wanted)[:, 100:until].max() < 0.5e-3
    if rate > 1:
        again = math.ceil(len(TIME) / rate)
        place = again * rate - len(TIME)  # where in the item reading goes on, samples
        part = 0.5 * np.sin(2 * np.pi * frequencies[:, None] * (TIME[:1000] * rate + place / RATE))
        assert np.abs(y[:, again : again + 1000] - part)[:, 100:].max() < 0.5e-3


def test_speed_does_not_alias() -> None:
    x = sines(7000.0)
    y = applied("speed", x, rate=[1.5])  # would be at 10500 Hz, and heard at 5500
    assert decibels(rms(y[:, 500:15000]) / rms(x))[0] < -60


@pytest.mark.parametrize("rate", [0.8, 0.9, 1.0, 1.13, 1.25])
def test_tempo_keeps_the_pitch_and_moves_events(rate: float) -> None:
    y = applied("tempo", sines(220.0, 1000.0), {"sample_rate": RATE}, rate=[rate] * 2)
    assert [frequency_of(row) for row in y] == pytest.approx([220, 1000], rel=0.003)
    assert np.abs(decibels(rms(y) / rms(sines(220.0)))).max() < 0.5
    burst = sines(1000.0) * (np.abs(TIME - 1.0) < 0.05)  # a tone of 100 ms, one second in
    level = np.square(applied("tempo", burst, {"sample_rate": RATE}, rate=[rate])[0])
    first = level[: int(1.5 * RATE / max(rate, 1))]
    centre = (first * TIME[: len(first)]).sum() / first.sum()
    assert centre == pytest.approx(1.0 / rate, abs=0.01)


def test_a_rate_of_one_is_the_identity() -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 20011)).astype(np.float32))
    torch.testing.assert_close(stretched(x, torch.ones(2), 20011, 1024), x, atol=1e-4, rtol=0)
    torch.testing.assert_close(resampled(x, torch.ones(2), 20011), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("semitones", [-7.0, -0.5, 0.0, 3.0, 7.0])
def test_pitch_moves_a_sine_by_semitones_and_nothing_in_time(semitones: float) -> None:
    frequencies = np.array([220.0, 1000.0])
    y = applied("pitch", sines(*frequencies), {"sample_rate": RATE}, semitones=[semitones] * 2)
    assert [frequency_of(row) for row in y] == pytest.approx(list(frequencies * 2 ** (semitones / 12)), rel=0.003)
    assert np.abs(decibels(rms(y) / rms(sines(220.0)))).max() < 0.5
    burst = sines(1000.0) * (np.abs(TIME - 1.0) < 0.05)
    level = np.square(applied("pitch", burst, {"sample_rate": RATE}, semitones=[semitones])[0])
    assert (level * TIME).sum() / level.sum() == pytest.approx(1.0, abs=0.01)


def test_a_chord_keeps_its_intervals() -> None:
    chord = sines(262.0, 330.0, 392.0).sum(axis=0, keepdims=True)
    y = applied("pitch", chord, {"sample_rate": RATE}, semitones=[4.0])[0]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    peaks, _ = signal.find_peaks(spectrum, height=0.3 * spectrum.max(), distance=20)
    np.testing.assert_allclose(peaks * RATE / len(y), np.array([262, 330, 392]) * 2 ** (4 / 12), rtol=0.003)


def test_pitch_draws_whole_semitones_unless_told_otherwise() -> None:
    drawn = AUGMENTATIONS.build("pitch", sample_rate=RATE).draw(np.random.default_rng(0), 1500, (RATE,))["semitones"]
    assert set(drawn) == set(range(-7, 8))
    fine = AUGMENTATIONS.build("pitch", sample_rate=RATE, low_semitones=-0.4, high_semitones=0.4, whole=False)
    drawn = fine.draw(np.random.default_rng(0), 1500, (RATE,))["semitones"]
    assert -0.4 <= drawn.min() < -0.39
    assert 0.39 < drawn.max() <= 0.4


def test_rates_are_even_in_their_logarithm() -> None:
    drawn = AUGMENTATIONS.build("tempo", sample_rate=RATE).draw(np.random.default_rng(0), 4000, (RATE,))["rate"]
    assert 0.8 <= drawn.min() < drawn.max() <= 1.25
    assert abs(np.mean(drawn < 1) - 0.5) < 0.04


def test_what_changes_items_runs_in_float32_under_autocast() -> None:
    x = torch.rand(2, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ torch.eye(64)).dtype == torch.bfloat16
        y = changed(x, {"touched": np.ones(2, bool)}, lambda items: items @ torch.eye(64))
    assert torch.equal(y, x)


@pytest.mark.parametrize("n", [1, 2, 3, 17, 4096, 4097, 59049])
def test_fast_lengths_are_long_enough_and_even(n: int) -> None:
    length = fast_length(n)
    assert n <= length <= max(1.34 * n, 4)
    assert length % 2 == 0
    assert max(p for p in (2, 3, 5, 7, 11) if length % p == 0) <= 5


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gain", {"low_db": 0.0}, r"low_db=0\.0, high_db=-1\.0"),
        ("gain", {"high_db": math.inf}, "high_db=inf"),
        ("noise", {"colour": "brown"}, "colour='brown'"),
        ("noise", {"low_snr_db": 90.0}, r"low_snr_db=90\.0"),
        ("high_pass", {"sample_rate": 2000}, r"high_hz=1200\.0 at 2000 Hz"),
        ("low_pass", {"sample_rate": 8000}, r"high_hz=4000\.0 at 8000 Hz"),
        ("low_pass", {"sample_rate": RATE, "low_hz": 0.0}, r"low_hz=0\.0"),
        ("high_low_pass", {"sample_rate": RATE, "low_high_pass_hz": 1500.0}, r"low_high_pass_hz=1500\.0"),
        ("high_pass", {"sample_rate": RATE, "order": 0}, "order=0"),
        ("delay", {"sample_rate": RATE, "low_ms": -1.0}, r"low_ms=-1\.0"),
        ("delay", {"sample_rate": RATE, "volume": 0.0}, r"volume=0\.0"),
        ("reverb", {"sample_rate": RATE, "high_wet": 1.5}, r"high_wet=1\.5"),
        ("reverb", {"sample_rate": RATE, "low_seconds": 0.0}, r"low_seconds=0\.0"),
        ("time_shift", {"share": 0.0}, r"share=0\.0"),
        ("time_mask", {"n": -1}, "n=-1"),
        ("speed", {"low_rate": 0.1}, r"low_rate=0\.1"),
        ("tempo", {"sample_rate": RATE, "low_rate": 1.3}, r"low_rate=1\.3, high_rate=1\.25"),
        ("pitch", {"sample_rate": RATE, "high_semitones": 30.0}, r"high_semitones=30\.0"),
        ("pitch", {"sample_rate": RATE, "low_semitones": 0.2, "high_semitones": 0.4}, "no whole semitone"),
        ("spec_augment", {"time_width": -3}, "time_width=-3"),
    ],
)
def test_bad_values(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        AUGMENTATIONS.build(name, **options)
    assert caught.value.hint
