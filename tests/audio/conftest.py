"""Synthetic audio in every container: no test here needs files from elsewhere."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

SECONDS = 6
RATE = 44100

# name -> libsndfile's format and subtype
SNDFILE = {
    "u8.wav": ("WAV", "PCM_U8"),
    "s16.wav": ("WAV", "PCM_16"),
    "s24.wav": ("WAV", "PCM_24"),
    "s32.wav": ("WAV", "PCM_32"),
    "float.wav": ("WAV", "FLOAT"),
    "double.wav": ("WAV", "DOUBLE"),
    "s16.au": ("AU", "PCM_16"),
    "s24.aiff": ("AIFF", "PCM_24"),
    "s16.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "opus.opus": ("OGG", "OPUS"),
    "lame.mp3": ("MP3", "MPEG_LAYER_III"),
}
# name -> PyAV's encoder and the options of its container
AV = {
    "aac.m4a": ("aac", {}),
    "faststart.m4a": ("aac", {"movflags": "faststart"}),
    "alac.m4a": ("alac", {}),
    "adts.aac": ("aac", {}),
    "opus.webm": ("libopus", {}),
    "wma.wma": ("wmav2", {}),
    "wavpack.wv": ("wavpack", {}),
    "ac3.ac3": ("ac3", {}),
    "mp3.avi": ("libmp3lame", {}),
}


def stereo(rate: int = RATE, seconds: float = SECONDS) -> np.ndarray:
    """A sweep on the left, bursts on the right, shape (2, n)."""
    t = np.arange(round(rate * seconds)) / rate
    left = 0.4 * np.sin(2 * np.pi * (200 + 150 * t) * t)
    right = 0.3 * np.sin(2 * np.pi * 700 * t) * (t % 1 < 0.5)
    return np.stack([left, right]).astype(np.float32)


def encode_av(path: Path, waveform: np.ndarray, rate: int, codec: str, options: dict[str, str]) -> None:
    """Encode with PyAV, with a video stream where the suffix is .mp4."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = 128000
        frame_format = stream.codec_context.format or stream.codec_context.codec.audio_formats[0]
        to_format = av.AudioResampler(format=frame_format.name, layout="stereo", rate=rate)
        if path.suffix == ".mp4":
            video = container.add_stream("mpeg4", rate=5)
            video.width = video.height = 32
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), format="rgb24")
            for _ in range(40):  # 8 s: longer than the audio
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        for start in range(0, waveform.shape[1], 1024):
            block = np.ascontiguousarray(waveform[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, start
            for ready in to_format.resample(frame):
                container.mux(stream.encode(ready))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def waveform() -> np.ndarray:
    """What the files of `audio_file` hold, shape (2, n)."""
    return stereo()


@pytest.fixture(scope="session")
def audio_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a path to the file of that name in `SNDFILE` or `AV`, written once."""
    folder = tmp_path_factory.mktemp("audio")

    def make(name: str) -> Path:
        path = folder / name
        if path.exists():
            return path
        rate = 48000 if "opus" in name else RATE
        if name in SNDFILE:
            container, subtype = SNDFILE[name]
            # Not in one call: libsndfile's Vorbis encoder overflows on long blocks.
            with soundfile.SoundFile(path, "w", rate, 2, subtype, format=container) as file:
                for block in np.array_split(stereo(rate).T, 10):
                    file.write(block)
        else:
            codec, options = AV.get(name, ("aac", {}))
            encode_av(path, stereo(rate), rate, codec, options)
        return path

    return make


@pytest.fixture(scope="session", params=[*SNDFILE])
def sndfile_name(request: pytest.FixtureRequest) -> str:
    """Every container that libsndfile reads."""
    return request.param


@pytest.fixture(scope="session", params=[*AV, "video.mp4"])
def av_name(request: pytest.FixtureRequest) -> str:
    """Every container that PyAV reads."""
    return request.param
