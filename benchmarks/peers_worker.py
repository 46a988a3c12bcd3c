"""One tagging system in its own process, driven by JSON lines on stdin.

Runs in the interpreter of the system it wraps, so it keeps to the standard library and to Python 3.7.
Commands: load, tag, scores, probe, versions, quit. Every command is answered by one JSON line.
Whatever the wrapped libraries print goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time

SAMPLE_RATE = 16000
N_FRAMES = 187


class Earmark:
    """`earmark.Tagger`; options: mode ("many" or "one"), model, and whatever the Tagger takes."""

    packages = ("earmark", "onnxruntime", "numpy", "soundfile", "soxr", "av", "openvino")

    def load(self, options):
        import earmark

        options = dict(options)
        self.mode = options.pop("mode", "many")
        self.tagger = earmark.Tagger(**options)

    def tag(self, paths):
        results = self.tagger.tag_many(paths) if self.mode == "many" else map(self._one, paths)
        for path, result in zip(paths, results):  # noqa: B905 (Python 3.7)
            if hasattr(result, "taggram"):
                yield path, result.taggram, None
            else:
                yield path, None, str(result)

    def _one(self, path):
        from earmark.errors import EarmarkError

        try:
            return self.tagger.tag(path)
        except EarmarkError as error:
            return error

    def probe(self, path):
        from earmark.audio import io

        info = io.probe(path)
        return {
            "sample_rate": info.sample_rate,
            "n_channels": info.n_channels,
            "codec": info.codec,
            "duration": info.duration,
        }


class Essentia:
    """`MonoLoader` into `TensorflowPredictMusiCNN`; options: graph, resample_quality (0 best ... 4 linear)."""

    packages = ("essentia-tensorflow", "numpy")

    def load(self, options):
        import essentia

        essentia.log.infoActive = False
        essentia.log.warningActive = False
        import essentia.standard

        self.standard = essentia.standard
        self.quality = options["resample_quality"]
        self.network = essentia.standard.TensorflowPredictMusiCNN(
            graphFilename=options["graph"],
            input="melspectrogram",
            output="activations",
            patchHopSize=N_FRAMES,
        )

    def tag(self, paths):
        for path in paths:
            try:
                loader = self.standard.MonoLoader(filename=path, sampleRate=SAMPLE_RATE, resampleQuality=self.quality)
                yield path, self.network(loader()), None
            except RuntimeError as error:
                yield path, None, str(error)


class Musicnn:
    """The original package; options: mode "published" (its `extractor`) or "session" (graph built only once)."""

    packages = ("musicnn", "tensorflow", "librosa", "numba", "numpy", "resampy", "soundfile", "audioread")
    model = "MSD_musicnn"

    def load(self, options):
        import warnings

        warnings.simplefilter("ignore")
        from musicnn import extractor

        self.extractor = extractor
        self.session = None
        if options["mode"] == "session":
            self._open_session()

    def _open_session(self):
        import tensorflow as tf
        from musicnn import configuration, models

        v1 = tf.compat.v1
        v1.reset_default_graph()
        with tf.name_scope("model"):  # the names in the checkpoint
            self.patches = v1.placeholder(tf.float32, [None, N_FRAMES, configuration.N_MELS])
            self.training = v1.placeholder(tf.bool)
            outputs = models.define_model(self.patches, self.training, self.model, len(configuration.MSD_LABELS))
            self.scores = tf.nn.sigmoid(outputs[0])
        self.batch_size = configuration.BATCH_SIZE
        self.session = v1.Session()
        folder = os.path.join(os.path.dirname(self.extractor.__file__), self.model)  # noqa: PTH118, PTH120
        v1.train.Saver().restore(self.session, folder + "/")

    def tag(self, paths):
        for path in paths:
            try:
                yield path, self._taggram(path), None
            except Exception as error:  # noqa: BLE001 (any decoder of any age may be underneath)
                yield path, None, "{}: {}".format(type(error).__name__, error)  # noqa: UP032

    def _taggram(self, path):
        if self.session is None:
            return self.extractor.extractor(path, model=self.model, extract_features=False)[0]
        import numpy as np

        batch, _ = self.extractor.batch_data(path, N_FRAMES, N_FRAMES)
        parts = []
        for start in range(0, len(batch), self.batch_size):
            feed = {self.patches: batch[start : start + self.batch_size], self.training: False}
            parts.append(self.session.run(self.scores, feed_dict=feed))
        return np.concatenate(parts)


BACKENDS = {"earmark": Earmark, "essentia": Essentia, "musicnn": Musicnn}


def versions(packages):
    """Return the versions of the installed ones among some packages, and of Python."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7
        import importlib_metadata as metadata
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def answer(backend, taggrams, message):
    """Carry out one command; return the answer."""
    command = message["command"]
    started = time.perf_counter()
    failed = {}
    if command == "load":
        backend.load(message["options"])
    elif command == "tag":
        taggrams.clear()
        for path, taggram, reason in backend.tag(message["paths"]):
            if reason is None:
                taggrams[path] = taggram
            else:
                failed[path] = reason
    elif command == "scores":
        return {"taggram": [[round(float(x), 7) for x in row] for row in taggrams[message["path"]]]}
    elif command == "probe":
        return backend.probe(message["path"])
    elif command == "versions":
        return versions(backend.packages)
    return {"seconds": time.perf_counter() - started, "failed": failed}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend", choices=sorted(BACKENDS))
    parser.add_argument("--cpus", required=True, help="comma-separated numbers of the cores to stay on")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu) for cpu in arguments.cpus.split(",")})
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    backend = BACKENDS[arguments.backend]()
    taggrams = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["command"] == "quit":
            break
        answers.write(json.dumps(answer(backend, taggrams, message)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
