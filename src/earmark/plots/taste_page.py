"""How well two people's taste agrees, as one page that needs no network."""

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from earmark.files import replacing
from earmark.plots.links import Links, file_url
from earmark.plots.map_data import clean
from earmark.plots.templates import page_part, self_contained
from earmark.progress import clock_text

WIDE = 60.0  # points between the ends of an interval that tells little
STEPS = ((90.0, "Very near"), (70.0, "Near"), (30.0, "About as near as any two"), (10.0, "Far"), (0.0, "Very far"))
LEAST_BAR = 0.4  # percent of the width
LONG = 10  # songs, from which on a list stands in columns


def write_taste_page(path: str | os.PathLike[str], found: Mapping[str, Any], *, links: Links = "relative") -> None:
    """Write the page of a comparison.

    Parameters
    ----------
    path : such as "page.html"; written whole or not at all
    found : what `earmark.library.taste.Compatibility.to_dict` gives
    links : how the page leads to the music: "relative" to its folder, "absolute", or "none"

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    page = taste_page(found, links=links, folder=Path(path).absolute().parent)
    with replacing(path) as file:
        file.write(page.encode("utf-8"))


def taste_page(found: Mapping[str, Any], *, links: Links = "none", folder: str | os.PathLike[str] | None = None) -> str:
    """Make the page of a comparison; see `write_taste_page`.

    Returns
    -------
    HTML with its style inside. It fetches nothing but the music that is played: its content security policy allows no
    more. Names are shown as text, never read as HTML.
    """
    return self_contained(
        f"{clean(found['a']['name'])} and {clean(found['b']['name'])}",
        _Page(found, links, folder).body(),
        style=page_part("taste/page.css"),
        allowed="media-src 'self' file:",
    )


def verdict(score: float, low: float, high: float) -> str:
    """Say in words what a score tells.

    Examples
    --------
    >>> verdict(83, 70, 92), verdict(40, 5, 80)
    ('Near', 'Cannot be told yet')
    """
    if high - low > WIDE:
        return "Cannot be told yet"
    return next(words for least, words in STEPS if score >= least)


def shown(score: float) -> str:
    """Write a score as a whole number; what lies close to an end is not written as the end itself.

    Examples
    --------
    >>> shown(82.6), shown(99.9), shown(0.2)
    ('83', '> 99', '< 1')
    """
    return "> 99" if score >= 99.5 else "< 1" if score < 0.5 else f"{score:.0f}"


class _Page:
    """The parts of one page."""

    def __init__(self, found: Mapping[str, Any], links: Links, folder: str | os.PathLike[str] | None) -> None:
        self._found, self._links, self._folder = found, links, folder
        self._a, self._b = (html.escape(clean(found[one]["name"])) for one in ("a", "b"))

    def body(self) -> str:
        found = self._found
        parts = [
            f'<h1><span class="a">{self._a}</span> and <span class="b">{self._b}</span>: how well their taste agrees'
            "</h1>",
            self._score(),
            *(f'<p class="note">{html.escape(clean(note))}</p>' for note in found["notes"]),
            self._tags("shared", "Shared ground", "Tags that both like more than is usual.", "They share no such tag."),
            self._tags(
                "differences", "Where they differ", "Tags that one likes more than the other, beyond chance.",
                "No difference is beyond chance.",
            ),
            self._bridges(),
            self._gifts(),
            self._playlist(),
            self._rests_on(),
        ]  # fmt: skip
        return "\n".join(part for part in parts if part)

    def _score(self) -> str:
        found = self._found
        apart = "".join(
            f"<div><h3>{html.escape(name.capitalize())} alone: {shown(one['score'])}</h3>{_scale(one)}</div>"
            for name, one in found["by_category"].items()
        )
        missing = [name for name in ("genre", "mood") if name not in found["by_category"]]
        unclear = " open" if found["high"] - found["low"] > WIDE else ""
        told = (
            f"<p class='muted'>Over {' and '.join(missing)} apart there is too little to tell.</p>" if missing else ""
        )
        return (
            f'<div class="score{unclear}"><b>{shown(found["score"])}<small>of 100</small></b><div>'
            f'<p class="verdict">{verdict(found["score"], found["low"], found["high"])}</p>'
            f"<p>Of 100 pairs of listeners whose tastes are as narrow or as wide, {shown(found['score'])} are "
            f"further apart. With other songs of the same two tastes it would lie between {shown(found['low'])} and "
            f"{shown(found['high'])}, nine times of ten.</p>{_scale(found)}</div></div>"
            f'<div class="apart">{apart}</div>{told}'
            f"<p>Could these be one listener? Deal all their songs at random into two such lists: "
            f"{shown(found['as_one'])} of 100 deals are at least as far apart. Halves of one taste come to 50 on "
            "average; 5 or less speaks for two tastes.</p>"
        )

    def _tags(self, key: str, heading: str, told: str, empty: str) -> str:
        facts = self._found[key]
        if not facts:
            return f"<h2>{heading}</h2><p>{empty}</p>"
        most = max(max(fact["a"], fact["b"]) for fact in facts)
        rows = [
            f'<div class="head name a" style="text-align:right">{self._a}</div><div></div>'
            f'<div class="head name b">{self._b}</div>'
        ]
        for fact in facts:
            usual = "" if fact["usual"] is None else f", usual {_percent(fact['usual'])}"
            left, right = (max(100 * fact[side] / most, LEAST_BAR) for side in ("a", "b"))
            rows.append(
                f'<div class="left"><span>{_percent(fact["a"])}</span>'
                f'<div class="track"><i style="width:{left:.1f}%"></i></div></div>'
                f'<div class="tag">{html.escape(fact["tag"])}<small class="muted">{html.escape(fact["category"])}'
                f"{usual}</small></div>"
                f'<div class="right"><div class="track"><i style="width:{right:.1f}%"></i></div>'
                f"<span>{_percent(fact['b'])}</span></div>"
            )
        return f'<h2>{heading}</h2><p class="muted">{told}</p><div class="bars">{"".join(rows)}</div>'

    def _bridges(self) -> str:
        pairs = self._found["bridges"]
        if not pairs:
            return ""
        rows = []
        for pair in pairs:
            tags = ", ".join(html.escape(tag) for tag in pair["tags"]) or "no tag in common"
            rows.append(
                f'<div class="pair"><div>{self._song(pair["a"], "a")}</div>'
                f'<div class="link">{pair["similarity"]:.2f}<br>{tags}</div>'
                f"<div>{self._song(pair['b'], 'b')}</div></div>"
            )
        return (
            '<h2>Songs that bridge</h2><p class="muted">Pairs that are most alike; 1 would be the same.</p>'
            + "".join(rows)
        )

    def _gifts(self) -> str:
        lists = [
            f"<div><h3>{who} could play to {whom}</h3>{self._list(self._found[key])}</div>"
            for who, whom, key in ((self._a, self._b, "for_b"), (self._b, self._a, "for_a"))
            if self._found[key]
        ]
        both = [html.escape(clean(name)) for name in self._found["same_tracks"]]
        artists = [html.escape(clean(name)) for name in self._found["same_artists"]]
        common = "".join(
            f"<p>{head}: {', '.join(names[:12])}{f' and {len(names) - 12} more' if len(names) > 12 else ''}.</p>"
            for head, names in (("Songs that both like", both), ("Artists that both like", artists))
            if names
        )
        if not lists and not common:
            return ""
        return f'<h2>What each could play to the other</h2>{common}<div class="columns">{"".join(lists)}</div>'

    def _playlist(self) -> str:
        songs = self._found["playlist"]
        if not songs:
            return ""
        seconds = [song["duration"] for song in songs if song["duration"]]
        length = f", {sum(seconds) / 60:.0f} minutes" if len(seconds) == len(songs) else ""
        return (
            f'<h2>A playlist for two</h2><p class="muted">{len(songs)} songs{length}, near to what both like, ordered '
            f"so that neighbours are alike.</p>{self._list(songs)}"
        )

    def _list(self, songs: Sequence[Mapping[str, Any]]) -> str:
        kind = "songs long" if len(songs) > LONG else "songs"
        return f'<ol class="{kind}">{"".join(f"<li>{self._song(song)}</li>" for song in songs)}</ol>'

    def _song(self, song: Mapping[str, Any], whose: str = "") -> str:
        """Write a song: its name, linked where there is a page, and a player where there is a file."""
        name = html.escape(clean(song["name"]) or "?")
        if is_page(song["url"]):
            name = f'<a href="{html.escape(song["url"])}" rel="noopener noreferrer">{name}</a>'
        mark = f'<span class="by {whose}"></span>' if whose else ""
        length = f" <small>{clock_text(song['duration'])}</small>" if song["duration"] else ""
        if song["licence"]:
            length += f" <small>{html.escape(song['licence'])}</small>"
        player = ""
        if song["path"] and self._links != "none":
            url = html.escape(file_url(song["path"], self._links, self._folder))
            player = f'<audio controls preload="none" src="{url}"></audio>'
        return f"{mark}{name}{length}{player}"

    def _rests_on(self) -> str:
        found = self._found
        rows = "".join(
            f"<tr><td>{name}</td><td>{html.escape(side['source'])}</td>"
            + "".join(
                f'<td class="number">{side["tracks"][key]:,}</td>' for key in ("n", "audio", "tags_alone", "neither")
            )
            + "</tr>"
            for name, side in ((self._a, found["a"]), (self._b, found["b"]))
        )
        what = (
            "How tracks sound, and the tags that were heard in them, count half each."
            if found["way"] == "audio"
            else "Tags alone were compared: too little of the music could be heard."
        )
        credits = "".join(self._credit(found[one]) for one in ("a", "b"))
        return (
            f"<h2>What this rests on</h2><p>{what} Compared were {found['n_a']} tracks with {found['n_b']}; the pairs "
            f"of listeners that they are held against choose from {found['n_pool']:,} tracks.</p>"
            '<div class="table"><table><tr><th>listener</th><th>from</th><th class="number">tracks</th>'
            '<th class="number">heard</th><th class="number">tags alone</th><th class="number">neither</th></tr>'
            f"{rows}</table></div>{credits}{self._matched()}"
        )

    def _credit(self, side: Mapping[str, Any]) -> str:
        if not side["attribution"]:
            return ""
        text = html.escape(side["attribution"])
        if is_page(side["url"]):
            text = f'<a href="{html.escape(side["url"])}" rel="noopener noreferrer">{text}</a>'
        return f"<p>{html.escape(clean(side['name']))}: {text}</p>"

    def _matched(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(clean(one['like']))}</td><td>{html.escape(clean(one['track']))}</td>"
            f'<td>{html.escape(one["by"])}</td><td class="number">{one["similarity"]:.2f}</td></tr>'
            for side in ("a", "b")
            for one in self._found[side]["matched"]
        )
        if not rows:
            return ""
        return (
            "<details><summary>Likes that were found in the catalogue</summary>"
            '<div class="table"><table><tr><th>like</th><th>taken for</th><th>by</th><th class="number">names alike'
            f"</th></tr>{rows}</table></div></details>"
        )


def _scale(one: Mapping[str, Any]) -> str:
    """Draw a score and its interval on a line from 0 to 100."""
    low, high, score = (min(max(float(one[name]), 0.0), 100.0) for name in ("low", "high", "score"))
    label = f"score {shown(score)}, between {shown(low)} and {shown(high)}"
    return (
        f'<div class="scale" role="img" aria-label="{html.escape(label)}">'
        f'<i style="left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%"></i><u style="left:{score:.1f}%"></u>'
        '<s class="start" style="left:0">far</s><s style="left:50%">any two</s>'
        '<s class="end" style="left:100%">near</s></div>'
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def is_page(url: str) -> bool:
    """Tell whether an address is one that a reader may be led to.

    Examples
    --------
    >>> is_page("https://example.org/a"), is_page("javascript:alert(1)"), is_page("")
    (True, False, False)
    """
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc)
