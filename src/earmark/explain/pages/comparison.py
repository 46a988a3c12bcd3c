"""The page of two networks: how alike their layers are, which channels they share, what both tag."""

import html
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.explain.channels import ChannelReport
from earmark.explain.comparing import LayerLikeness
from earmark.explain.comparison import Comparison, SharedChannel, UniqueChannel
from earmark.explain.pages.channel import (
    channel_picture,
    frequencies_text,
    song_player,
    stretch_spectrogram,
    tone_response,
)
from earmark.explain.pages.images import SPECTRUM, coloured, sound
from earmark.explain.pages.parts import figure, outline, page, panel, player, table, write_page
from earmark.plots.envelope import waveform_envelope
from earmark.plots.map_data import clean
from earmark.plots.text import clock

Floats = NDArray[np.float64]

MOST_TAGS, MOST_ALONE = 12, 6  # of both, and of those that one network knows alone
FAINT = 0.01  # score below which a tag is not worth a line
WIDE = 12  # layers, from which on cells are too narrow for numbers


def write_comparison_page(path: str | os.PathLike[str], found: Comparison) -> None:
    """Write the page of a comparison, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If Pillow is not installed.
    """
    write_page(path, comparison_page(found))


def comparison_page(found: Comparison) -> str:
    """Make the page of a comparison.

    Parameters
    ----------
    found : from `earmark.explain.comparison.compare_models`

    Returns
    -------
    HTML with its pictures and sounds inside; it fetches nothing

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    sections = [_head(found), _song(found), _tags(found), _layers(found), _counts(found), *_channels(found)]
    title = f"{clean(found.models[0])} and {clean(found.models[1])} compared"
    return page(title, sections, start=found.start, end=found.end)


def _name(text: str) -> str:
    return html.escape(clean(text))


def _head(found: Comparison) -> str:
    a, b = (_name(model) for model in found.models)
    n = len(found.songs)
    songs = _name(found.songs[0]) if n == 1 else f"{_name(found.songs[0])} and {n - 1} more"
    return ("<h1>Two networks on one song</h1>" if n == 1 else "<h1>Two networks on the same songs</h1>") + (
        f"<p><b>A</b> is <code>{a}</code>, <b>B</b> is <code>{b}</code>. Both heard {songs}. Do they hear the same "
        "things, layer by layer and channel by channel, and do they come to the same tags?</p>"
    )


def _song(found: Comparison) -> str:
    span = (found.start, found.end)
    envelope = waveform_envelope([found.waveform], columns=1200)
    return (
        f"<h2>{_name(found.songs[0])}, {clock(found.start)} to {clock(found.end)}</h2>"
        + song_player(found.waveform, found.sample_rate, label=clean(found.songs[0]), start=found.start)
        + panel(outline(envelope), label="waveform", height=56, span=span)
        + stretch_spectrogram(found.waveform, found.sample_rate, span)
    )


def _tags(found: Comparison) -> str:
    if not found.tags and not found.only_a and not found.only_b:
        return ""
    parts = ["<h2>What both tag</h2>"]
    if found.tags:
        shown = [tag for tag in found.tags if max(tag.score_a, tag.score_b) >= FAINT][:MOST_TAGS] or found.tags[:1]
        rows = "".join(
            f"<span>{_name(tag.name)}</span>{_bar(tag.score_a, 'first')}{_bar(tag.score_b, 'second')}" for tag in shown
        )
        n = len(found.tags)
        of = f"Of {n} tags that both know the {len(shown)} strongest" if len(shown) < n else "The tags that both know"
        parts.append(
            f"<p>{of}, for this stretch of the song; 1 is surely, 0 surely not.</p>"
            f'<div class="duo"><b></b><b>A</b><b>B</b>{rows}</div>'
        )
    else:
        parts.append("<p>There is no tag that both know.</p>")
    for letter, own in (("A", found.only_a), ("B", found.only_b)):
        if own:
            words = ", ".join(f"{_name(tag)} {score:.2f}" for tag, score in own[:MOST_ALONE])
            parts.append(f"<p>Tags that only {letter} knows, its strongest: {words}.</p>")
    return "".join(parts)


def _bar(score: float, kind: str) -> str:
    return f'<span class="score"><i class="{kind}" style="width:{100 * score:.1f}%"></i><em>{score:.2f}</em></span>'


def _layers(found: Comparison) -> str:
    likeness = found.likeness
    one, other, value = likeness.best()
    i, j = likeness.layers_a.index(one), likeness.layers_b.index(other)
    seconds = f"{likeness.cell_seconds:g}"
    return (
        "<h2>How alike the layers are</h2>"
        "<p>CKA (centred kernel alignment) asks whether two layers find the same moments of the music alike and the "
        "same ones different. 1: as one says, so does the other, up to rotation and scale. 0: nothing in common.</p>"
        f"<p><b>Most alike are {_name(one)} of A and {_name(other)} of B: {value:.2f}</b> "
        f"(by chance {likeness.chance[i, j]:.2f}), of the pairs that were compared in enough moments.</p>"
        + figure(
            _heat(likeness, found.layers),
            "Rows: layers of A, from the first down to the last. Columns: layers of B. Compared in moments of "
            f"{seconds} s, or as long as a step of the slower layer; moments are left out where a layer sees beyond "
            "the ends of a chunk. The frame is around the two layers whose channels are matched below.",
        )
        + "<details><summary>All numbers</summary>"
        "<p>CKA; behind it what chance gives (the answers of B shifted in time), and in how many moments the two "
        "layers were compared. Few moments make a number unsure.</p>"
        + table(
            ("layer of A", *(_name(name) for name in likeness.layers_b)),
            [
                (_name(name), *(_cell_text(likeness, row, column) for column in range(len(likeness.layers_b))))
                for row, name in enumerate(likeness.layers_a)
            ],
        )
        + "</details>"
    )


def _cell_text(likeness: LayerLikeness, i: int, j: int) -> str:
    n = int(likeness.n_moments[i, j])
    if not np.isfinite(likeness.cka[i, j]):
        return f"<small>none; {n}</small>"
    return f"{likeness.cka[i, j]:.2f} <small>{likeness.chance[i, j]:.2f}; {n}</small>"


def _heat(likeness: LayerLikeness, pair: tuple[str, str]) -> str:
    """Draw CKA as a grid of cells, each with its number where there is room, and with all of it on hover."""
    rows, columns = likeness.layers_a, likeness.layers_b
    colours = coloured(np.nan_to_num(likeness.cka), SPECTRUM)
    cells = ['<b class="corner">A \\ B</b>', *(f'<b class="up"><span>{_name(name)}</span></b>' for name in columns)]
    for i, row in enumerate(rows):
        cells.append(f"<b>{_name(row)}</b>")
        for j, column in enumerate(columns):
            cells.append(_heat_cell(likeness, i, j, colours[i, j], is_chosen=(row, column) == pair))
    narrow = " narrow" if len(columns) > WIDE else ""
    return (
        f'<div class="table"><div class="heat{narrow}" style="grid-template-columns:max-content '
        f'repeat({len(columns)},minmax(1.1rem,3.4rem))">{"".join(cells)}</div></div>'
    )


def _heat_cell(likeness: LayerLikeness, i: int, j: int, colour: NDArray[np.uint8], *, is_chosen: bool) -> str:
    value, chosen = float(likeness.cka[i, j]), " chosen" if is_chosen else ""
    names = f"{_name(likeness.layers_a[i])} of A, {_name(likeness.layers_b[j])} of B"
    if not np.isfinite(value):
        few = likeness.n_moments[i, j] < 4
        why = "too few moments" if few else "one of them says the same all the time"
        return f'<i class="none{chosen}" title="{names}: {why}"></i>'
    kind = "dark" if is_bright(colour) else "light"
    red, green, blue = colour.tolist()
    title = f"{names}: {value:.2f}, by chance {likeness.chance[i, j]:.2f}"
    return (
        f'<i class="{kind}{chosen}" style="background:rgb({red},{green},{blue})" title="{title}">'
        f"{max(value, 0.0):.2f}</i>"
    )


def is_bright(colour: NDArray[np.uint8]) -> bool:
    """Tell whether black is easier to read on a colour (red, green, blue) than white: by contrast, after WCAG 2."""
    linear = np.where(colour <= 10, colour / 3294.6, ((colour / 255 + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return (luminance + 0.05) ** 2 > 1.05 * 0.05


def _counts(found: Comparison) -> str:
    matches = found.matches
    n_shared = len(matches.shared)
    sides = []
    for letter, layer, correlations, alone, silent in (
        ("A", found.layers[0], matches.correlation_a, matches.unique_a, matches.silent_a),
        ("B", found.layers[1], matches.correlation_b, matches.unique_b, matches.silent_b),
    ):
        n = len(correlations)
        counts = (n_shared, n - n_shared - len(alone) - len(silent), len(alone), len(silent))
        sides.append(f"<h3>{_name(layer)} of {letter}: {n} channels</h3>" + _stack(counts, n))
    a, b = (_name(layer) for layer in found.layers)
    pair = f" (CKA {found.pair_cka:.2f})" if np.isfinite(found.pair_cka) else ""
    warning = ""
    if matches.chance > matches.threshold:
        warning = (
            f"<p class='note'>By chance, with the answers of B shifted in time, one channel in twenty finds a partner "
            f"with {matches.chance:.2f} or more: in this music a threshold of {matches.threshold:.2f} says little. "
            "Compare on more songs, or raise the threshold.</p>"
        )
    return (
        "<h2>Which channels they share</h2>"
        f"<p>The channels of {a} of A and {b} of B{pair}, over {matches.n_cells} moments: two are the same if their "
        f"answers rise and fall together, with a correlation of {matches.threshold:.2f} or more, and neither has a "
        f"better partner. By chance one channel in twenty reaches {matches.chance:.2f}.</p>" + warning + "".join(sides)
    )


KINDS = (
    ("shared", "shared"),
    ("close", "close to a channel that is closer to another"),
    ("alone", "alone"),
    ("silent", "never change here"),
)


def _stack(counts: Sequence[int], n: int) -> str:
    bars = "".join(
        f'<i class="{kind}" style="width:{100 * count / n:.2f}%" title="{count} {told}"></i>'
        for (kind, told), count in zip(KINDS, counts, strict=True)
        if count
    )
    key = "".join(
        f'<span><i class="{kind}"></i>{count} {told}</span>' for (kind, told), count in zip(KINDS, counts, strict=True)
    )
    return f'<div class="stack" aria-hidden="true">{bars}</div><p class="key">{key}</p>'


def _channels(found: Comparison) -> list[str]:
    intro = (
        "<p>A picture shows when a channel answers (and at which frequencies, where the layer has rows for them). A "
        "sound is the song, let through where and when the channel answers, and nowhere else.</p>"
    )
    sections = []
    if found.shared:
        sections.append(
            f"<h2>Shared channels</h2>{intro}<p class='muted'>The most alike first.</p>"
            + "".join(_pair(found, one) for one in found.shared)
        )
        intro = ""
    for letter, own in (("A", found.unique_a), ("B", found.unique_b)):
        if own:
            other = "B" if letter == "A" else "A"
            sections.append(
                f"<h2>Channels that {letter} has alone</h2>{intro}<p class='muted'>The ones first that are least like "
                f"any channel of {other}.</p><div class='columns two'>"
                + "".join(_alone(found, one, letter, other) for one in own)
                + "</div>"
            )
            intro = ""
    return sections


def _pair(found: Comparison, one: SharedChannel) -> str:
    return (
        f'<div class="channel"><h3>Channel {one.a.channel} of A and {one.b.channel} of B, correlation '
        f'{one.correlation:.2f}</h3><div class="columns two">'
        + "".join(f"<div>{_heard(found, channel, letter)}</div>" for channel, letter in ((one.a, "A"), (one.b, "B")))
        + "</div></div>"
    )


def _alone(found: Comparison, one: UniqueChannel, letter: str, other: str) -> str:
    return (
        f'<div class="channel"><h3>Channel {one.heard.channel} of {letter}</h3>'
        f"<p class='muted'>Its nearest in {other} is channel {one.partner}, with a correlation of "
        f"{one.correlation:.2f}.</p>{_heard(found, one.heard, letter)}</div>"
    )


def _heard(found: Comparison, one: ChannelReport, letter: str) -> str:
    parts = [channel_picture(one, (found.start, found.end))]
    if one.sound is not None:
        heard = sound(one.sound.waveform, one.sound.sample_rate)
        parts.append(player(heard, label=f"channel {one.channel} of {letter}", start=found.start))
    parts.append(f"<p><small>{letter}: {frequencies_text(one)}</small></p>")
    if one.heard is not None and one.heard.is_measured:
        parts.append(tone_response(one, found.sample_rate / 2))
    return "".join(parts)
