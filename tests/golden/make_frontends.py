"""Write frontends.json: what librosa computes on a real clip. Needs librosa (0.11 made the stored file).

python tests/golden/make_frontends.py PATH/bensound-cute_16k.wav
"""

import json
import sys
from pathlib import Path

import librosa
import numpy as np
import soundfile

FRAMES = slice(0, None, 150)


def db(power: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(power, 1e-10))


def main() -> None:
    waveform, sample_rate = soundfile.read(sys.argv[1], dtype="float64")
    common = {"y": waveform, "sr": sample_rate, "n_fft": 512, "hop_length": 256, "pad_mode": "reflect"}
    slaney = librosa.feature.melspectrogram(n_mels=96, **common)
    htk = librosa.feature.melspectrogram(n_mels=96, htk=True, norm=None, **common)
    plain = librosa.feature.melspectrogram(n_mels=128, **common)
    wide = librosa.feature.melspectrogram(
        y=waveform, sr=sample_rate, n_fft=2048, hop_length=512, n_mels=128, pad_mode="reflect"
    )
    at12k = librosa.feature.melspectrogram(
        y=waveform, sr=12000, n_fft=512, hop_length=256, n_mels=96, pad_mode="reflect"
    )
    choi = db(at12k**2)
    outputs = {
        "power": slaney,
        "musicnn": np.log10(1.0 + 10000.0 * slaney.astype(np.float16).astype(np.float64)),
        "won": db(htk),
        "choi": np.maximum(choi, choi.max() - 80.0),
        "log_mel": db(plain),
        "mfcc": librosa.feature.mfcc(S=librosa.power_to_db(wide, ref=1.0), n_mfcc=20),
        "cqt": np.abs(librosa.cqt(waveform, sr=sample_rate, hop_length=256)),
    }
    golden = {
        "origin": f"librosa {librosa.__version__} in float64 on bensound-cute_16k.wav, every 150th frame; "
        "choi: the same samples taken as 12 kHz; cqt: magnitudes, hop 256",
        "frames_step": FRAMES.step,
        "shapes": {name: list(value.shape) for name, value in outputs.items()},
        "values": {
            name: [[float(f"{v:.9g}") for v in row] for row in value[:, FRAMES]] for name, value in outputs.items()
        },
    }
    Path(__file__).with_name("frontends.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
