"""Hear a file: one that is sent, or one in the folders of music."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, cast

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from earmark.errors import UsageError
from earmark.plain_data import encode_array
from earmark.service.errors import Json, worded
from earmark.service.hearing import Hearing
from earmark.service.routes.shapes import FAILED, Embedding, Heard, Model, PathBody, Preset
from earmark.service.settings import inside
from earmark.service.state import Service
from earmark.track_tags import TrackTags

_HOW = 'send a file as the field "file" of a form (multipart/form-data), or JSON: {"path": ...}'
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": "The audio file."}},
                }
            },
            "application/json": {"schema": PathBody.model_json_schema()},
        },
    }
}

Top = Annotated[int | None, Query(ge=0, le=1000, description="So many tags, best first; all if left out.")]
MinScore = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Leave out tags below.")]
Category = Annotated[
    Literal["genre", "mood", "instrument", "voice", "era", "other"] | None,
    Query(description="Keep the tags of one category."),
]
Taggram = Annotated[bool, Query(description="Give the scores of every chunk, too.")]
Form = Annotated[Literal["list", "base64"], Query(description="Numbers in a list, or their bytes.")]


class Upload:
    """A file that was sent: what is read of it comes from a temporary file, its name from whoever sent it."""

    def __init__(self, sent: UploadFile) -> None:
        self._file = sent.file
        self.name = plain_name(sent.filename)

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        return self._file.closed

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It can move."""
        return True


def router(service: Service, hearing: Hearing) -> APIRouter:
    """Answer requests to hear a file."""
    routes = APIRouter(prefix="/v1", tags=["hearing"], responses=FAILED)

    @routes.post("/tag", summary="Tag a file", response_model=None, openapi_extra=_BODY,
                 responses={200: {"model": Heard}})  # fmt: skip
    async def tag_file(
        request: Request,
        n: Top = None,
        min_score: MinScore = None,
        category: Category = None,
        model: Model = None,
        preset: Preset = None,
        taggram: Taggram = False,
    ) -> Response:
        """Tag a file that is sent, or one in the folders of music."""
        tags = await _hear(request, model, preset)
        return Json(tags.to_dict(top=n, min_score=min_score, category=category, taggram=taggram))

    @routes.post("/embeddings", summary="Embed a file", response_model=None, openapi_extra=_BODY,
                 responses={200: {"model": Embedding}})  # fmt: skip
    async def embed_file(request: Request, model: Model = None, preset: Preset = None, form: Form = "list") -> Response:
        """Tell where a file that is sent, or one in the folders of music, lies among others by its sound."""
        tags = await _hear(request, model, preset)
        plain = tags.to_dict(top=0)
        del plain["tags"]
        values = tags.embedding.tolist() if form == "list" else encode_array(tags.embedding)
        return Json(plain | {"embedding": values})

    async def _hear(request: Request, model: str | None, preset: str | None) -> TrackTags:
        async with hearing.seat() as seat, _source(service, request) as (source, name):
            tags = await hearing.tag(seat, cast("Path | BinaryIO", source), model=model, preset=preset)
            return replace(tags, path=name)

    return routes


@contextlib.asynccontextmanager
async def _source(service: Service, request: Request) -> AsyncIterator[tuple[Path | Upload, str]]:
    """Give the file that a request is about, and what the client calls it.

    Raises
    ------
    UsageError
        If it names none.
    InputError
        If its path leads to no file in the folders of music.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        name = _path_in(await request.body())
        yield await service.run(inside, service.settings, name), name
        return
    if kind != "multipart/form-data":
        raise UsageError("the request holds no file", hint=_HOW)
    async with contextlib.AsyncExitStack() as stack:
        form = await _read_form(request)
        stack.push_async_callback(form.close)
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise UsageError('the form has no file in a field "file"', hint=_HOW)
        upload = Upload(file)
        yield upload, upload.name


async def _read_form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=10, max_part_size=10_000)
    except HTTPException as error:
        raise UsageError(f"the form cannot be read: {error.detail}", hint=_HOW) from error


def _path_in(body: bytes) -> str:
    """Read {"path": ...}."""
    try:
        return PathBody.model_validate(json.loads(body)).path
    except ValidationError as error:
        raise UsageError(worded([one | {"loc": ("body", *one["loc"])} for one in error.errors()]), hint=_HOW) from error
    except (ValueError, RecursionError) as error:
        raise UsageError("the request is no JSON", hint=_HOW) from error


def plain_name(name: str | None) -> str:
    """Return the name of a file that was sent, without folders and what cannot be printed.

    Examples
    --------
    >>> plain_name("../../etc/song\\r\\n.mp3"), plain_name("C:\\\\music\\\\a.mp3"), plain_name(None)
    ('song.mp3', 'a.mp3', 'upload')
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:200] or "upload"
