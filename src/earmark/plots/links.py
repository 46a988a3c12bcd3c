"""How a page leads to the music that it shows."""

import os
from typing import Literal
from urllib.parse import quote_from_bytes

Links = Literal["relative", "absolute", "none"]
LINKS = ("relative", "absolute", "none")
SERVED = "served"
"""How a page that a service shows leads to music: to that service's own addresses, by the ids of tracks."""


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


def served_urls(id: str) -> tuple[str, str]:
    """Return where a service gives the audio of a track, and where it shows the track.

    Parameters
    ----------
    id : of the track

    Examples
    --------
    >>> served_urls("0a1b")
    ('/v1/tracks/0a1b/audio', '/#/track/0a1b')
    """
    return f"/v1/tracks/{id}/audio", f"/#/track/{id}"
