"""The page of a song: what a network hears in it, why it gives its tags, and how its channels sound."""

import html
import os

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel
from earmark.explain.channels import ChannelReport, LayerReport
from earmark.explain.filter_report import FilterReport
from earmark.explain.filters import FirstLayer
from earmark.explain.pages.channel import (
    channel_picture,
    frequencies_text,
    song_player,
    stretch_spectrogram,
    tone_response,
)
from earmark.explain.pages.explained import score_html, why
from earmark.explain.pages.filters import mel_verdict, seconds_text
from earmark.explain.pages.gallery import band_gallery, gallery_key, waveform_gallery
from earmark.explain.pages.images import SPECTRUM, coloured, mel_rows, png, sound
from earmark.explain.pages.parts import (
    Axis,
    curves,
    figure,
    image,
    mark,
    mel_axis,
    outline,
    page,
    panel,
    player,
    time_axis,
    write_page,
)
from earmark.explain.report import SongReport, TagReport
from earmark.plots.envelope import waveform_envelope
from earmark.plots.map_data import clean
from earmark.plots.text import clock

Floats = NDArray[np.float64]

MOST_ROWS = 12  # of the taggram
MOST_FILTERS = 48
RANGE_DB = 80.0  # of a spectrogram
FLOOR_DB = -40.0  # of responses
ROW = 18  # height of a row of the taggram, pixels


def write_song_page(path: str | os.PathLike[str], report: SongReport) -> None:
    """Write the page of a song, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If Pillow is not installed.
    """
    write_page(path, song_page(report))


def song_page(report: SongReport) -> str:
    """Make the page of a song.

    Parameters
    ----------
    report : from `earmark.explain.report.explain_song`

    Returns
    -------
    HTML with its pictures and sounds inside; it fetches nothing

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    sections = [_head(report), _whole(report)]
    for tag in report.explained:
        sections.append(why(report, tag))
        sections.append(_channels(report, tag))
    sections.append(_gallery(report.filters))
    title = f"{clean(report.song)}: what {report.model} hears"
    return page(title, sections, start=0.0, end=report.n_seconds)


def _head(report: SongReport) -> str:
    scores = report.scores
    best = [f"<b>{html.escape(report.tags[i])}</b> {score_html(scores[i])}" for i in np.argsort(-scores)[:5]]
    what = ", ".join(best)
    length = clock(report.n_seconds)
    return (
        f"<h1>{html.escape(clean(report.song))}</h1>"
        f"<p>What the network <code>{html.escape(report.model)}</code> hears in it, over {length}: {what}. "
        "A score runs from 0 (surely not) to 1 (surely).</p>"
        f"<p class='muted'>Sounds are played as the network hears them: mono, {report.sample_rate / 1000:g} kHz; all "
        "are equally loud. Click into a picture to play from there.</p>"
    )


def _whole(report: SongReport) -> str:
    """Return the song's player, its waveform, and its tags over time."""
    envelope = waveform_envelope([report.waveform], columns=1200)
    marks = "".join(
        mark(tag.start / report.n_seconds, min(tag.end / report.n_seconds, 1.0)) for tag in report.explained
    )
    rows = _rows(report)
    grid = _on_time(report.taggram[:, rows].T, report.times, report.n_seconds)
    ticks = tuple((1 - (i + 0.5) / len(rows), report.tags[row]) for i, row in enumerate(rows))
    picture = image(png(coloured(grid, SPECTRUM, high=max(float(grid.max()), 0.1))), is_smooth=False)
    return (
        "<h2>The song</h2>"
        + song_player(report.waveform, report.sample_rate, label=clean(report.song), start=0.0)
        + '<div class="wide">'
        + panel(outline(envelope) + marks, label="waveform of the song", height=70, is_timed=True)
        + panel(
            picture + marks,
            label="tags over time",
            x=time_axis(0.0, report.n_seconds),
            y=Axis(ticks),
            height=ROW * len(rows),
            is_timed=True,
        )
        + "</div>"
        + f"<p><small>Tags over time, the strongest first; the brightest is {score_html(float(grid.max()))}. "
        f"Lines mark the moment{'s' if len(report.explained) > 1 else ''} explained below.</small></p>"
    )


def _rows(report: SongReport) -> list[int]:
    """Choose the tags of the taggram: those that are explained, and the strongest; the strongest first."""
    scores = report.scores
    explained = {report.tags.index(tag.tag) for tag in report.explained}
    others = [int(i) for i in np.argsort(-scores) if int(i) not in explained]
    return sorted([*explained, *others[: max(MOST_ROWS - len(explained), 0)]], key=lambda i: -scores[i])


def _on_time(values: NDArray[np.floating], times: Floats, n_seconds: float) -> NDArray[np.floating]:
    """Lay chunks (K, n) out on equal columns of time, each showing the first chunk that holds it."""
    columns = min(max(len(times) * 4, 1), 1200)
    middles = (np.arange(columns) + 0.5) * n_seconds / columns
    at = np.minimum(np.searchsorted(times[:, 1], middles, side="right"), len(times) - 1)
    return values[:, at]


def _channels(report: SongReport, tag: TagReport) -> str:
    layers = [layer for layer in tag.layers if layer.channels or layer.inversion]
    if not layers:
        return ""
    start, end = layers[0].start, layers[0].end
    cut = report.waveform[round(start * report.sample_rate) : round(end * report.sample_rate)]
    chunk = mark((tag.start - start) / (end - start), (tag.end - start) / (end - start))
    name = html.escape(tag.tag)
    return (
        f"<h2>Channels behind {name}</h2>"
        f"<p>A layer of the network has many channels; each answers to something in the sound. Below are those that "
        f"add most to {name} in the moment explained above (between the lines), heard from {clock(start)} to "
        f"{clock(end)}. The number behind each says by about how much the log odds of {name} would fall without it. A "
        "sound lets the song through where and when the channel answers, and nowhere else.</p>"
        + stretch_spectrogram(cut, report.sample_rate, (start, end), marks=chunk)
        + "".join(_layer(report, tag, layer) for layer in layers)
    )


def _layer(report: SongReport, tag: TagReport, layer: LayerReport) -> str:
    still = ""
    if layer.n_still:
        still = f" {layer.n_still} of them never vary here."
    facts = (
        f"{layer.n_channels} channels.{still} One step every {seconds_text(layer.step_seconds)}, each of which sees "
        f"{seconds_text(layer.field_seconds)} of the song."
    )
    if layer.channels and layer.channels[0].contribution <= 0:
        facts += f" None that varies adds to {html.escape(tag.tag)}: those that take least from it come first."
    parts = [f"<h3>Layer {html.escape(layer.layer)}</h3><p class='muted'>{facts}</p>"]
    parts += [_channel(report, layer, one) for one in layer.channels]
    if layer.inversion is not None:
        heard = layer.inversion
        parts.append(
            f"<h4>What all of {html.escape(layer.layer)} keeps of the moment</h4>"
            + player(sound(heard.sound.waveform, heard.sound.sample_rate), label=f"{layer.layer} inverted")
            + "<p><small>A sound made from noise until the layer takes it for the song; it differs by "
            f"{100 * heard.error:.0f} % in what the layer shows. What you miss, the layer has dropped.</small></p>"
        )
    return "".join(parts)


def _channel(report: SongReport, layer: LayerReport, one: ChannelReport) -> str:
    span = (layer.start, layer.end)
    picture = channel_picture(one, span)
    title = f"Channel {one.channel}, {'+' if one.contribution >= 0 else '−'}{abs(one.contribution):.2f}"
    parts = [
        f'<div class="channel"><h3>{title}</h3>',
        f"<p>{frequencies_text(one)}</p>",
        picture,
        '<div class="columns">',
    ]
    if one.sound is None:
        parts.append("<p class='muted'>Nothing to hear: it hardly leaves rest.</p>")
    else:
        heard = sound(one.sound.waveform, one.sound.sample_rate)
        label = f"channel {one.channel} of {layer.layer}"
        parts.append(figure(player(heard, label=label, start=layer.start), "The song as this channel hears it."))
    if one.heard is not None and one.heard.is_measured:
        parts.append(figure(tone_response(one, report.sample_rate / 2), "How strongly it answers tones."))
    if one.excerpts is not None:
        heard = sound(one.excerpts.sound.waveform, one.excerpts.sound.sample_rate)
        where = "; ".join(f"{html.escape(clean(e.song))} at {clock(e.start)}" for e in one.excerpts.found)
        parts.append(figure(player(heard, label="what excites it most"), f"What excites it most: {where}."))
    parts.append("</div>")
    return "".join(parts) + "</div>"


def _gallery(filters: FilterReport) -> str:
    if filters.first is None and not filters.bands:
        return ""
    still = f" {filters.n_dead} of {filters.n_filters} never vary, whatever they hear." if filters.n_dead else ""
    parts = ["<h2>Filter gallery</h2>", "<p>What the first layer looks for, whatever the song."]
    if filters.first is not None:
        parts.append(f" Each filter lies over the waveform; below it what it lets through.{still}</p>")
        if len(filters.alive):
            parts += [_heat(filters, filters.first)]
            parts.append(waveform_gallery(filters.first, most=MOST_FILTERS, which=filters.alive))
        return "".join(parts)
    parts.append(
        " Each filter lies over the spectrogram and has the name of the shape that it is nearest to; r is how near (1: "
        f"the same).{still}</p>"
    )
    counts = [int((~filters.dead[one.module]).sum()) for one in filters.bands]
    for one, n in zip(filters.bands, counts, strict=True):
        most = max(round(MOST_FILTERS * n / max(sum(counts), 1)), 1)
        shown = f" Shown are {most} of {n}." if most < n else ""
        parts.append(
            f"<h3>{html.escape(one.module)}</h3><p class='muted'>{html.escape(gallery_key(one))}{shown}</p>"
            + band_gallery(one, most=most, is_dead=filters.dead[one.module])
        )
    return "".join(parts)


def _heat(filters: FilterReport, first: FirstLayer) -> str:
    """Draw the responses of all filters that vary, with their centres and those of a mel bank of as many."""
    magnitude, top = first.magnitudes[filters.alive], first.sample_rate / 2
    level = 20 * np.log10(np.maximum(magnitude / magnitude.max(axis=1, keepdims=True), 1e-6))
    rows, _ = mel_rows(level.T, first.frequencies)
    picture = image(png(coloured(rows[::-1], SPECTRUM, low=FLOOR_DB, high=0.0)), is_smooth=False)
    n = len(filters.alive)
    rank, mel = (np.arange(n) + 0.5) / n, np.arange(1, n + 1) / (n + 1)
    centres = np.asarray(hz_to_mel(filters.centres)) / float(hz_to_mel(np.array(top)))
    caption = (
        f"Each column is one of {n} filters, the lowest centre frequency on the left; bright is what it lets through. "
        "Blue: the centres. Dashed: those of a mel bank of as many."
    )
    if filters.mel is not None:
        caption += f" {html.escape(mel_verdict(filters.mel))}"
    return figure(
        panel(
            picture + curves([(rank, mel, "muted"), (rank, centres, "first")]),
            label="responses of the first filters",
            y=mel_axis(0.0, top),
            height=220,
        ),
        caption,
    )
