"""Files that are sent in a form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from earmark.errors import UsageError

FORM = "multipart/form-data"
FORM_CONTENT: dict[str, Any] = {
    FORM: {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary", "description": "The audio file."}},
        }
    }
}
"""What a form holds, as OpenAPI says it."""


def content_type(request: Request) -> str:
    """Return what kind of body a request has, such as "application/json"; "" if it does not say."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def sent_file(request: Request, *, how: str) -> AsyncIterator[UploadFile]:
    """Give the file in the field "file" of a form; it is gone after the ``with`` block.

    Parameters
    ----------
    how : what to send, in words

    Raises
    ------
    UsageError
        If there is none.
    """
    if content_type(request) != FORM:
        raise UsageError("the request holds no file", hint=how)
    try:
        form = await request.form(max_files=1, max_fields=10, max_part_size=10_000)
    except HTTPException as error:
        raise UsageError(f"the form cannot be read: {error.detail}", hint=how) from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise UsageError('the form has no file in a field "file"', hint=how)
        yield file
    finally:
        await form.close()


def plain_name(name: str | None) -> str:
    """Return the name of a file that was sent, without folders and what cannot be printed.

    Examples
    --------
    >>> plain_name("../../etc/song\\r\\n.mp3"), plain_name("C:\\\\music\\\\a.mp3"), plain_name(None)
    ('song.mp3', 'a.mp3', 'upload')
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:200] or "upload"
