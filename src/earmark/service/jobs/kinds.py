"""What jobs do, and which parameters they take: add to the catalogue, tag, compare two listeners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earmark.batch import walk
from earmark.errors import EarmarkError, InputError, UsageError
from earmark.library.adding import Added, AddProgress
from earmark.library.facade import Library
from earmark.library.models import describe
from earmark.library.rows import Heard
from earmark.library.search import similar_to_heard
from earmark.library.store import Store, among
from earmark.service.finding import find_ears, find_listener_text
from earmark.service.jobs import tagging
from earmark.service.jobs.job import Job
from earmark.service.jobs.shapes import Add, Chosen, Compatibility, Parameters, Tag
from earmark.service.jobs.uploads import Uploads
from earmark.service.jobs.watching import Watch
from earmark.service.settings import Settings, inside
from earmark.service.state import Service
from earmark.track_tags import TrackTags

TAGS_OF_SIMILAR = 10
"""Tags of each model that are told of a similar track."""
MOST_FAILURES = 50
"""Files that could not be heard, told one by one in a result."""


@dataclass(frozen=True)
class Doing:
    """Does jobs of a service.

    Parameters
    ----------
    service : whose catalogue and folders of music
    uploads : files that were sent to it
    """

    service: Service
    uploads: Uploads

    def __call__(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Do a job; return what came of it.

        Raises
        ------
        UsageError
            If it is of a kind that is not known here.
        EarmarkError
            As what it does.
        Stopped
            If it is to stop.
        """
        if job.kind == "add":
            return add(self.service, Add(**job.parameters), watch)
        if job.kind == "tag":
            return self._tag(job, watch)
        if job.kind == "compatibility":
            return compare(self.service, Compatibility(**job.parameters), watch)
        raise UsageError(
            f"this worker does no jobs of the kind {job.kind!r}", hint="start it anew with the version of the service"
        )

    def _tag(self, job: Job, watch: Watch) -> dict[str, Any]:
        if "upload" not in job.parameters:
            asked = Tag(**job.parameters)
            return tag(self.service, asked, _file(self.service.settings, asked.path), asked.path, watch)
        plain = dict(job.parameters)
        name = str(plain.pop("upload"))
        return tag(self.service, Chosen(**plain), self.uploads.path(job.id), name, watch)


def check(service: Service, kind: str, parameters: Parameters) -> Mapping[str, Any]:
    """Check the parameters of a new job, and return them as they are kept.

    Raises
    ------
    InputError
        If a path leads to nothing in the folders of music.
    UsageError
        If they do not go together, or there is no folder of music.
    UnknownNameError
        If there is no such model, preset, or listener.
    """
    settings = service.settings
    if isinstance(parameters, Add):
        _sources(settings, parameters.paths)
        find_ears(settings, parameters.model, parameters.preset)
    elif isinstance(parameters, Tag):
        _file(settings, parameters.path)
        find_ears(settings, parameters.model, parameters.preset)
    elif isinstance(parameters, Chosen):
        find_ears(settings, parameters.model, parameters.preset)
    elif isinstance(parameters, Compatibility):
        find_listener_text(service, parameters.a)
        find_listener_text(service, parameters.b)
    else:
        raise UsageError(f"there are no jobs of the kind {kind!r}")
    return parameters.model_dump(exclude_defaults=True)


def _sources(settings: Settings, paths: Sequence[str]) -> list[Path]:
    if not settings.music:
        raise UsageError("this service has no folder of music", hint="start it with one: earmark serve --music FOLDER")
    return [inside(settings, path) for path in paths] or list(settings.music)


def _file(settings: Settings, path: str) -> Path:
    found = inside(settings, path)
    if not found.is_file():
        raise InputError(f"{path}: is a folder", hint='a job of the kind "add" hears what is in folders')
    return found


def add(service: Service, asked: Add, watch: Watch) -> dict[str, Any]:
    """Add folders to the catalogue; what was heard before, by whichever worker, is not heard again."""
    settings = service.settings
    sources = _sources(settings, asked.paths)
    _check_links(settings, sources, watch)
    model, preset = find_ears(settings, asked.model, asked.preset)

    def on_progress(progress: AddProgress) -> None:
        failed = f", {progress.n_failed} could not be heard" if progress.n_failed else ""
        watch.report(progress.n_done, progress.n_total, f"{progress.n_done} of {progress.n_total} files{failed}")

    watch.report(0, None, "looks for what is new")
    added = Library(settings.library, create=True, wait=0).add(
        *sources, model=model, preset=preset, whole=asked.whole, jobs=settings.workers,
        retry_failed=asked.retry_failed, on_progress=on_progress,
    )  # fmt: skip
    return plain_added(added)


def _check_links(settings: Settings, sources: Sequence[Path], watch: Watch) -> None:
    """Refuse folders with links that lead out of the folders of music."""
    for source in sources:
        for path in walk(str(source)) if source.is_dir() else ():
            if not settings.hold(path):
                raise InputError(
                    f"{path}: leads to a file outside the folders of music of this service",
                    hint="give the service that folder, too (--music), or remove the link",
                )
        watch.check()


def plain_added(added: Added) -> dict[str, Any]:
    """Return what adding did as plain data."""
    failures = [
        {"file": path, "error": error.message, "hint": error.hint} for path, error in added.failures[:MOST_FAILURES]
    ]
    names = ("n_files", "n_heard", "n_known", "n_recognised", "n_known_failures", "seconds", "elapsed")
    plain: dict[str, Any] = {name: getattr(added, name) for name in names}
    return plain | {"n_missing": len(added.missing), "n_failed": len(added.failures), "failures": failures}


def tag(service: Service, asked: Chosen, path: Path, name: str, watch: Watch) -> dict[str, Any]:
    """Tag a file, and find what sounds like it in the catalogue if that is asked for.

    Parameters
    ----------
    service : whose models hear it, and whose catalogue is searched
    asked : how, and which tags are given
    path : of the file, checked
    name : that it has for whoever asked
    watch : of the job
    """
    model, preset = find_ears(service.settings, asked.model, asked.preset)
    ears = tagging.Ears(model, preset, service.settings.most_seconds)
    heard = tagging.tag(ears, path, name, watch, wants_id=asked.similar is not None)
    tags = replace(heard.tags, path=name)
    plain = tags.to_dict(top=asked.n, min_score=asked.min_score, taggram=asked.taggram)
    if asked.similar is None:
        return plain
    return plain | find_similar(service, tags, heard.id, ears, asked.similar)


def find_similar(service: Service, tags: TrackTags, identity: str | None, ears: tagging.Ears, n: int) -> dict[str, Any]:
    """Return what sounds like a file that was heard just now.

    Parameters
    ----------
    service : whose catalogue
    tags : what was heard
    identity : content id of the file, None where it has none
    ears : that heard it
    n : how many tracks

    Returns
    -------
    "similar", the matches, best first; "track", the id of the file's recording if it is in the catalogue, where it is
    left out of the matches; "notes", why nothing could be found
    """
    found: dict[str, Any] = {"similar": [], "track": None, "notes": []}
    try:
        store = service.library().store
        if identity is not None and store.count(among("id", [identity])):
            found["track"] = identity
        note = _not_comparable(store, tags.model, ears)
        if note:
            found["notes"] = [note]
            return found
        scores = {tag.tag: tag.score for tag in tags.tags}
        heard = Heard(tags.model, scores, embedding=tags.embedding)
        matches = similar_to_heard(store, heard, n=n, track=found["track"] or "")
        found["similar"] = [match.to_dict(tags=TAGS_OF_SIMILAR) for match in matches]
    except EarmarkError as error:  # the tags are there all the same
        found["notes"] = [f"similar tracks could not be looked for: {error.message}"]
    return found


def _not_comparable(store: Store, model: str, ears: tagging.Ears) -> str:
    """Say why what a model hears cannot be compared with the catalogue; "" if it can."""
    known = {one.name: one for one in store.models() if one.n_features}
    if not known or not store.count():
        return "there is no track in the catalogue yet that could be similar"
    if model not in known:
        return f"the catalogue was heard by {' and '.join(known)}, not by {model}: nothing can be compared"
    if known[model].version != describe(ears.model, preset=ears.preset).version:
        return f"the catalogue was heard by another version of {model}: nothing can be compared"
    return ""


def compare(service: Service, who: Compatibility, watch: Watch) -> dict[str, Any]:
    """Compare two listeners."""

    def heard(progress: AddProgress) -> None:
        watch.report(progress.n_done, progress.n_total, f"{progress.n_done} of {progress.n_total} files were heard")

    def liked(n: int, total: int | None) -> None:
        watch.report(n, total, f"{n} likes have come")

    a, b = find_listener_text(service, who.a), find_listener_text(service, who.b)
    try:
        found = service.library().compatibility(
            a, b, by=who.by, limit=who.limit, seed=who.seed, jobs=service.settings.workers, on_progress=heard,
            on_likes=liked,
        )  # fmt: skip
    except EarmarkError:
        watch.check()
        raise
    return found.to_dict()
