"""Write contrast.json: spectral contrast as librosa computes it. Needs librosa (0.11 made the stored file).

python tests/golden/make_contrast.py PATH/bensound-cute_16k.wav
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

FRAMES = slice(0, None, 150)
OPTIONS: dict[str, dict[str, float]] = {
    "default": {},
    "other": {"n_fft": 1024, "hop_length": 400, "fmin": 150.0, "n_bands": 5, "quantile": 0.1},
}


def fading() -> np.ndarray:
    """Noise and two tones that fade to nothing over 3 s at 16 kHz; tests/audio/test_contrast.py makes the same."""
    t = np.arange(48000)
    noise = np.random.default_rng(0).standard_normal(48000)
    tones = np.sin(2 * np.pi * 0.03 * t) + 0.5 * np.sin(2 * np.pi * 0.11 * t)
    waveform = (0.02 * noise + 0.2 * tones) * 10.0 ** (-t / 4000)
    return waveform.astype(np.float32).astype(np.float64)


def main() -> None:
    import librosa  # here, so that collecting tests does not need it

    music, sample_rate = soundfile.read(sys.argv[1], dtype="float64")
    values = {}
    for source, waveform, step in (("music", music, FRAMES.step), ("fading", fading(), 10)):
        for name, options in OPTIONS.items():
            contrast = librosa.feature.spectral_contrast(y=waveform, sr=sample_rate, pad_mode="reflect", **options)
            values[f"{source} {name}"] = {
                "shape": contrast.shape,
                "step": step,
                "values": [[float(f"{v:.9g}") for v in row] for row in contrast[:, ::step]],
            }
    golden = {
        "origin": f"librosa {librosa.__version__}, feature.spectral_contrast(pad_mode='reflect') in float64 on "
        "bensound-cute_16k.wav and on a synthetic fade; every step-th frame",
        "options": OPTIONS,
        "values": values,
    }
    Path(__file__).with_name("contrast.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
