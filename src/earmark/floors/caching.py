"""Statistics of many tracks, from decoded audio, in several threads; kept in a feature store beside the audio."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError, InputError, UsageError
from earmark.features.layout import INT16_SCALE, StoreInfo
from earmark.features.store import FeatureStore
from earmark.features.writing import StoreWriter
from earmark.floors.statistics import REVISION, TrackStatistics
from earmark.parallel import cpu_count, map_ordered
from earmark.progress import ProgressBar

FRONTEND = "track_statistics"


def track_features(
    store: FeatureStore,
    ids: Sequence[str],
    *,
    statistics: TrackStatistics | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
    show_progress: bool | None = False,
) -> NDArray[np.float32]:
    """Return the statistics of tracks; those that were computed before from the same audio are read.

    Parameters
    ----------
    store : decoded audio: front end "raw", of any sample rate
    ids : of tracks in it
    statistics : what to compute; the defaults at the store's sample rate unless given
    cache : folder of the feature store that keeps them; beside `store` unless given
    jobs : tracks at a time; as many as there are CPUs unless given
    show_progress : draw a bar; None draws it if stderr is a terminal

    Returns
    -------
    shape (n, D)

    Raises
    ------
    UsageError
        If `store` holds no waveforms, or has another sample rate than `statistics`; if another process is computing
        the same.
    InputError
        If the folder cannot be written, or a track cannot be used.

    Notes
    -----
    At most 2 * `jobs` tracks are in memory. An interrupted call loses two seconds of work.
    """
    chosen = statistics or TrackStatistics(sample_rate=store.info.sample_rate)
    if store.info.frontend != "raw":
        raise UsageError(f"{store.path}: holds {store.info.frontend}, expected waveforms", hint="decode with raw")
    if store.info.sample_rate != chosen.sample_rate:
        raise UsageError(f"{store.path}: audio at {store.info.sample_rate} Hz, expected {chosen.sample_rate} Hz")
    info = _describe(chosen, store)
    folder = cache or _beside(store, info)
    unique = list(dict.fromkeys(ids))
    known = _read(folder, info, store, unique)
    missing = [id for id in unique if id not in known]
    if missing:
        known |= _compute(missing, chosen, store, (folder, info), cpu_count() if jobs is None else jobs, show_progress)
    if not ids:
        return np.zeros((0, chosen.n_features), np.float32)
    return np.stack([known[id] for id in ids])


def _describe(statistics: TrackStatistics, store: FeatureStore) -> StoreInfo:
    audio = {"audio_revision": store.info.revision, "audio_dtype": store.info.dtype}
    return StoreInfo(
        frontend=FRONTEND,
        parameters=statistics.parameters | audio,
        revision=REVISION,
        dtype="float32",
        n_features=statistics.n_features,
        sample_rate=statistics.sample_rate,
        hop_length=statistics.hop_length,
        unit="1",
        value_range=None,
    )


def _beside(store: FeatureStore, info: StoreInfo) -> Path:
    """Return the folder of these parameters next to the decoded audio."""
    what = json.dumps([dict(info.parameters), info.revision], sort_keys=True)
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    return store.path.with_name(f"{store.path.name}-statistics-{digest}")


def _read(folder: Path, info: StoreInfo, audio: FeatureStore, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return what is there of tracks whose audio is still the same."""
    if not (folder / "store.json").exists():
        return {}
    kept = FeatureStore.open(folder)
    if (kept.info.parameters, kept.info.revision) != (info.parameters, info.revision):
        return {}  # the writer says what differs
    return {id: kept[id][0] for id in ids if id in kept and kept.entry(id).key == audio.entry(id).key}


def _compute(
    ids: Sequence[str],
    statistics: TrackStatistics,
    audio: FeatureStore,
    place: tuple[Path, StoreInfo],
    jobs: int,
    show_progress: bool | None,
) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}

    def compute(id: str) -> NDArray[np.float32]:
        waveform = audio[id][:, 0].astype(np.float32)
        if audio.info.dtype == "int16":
            waveform /= np.float32(INT16_SCALE)
        try:
            return statistics(waveform)
        except EarmarkError as error:
            raise InputError(f"{id}: {error.message}", hint=error.hint) from error

    bar = ProgressBar("statistics", enabled=show_progress)
    with StoreWriter(*place) as writer:
        for id, values in zip(ids, map_ordered(compute, ids, jobs=jobs), strict=True):
            writer.add(replace(audio.entry(id), n_frames=1), values.tobytes())
            found[id] = values
            bar.update(len(found) / len(ids), f"{len(found)} of {len(ids)} tracks")
    bar.clear()
    return found
