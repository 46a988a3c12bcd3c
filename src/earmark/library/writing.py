"""Rows of the catalogue, made of what was learned of files."""

from typing import Any

import numpy as np

from earmark.errors import EarmarkError
from earmark.library.listening import Hearing
from earmark.library.models import StoredModel
from earmark.library.rows import FilePlace
from earmark.library.schema import now
from earmark.tables import storable


def heard_row(hearing: Hearing, model: StoredModel, listened: str) -> dict[str, Any]:
    """Return the columns that hold what was heard.

    Parameters
    ----------
    hearing : of one file
    model : that listened
    listened : how much was heard
    """
    tags = {tag.tag: tag for tag in hearing.tags.tags}
    scores = {column: tags[name].score for name, column in zip(model.tags, model.score_columns, strict=True)}
    return {
        **scores,
        model.column("peaks"): [tags[name].peak for name in model.tags],
        model.column("embedding"): np.asarray(hearing.tags.embedding, np.float32),
        model.column("vector"): hearing.vector,
        model.column("listened"): listened,
        model.column("version"): model.version,
        "duration": hearing.tags.duration,
        "bpm": hearing.bpm,
        "bpm_confidence": hearing.bpm_confidence,
        "key": hearing.key,
        "key_confidence": hearing.key_confidence,
        "fingerprint": np.asarray(hearing.fingerprint, "<u4").tobytes(),
        "analysed_at": now(),
    }


def failure_row(place: FilePlace, error: EarmarkError) -> dict[str, Any]:
    """Return the row of a file that failed."""
    return {
        "path": place.raw,
        "size": place.size,
        "mtime_ns": place.mtime_ns,
        "reason": storable(error.message),
        "hint": None if error.hint is None else storable(error.hint),
        "at": now(),
    }
