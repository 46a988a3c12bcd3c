"""Hear a file: one that is sent, or one in the folders of music."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, cast

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from earmark.errors import UsageError
from earmark.plain_data import encode_array
from earmark.service.errors import FAILED, Json, worded
from earmark.service.forms import FORM_CONTENT, content_type, plain_name, sent_file
from earmark.service.hearing import Hearing
from earmark.service.routes.shapes import Embedding, Heard, Model, PathBody, Preset
from earmark.service.settings import inside
from earmark.service.state import Service
from earmark.track_tags import TrackTags

_HOW = 'send a file as the field "file" of a form (multipart/form-data), or JSON: {"path": ...}'
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {**FORM_CONTENT, "application/json": {"schema": PathBody.model_json_schema()}},
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
    if content_type(request) == "application/json":
        name = _path_in(await request.body())
        yield await service.run(inside, service.settings, name), name
        return
    async with sent_file(request, how=_HOW) as file:
        upload = Upload(file)
        yield upload, upload.name


def _path_in(body: bytes) -> str:
    """Read {"path": ...}."""
    try:
        return PathBody.model_validate(json.loads(body)).path
    except ValidationError as error:
        raise UsageError(worded([one | {"loc": ("body", *one["loc"])} for one in error.errors()]), hint=_HOW) from error
    except (ValueError, RecursionError) as error:
        raise UsageError("the request is no JSON", hint=_HOW) from error
