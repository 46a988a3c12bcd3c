"""Tags of the user's own: answers about tracks, what is learned from them, and which tracks to answer next."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library import own_tags
from earmark.library.answers import answers_of
from earmark.library.lock import CatalogueBusyError
from earmark.library.models import TAUGHT
from earmark.library.own_tags import TagState, tag_states
from earmark.library.schema import ANSWERS
from earmark.library.store import Store, among
from earmark.service.errors import FAILED, Json, NotFound, TooBusy
from earmark.service.finding import find_id
from earmark.service.routes.shapes import MOST_TEXT, AnsweredTag, AnswersBody, FewTags, OwnTags, Suggestions, Taught
from earmark.service.routes.tracks import plain_track
from earmark.service.routes.turns import Turns
from earmark.service.routes.writing import need_writing
from earmark.service.state import Service

PATIENCE = 2.0
"""Seconds to wait for whoever else writes to the catalogue."""
_RETRY = 30  # seconds
_FRESH = {"Cache-Control": "no-store"}
_TAKEN: dict[int | str, dict[str, Any]] = {204: {"description": "It is gone, with its answers and scores."}}

Name = Annotated[str, Path(max_length=100, description="Of the tag.")]
AboutTrack = Annotated[
    str | None, Query(max_length=MOST_TEXT, description="Tell of every tag what was answered about this track.")
]
HowMany = Annotated[int, Query(ge=1, le=100, description="How many.")]


def router(service: Service) -> APIRouter:
    """Answer requests about the user's own tags."""
    routes = APIRouter(prefix="/v1/own-tags", tags=["own tags"], responses=FAILED)
    changing, suggesting = Turns(service), Turns(service)

    @routes.get("", summary="List own tags", responses={200: {"model": OwnTags}}, response_model=None)
    async def list_tags(track: AboutTrack = None) -> Response:
        """List the tags that were taught or answered, how far each is, and how good."""
        return Json(await service.run(listed, service, track), headers=_FRESH)

    @routes.post("", summary="Answer, and teach", responses={200: {"model": Taught}}, response_model=None)
    async def answer(body: AnswersBody) -> Response:
        """Keep answers about tracks; learn the tag from all that there are, and give it to every track.

        Answers add up. One alone is kept, too: what is still missing stands in `missing`. A tag is given to every track
        as soon as one track is known to have it and one not to; five of either are asked for where a model hears a tag
        of that name, which the taught one stands in for.
        """
        need_writing(service.settings)
        return Json(await changing.run(teach, service, body), headers=_FRESH)

    @routes.get("/{tag}", summary="Show an own tag", responses={200: {"model": AnsweredTag}}, response_model=None)
    async def show_tag(tag: Name) -> Response:
        """Show how far a tag is, how good, and what was answered."""
        return Json(await service.run(shown, service, tag), headers=_FRESH)

    @routes.delete("/{tag}", summary="Remove an own tag", status_code=204, responses=_TAKEN, response_model=None)
    async def remove_tag(tag: Name) -> Response:
        """Take out a tag, its answers, and its scores of all tracks."""
        need_writing(service.settings)
        await changing.run(remove, service, tag)
        return Response(status_code=204)

    @routes.get("/{tag}/suggestions", summary="What to answer next", responses={200: {"model": Suggestions}},
                response_model=None)  # fmt: skip
    async def suggest(tag: Name, n: HowMany = 10, tags: FewTags = 10) -> Response:
        """Name the tracks whose answer would help a tag most."""
        return Json(await suggesting.run(suggestions, service, tag, n, tags), headers=_FRESH)

    return routes


def listed(service: Service, track: str | None) -> dict[str, Any]:
    """Return how far all tags are.

    Parameters
    ----------
    service : whose catalogue
    track : whose answers are told, too; see `find_id`
    """
    store = service.library().store
    plain = [_plain(store, one) for one in tag_states(store)]
    if track is not None:
        where = among("id", [find_id(service, track)])
        rows = [row for batch in store.scan(ANSWERS, ["tag", "answer"], where=where) for row in batch.to_pylist()]
        answers = {row["tag"]: row["answer"] for row in rows}
        plain = [one | {"answer": answers.get(one["tag"])} for one in plain]
    return {"tags": plain}


def shown(service: Service, name: str) -> dict[str, Any]:
    """Return how far a tag is, with its answers.

    Raises
    ------
    NotFound
        If there is none.
    """
    store = service.library().store
    state = _state(store, name)
    if state is None:
        raise NotFound(f"there is no tag {name!r} of your own", hint="GET /v1/own-tags lists them")
    rows = answers_of(store, name)
    names = {track.id: track.name for track in store.tracks(ids=[row["id"] for row in rows], models=[])}
    report = None if state.head is None else state.head.report
    is_told = report is not None and report.n_yes + report.n_no == len(rows)  # of these answers, as they are now
    doubtful = set(report.doubtful) if report is not None and is_told else set()
    answers = [
        {"track": row["id"], "name": names.get(row["id"], ""), "answer": row["answer"], "at": row["at"].isoformat(),
         "doubtful": i in doubtful}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    return _plain(store, state) | {"answers": answers}


def teach(service: Service, body: AnswersBody) -> dict[str, Any]:
    """Keep answers, learn from them, and give every track its score if that is worth it.

    Raises
    ------
    NotFound
        If there is no such track.
    UsageError
        If a track has both answers, the name cannot be one, or there is no answer at all.
    InputError
        If nothing was heard yet.
    """
    store = service.library().store
    name = body.tag
    yes, no = ([find_id(service, one) for one in texts] for texts in (body.yes, body.no))
    known = {row["id"] for row in answers_of(store, name)} if body.forget else set()
    forget = [one if one in known else find_id(service, one) for one in body.forget]
    lost = own_tags.keep_answers(store, name, yes=yes, no=no, forget=forget)
    notes: list[str] = []
    try:
        with store.writing(wait=PATIENCE):
            head = own_tags.learn_tag(store, name, category=body.category)
            if head is None and lost:
                own_tags.forget_tag(store, name)
            state = _state(store, name)
            if state is not None and (state.is_enough if body.apply is None else body.apply):
                if state.head is None:
                    raise UsageError(f"{name!r} cannot be given to tracks yet", hint=_wish(state))
                own_tags.apply_tag(store, name)
                state = _state(store, name)
    except CatalogueBusyError:
        notes.append("music is being added: the answers are kept, and learned from when that has ended")
        state = _state(store, name)
    if state is None:
        if lost or forget:
            state = TagState(name, body.category or "other", 0, 0, 1, 1, None, False)
        else:
            raise UsageError(f"there are no answers about {name!r} yet", hint="name a track that has it in `yes`, or "
                             "one that does not in `no`")  # fmt: skip
    if not state.is_enough and not notes:
        notes.append(_wish(state))
    return _plain(store, state) | {"notes": notes}


def _state(store: Store, name: str) -> TagState | None:
    return next((one for one in tag_states(store) if one.name == name), None)


def _wish(state: TagState) -> str:
    """Say what is missing until a tag is worth giving to every track."""
    parts = [
        f"{n} more {'track' if n == 1 else 'tracks'} that {verb}"
        for n, verb in (
            (state.missing_yes, "has it" if state.missing_yes == 1 else "have it"),
            (state.missing_no, "does not" if state.missing_no == 1 else "do not"),
        )
        if n
    ]
    return f"kept; still needed: {' and '.join(parts)}" if parts else "kept; still needed: music beside the answers"


def _plain(store: Store, state: TagState) -> dict[str, Any]:
    head = state.head
    plain: dict[str, Any] = {
        "tag": state.name, "category": state.category, "n_yes": state.n_yes, "n_no": state.n_no,
        "missing": {"yes": state.missing_yes, "no": state.missing_no}, "is_taught": head is not None,
        "is_applied": state.is_applied, "n_tracks": _count(store, state), "threshold": None, "low": None, "high": None,
        "model": None, "created": None, "report": None,
    }  # fmt: skip
    if head is not None:
        plain |= {
            "threshold": head.threshold, "low": head.low, "high": head.high, "model": head.model,
            "created": head.created, "report": head.report.to_dict(),
        }  # fmt: skip
    return plain


def _count(store: Store, state: TagState) -> int | None:
    """Count the tracks that have a tag; None if they have no scores of it."""
    if not state.is_applied or state.head is None:
        return None
    taught = next((one for one in store.models() if one.name == TAUGHT and state.name in one.tags), None)
    if taught is None:
        return None
    i = taught.tags.index(state.name)
    return store.count(f"{taught.score_columns[i]} >= {taught.thresholds[i]!r}")


def remove(service: Service, name: str) -> None:
    """Take out a tag.

    Raises
    ------
    NotFound
        If there is none.
    TooBusy
        If music is being added.
    """
    store = service.library().store
    try:
        with store.writing(wait=PATIENCE):
            own_tags.remove_tag(store, name)
    except UnknownNameError as error:
        raise NotFound(error.message, hint="GET /v1/own-tags lists them") from error
    except CatalogueBusyError as error:
        raise TooBusy("music is being added", hint=f"ask again in {_RETRY} s", retry_after=_RETRY) from error


def suggestions(service: Service, name: str, n: int, tags: int) -> dict[str, Any]:
    """Return the tracks whose answer would help a tag most.

    Raises
    ------
    NotFound
        If there is no such tag.
    InputError
        If no track is known to have it.
    """
    library = service.library()
    try:
        found = library.suggest(name, n=n)
    except UnknownNameError as error:
        if (state := _state(library.store, name)) is not None:
            raise InputError(f"nothing was learned of {name!r} yet", hint=_wish(state)) from error
        raise NotFound(error.message, hint="GET /v1/own-tags lists them") from error
    return {"suggestions": [plain_track(track, tags) | {"probability": p} for track, p in found]}
