"""Tags of the user's own in a catalogue: taught from answers, kept with them, applied to every track."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.answers import answer_key, answers_of, current_embeddings, examples, identity_of
from earmark.library.heads import Head, check_name, load_head, save_head
from earmark.library.models import TAUGHT, StoredModel, slugs_of
from earmark.library.rows import LibraryTrack
from earmark.library.schema import ANSWERS, HEADS, TRACKS, now
from earmark.library.store import Store
from earmark.library.suggesting import suggest
from earmark.library.teach import FEW, teach

MOST_BACKGROUND = 20_000  # tracks that tell what is ordinary
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class OwnTag:
    """A tag that was taught.

    Parameters
    ----------
    head : what was learned
    n_answers : examples that it was taught with
    is_applied : whether tracks have scores of it
    """

    head: Head
    n_answers: int
    is_applied: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        head = self.head
        return {
            "name": head.name, "category": head.category, "model": head.model, "created": head.created,
            "threshold": head.threshold, "low": head.low, "high": head.high, "n_answers": self.n_answers,
            "is_applied": self.is_applied, "report": head.report.to_dict(),
        }  # fmt: skip


@dataclass(frozen=True)
class Applied:
    """What applying a tag gave.

    Parameters
    ----------
    name : of the tag
    n_yes, n_no, n_unsure : tracks by answer
    """

    name: str
    n_yes: int
    n_no: int
    n_unsure: int


@dataclass(frozen=True)
class TagState:
    """How far a tag of the user's own is.

    Parameters
    ----------
    name, category : of the tag
    n_yes, n_no : answers
    missing_yes, missing_no : answers that are missing until it is worth giving to every track: one of either, or `FEW`
        where a model hears a tag of that name, which it would stand in for
    head : what was learned; None as long as no track is known to have it
    is_applied : whether tracks have scores of it
    """

    name: str
    category: str
    n_yes: int
    n_no: int
    missing_yes: int
    missing_no: int
    head: Head | None
    is_applied: bool

    @property
    def is_enough(self) -> bool:
        """Whether it is worth giving to every track."""
        return self.head is not None and not self.missing_yes and not self.missing_no


def teach_tag(
    store: Store,
    name: str,
    *,
    yes: Sequence[str] = (),
    no: Sequence[str] = (),
    forget: Sequence[str] = (),
    category: str | None = None,
    model: str | None = None,
) -> Head:
    """Teach a tag, or teach it further: answers add up; the caller holds the lock of the catalogue.

    Parameters
    ----------
    store : the catalogue
    name : of the tag
    yes, no : tracks that have it, and that do not: of the catalogue, or any audio files, which are heard now
    forget : tracks whose answer is withdrawn
    category : genre, mood, instrument, voice, era or other; as before, or other, unless given
    model : whose embeddings; the one that was used first unless given

    Raises
    ------
    InputError
        If a track is not found, or there are too few answers.
    UsageError
        If a track has both answers.
    """
    keep_answers(store, name, yes=yes, no=no, forget=forget, model=model)
    answers = answers_of(store, name)
    if not answers:
        hint = f"earmark teach '{name}' --yes FILES --no FILES"
        raise InputError(f"there are no answers for {name!r} yet", hint=hint)
    return _learn(store, name, answers, category, model)


def keep_answers(
    store: Store,
    name: str,
    *,
    yes: Sequence[str] = (),
    no: Sequence[str] = (),
    forget: Sequence[str] = (),
    model: str | None = None,
) -> bool:
    """Keep answers, of which nothing is learned yet; see `teach_tag` for the parameters and errors.

    No other table than that of the answers is written to, so that it may be done while music is being added.

    Returns
    -------
    whether no track is known any more to have the tag, though one was before: what was learned holds no longer then
    """
    stored = store.model(model)
    check_name(name)
    with_it, without = examples(store, stored, yes, answer=True), examples(store, stored, no, answer=False)
    if torn := with_it.keys() & without.keys():
        raise UsageError(f"{min(torn)}: both yes and no", hint="give each track one answer")
    given = {row["id"]: row["answer"] for row in answers_of(store, name)}
    withdrawn = [answer_key(name, text if text in given else identity_of(store, text)) for text in forget]
    rows = [{"key": answer_key(name, one), "tag": name, **row} for one, row in (with_it | without).items()]
    store.put(ANSWERS, rows)
    store.delete(ANSWERS, withdrawn)
    return any(given.values()) and not any(row["answer"] for row in answers_of(store, name))


def learn_tag(store: Store, name: str, *, category: str | None = None, model: str | None = None) -> Head | None:
    """Learn a tag from the answers that were kept, if they say anything; the caller holds the lock of the catalogue.

    Parameters
    ----------
    store, name, category, model : see `teach_tag`

    Returns
    -------
    what was learned; None if no track is known to have the tag, or all are
    """
    answers = answers_of(store, name)
    n_yes = sum(row["answer"] for row in answers)
    n_heard = store.count(f"{store.model(model).column('version')} IS NOT NULL")
    if n_yes and (n_yes < len(answers) or n_heard > len(answers)):
        return _learn(store, name, answers, category, model)
    return None


def _learn(store: Store, name: str, answers: Sequence[dict[str, Any]], category: str | None, model: str | None) -> Head:
    stored = store.model(model)
    embeddings, groups = current_embeddings(store, stored, answers)
    heads = [head for head, _ in _heads(store)]
    head = teach(
        name,
        embeddings,
        np.array([row["answer"] for row in answers]),
        groups,
        _background(store, stored, {row["id"] for row in answers}),
        model=stored.name,
        model_version=stored.version,
        category=category or _category(name, heads, [stored]),
    )
    _keep_head(store, head)
    return head


def _category(name: str, heads: Sequence[Head], models: Sequence[StoredModel]) -> str:
    """Return the category of a tag: as it was taught, as a model that hears one of that name has it, or other."""
    known = [head.category for head in heads if head.name == name]
    known += [model.categories[model.tags.index(name)] for model in models if name in model.tags]
    return known[0] if known else "other"


def suggestions(store: Store, name: str, *, n: int = 10) -> list[tuple[LibraryTrack, float]]:
    """Choose the tracks whose answer would help a tag most.

    Returns
    -------
    tracks, the most helpful first, each with the probability that it has the tag

    Raises
    ------
    UnknownNameError
        If there is no such tag.
    """
    head = get_head(store, name)
    stored = _model_of(store, head)
    ids, embeddings = _embeddings(store, stored)
    answered = {row["id"] for row in answers_of(store, name)}
    exclude = [i for i, one in enumerate(ids) if one in answered]
    chosen = suggest(head, embeddings, n=n, exclude=exclude)
    probabilities = head.probabilities(embeddings[chosen])
    tracks = {track.id: track for track in store.tracks(ids=[ids[i] for i in chosen])}
    return [(tracks[ids[i]], float(p)) for i, p in zip(chosen, probabilities, strict=True)]


def apply_tag(store: Store, name: str) -> Applied:
    """Give every track its score of a tag; the caller holds the lock of the catalogue.

    Raises
    ------
    UnknownNameError
        If there is no such tag.
    InputError
        If it was taught with another version of the model.
    """
    head = get_head(store, name)
    stored = _model_of(store, head)
    _make_room(store, head)
    counts = {"yes": 0, "no": 0, "unsure": 0}
    for answer, n in _score(store, stored, head, only_missing=False).items():
        counts[answer] += n
    store.tidy()
    return Applied(name, counts["yes"], counts["no"], counts["unsure"])


def refresh(store: Store) -> None:
    """Give tracks that were heard since their scores of all tags that are applied; learn what was answered meanwhile.

    The caller holds the lock of the catalogue.
    """
    answered = _unlearned(store)
    for name in answered:
        learn_tag(store, name)
    for state in tag_states(store) if answered else ():
        if state.name in answered and state.is_enough:
            apply_tag(store, state.name)
    for own in own_tags(store):
        if own.is_applied and _is_current(store, own.head):
            _score(store, _model_of(store, own.head), own.head, only_missing=True)


def own_tags(store: Store) -> list[OwnTag]:
    """Return the tags that were taught, by name."""
    applied = {tag for model in store.models() if model.name == TAUGHT for tag in model.tags}
    return [OwnTag(head, n, head.name in applied) for head, n in _heads(store)]


def tag_states(store: Store) -> list[TagState]:
    """Return how far all tags are that were taught or answered, by name."""
    heads = {head.name: head for head, _ in _heads(store)}
    counts: dict[str, list[int]] = {name: [0, 0] for name in heads}
    for batch in store.scan(ANSWERS, ["tag", "answer"]):
        for row in batch.to_pylist():
            counts.setdefault(row["tag"], [0, 0])[row["answer"]] += 1
    models = [model for model in store.models() if model.n_features]
    applied = {tag for model in store.models() if model.name == TAUGHT for tag in model.tags}
    states = []
    for name, (n_no, n_yes) in sorted(counts.items()):
        least = FEW if any(name in model.tags for model in models) else 1
        category = _category(name, list(heads.values()), models)
        missing = max(least - n_yes, 0), max(least - n_no, 0)
        states.append(TagState(name, category, n_yes, n_no, *missing, heads.get(name), name in applied))
    return states


def _unlearned(store: Store) -> list[str]:
    """Return the tags with an answer that is newer than what was learned."""
    learned = {row["name"]: row["taught_at"] for batch in store.scan(HEADS, ["name", "taught_at"])
               for row in batch.to_pylist()}  # fmt: skip
    newest: dict[str, Any] = {}
    for batch in store.scan(ANSWERS, ["tag", "at"]):
        for row in batch.to_pylist():
            newest[row["tag"]] = max(row["at"], newest.get(row["tag"], row["at"]))
    return sorted(tag for tag, at in newest.items() if tag not in learned or at > learned[tag])


def get_head(store: Store, name: str) -> Head:
    """Return what was learned of a tag.

    Raises
    ------
    UnknownNameError
        If there is no such tag.
    """
    heads = {head.name: head for head, _ in _heads(store)}
    if name not in heads:
        raise UnknownNameError("taught tag", name, heads)
    return heads[name]


def import_tag(store: Store, path: str | os.PathLike[str], *, force: bool = False) -> Head:
    """Take a tag in that was shared as a file; the caller holds the lock of the catalogue.

    Raises
    ------
    InputError
        If the file is damaged or no tag.
    UsageError
        If there is a tag of that name, and `force` is not set; or the catalogue was heard by another model.
    """
    head = load_head(path)
    if not force and head.name in {one.name for one, _ in _heads(store)}:
        raise UsageError(f"there is a tag {head.name!r} already", hint="--force replaces it; its answers stay")
    _model_of(store, head)
    _keep_head(store, head)
    return head


def remove_tag(store: Store, name: str) -> None:
    """Take out a tag, its answers and its scores; the caller holds the lock of the catalogue.

    Raises
    ------
    UnknownNameError
        If there is no such tag.
    """
    answers = answers_of(store, name)
    if not answers:
        get_head(store, name)
    forget_tag(store, name)
    store.delete(ANSWERS, [row["key"] for row in answers])


def forget_tag(store: Store, name: str) -> None:
    """Take out what was learned of a tag, and its scores; its answers stay. The caller holds the lock."""
    taught = next((model for model in store.models() if model.name == TAUGHT), None)
    if taught is not None and name in taught.tags:
        kept = [i for i, tag in enumerate(taught.tags) if tag != name]
        column = taught.score_columns[taught.tags.index(name)]
        if kept:
            store.keep_model(_chosen(taught, kept))
        else:
            store.delete("models", [TAUGHT])
        store.table(TRACKS).drop_columns([column])
    store.delete(HEADS, [name])


def _heads(store: Store) -> list[tuple[Head, int]]:
    counts: dict[str, int] = {}
    for batch in store.scan(ANSWERS, ["tag"]):
        for tag in batch.column("tag").to_pylist():
            counts[tag] = counts.get(tag, 0) + 1
    rows = sorted((row for batch in store.scan(HEADS) for row in batch.to_pylist()), key=lambda row: row["name"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.tag.json"
        heads = []
        for row in rows:
            path.write_bytes(row["file"])
            heads.append((load_head(path), counts.get(row["name"], 0)))
    return heads


def _keep_head(store: Store, head: Head) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.tag.json"
        save_head(head, path)
        store.put(HEADS, [{"name": head.name, "file": path.read_bytes(), "taught_at": now()}])


def _is_current(store: Store, head: Head) -> bool:
    return any((model.name, model.version) == (head.model, head.model_version) for model in store.models())


def _model_of(store: Store, head: Head) -> StoredModel:
    for model in store.models():
        if model.name == head.model and model.version == head.model_version:
            return model
    raise UsageError(
        f"{head.name!r} was taught with {head.model} {head.model_version}, which has heard nothing here",
        hint="teach it again, or add your music with that model",
    )


def _make_room(store: Store, head: Head) -> None:
    """See to it that the catalogue has a column for a tag, and knows its threshold."""
    taught = next((model for model in store.models() if model.name == TAUGHT), None)
    if taught is None:
        taught = StoredModel(TAUGHT, "", (), (), (), (), ())
    kept = [i for i, tag in enumerate(taught.tags) if tag != head.name]
    if head.name in taught.tags:
        slug = taught.slugs[taught.tags.index(head.name)]
    else:
        slug = slugs_of([*taught.slugs, head.name])[-1]
    rest = _chosen(taught, kept)
    store.keep_model(
        StoredModel(
            TAUGHT, "", (*rest.tags, head.name), (*rest.slugs, slug), (*rest.categories, head.category),
            (*rest.base_rates, head.share), (*rest.thresholds, head.threshold),
        )
    )  # fmt: skip


def _chosen(model: StoredModel, kept: Sequence[int]) -> StoredModel:
    """Return a model with some of its tags."""
    fields = (model.tags, model.slugs, model.categories, model.base_rates, model.thresholds)
    tags, slugs, categories, rates, thresholds = (tuple(values[i] for i in kept) for values in fields)
    return StoredModel(
        model.name, model.version, tags, slugs, categories, rates, thresholds, model.parts  # type: ignore[arg-type]
    )  # fmt: skip


def _score(store: Store, stored: StoredModel, head: Head, *, only_missing: bool) -> dict[str, int]:
    """Write the scores of a tag; return how many tracks have which answer."""
    taught = next(model for model in store.models() if model.name == TAUGHT)
    column = taught.score_columns[taught.tags.index(head.name)]
    embedding = stored.column("embedding")
    where = f"{stored.column('version')} IS NOT NULL" + (f" AND {column} IS NULL" if only_missing else "")
    counts: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for batch in store.scan(TRACKS, ["id", embedding], where=where):
        values = batch.column(embedding).flatten().to_numpy().reshape(batch.num_rows, -1)
        probabilities = head.probabilities(values)
        for answer in head.answers(probabilities).tolist():
            counts[answer] = counts.get(answer, 0) + 1
        ids = batch.column("id").to_pylist()
        rows += [{"id": one, column: float(p)} for one, p in zip(ids, probabilities, strict=True)]
        if len(rows) >= _ROWS_AT_ONCE:
            store.put(TRACKS, rows)
            rows = []
    store.put(TRACKS, rows)
    return counts


def _background(store: Store, stored: StoredModel, answered: set[str]) -> NDArray[np.float32] | None:
    """Return the embeddings of tracks without an answer, of a large catalogue a part drawn by chance."""
    ids, embeddings = _embeddings(store, stored, at_most=MOST_BACKGROUND)
    kept = [i for i, one in enumerate(ids) if one not in answered]
    return embeddings[kept] if kept else None


def _embeddings(
    store: Store, stored: StoredModel, *, at_most: int | None = None
) -> tuple[list[str], NDArray[np.float32]]:
    column = stored.column("embedding")
    where = f"{stored.column('version')} IS NOT NULL"
    n = store.count(where)
    share = 1.0 if at_most is None or n <= at_most else at_most / n
    rng = np.random.default_rng(0)
    ids: list[str] = []
    blocks = [np.zeros((0, stored.n_features), np.float32)]
    for batch in store.scan(TRACKS, ["id", column], where=where):
        taken = np.flatnonzero(rng.random(batch.num_rows) < share)
        values = batch.column(column).flatten().to_numpy().reshape(batch.num_rows, -1)
        blocks.append(values[taken])
        names = batch.column("id").to_pylist()
        ids += [names[i] for i in taken]
    return ids, np.concatenate(blocks)
