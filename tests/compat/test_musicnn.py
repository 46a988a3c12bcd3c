"""The old musicnn functions: the same arguments, shapes, order and numbers as musicnn 0.1.0."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.compat import musicnn
from earmark.compat.musicnn import MODELS, extractor, top_tags
from earmark.errors import AudioWarning, EarmarkError, InputError, UnknownNameError, UsageError

CLIPS = ("bensound-cute", "bensound-thejazzpiano", "joram-moments_of_clarity-08-solipsism-59-88")


@pytest.fixture(scope="module")
def golden(shared: Path) -> Any:
    return json.loads((shared / "references" / "pons_musicnn.json").read_text())


def clip_16k(shared: Path, clip: str) -> Path:
    """The exact input of the published code, 16 kHz."""
    path = shared / "references" / "audio" / f"{clip}_16k.wav"
    return path if path.exists() else shared / "audio" / "clips" / f"{clip}.mp3"


def music_like(n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    time = np.arange(n_samples) / 16000
    tones = sum(np.sin(2 * np.pi * f * time) for f in (110, 220, 277.2, 329.6, 880))
    beat = 0.5 + 0.5 * np.cos(2 * np.pi * 1.7 * time)
    return (0.08 * tones * beat + 0.02 * rng.standard_normal(n_samples)).astype(np.float32)


def write(path: Path, n_samples: int) -> Path:
    soundfile.write(path, music_like(n_samples), 16000, subtype="FLOAT")
    return path


def expected_shapes(model: str, n: int, n_frames: int = 187) -> dict[str, tuple[int, ...]]:
    if "vgg" in model:
        maps = [(92, 48), (46, 24), (23, 12), (11, 6)]
        pools = {f"pool{i}": (n * t, f, 128) for i, (t, f) in enumerate(maps, start=1)}
        return {**pools, "pool5": (n * 2, 128)}
    along_time = {"timbral": 408, "temporal": 153, "cnn1": 64, "cnn2": 64, "cnn3": 64}
    per_patch = {"mean_pool": 753, "max_pool": 753, "penultimate": 200}
    return {name: (n * n_frames, c) for name, c in along_time.items()} | {name: (n, c) for name, c in per_patch.items()}


def test_names_and_defaults_are_the_old_ones() -> None:
    def defaults(function: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]

    required = inspect.Parameter.empty
    assert defaults(top_tags) == [
        ("file_name", required),
        ("model", "MTT_musicnn"),
        ("topN", 3),
        ("input_length", 3),
        ("input_overlap", False),
        ("print_tags", True),
        ("save_tags", False),
    ]
    assert defaults(extractor) == [
        ("file_name", required),
        ("model", "MTT_musicnn"),
        ("input_length", 3),
        ("input_overlap", False),
        ("extract_features", True),
    ]


# What librosa 0.7.2's time_to_frames(seconds, sr=16000, n_fft=512, hop_length=256) returns.
@pytest.mark.parametrize(
    ("seconds", "frames"), [(3, 186), (1, 61), (10, 624), (0.5, 30), (2.2, 136), (7.7, 480), (0.032, 1)]
)
def test_seconds_become_frames_as_in_librosa_0_7(seconds: float, frames: int) -> None:
    assert musicnn._frames(seconds, False) == (frames + 1, frames + 1)
    assert musicnn._frames(3, seconds) == (187, frames)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"model": "MSD_musicnn_big"}, UsageError, "never part of the published package"),
        ({"model": "MTT_musicn"}, UnknownNameError, "there is no model 'MTT_musicn'"),
        ({"model": "MTT_vgg", "input_length": 5}, ValueError, "vgg models take 3 s"),
        ({"input_length": 0.02}, UsageError, "input_length=0.02"),
        ({"input_overlap": 0.01}, UsageError, "input_overlap=0.01"),
        ({"input_overlap": -1}, UsageError, "input_overlap=-1"),
        ({"input_length": float("nan")}, UsageError, "input_length=nan"),
    ],
)
@pytest.mark.parametrize("function", [top_tags, extractor])
def test_what_cannot_be_done_is_an_error(function: Any, options: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        function("song.wav", **options)
    assert isinstance(caught.value, EarmarkError)
    assert caught.value.hint


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
class TestPublished:
    @pytest.mark.parametrize("clip", CLIPS)
    @pytest.mark.parametrize("model", MODELS)
    def test_numbers_are_the_published_ones(self, model: str, clip: str, shared: Path, golden: Any) -> None:
        taggram, tags, features = extractor(str(clip_16k(shared, clip)), model=model)
        expected = np.array(golden["taggram"][f"{model}/{clip}"])
        assert tags == golden["vocabularies"][model]
        assert taggram.dtype == np.float32
        np.testing.assert_allclose(taggram, expected, rtol=0, atol=1e-4)
        scores_alone, _ = extractor(clip_16k(shared, clip), model=model, extract_features=False)
        np.testing.assert_allclose(scores_alone, expected, rtol=0, atol=1e-4)
        shapes = {name: value.shape for name, value in features.items()}
        assert list(shapes.items()) == list(expected_shapes(model, len(expected)).items())
        if "musicnn" in model:
            penultimate = golden["penultimate_first_patch"][f"{model}/{clip}"]
            np.testing.assert_allclose(features["penultimate"][0], penultimate, rtol=1e-4, atol=3e-5)
            mean_pool = golden["mean_pool_first_patch_first8"][f"{model}/{clip}"]
            np.testing.assert_allclose(features["mean_pool"][0, :8], mean_pool, rtol=1e-4, atol=1e-5)

    def test_overlapping_patches_hold_the_plain_ones(self, shared: Path) -> None:
        """3 s every 186 frames, and every 93: each second of these is one of those."""
        path = clip_16k(shared, CLIPS[1])
        whole, _ = extractor(path, input_overlap=3, extract_features=False)
        half, _, features = extractor(path, input_overlap=1.504)
        assert len(half) in (2 * len(whole) - 1, 2 * len(whole))
        np.testing.assert_allclose(half[::2][: len(whole)], whole, rtol=0, atol=1e-5)
        assert {name: value.shape for name, value in features.items()} == expected_shapes("MTT_musicnn", len(half))

    def test_longer_patches_of_musicnn(self, shared: Path) -> None:
        taggram, _, features = extractor(clip_16k(shared, CLIPS[0]), input_length=10)
        assert taggram.shape == (3, 50)
        shapes = {name: value.shape for name, value in features.items()}
        assert shapes == expected_shapes("MTT_musicnn", 3, n_frames=625)

    @pytest.mark.parametrize(("n_samples", "n_patches"), [(2 * 187 * 256 - 256, 2), (2 * 187 * 256 - 257, 1)])
    def test_the_last_patch_may_end_at_the_mirrored_frame(self, n_samples: int, n_patches: int, tmp_path: Path) -> None:
        """A track has 1 + n_samples // 256 frames; against the whole-track mel in PyTorch."""
        torch = pytest.importorskip("torch")
        from earmark.audio.frontends import MusicnnMel
        from earmark.models.base import load

        taggram, _, features = extractor(write(tmp_path / "a.wav", n_samples))
        assert len(taggram) == n_patches
        with torch.no_grad():
            mel = MusicnnMel()(torch.from_numpy(music_like(n_samples))[None])  # mirrored at both ends
            patches = torch.cat([mel[:, :, k * 187 : (k + 1) * 187] for k in range(n_patches)])
            stages = dict(load("musicnn.pons_mtt").stages(patches))
        np.testing.assert_allclose(taggram, torch.sigmoid(stages["logits"]), rtol=0, atol=1e-5)
        timbral = stages["timbral"].permute(0, 2, 1).reshape(-1, 408)
        assert timbral.abs().max() > 5
        np.testing.assert_allclose(features["timbral"], timbral, rtol=1e-3, atol=5e-3)  # float16 in the mel rounds

    def test_top_tags_prints_saves_and_returns(
        self, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, saved = str(clip_16k(shared, CLIPS[1])), tmp_path / "song.tags"
        best = top_tags(path, model="MSD_musicnn", topN=5, save_tags=str(saved))
        assert best == ["jazz", "instrumental", "female vocalists", "guitar", "indie"]
        lines = [f"[{path}] Top5 tags: ", *(f" - {tag}" for tag in best)]
        assert capsys.readouterr().out.splitlines() == lines
        assert top_tags(path, "MSD_musicnn", 1, 10, 5, False, str(saved)) == ["jazz"]
        assert capsys.readouterr().out == ""
        assert saved.read_text().splitlines() == [
            f"{path},MSD_musicnn,input_length=3,input_overlap=False,{','.join(best)}",
            f"{path},MSD_musicnn,input_length=10,input_overlap=5,jazz",
        ]

    def test_tags_that_cannot_be_saved(self, tmp_path: Path) -> None:
        path = write(tmp_path / "song.wav", 48000)
        with pytest.raises(InputError, match=r"song\.tags: cannot be written: No such file"):
            top_tags(path, print_tags=False, save_tags=tmp_path / "no" / "song.tags")

    def test_a_track_shorter_than_a_patch_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "short.wav", 16000)
        with pytest.raises(InputError, match=r"short.wav: 1.00 s of audio, a patch needs at least 2.98 s"):
            extractor(path)
        assert extractor(path, input_length=1)[0].shape == (1, 50)

    def test_a_truncated_file_warns(self, tmp_path: Path) -> None:
        whole = write(tmp_path / "whole.wav", 20 * 16000).read_bytes()
        path = tmp_path / "cut.wav"
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.warns(AudioWarning, match="truncated"):
            taggram, _ = extractor(path, extract_features=False)
        assert len(taggram) == 3

    def test_it_does_not_need_torch(self, shared: Path) -> None:
        code = (
            "import sys; from earmark.compat.musicnn import top_tags; top_tags(sys.argv[1]);"
            "assert not {'torch', 'tensorflow', 'librosa'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code, str(clip_16k(shared, CLIPS[0]))], check=True, capture_output=True)
