"""What to change in a file, given what was heard in it: nobody's own values are touched, earmark's are kept up to date.

A stamp in the file (EARMARK_STAMP) says which version wrote, by which model, with which options, when, and for every
field a hash of what was written. A field whose value still has that hash is earmark's, and may be refreshed; any other
value is somebody's, and stays.
"""

import datetime
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from earmark._version import __version__
from earmark.audio.identity import find_kind
from earmark.audio.identity.view import viewing
from earmark.errors import InputError
from earmark.tagfile.changes import FileChange, FileState, NewTags
from earmark.tagfile.choosing import RAW_NAMES, Choice, TrackScores, choose, raw_scores
from earmark.tagfile.fields import FIELDS
from earmark.tagfile.profiles import STANDARD, Profile, with_mood_block
from earmark.tagfile.reading import FileTags, read_tags
from earmark.tagfile.writing import plan

HardLinks = Literal["refuse", "split"]
STAMP = "EARMARK_STAMP"
_PROBE = "\N{REPLACEMENT CHARACTER}"
_STAMP_FIELDS = ("earmark", "model", "version", "options", "date", "wrote")


@dataclass(frozen=True)
class Stamp:
    """What earmark left in a file about its own work.

    Parameters
    ----------
    model, version : as in `TrackScores`
    options : hash of what was asked for
    date : such as "2026-11-27"
    wrote : field to hash of the values that earmark wrote
    earmark : the version that wrote
    """

    model: str
    version: str
    options: str
    date: str
    wrote: Mapping[str, str] = field(default_factory=dict, hash=False)
    earmark: str = __version__

    def __str__(self) -> str:
        wrote = ",".join(f"{name}:{mark}" for name, mark in sorted(self.wrote.items()))
        values = (self.earmark, self.model, self.version, self.options, self.date, wrote)
        pairs = zip(_STAMP_FIELDS, values, strict=True)
        return " ".join(f"{name}={'_'.join(value.split())}" for name, value in pairs if value)

    @classmethod
    def find(cls, tags: FileTags) -> "Stamp | None":
        """Read the stamp of a file; None if there is none, or it cannot be read."""
        text = next((texts[0] for name, texts in tags.fields.items() if name.upper().endswith(STAMP) and texts), "")
        found = dict(part.split("=", 1) for part in text.split() if "=" in part)
        if "earmark" not in found:
            return None
        wrote = dict(pair.split(":", 1) for pair in found.get("wrote", "").split(",") if ":" in pair)
        model, version, options, date = (found.get(name, "") for name in ("model", "version", "options", "date"))
        return cls(model, version, options, date, wrote, found["earmark"])


def is_done(
    path: str | os.PathLike[str],
    model: str,
    version: str,
    choice: Choice,
    *,
    profile: Profile = STANDARD,
    force: bool = False,
) -> bool:
    """Tell whether a file holds already what this model and these options give, by its stamp.

    Parameters
    ----------
    path : of the file
    model, version : who would hear it, as in `TrackScores`
    choice, profile, force : as `propose` takes them; with `force`, a value that was changed since is not done

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    tags = read_tags(path)
    stamp = Stamp.find(tags)
    wanted = Stamp(model, version, _options(choice, profile, force=force), "", earmark="")
    if stamp is None or not version or str(replace(stamp, date="", wrote={}, earmark="")) != str(wanted):
        return False
    return not force or all(mark(existing(tags, name)) == known for name, known in stamp.wrote.items())


def propose(
    path: str | os.PathLike[str],
    heard: TrackScores,
    choice: Choice,
    *,
    profile: Profile = STANDARD,
    force: bool = False,
    hard_links: HardLinks = "refuse",
    today: datetime.date | None = None,
) -> FileChange:
    """Work out what would change in a file.

    Parameters
    ----------
    path : of the file
    heard : what is known of it
    choice : what to write
    profile : for which player
    force : replace values that somebody else wrote, too
    hard_links : as `writing.plan` takes it
    today : for the stamp

    Returns
    -------
    a change without any fields if the file can stay as it is. `kept` names the fields that have somebody's values

    Raises
    ------
    InputError
        If the file cannot be read, cannot hold tags, or is written to meanwhile.

    Notes
    -----
    A field is written if it is empty, or if what stands there is earmark's own. In the comment the block with the moods
    is earmark's own, and the rest of it always stays. A field of earmark's own for which nothing is sure any more is
    taken away. Raw scores (EARMARK_...) are earmark's own whatever they are.
    """
    text = os.fspath(path)
    try:
        state = FileState.of(text)
    except OSError as error:
        raise InputError(f"{text}: {error.strerror or error}") from error
    planned = partial(_planned, text, profile=profile, hard_links=hard_links)
    tags = read_tags(path)
    stamp = Stamp.find(tags)
    known: Mapping[str, str] = {} if stamp is None else stamp.wrote
    chosen = choose(heard, choice)
    values, kept = _values(tags, chosen, known, choice.fields, force=force)
    if "comment" in choice.fields:
        probe = planned({"comment": (_PROBE,)}, {})
        values |= _comment(probe, chosen.get("comment", ()))
    raw = raw_scores(heard) if "raw" in choice.fields else {}
    if "raw" in choice.fields:
        raw = {name: raw.get(name, ()) for name in RAW_NAMES.values()}
    change = planned(values, raw)
    if change.before != state:
        raise InputError(f"{text}: it was written to while it was read", hint="give the same command again")
    written = {one.name for one in change.changes}
    if not written:
        return replace(change, kept=kept)
    owned = {name: mark(texts) for name, texts in values.items() if name in written and texts and name != "comment"}
    rest = {name: own for name, own in known.items() if name not in values}
    still = {name: own for name, own in known.items() if name in values and name not in written}
    date = (today or datetime.datetime.now().astimezone().date()).isoformat()
    options = _options(choice, profile, force=force)
    new = Stamp(heard.model, heard.version, options, date, rest | still | owned)
    return replace(planned(values, {**raw, STAMP: (str(new),)}), kept=kept)


def _values(
    tags: FileTags,
    chosen: Mapping[str, tuple[str, ...]],
    known: Mapping[str, str],
    fields: Sequence[str],
    *,
    force: bool,
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the values to write, and the fields that have somebody's."""
    values: dict[str, tuple[str, ...]] = {}
    kept = []
    for name in fields:
        if name in ("raw", "comment"):
            continue
        there = existing(tags, name)
        is_own = bool(there) and known.get(name) == mark(there)
        if name not in chosen:
            values |= {name: ()} if is_own else {}
        elif not there or is_own or force:
            values[name] = chosen[name]
        elif there != chosen[name]:
            kept.append(name)
    return values, tuple(kept)


def _comment(probe: FileChange, moods: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the comments with the moods in the first of them; nothing if they can stay as they are.

    Parameters
    ----------
    probe : what would change if the comment were `_PROBE`, which tells what stands there
    moods : for the block
    """
    there = next((one.before for one in probe.changes if one.name == "comment"), ())
    first = there[0] if there else ""
    with_block = with_mood_block(first, moods)
    if with_block == first:
        return {}
    return {"comment": (*((with_block,) if with_block else ()), *there[1:])}


def _planned(
    path: str,
    values: Mapping[str, tuple[str, ...]],
    raw: Mapping[str, tuple[str, ...]],
    *,
    profile: Profile,
    hard_links: HardLinks,
) -> FileChange:
    joined = () if is_vorbis(path) else profile.joined
    texts = {name: ("; ".join(some),) if name in joined and some else some for name, some in values.items()}
    return plan(path, NewTags(texts, raw), keep_existing=False, names=profile.names, hard_links=hard_links)


def existing(tags: FileTags, name: str) -> tuple[str, ...]:
    """Return the values of a field of a file in the form in which they are written.

    Examples
    --------
    >>> existing(FileTags(bpm=128.0, fields={"GROUPING": ("Piano; Choir",)}), "bpm")
    ('128',)
    """
    if name == "genre":
        return tags.genres
    if name == "mood":
        return tags.moods
    if name == "bpm":
        return () if tags.bpm is None else (f"{tags.bpm:g}",)
    if name == "key":
        return (tags.key,) if tags.key else ()
    if name == "comment":
        return (tags.comment,) if tags.comment else ()
    folded = {one.casefold(): texts for one, texts in tags.fields.items()}
    for names in FIELDS[name].values():
        for one in names:
            if texts := folded.get(one.casefold()):
                return tuple(part.strip() for text in texts for part in text.split(";") if part.strip())
    return ()


def mark(values: Sequence[str]) -> str:
    """Return a short hash of the values of a field."""
    return hashlib.sha256("\0".join(values).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def is_vorbis(path: str | os.PathLike[str]) -> bool:
    """Tell whether the tags of a file are Vorbis comments."""
    with viewing(path) as view:
        return find_kind(view)[0] in ("flac", "ogg")


def _options(choice: Choice, profile: Profile, *, force: bool) -> str:
    return mark((choice.describe(), profile.name, str(force)))
