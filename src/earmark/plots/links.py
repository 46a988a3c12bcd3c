"""How a page leads to the music that it shows."""

import os
from typing import Literal
from urllib.parse import quote_from_bytes

Links = Literal["relative", "absolute", "none"]
LINKS = ("relative", "absolute", "none")


def file_url(path: str, links: Links, folder: str | os.PathLike[str] | None) -> str:
    """Write where a file lies such that a browser finds it: every byte that is not plain is escaped.

    Parameters
    ----------
    path : absolute
    links : "relative" to `folder`, or "absolute"
    folder : that the page lies in
    """
    if links == "relative":
        try:
            relative = os.path.relpath(path, folder)
        except ValueError:  # another drive
            pass
        else:
            return "./" + _escaped(relative)
    whole = _escaped(os.path.abspath(path))  # noqa: PTH100 (names that are no text stay as they are)
    return "file://" + whole if whole.startswith("/") else "file:///" + whole


def _escaped(path: str) -> str:
    return quote_from_bytes(os.fsencode(path.replace(os.sep, "/")), safe="/")
