"""Audio that comes in pieces: read the list of pieces (HLS) and join them to a file.

References
----------
RFC 8216, HTTP Live Streaming: 4.3.2.4 (keys), 4.3.2.5 (the piece that begins a file), 4.3.3.4 (end of the list).
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urljoin

from earmark.errors import SourceError
from earmark.sources.http import Api, Text, origin

MOST_PIECES = 10_000
MOST_LIST_BYTES = 1 << 21


@dataclass(frozen=True)
class Pieces:
    """What a list names.

    Parameters
    ----------
    urls : of the pieces in order, a beginning of the file (EXT-X-MAP) before those that need it
    has_map : whether there is such a beginning, as in fragmented MP4
    seconds : how long the audio is
    """

    urls: tuple[str, ...]
    has_map: bool
    seconds: float


def parse_playlist(text: str, url: str) -> Pieces:
    """Read a list of pieces.

    Parameters
    ----------
    text : the list
    url : where it came from; addresses in it may be relative to that

    Raises
    ------
    SourceError
        If it is none, is encrypted, or is of a kind that is not joined: a list of lists, parts of pieces, or one that
        has no end yet.

    Examples
    --------
    >>> lines = "#EXTM3U\\n#EXT-X-MAP:URI=\\"init.mp4\\"\\n#EXTINF:9.5,\\n0.m4s\\n#EXT-X-ENDLIST"
    >>> parse_playlist(lines, "https://media.example/a/list.m3u8").urls
    ('https://media.example/a/init.mp4', 'https://media.example/a/0.m4s')
    """
    lines = [line.strip() for line in text.splitlines()]
    if not lines or lines[0].lstrip("\ufeff") != "#EXTM3U":
        raise SourceError("the list of pieces of the audio is no HLS list", hint="try again later")
    urls: list[str] = []
    seconds, current, is_whole = 0.0, "", False
    for line in lines[1:]:
        tag, _, value = line.partition(":")
        if tag in ("#EXT-X-STREAM-INF", "#EXT-X-BYTERANGE") or (tag == "#EXT-X-MAP" and "BYTERANGE=" in value):
            raise SourceError(f"the audio comes in a way that is not joined here ({tag[1:]})")
        if tag == "#EXT-X-KEY" and not re.match(r"METHOD=NONE\b", value):
            raise SourceError("the audio is encrypted; it is left alone")
        if tag == "#EXT-X-MAP":
            found = re.search(r'URI="([^"]*)"', value)
            if found is None:
                raise SourceError("the list of pieces of the audio names a beginning without an address")
            if found[1] != current:
                current = found[1]
                urls.append(_joined(url, current))
        elif tag == "#EXTINF":
            duration = re.match(r"\d+(\.\d+)?", value)
            seconds += float(duration[0]) if duration else 0.0
        elif line == "#EXT-X-ENDLIST":
            is_whole = True
        elif line and not line.startswith("#"):
            urls.append(_joined(url, line))
    if not is_whole:
        raise SourceError("the list of pieces of the audio has no end", hint="try again later")
    if not 0 < len(urls) - bool(current) <= MOST_PIECES:
        raise SourceError(f"the list of pieces of the audio holds {len(urls)} pieces")
    return Pieces(tuple(urls), bool(current), seconds)


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        raise SourceError("the list of pieces of the audio names what is no address") from None


def read_playlist(api: Api, url: str, headers: Mapping[str, Text]) -> Pieces:
    """Fetch a list of pieces.

    Parameters
    ----------
    api : whose host alone is sent `headers`
    url : of the list
    headers : such as a token

    Raises
    ------
    SourceError
        See `parse_playlist`; or if it does not come.
    """
    content = io.BytesIO()
    answer = api.fetch(url, content, headers=own_headers(api, url, headers), most_bytes=MOST_LIST_BYTES, timeout=60.0)
    if not answer.ok:
        raise SourceError(f"{api.name}: the list of pieces of the audio is not given (status {answer.status})")
    return parse_playlist(content.getvalue().decode("utf-8", "replace"), answer.url)


def join(
    api: Api,
    pieces: Pieces,
    sink: BinaryIO,
    headers: Mapping[str, Text],
    *,
    most_bytes: int,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Fetch the pieces and write them one behind the other.

    Parameters
    ----------
    api, headers : see `read_playlist`
    pieces : see `parse_playlist`
    sink : file to write to
    most_bytes : of the whole
    on_progress : is given how many pieces are there, and how many there are in all

    Raises
    ------
    SourceError
        If a piece does not come, or all are more than `most_bytes`.
    """
    begun = sink.tell()
    for i, url in enumerate(pieces.urls):
        left = most_bytes - (sink.tell() - begun)
        answer = api.fetch(url, sink, headers=own_headers(api, url, headers), most_bytes=max(left, 0))
        if not answer.ok:
            raise SourceError(f"{api.name}: piece {i + 1} of the audio is not given (status {answer.status})")
        if on_progress is not None:
            on_progress(i + 1, len(pieces.urls))


def own_headers(api: Api, url: str, headers: Mapping[str, Text]) -> Mapping[str, Text]:
    """Return the headers if an address is on the service's own host, else none: a token goes nowhere else."""
    return headers if origin(url) == origin(api.base) else {}
