"""The addresses of the players' API: /rest/METHOD for OpenSubsonic, /AudioMuseAI for AudioMuse's clients."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from earmark.errors import EarmarkError
from earmark.service.errors import FAILED
from earmark.service.players import audiomuse
from earmark.service.players.answers import answer, format_of, refusal
from earmark.service.players.calls import Call, Players
from earmark.service.players.failures import GENERIC, Failure, failure_of
from earmark.service.players.logins import login
from earmark.service.players.methods import METHODS, OPEN
from earmark.service.players.parameters import Parameters, described, read_parameters
from earmark.service.state import Service

PREFIX = "/rest"
FORM = "application/x-www-form-urlencoded"
_KINDS = {kind: {"schema": {"type": "object"}} for kind in ("application/json", "application/xml")}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {**_KINDS, "*/*": {}}, "description": "In the envelope `subsonic-response`; or a file."},
    404: {"content": _KINDS, "description": "There is no such method."},
    **FAILED,
}
_PARAMETERS = described(
    apiKey="A token; without it only `getOpenSubsonicExtensions` is answered.",
    f="`json`, or `xml`, which it is unless given.",
    id="Of a song, an album, an artist or a playlist, where a method asks for one.",
)

Name = Annotated[str, Path(max_length=100, description="Such as `getArtists`, with or without `.view` behind it.")]


def router(service: Service) -> APIRouter:
    """Answer requests of players.

    Parameters
    ----------
    service : whose catalogue, settings and data

    Notes
    -----
    Whoever asks shows a key as `apiKey`, on every address: pages of other sites could ask the service on this machine
    else. Errors come with status 200 and a number, as the Subsonic API has it.

    References
    ----------
    https://opensubsonic.netlify.app/docs/api-reference/, https://opensubsonic.netlify.app/docs/extensions/formpost/
    """
    players = Players(service)
    routes = APIRouter(tags=["players"])

    @routes.get(f"{PREFIX}/{{method}}", summary="OpenSubsonic", responses=_ANSWERS, response_class=Response,
                openapi_extra=_PARAMETERS)  # fmt: skip
    async def ask(request: Request, method: Name) -> Response:
        """Answer a method of the OpenSubsonic API; `apiKey` is a token, `f` is json or xml."""
        return await respond(players, method, request, b"")

    @routes.post(f"{PREFIX}/{{method}}", summary="OpenSubsonic, by a form", responses=_ANSWERS, response_class=Response,
                 openapi_extra=_PARAMETERS)  # fmt: skip
    async def ask_by_form(request: Request, method: Name) -> Response:
        """Answer a method of the OpenSubsonic API, whose parameters come in a form."""
        is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
        return await respond(players, method, request, await request.body() if is_form else b"")

    @routes.head(f"{PREFIX}/{{method}}", include_in_schema=False)
    async def ask_for_head(request: Request, method: Name) -> Response:
        return await respond(players, method, request, b"")

    routes.include_router(audiomuse.router(players))
    return routes


async def respond(players: Players, method: str, request: Request, form: bytes) -> Response:
    """Answer a request, with what went wrong where it did.

    Parameters
    ----------
    players : what the service keeps for players
    method : as it stands in the address
    request : that is answered
    form : that came with it
    """
    format = "xml"
    try:
        parameters = read_parameters(request.scope["query_string"], form)
        format = format_of(parameters.get("f"))
        return await _answer(players, method.removesuffix(".view"), parameters, request, format)
    except EarmarkError as error:
        return refusal(failure_of(error), format)


async def _answer(players: Players, name: str, parameters: Parameters, request: Request, format: str) -> Response:
    work = METHODS.get(name)
    run = players.service.run
    if work is None:
        raise Failure(GENERIC, f"{name[:80]!r} is not answered here", status=404)
    user = ""
    if name not in OPEN:
        user = await run(login, parameters, players.tokens, players.passwords)
        request.state.client = f"token {user}"  # for the log
    call = Call(players, parameters, user)

    def work_and_write() -> Response:
        made = work(call)
        return made if isinstance(made, Response) else answer(made, format)

    return await run(work_and_write)
