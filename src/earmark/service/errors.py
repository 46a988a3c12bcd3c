"""Errors of requests: a status for each, and the answer {"error", "hint"} that says what was wrong and what to do."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Match

from earmark.errors import (
    AssetError,
    EarmarkError,
    InputError,
    MissingExtraError,
    SourceError,
    UnknownNameError,
    UsageError,
)

LOGGER = logging.getLogger("earmark.service")
_MAX_TEXT = 1000  # characters of a message, which may quote what was sent
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class RequestError(EarmarkError):
    """A request cannot be answered; each class has its status."""

    status = 400

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        return {}


class NotFound(RequestError, InputError):
    """There is no such track, job or page."""

    status = 404


class NoToken(RequestError):
    """A token is missing, or is none of this service's."""

    status = 401

    def headers(self) -> dict[str, str]:
        """Say how to log in."""
        return {"WWW-Authenticate": 'Bearer realm="earmark"'}


class Refused(RequestError):
    """A request comes from where none may come from, or asks for what is not given."""

    status = 403


class Gone(RequestError):
    """The client did not send what it began to send in time."""

    status = 408


class TooLarge(RequestError):
    """More was sent than is taken."""

    status = 413

    def headers(self) -> dict[str, str]:
        """End the connection: the rest is not read."""
        return {"Connection": "close"}


class TwoEnds(RequestError):
    """Where a request ends is said in two ways, of which others on the way may have followed the other one."""

    def headers(self) -> dict[str, str]:
        """End the connection: what follows may be no request."""
        return {"Connection": "close"}


class TooOften(RequestError):
    """A client asks more often than is answered.

    Parameters
    ----------
    message, hint : see `EarmarkError`
    retry_after : seconds after which to ask again
    """

    status = 429

    def __init__(self, message: str, *, hint: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Say when to ask again."""
        return {"Retry-After": str(max(1, self.retry_after))}


class TooBusy(TooOften):
    """There is too much to do; the parameters are those of `TooOften`."""

    status = 503


class TookTooLong(RequestError):
    """An answer was not found in time."""

    status = 504


class Problem(BaseModel):
    """What went wrong, and what to do."""

    error: str = Field(description="What was wrong, and what was expected.")
    hint: str | None = Field(default=None, description="What to do next.")


FAILED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be answered as it is."},
    "5XX": {"model": Problem, "description": "The service cannot answer now."},
}
"""Answers that every request may get."""


class Json(JSONResponse):
    """An answer in JSON; names of files that are no text are written escaped."""

    def render(self, content: Any) -> bytes:
        """Write as bytes."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def status_of(error: EarmarkError) -> int:
    """Return the status of the answer to a request that ended with an error."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, AssetError | SourceError):
        return 502
    if isinstance(error, MissingExtraError):
        return 501
    return 400 if isinstance(error, InputError | UsageError | UnknownNameError) else 500


def problem(error: EarmarkError) -> Json:
    """Return the answer to a request that ended with an error."""
    headers = error.headers() if isinstance(error, RequestError) else {}
    return plain_problem(status_of(error), error.message, error.hint, headers=headers)


def plain_problem(status: int, message: str, hint: str | None = None, *, headers: Mapping[str, str] = {}) -> Json:
    """Return an answer that says what was wrong.

    Parameters
    ----------
    status : of the answer
    message, hint : see `EarmarkError`; long ones are cut, as they may quote what was sent
    headers : of the answer
    """
    text = message if len(message) <= _MAX_TEXT else f"{message[:_MAX_TEXT]}…"
    return Json({"error": text, "hint": hint}, status_code=status, headers=dict(headers))


def defect(error: BaseException) -> Json:
    """Log what should not have got out, and return an answer that gives nothing away of it."""
    LOGGER.error("a defect of earmark", exc_info=error)
    return plain_problem(500, "a defect of earmark", "what happened stands in the log of the service; report it")


def register(app: FastAPI) -> None:
    """Let an app answer errors with {"error", "hint"}."""

    async def answer_error(request: Request, error: Exception) -> Json:
        assert isinstance(error, EarmarkError)
        return problem(error)

    async def answer_invalid(request: Request, error: Exception) -> Json:
        assert isinstance(error, RequestValidationError)
        return plain_problem(422, worded(error.errors()), "what each request takes stands in /docs")

    async def answer_http(request: Request, error: Exception) -> Json:
        assert isinstance(error, HTTPException)
        hint = "the requests that there are stand in /docs" if error.status_code in (404, 405) else None
        words = {404: "there is no such page", 405: f"{request.method} is not taken here"}
        message = words.get(error.status_code, str(error.detail))
        headers = {"Allow": ", ".join(taken(request))} if error.status_code == 405 else error.headers or {}
        return plain_problem(error.status_code, message, hint, headers=headers)

    async def answer_gone(request: Request, error: Exception) -> Json:
        return problem(Gone("the client went before it had sent everything"))

    app.add_exception_handler(EarmarkError, answer_error)
    app.add_exception_handler(ClientDisconnect, answer_gone)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(HTTPException, answer_http)


def taken(request: Request) -> list[str]:
    """Return the methods that the page of a request takes, whichever of its routes takes them."""
    plain = {key: request.scope[key] for key in ("type", "path", "root_path", "headers")}
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**plain, "method": method})[0] is Match.FULL for route in routes)
    ]


def worded(errors: Sequence[Mapping[str, Any]]) -> str:
    """Say in words what is wrong with the parameters of a request.

    Examples
    --------
    >>> worded([{"loc": ("query", "n"), "msg": "Input should be greater than 0", "input": "-1"}])
    "n is '-1': input should be greater than 0"
    """
    words = []
    for one in errors[:5]:
        place = ".".join(str(part) for part in one.get("loc", ())[1:]) or "the body"
        message = str(one.get("msg", "is not understood"))
        message = message[:1].lower() + message[1:]
        given = one.get("input")
        is_plain = isinstance(given, str | int | float | bool) and "missing" not in str(one.get("type"))
        shown = f" is {given!r:.80}" if is_plain else ""
        words.append(f"{place}{shown}: {message}")
    return "; ".join(words)
