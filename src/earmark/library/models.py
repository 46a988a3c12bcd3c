"""What the catalogue keeps of a model: its tags, which column holds which, and how to tell whether it has changed."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from earmark.errors import UnknownNameError, UsageError
from earmark.library.thresholds import default_threshold
from earmark.library.vectors import VECTORS_VERSION
from earmark.models.paths import ModelName
from earmark.models.weights import Progress, fingerprint, get_card, is_local, path_of, pull
from earmark.tagger import PRESETS
from earmark.vocabulary import union

TAUGHT = "taught"
"""The name under which tags that the user taught stand beside models."""


@dataclass(frozen=True)
class StoredModel:
    """A model, or a preset, as the catalogue knows it.

    Parameters
    ----------
    name : such as "standard"
    version : tells its weights from others
    tags : in the order of the columns
    slugs : of the tags, as they stand in the names of columns; each once
    categories : of the tags
    base_rates : how often each tag holds in the training data; None where that is not known
    thresholds : score from which on a track has the tag
    parts : the models whose embeddings stand one after the other, with their sizes
    vectors_version : of the mapping that made the search vectors
    """

    name: str
    version: str
    tags: tuple[str, ...]
    slugs: tuple[str, ...]
    categories: tuple[str, ...]
    base_rates: tuple[float | None, ...]
    thresholds: tuple[float, ...]
    parts: tuple[tuple[str, int], ...] = ()
    vectors_version: int = VECTORS_VERSION

    @cached_property
    def slug(self) -> str:
        """The name as it stands in the names of columns."""
        return slug_of(self.name)

    @property
    def n_features(self) -> int:
        """Size of the embedding."""
        return sum(size for _, size in self.parts)

    @cached_property
    def score_columns(self) -> tuple[str, ...]:
        """The columns that hold the scores, in the order of `tags`."""
        return tuple(f"score__{self.slug}__{slug}" for slug in self.slugs)

    def column(self, kind: str) -> str:
        """Return the name of a column of this model: "peaks", "embedding", "vector", "listened" or "version"."""
        return f"{kind}__{self.slug}"


def describe(
    model: ModelName | None = None, *, preset: str = "standard", progress: Progress | None = None
) -> StoredModel:
    """Describe a model or a preset, and see to it that its weights are here.

    Parameters
    ----------
    model, preset : as `Tagger` takes them
    progress : called with the bytes done and the bytes in all while weights are fetched

    Raises
    ------
    UnknownNameError, AssetError
        If there is no such model or preset, or its weights cannot be had.
    UsageError
        If model and preset are both given.
    """
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    if model is not None and preset != "standard":
        raise UsageError(f"model {model!r} and preset {preset!r} exclude each other", hint="give one of the two")
    names: Sequence[ModelName] = PRESETS[preset] if model is None else (model,)
    for name in names:
        if path_of(name) is None and not is_local(str(name)):
            pull(name, progress=progress)
    cards = [get_card(name) for name in names]
    merged = union([card.get_vocabulary() for card in cards], merge_synonyms=model is None)
    rates = merged.merge_base_rates(
        [np.full(len(card.get_vocabulary()), np.nan) if (own := card.get_base_rates()) is None else own
         for card in cards]
    )  # fmt: skip
    known = tuple(float(rate) if np.isfinite(rate) and rate > 0 else None for rate in rates)
    thresholds = tuple(map(default_threshold, known))
    if all(card.thresholds for card in cards):
        own_thresholds = merged.merge_scores([np.asarray(card.thresholds, np.float64) for card in cards])
        thresholds = tuple(min(float(limit), 1.01) for limit in own_thresholds)  # infinity is no number in a table
    return StoredModel(
        name=preset if model is None else cards[0].name,
        version=_combined(fingerprint(name) for name in names),
        tags=merged.names,
        slugs=slugs_of(merged.names),
        categories=merged.categories,
        base_rates=known,
        thresholds=thresholds,
        parts=tuple((card.name, card.n_features) for card in cards),
    )


def _combined(fingerprints: Iterable[str]) -> str:
    """Return one fingerprint for several."""
    together = list(fingerprints)
    return together[0] if len(together) == 1 else hashlib.sha256(" ".join(together).encode()).hexdigest()[:12]


def slug_of(name: str) -> str:
    """Make a name fit for a column: lower-case letters, digits and underscores.

    Examples
    --------
    >>> slug_of("Hip-Hop"), slug_of("musicnn.pons_msd")
    ('hip_hop', 'musicnn_pons_msd')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "tag"


def slugs_of(names: Sequence[str]) -> tuple[str, ...]:
    """Make names fit for columns, each different from the others.

    Examples
    --------
    >>> slugs_of(["no voice", "no-voice", "R&B"])
    ('no_voice', 'no_voice_2', 'r_b')
    """
    slugs: list[str] = []
    for name in names:
        base = slug = slug_of(name)
        count = 1
        while slug in slugs:
            count += 1
            slug = f"{base}_{count}"
        slugs.append(slug)
    return tuple(slugs)
