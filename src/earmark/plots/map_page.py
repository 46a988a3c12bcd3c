"""A map of a library as one page that needs no network: dots to move among, to search, to colour and to listen to."""

import base64
import html
import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import UsageError
from earmark.files import replacing
from earmark.plots.colours import DARK, LIGHT, Theme, even_ramp
from earmark.plots.links import LINKS, SERVED, Links, file_url, served_urls
from earmark.plots.map_data import (
    DARK_CATEGORIES,
    DARK_CIRCLE,
    LIGHT_CATEGORIES,
    LIGHT_CIRCLE,
    N_COLOURS,
    MapData,
    clean,
    fifths,
    group_centres,
    group_colours,
    limitations,
    limits,
)
from earmark.plots.templates import digest, filled, page_part

SCRIPTS = ("core.js", "draw.js", "view.js", "page.js")
MOST_NEIGHBOURS = 8  # of a track that the page lists
N_STEPS = 255  # of a scale of colours
FAINT = 45  # steps left out at the faint end of a ramp, where dots would not be seen
UNKNOWN_RATE = 0.05  # of a tag whose base rate is not known
KINDS = {"f4": "<f4", "i4": "<i4", "u1": "u1"}


def write_map_page(
    path: str | os.PathLike[str], data: MapData, *, links: Links = "relative", colour_by: str | None = None
) -> None:
    """Write a map as a page.

    Parameters
    ----------
    path : such as "map.html"; written whole or not at all
    data, links, colour_by : as in `map_page`; relative links lead from the folder of `path`

    Raises
    ------
    InputError
        If the file cannot be written.
    UsageError
        If there are no such links.
    UnknownNameError
        If nothing is known by the name of the colouring.
    """
    page = map_page(data, links=links, folder=Path(path).absolute().parent, colour_by=colour_by)
    with replacing(path) as file:
        file.write(page.encode("utf-8"))


def map_page(
    data: MapData,
    *,
    links: Links | Literal["served"] = "none",
    folder: str | os.PathLike[str] | None = None,
    colour_by: str | None = None,
) -> str:
    """Make the page of a map.

    Parameters
    ----------
    data : the dots and what is known of them
    links : how the page leads to the music: "relative" to the folder it lies in, so that both can move together;
        "absolute", so that the page can move alone; "none", so that no path stands in the page; "served" for a page
        that a service shows, which gives the music away by the ids of tracks
    folder : where the page will lie; needed for relative links
    colour_by : the first colouring, which the reader can change: a tag, or one of group, artist, genre, key, bpm, year
        and duration; the first of these that is known unless given

    Returns
    -------
    HTML with its style, script and data inside. It fetches nothing but the music that is played: its content security
    policy allows no more.

    Raises
    ------
    UsageError
        If there are no such links, or they are relative and there is no folder.
    UnknownNameError
        If nothing is known by the name of the colouring.

    Notes
    -----
    Names come into the page as compressed data and are shown as text, never read as HTML. Scores are kept as 255 times
    their root, in one byte: off by less than 0.004, and by less than 0.0004 around 0.01.
    """
    if links not in (*LINKS, SERVED):
        raise UsageError(f"there are no links {links!r}", hint=f"choose one of {', '.join(LINKS)}")
    if links == "relative" and folder is None:
        raise UsageError(
            "relative links need the folder that the page will lie in", hint="give folder=, or links='none'"
        )
    parts = {name: page_part(f"map/{name}") for name in (*SCRIPTS, "page.css", "page.html")}
    script = "\n".join(parts[name] for name in SCRIPTS)
    style = parts["page.css"]
    policy = (
        f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    n = len(data.points)
    said = limitations(data)
    head, arrays = _contents(data, links, folder)
    if colour_by is not None:
        kind, k = data.find_colour(colour_by)
        head["colour"] = f"tag:{head['tags'][k]}" if kind == "tag" else kind
    return filled(
        parts["page.html"],
        {
            "policy": html.escape(policy),
            "heading": html.escape(clean(data.heading)),
            "count": f"{n:,} {'track' if n == 1 else 'tracks'}",
            "style": style,
            "short": html.escape(_short(data)),
            "about": "\n".join(f"<p>{html.escape(text)}</p>" for text in said),
            "data": _packed(head, arrays),
            "script": script,
        },
    )


def _short(data: MapData) -> str:
    if data.method == "pca":
        return "Principal axes: far apart means different; what is near can still differ."
    name = "UMAP" if data.method == "umap" else "t-SNE"
    return f"{name}: near means alike; distances between far groups mean little."


def _contents(
    data: MapData, links: Links | Literal["served"], folder: str | os.PathLike[str] | None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Gather what goes into the page: a head of plain data, and arrays."""
    points = _normalised(data.points)
    fields = data.fields()
    head: dict[str, Any] = {
        "titles": [clean(title) or "?" for title in data.titles],
        "fields": fields,
        "tags": [clean(tag) for tag in data.tags],
        "categories": list(data.categories) or [""] * len(data.tags),
        "usual": [UNKNOWN_RATE if np.isnan(rate) else round(float(rate), 5) for rate in data.base_rates]
        or [UNKNOWN_RATE] * len(data.tags),
        "limits": {},
        "nColours": N_COLOURS,
        "palettes": {"light": _palette(LIGHT), "dark": _palette(DARK)},
        "hasLinks": False,
    }
    arrays: dict[str, NDArray[Any]] = {"points": points.astype("<f4").ravel()}
    if data.tags:
        arrays["scores"] = np.rint(255 * np.sqrt(data.scores.T)).astype("u1").ravel()  # tag by tag
    for name, plural, texts in (("artist", "artists", data.artists), ("genre", "genres", data.genres)):
        if name in fields:
            head[plural], arrays[name] = _numbered([clean(text) for text in texts])
    if "key" in fields:
        names = sorted({key for key in data.keys if fifths(key) is not None}, key=lambda key: (fifths(key), key))
        numbers = {key: i for i, key in enumerate(names)}
        head |= {"keys": [clean(key) for key in names], "keyColours": [fifths(key) for key in names]}
        arrays["key"] = np.array([numbers.get(key, -1) for key in data.keys], "<i4")
    for name, values in (("bpm", data.bpm), ("year", data.years), ("duration", data.durations)):
        if values is not None and name in fields:
            head["limits"][name] = limits(values)
            arrays[name] = np.where(np.isfinite(values), values, np.nan).astype("<f4")
    if data.groups is not None:
        centres = group_centres(points, data.groups, len(data.group_names))
        head["groups"] = [clean(name) for name in data.group_names]
        head["groupPlaces"] = [None if np.isnan(x) else [round(float(x), 5), round(float(y), 5)] for x, y in centres]
        head["groupColours"] = group_colours(centres)
        arrays["group"] = data.groups.astype("<i4")
    if data.neighbours is not None and data.neighbours.size:
        near = data.neighbours[:, :MOST_NEIGHBOURS]
        head["nNeighbours"] = near.shape[1]
        arrays["neighbours"] = near.astype("<i4").ravel()
    urls = _urls(data, links, folder)
    if any(urls):
        folders, arrays["folder"] = _numbered([url[: url.rfind("/") + 1] or "./" for url in urls])
        head |= {"folders": folders, "files": [url[url.rfind("/") + 1 :] for url in urls], "hasLinks": True}
    if links == SERVED:
        head["pages"] = [served_urls(id)[1] for id in data.ids]
    return head, arrays


def _urls(data: MapData, links: Links | Literal["served"], folder: str | os.PathLike[str] | None) -> list[str]:
    if links == "none":
        return []
    if links == "served":
        return [served_urls(id)[0] for id in data.ids]
    return [file_url(path, links, folder) if path else "" for path in data.paths]


def _normalised(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Move a map around the origin, its longer side 1 long."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    return np.asarray((points - (low + high) / 2) / max(float((high - low).max()), 1e-12))


def _palette(theme: Theme) -> dict[str, list[str]]:
    circle, categories = (LIGHT_CIRCLE, LIGHT_CATEGORIES) if theme is LIGHT else (DARK_CIRCLE, DARK_CATEGORIES)
    return {
        "ramp": _hexadecimal(even_ramp(theme.ramp, N_STEPS + FAINT)[FAINT:]),
        "categories": list(categories),
        "circle": _hexadecimal(even_ramp(circle, 13)[:12]),
    }


def _hexadecimal(colours: NDArray[np.float64]) -> list[str]:
    return ["#" + "".join(f"{value:02x}" for value in row) for row in np.rint(255 * colours).astype(int).tolist()]


def _numbered(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int32]]:
    """List the different texts in the order in which they come, and for each of `texts` its number; -1 for ""."""
    numbers: dict[str, int] = {}
    which = [numbers.setdefault(text, len(numbers)) if text else -1 for text in texts]
    return list(numbers), np.array(which, "<i4")


def _packed(head: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Pack plain data and arrays into text, as `unpack` in core.js reads it."""
    places: dict[str, tuple[int, int, str]] = {}
    body = bytearray()
    for name, values in arrays.items():
        kind = f"{values.dtype.kind}{values.dtype.itemsize}"
        places[name] = (len(body), len(values), kind)
        body += values.astype(KINDS[kind]).tobytes()
        body += bytes(-len(body) % 8)
    text = json.dumps(head | {"arrays": places}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    raw = text.encode("utf-8")
    start = struct.pack("<I", len(raw)) + raw
    start += bytes(-len(start) % 8)
    return base64.b64encode(zlib.compress(start + bytes(body), 9)).decode("ascii")
