"""Random crops: exact, deterministic, the same whoever reads them."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio import io
from earmark.crops import AudioCrops, StoreCrops, batches, order, place
from earmark.datasets.base import Track
from earmark.errors import InputError, UsageError
from earmark.features.extract import extract
from earmark.features.store import FeatureStore, Item

FORMATS = ("wav", "flac", "ogg", "mp3", "opus")


def sound(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Coloured noise with a slow beat: every place differs, and what is near half the rate is quiet."""
    generator = np.random.default_rng(seed)
    noise = np.convolve(generator.standard_normal(int(seconds * rate) + 31), np.hanning(32) / 16, mode="valid")
    return (0.1 * noise * (1.2 + np.sin(np.arange(len(noise)) / rate * 3))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks of 7 s and one of half a second in every format, at two rates."""
    root = tmp_path_factory.mktemp("müsic")
    for rate in (16000, 44100):
        for suffix in FORMATS:
            written = 48000 if (suffix, rate) == ("opus", 44100) else rate
            for name, seconds in (("a", 7.0), ("b", 7.3), ("short", 0.5)):
                io.write(root / f"{name}-{rate}.{suffix}", sound(seconds, written, seed=len(name)), written)
    return root


def tracks(folder: Path, suffix: str, rate: int = 44100) -> list[Track]:
    return [Track(name, audio=folder / f"{name}-{rate}.{suffix}") for name in ("a", "b", "short")]


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_crop_is_what_the_whole_track_holds_there(folder: Path, suffix: str, rate: int) -> None:
    crops = AudioCrops(tracks(folder, suffix, rate)[:2], sample_rate=16000, n_samples=20000, seed=5)
    for index in range(2):
        whole, _ = io.read(str(crops.tracks[index].audio), sample_rate=16000)
        places = []
        for epoch in range(6):
            crop = crops.set_epoch(epoch)[index]
            assert (crop.shape, crop.dtype) == ((20000,), np.float32)
            at = find(whole, crop)
            assert np.abs(whole[at : at + 20000] - crop).max() < (5e-3 if suffix == "opus" else 1e-4)
            places.append(at)
        assert len(set(places)) > 3, "epochs hear different places"


def find(whole: np.ndarray, crop: np.ndarray) -> int:
    """Where in `whole` a crop was cut from, by correlation."""
    n = len(whole) + len(crop)
    product = np.fft.irfft(np.fft.rfft(whole, n) * np.conj(np.fft.rfft(crop, n)), n)
    power = np.concatenate([[0], np.cumsum(whole.astype(np.float64) ** 2)])
    starts = np.arange(len(whole) - len(crop) + 1)
    energy = power[starts + len(crop)] - power[starts]
    return int((product[starts] - energy / 2).argmax())


def test_crops_depend_on_seed_epoch_and_index_alone(folder: Path) -> None:
    def crops(seed: int = 0) -> AudioCrops:
        return AudioCrops(tracks(folder, "flac"), sample_rate=16000, n_samples=16000, seed=seed)

    first = [crops()[i] for i in range(3)]
    again = crops()
    assert all(np.array_equal(again[i], first[i]) for i in (2, 0, 1))
    assert not np.array_equal(crops(seed=1)[0], first[0])
    assert np.array_equal(crops().set_epoch(4).set_epoch(0)[1], first[1])
    assert np.array_equal(pickle.loads(pickle.dumps(crops()))[0], first[0])
    for jobs in (1, 3):
        for batch in batches(crops(), batch_size=2, jobs=jobs):
            for index, crop in zip(batch.indices, batch.crops, strict=True):
                assert np.array_equal(crop, first[index])


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_places_lie_in_the_track(seed: int, epoch: int, index: int) -> None:
    assert 0 <= place(seed, epoch, index) < 1


def test_places_are_spread_evenly_and_never_change() -> None:
    values = np.array([place(0, epoch, index) for epoch in range(50) for index in range(40)])
    assert np.histogram(values, bins=10, range=(0, 1))[0] == pytest.approx(200, abs=50)
    assert place(1, 2, 3) == pytest.approx(0.7069603535111167, abs=0), "a run that goes on hears what it would have"
    assert sorted(order(10, 0, 0)) == list(range(10))
    assert list(order(10, 0, 0)) != list(order(10, 0, 1))
    assert list(order(4, 0, 0, shuffle=False)) == [0, 1, 2, 3]


def test_tracks_that_are_too_short_are_filled(folder: Path) -> None:
    whole, _ = io.read(folder / "short-16000.wav")
    repeated = AudioCrops(tracks(folder, "wav", 16000), sample_rate=16000, n_samples=20000)[2]
    assert np.array_equal(repeated, np.resize(whole, 20000))
    silent = AudioCrops(tracks(folder, "wav", 16000), sample_rate=16000, n_samples=20000, pad="zeros")[2]
    assert np.array_equal(silent[: len(whole)], whole)
    assert not silent[len(whole) :].any()
    exact = AudioCrops(tracks(folder, "wav", 16000), sample_rate=16000, n_samples=len(whole))[2]
    assert np.array_equal(exact, whole)


def test_a_segment_bounds_the_crops(folder: Path) -> None:
    track = Track("a", audio=folder / "a-16000.wav", segment=(2.0, 4.0))
    whole, _ = io.read(folder / "a-16000.wav")
    crops = AudioCrops([track], sample_rate=16000, n_samples=8000)
    starts = [find(whole, crops.set_epoch(epoch)[0]) for epoch in range(40)]
    assert 32000 <= min(starts) < 36000 < max(starts) <= 56000
    late = Track("late", audio=folder / "a-16000.wav", segment=(8.0, 9.0))
    with pytest.raises(InputError, match=r"the segment begins at 8 s, the file ends at 7\.00 s"):
        AudioCrops([late], sample_rate=16000, n_samples=8000)[0]


def test_a_bad_file_is_named_and_the_epoch_goes_on(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"no music" * 100)
    mixed = [*tracks(folder, "wav"), Track("bad", audio=bad), Track("gone", audio=tmp_path / "gone.wav")]
    done = list(batches(AudioCrops(mixed, sample_rate=8000, n_samples=800), batch_size=2, shuffle=False))
    assert [batch.indices.tolist() for batch in done] == [[0, 1], [2], []]
    assert [batch.crops.shape for batch in done] == [(2, 800), (1, 800), (0, 800)]
    assert "bad.mp3" in done[1].failures[3].message
    assert "gone.wav" in done[2].failures[4].message


def test_where_there_is_no_audio_a_crop_is_an_error(folder: Path, tmp_path: Path) -> None:
    io.write(tmp_path / "one.wav", np.zeros(1, np.float32), 44100)
    end = Track("end", audio=folder / "a-16000.wav", segment=(6.99999, 9.0))
    for track in (Track("one", audio=tmp_path / "one.wav"), end):
        crops = AudioCrops([track], sample_rate=8000, n_samples=800)
        with pytest.raises(InputError, match=rf"\.wav: no audio at .* s, where a crop of track {track.id} begins"):
            crops[0]


def test_seeds_and_epochs_are_whole_numbers(folder: Path) -> None:
    for seed in (-1, 1 << 64, 0.5):
        with pytest.raises(UsageError, match="seed="):
            AudioCrops([], sample_rate=8000, n_samples=10, seed=seed)  # type: ignore[arg-type]
    crops = AudioCrops(tracks(folder, "wav"), sample_rate=8000, n_samples=10, seed=(1 << 64) - 1)
    assert crops.set_epoch((1 << 64) - 1)[0].shape == (10,)
    with pytest.raises(UsageError, match="epoch=-1"):
        batches(crops, batch_size=1, epoch=-1)
    with pytest.raises(UsageError, match="seed=-1"):
        batches(crops, batch_size=1, seed=-1)


def test_batches(folder: Path) -> None:
    crops = AudioCrops(tracks(folder, "wav") * 3, sample_rate=8000, n_samples=800)
    assert [len(b.indices) for b in batches(crops, batch_size=4)] == [4, 4, 1]
    assert [len(b.indices) for b in batches(crops, batch_size=4, drop_last=True)] == [4, 4]
    orders = [[i for b in batches(crops, batch_size=4, epoch=e) for i in b.indices.tolist()] for e in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == list(range(9))


def test_a_data_loader_takes_crops_as_they_are(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    crops = AudioCrops(tracks(folder, "mp3"), sample_rate=16000, n_samples=4000)
    loader = torch.utils.data.DataLoader(crops, batch_size=3, num_workers=2, multiprocessing_context="spawn")
    (batch,) = list(loader)
    assert np.array_equal(batch.numpy(), np.stack([crops[i] for i in range(3)]))


def test_what_makes_no_crops(folder: Path) -> None:
    with pytest.raises(UsageError, match="crops of 0 samples"):
        AudioCrops([], sample_rate=8000, n_samples=0)
    with pytest.raises(UsageError, match="pad='mirror'"):
        AudioCrops([], sample_rate=8000, n_samples=10, pad="mirror")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="track x has no audio"):
        AudioCrops([Track("x")], sample_rate=8000, n_samples=10)
    crops = AudioCrops(tracks(folder, "wav"), sample_rate=8000, n_samples=10)
    with pytest.raises(IndexError):
        crops[3]
    assert np.array_equal(crops[-1], crops[2]), "counted from the end, the same crop"
    with pytest.raises(UsageError, match="batch_size=0"):
        batches(crops, batch_size=0)


@pytest.fixture(scope="module")
def waveforms(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("store") / "raw"
    extract_all(folder, path, frontend="raw", parameters={"sample_rate": 16000}, dtype="int16")
    return FeatureStore.open(path)


def extract_all(folder: Path, path: Path, **options: object) -> None:
    items = [Item(track.id, str(track.audio)) for track in tracks(folder, "flac")]
    assert extract(items, path, **options).n_computed == 3  # type: ignore[arg-type]


def test_a_store_of_waveforms_is_a_decoded_cache(folder: Path, waveforms: FeatureStore) -> None:
    """The same places as in the files, within the rounding to 16 bit."""
    cached = StoreCrops(waveforms, n_frames=16000, seed=3)
    assert cached.shape == (16000,)
    for index, track in enumerate(tracks(folder, "flac")):
        whole, _ = io.read(str(track.audio), sample_rate=16000)
        for epoch in range(3):
            crop = cached.set_epoch(epoch)[index]
            at = 0 if track.id == "short" else find(whole, crop)
            assert crop.dtype == np.float32
            assert np.abs(np.resize(whole[at : at + 16000], 16000) - crop).max() <= 0.51 / 32768


def test_crops_of_features_lie_in_the_features(folder: Path, tmp_path: Path) -> None:
    extract_all(folder, tmp_path / "s", frontend="log_mel", parameters={"n_mels": 32}, dtype="float32")
    store = FeatureStore.open(tmp_path / "s")
    crops = StoreCrops(store, n_frames=50, ids=["b", "a"])
    assert crops.shape == (32, 50)
    whole = store["b"].T
    for epoch in range(5):
        crop = crops.set_epoch(epoch)[0]
        assert crop.shape == (32, 50)
        assert any(np.array_equal(whole[:, s : s + 50], crop) for s in range(whole.shape[1] - 49))
    batch = next(batches(crops, batch_size=2))
    assert batch.crops.shape == (2, 32, 50)
    assert not batch.failures
    with pytest.raises(LookupError, match="no track"):
        StoreCrops(store, n_frames=50, ids=["z"])
    with pytest.raises(UsageError, match="crops of 0 frames"):
        StoreCrops(store, n_frames=0)


def test_crops_of_short_features_are_filled(waveforms: FeatureStore) -> None:
    whole = waveforms["short"][:, 0] / np.float32(32768)
    filled = StoreCrops(waveforms, n_frames=10000, ids=["short"])[0]
    assert np.array_equal(filled, np.resize(whole, 10000))
    assert not StoreCrops(waveforms, n_frames=10000, ids=["short"], pad="zeros")[0][len(whole) :].any()
    again = pickle.loads(pickle.dumps(StoreCrops(waveforms, n_frames=100)))
    assert np.array_equal(again[-1], StoreCrops(waveforms, n_frames=100)[2])
