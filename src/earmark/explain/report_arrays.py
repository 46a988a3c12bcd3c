"""All arrays of a song's report in one .npz file."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.explain.auralize import Sound
from earmark.explain.channels import ChannelReport, LayerReport
from earmark.explain.report import SongReport, TagReport
from earmark.files import replacing

Arrays = dict[str, NDArray[Any]]


def write_arrays(path: str | os.PathLike[str], report: SongReport) -> None:
    """Write all arrays of a report to an .npz file, whole or not at all; the names are those of `to_arrays`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with replacing(path) as file:
        np.savez_compressed(file, **to_arrays(report))  # type: ignore[arg-type]


def to_arrays(report: SongReport) -> Arrays:
    """Return all arrays of a report by names such as "jazz/saliency" or "jazz/timbral/12/sound".

    Parameters
    ----------
    report : from `earmark.explain.report.explain_song`

    Returns
    -------
    song, model, sample_rate, waveform, tags, taggram, times and explained (the tags that are). For each of these, under
    its name: score, moment (start and end, seconds), saliency, frequencies, seconds, ends (the quantity here and for
    silence), marked, scores (whole, only, without, silence), deletion_fractions, deletion_salient, deletion_random,
    deletion_area, and sanity if it was checked. For each of its layers: stretch, channels, contributions, n_still; for
    each channel its map, seconds, frequencies, response and sound, as far as there are any
    """
    found: Arrays = {
        "song": np.array(report.song),
        "model": np.array(report.model),
        "sample_rate": np.array(report.sample_rate),
        "waveform": report.waveform,
        "tags": np.array(report.tags),
        "taggram": report.taggram,
        "times": report.times,
        "explained": np.array([tag.tag for tag in report.explained]),
    }
    for tag in report.explained:
        _add(found, tag.tag, _of_tag(tag))
        for layer in tag.layers:
            _add(found, f"{tag.tag}/{layer.layer}", _of_layer(layer))
            for one in layer.channels:
                _add(found, f"{tag.tag}/{layer.layer}/{one.channel}", channel_arrays(one))
    return found


def _add(found: Arrays, under: str, parts: Arrays) -> None:
    found.update({f"{under}/{name}": values for name, values in parts.items()})


def _of_tag(tag: TagReport) -> Arrays:
    saliency, deletion, marked = tag.saliency, tag.deletion, tag.marked
    found: Arrays = {
        "score": np.array(tag.score),
        "moment": np.array([tag.start, tag.end]),
        "saliency": saliency.values,
        "frequencies": saliency.frequencies,
        "seconds": saliency.times,
        "ends": np.array([saliency.score, saliency.baseline_score]),
        "marked": marked.cells,
        "scores": np.array([marked.score_whole, marked.score_only, marked.score_without, marked.score_silence]),
        "deletion_fractions": deletion.fractions,
        "deletion_salient": deletion.salient_first,
        "deletion_random": deletion.random,
        "deletion_area": np.array(deletion.area),
    }
    if tag.sanity is not None:
        found["sanity"] = np.array(tag.sanity.correlations)
    for name, heard in (("sound", tag.sound), ("sound_only", marked.only), ("sound_without", marked.without)):
        found |= _of_sound(name, heard)
    return found


def _of_layer(layer: LayerReport) -> Arrays:
    found: Arrays = {
        "stretch": np.array([layer.start, layer.end]),
        "channels": np.array([one.channel for one in layer.channels], np.int64),
        "contributions": np.array([one.contribution for one in layer.channels]),
        "n_still": np.array(layer.n_still),
    }
    return found if layer.inversion is None else found | _of_sound("inverted", layer.inversion.sound)


def channel_arrays(one: ChannelReport) -> Arrays:
    """Return the map and seconds of a channel; map_frequencies, frequencies, response and sound if there are any."""
    found: Arrays = {"map": one.excited.values, "seconds": one.excited.times}
    if one.excited.frequencies is not None:
        found["map_frequencies"] = one.excited.frequencies
    if one.heard is not None:
        found |= {"frequencies": one.heard.frequencies, "response": one.heard.response}
    found |= _of_sound("sound", one.sound)
    return found if one.excerpts is None else found | _of_sound("excerpts", one.excerpts.sound)


def _of_sound(name: str, heard: Sound | None) -> Arrays:
    return {} if heard is None else {name: heard.waveform}
