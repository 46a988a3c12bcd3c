"""A comparison of two networks as numbers: all arrays in one .npz file, or the matrix of CKA in a .csv file."""

import csv
import io
import os
from pathlib import Path

import numpy as np

from earmark.errors import UsageError
from earmark.explain.comparison import Comparison
from earmark.explain.report_arrays import Arrays, channel_arrays
from earmark.files import replacing

TABLES = (".npz", ".csv")


def write_comparison(path: str | os.PathLike[str], found: Comparison) -> None:
    """Write a comparison as the suffix says, whole or not at all: .npz all arrays, .csv the matrix of CKA.

    Raises
    ------
    InputError
        If the file cannot be written.
    UsageError
        If the suffix is another.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in TABLES:
        raise UsageError(f"{path}: numbers are written to {' or '.join(TABLES)}", hint=f"-o comparison{TABLES[0]}")
    with replacing(path) as file:
        if suffix == ".npz":
            np.savez_compressed(file, **to_arrays(found))  # type: ignore[arg-type]
            return
        text = io.StringIO()
        likeness = found.likeness
        rows = zip(likeness.layers_a, likeness.cka.tolist(), strict=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["layer", *likeness.layers_b])
        writer.writerows([name, *("" if np.isnan(v) else f"{v:.6f}" for v in values)] for name, values in rows)
        file.write(text.getvalue().encode())


def to_arrays(found: Comparison) -> Arrays:
    """Return all arrays of a comparison by name.

    Parameters
    ----------
    found : from `earmark.explain.comparison.compare_models`

    Returns
    -------
    models, songs, stretch (seconds), sample_rate, waveform; layers_a, layers_b, cka, cka_chance, n_moments; layers
    (whose channels are matched), shared (pairs), unique_a, unique_b, silent_a, silent_b, partner_a, partner_b,
    correlation_a, correlation_b, threshold, chance; tags and tag_scores (N, 2). Of each channel that is heard, under
    "a/12/" or "b/12/": its map, seconds, frequencies, response and sound, as far as there are any
    """
    likeness, matches = found.likeness, found.matches
    arrays: Arrays = {
        "models": np.array(found.models),
        "songs": np.array(found.songs),
        "stretch": np.array([found.start, found.end]),
        "sample_rate": np.array(found.sample_rate),
        "waveform": found.waveform,
        "layers_a": np.array(likeness.layers_a),
        "layers_b": np.array(likeness.layers_b),
        "cka": likeness.cka,
        "cka_chance": likeness.chance,
        "n_moments": likeness.n_moments,
        "layers": np.array(found.layers),
        "shared": matches.shared,
        "unique_a": matches.unique_a,
        "unique_b": matches.unique_b,
        "silent_a": matches.silent_a,
        "silent_b": matches.silent_b,
        "partner_a": matches.partner_a,
        "partner_b": matches.partner_b,
        "correlation_a": matches.correlation_a,
        "correlation_b": matches.correlation_b,
        "threshold": np.array(matches.threshold),
        "chance": np.array(matches.chance),
        "tags": np.array([tag.name for tag in found.tags], np.str_),
        "tag_scores": np.array([[tag.score_a, tag.score_b] for tag in found.tags]).reshape(-1, 2),
    }
    sides = (
        ("a", [*(one.a for one in found.shared), *(one.heard for one in found.unique_a)]),
        ("b", [*(one.b for one in found.shared), *(one.heard for one in found.unique_b)]),
    )
    for letter, channels in sides:
        for one in channels:
            arrays.update({f"{letter}/{one.channel}/{name}": part for name, part in channel_arrays(one).items()})
    return arrays
