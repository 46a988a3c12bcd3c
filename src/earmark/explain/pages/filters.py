"""The page of a network's filters: the first layer against mel, a gallery, what each layer hears and adds, sounds."""

import html
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel
from earmark.audio.loudness import matched
from earmark.explain.bands import MelComparison
from earmark.explain.filter_report import FilterReport
from earmark.explain.pages import parts
from earmark.explain.pages.gallery import band_gallery, gallery_key, waveform_gallery
from earmark.explain.pages.images import SPECTRUM, coloured, png, sound
from earmark.explain.pictures import FLOOR_DB, onto_mel, relative_db
from earmark.explain.responses import LayerResponse, StageChange
from earmark.explain.shapes import SHAPES

Floats = NDArray[np.float64]

SHOWN = 40  # filters of a gallery before one has to open it
SOUND_SECONDS = 2.0
SPECTRUM_DB = -60.0
LOWEST_HZ = 20.0
STAGE_WORDS = (
    ("answer", "channels that answer any of the gliding sines more than silence."),
    ("bandwidth", "of the median channel, between the frequencies at which its answer has fallen to half the power."),
    (
        "× before",
        "the number to the left over that of the line above; layers side by side stand in the network's order.",
    ),
    ("resolves", "length of the median channel's answer to a click: its sum over its highest value."),
    ("sees", "what one step of the layer depends on, and in brackets the stretch that holds 95 % of the influence."),
    ("covers", "part of the band, in Hz, in which some channel gives half its highest power or more."),
    ("gains, loses", "parts of the band that this layer covers and the one before does not, and the reverse."),
    ("alike", "correlation with the layer before, over frequency, of what all channels together answer."),
)


def write_filters_page(path: str | os.PathLike[str], report: FilterReport) -> None:
    """Write the page of a network's filters.

    Parameters
    ----------
    path : such as "filters.html"; written whole or not at all
    report : of the network

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If Pillow is not installed.
    """
    parts.write_page(path, filters_page(report))


def filters_page(report: FilterReport) -> str:
    """Make the page of a network's filters, HTML with everything inside; see `write_filters_page`."""
    sections = [
        f"<h1>What the filters of {html.escape(report.model)} hear</h1>",
        _facts(report),
        _first(report),
        _gallery(report),
        _stages(report),
        _layers(report),
        _fields(report),
        _preferred(report),
        _method(report),
    ]
    return parts.page(f"What the filters of {report.model} hear", sections)


def mel_verdict(mel: MelComparison) -> str:
    """Say whether centre frequencies follow a mel scale.

    Parameters
    ----------
    mel : the comparison

    Returns
    -------
    plain text

    Notes
    -----
    "Follow" asks for an R² of 0.95 on the line over the mel bank, and more than on that over equal steps. Sorted
    centres climb in any case: equal steps in Hz reach an R² of 0.89 against mel at 16 kHz, so that less than 0.95
    says little. Octaves of equal width reach 0.96; that they are no mel bank is told by the distance in octaves.
    """
    numbers = f"slope {mel.slope:.2f}, R² {mel.r2:.2f} (equal steps in Hz: {mel.linear_r2:.2f})"
    if mel.r2 >= 0.95 and mel.r2 > mel.linear_r2:
        if mel.slope < 0.8:
            return f"The centres follow a mel scale, but climb more slowly: {numbers}."
        if mel.slope > 1.25:
            return f"The centres follow a mel scale, but climb faster: {numbers}."
        return f"The centres follow a mel scale: {numbers}."
    if mel.linear_r2 >= 0.95:
        return f"The centres lie in equal steps of Hz rather than on a mel scale: {numbers}."
    return f"The centres follow neither a mel scale nor equal steps of Hz: {numbers}."


def _facts(report: FilterReport) -> str:
    facts = [(f"{report.n_parameters:,}", "parameters"), (f"{report.sample_rate / 1000:g} kHz", "sample rate")]
    if report.n_filters:
        facts.append((f"{report.n_filters:,}", "first filters"))
        facts.append((f"{report.n_dead:,}", "of them never vary"))
    if report.coverage is not None:
        facts.append((percent(report.coverage.covered), "of the band covered"))
    if report.mel is not None:
        facts.append((f"{report.mel.slope:.2f}", "slope against mel"))
        facts.append((f"{report.mel.r2:.2f}", "R² against mel"))
    if report.responses:
        facts.append((f"{len(report.responses)}", "layers measured"))
    cells = "".join(f"<div><b>{value}</b>{name}</div>" for value, name in facts)
    note = ""
    if report.note:
        note = f'<p class="note">{html.escape(report.note)}. What its layers answer is measured all the same.</p>'
    return f'<p class="muted">{html.escape(report.architecture)}</p><div class="facts">{cells}</div>{note}'


def _first(report: FilterReport) -> str:
    first = report.first
    if first is None or not len(report.alive):
        return ""
    edges, amplitudes = onto_mel(first.frequencies, first.magnitudes[report.alive])
    n = len(amplitudes)
    ranks = parts.Axis(((0.0, "1"), (1.0, str(n))), "rank")
    heat = parts.panel(
        _heat(amplitudes), label="Responses of the first filters, sorted by centre frequency",
        x=_apart(parts.mel_axis(0.0, float(edges[-1])), 0.14), y=ranks, height=300,
    )  # fmt: skip
    curve = parts.panel(
        _centres(report), label="Centre frequency over rank",
        x=parts.Axis(((0.0, "lowest"), (1.0, f"highest of {n}")), "rank"),
        y=parts.mel_axis(0.0, float(edges[-1])), height=300,
    )  # fmt: skip
    words = []
    if report.mel is not None:
        words.append(mel_verdict(report.mel))
        words.append(
            f"On average a centre is {report.mel.rms_octaves:.2f} octaves away from that of a mel bank of as many "
            "filters (root of the mean square)."
        )
    widths = first.bands.half_power[report.alive]
    median, low, high = (parts.hertz_text(float(np.quantile(widths, part))) for part in (0.5, 0.05, 0.95))
    words.append(f"The median filter is {median} wide; nine of ten are between {low} and {high}.")
    words.append(_lengths(report))
    words += _ignored(report)
    return (
        f"<h2>The first filters</h2><p>{html.escape(' '.join(words))}</p><div class='columns'>"
        + parts.figure(heat, f"What each filter lets through, {FLOOR_DB:.0f} to 0 dB; lowest centre at the bottom.")
        + parts.figure(
            curve,
            "Centre frequencies in order, on a mel scale. Dashed: a mel bank of as many; dotted: equal steps in Hz.",
        )
        + "</div>"
    )


def _lengths(report: FilterReport) -> str:
    assert report.first is not None
    found = sorted(set(report.first.lengths.tolist()))
    rate = report.sample_rate
    texts = [f"{n:,} samples ({1000 * n / rate:.3g} ms)" for n in found]
    if len(texts) > 4:
        texts = [texts[0], f"… to {texts[-1]}"]
    finest = parts.hertz_text(rate / max(found))
    return f"They are {', '.join(texts)} long: frequencies less than about {finest} apart are one to them."


def _ignored(report: FilterReport) -> list[str]:
    assert report.coverage is not None
    ignored = report.coverage.ignored
    if not len(ignored):
        return ["Together they cover all of the band."]
    widest = ignored[np.argsort(ignored[:, 0] - ignored[:, 1], kind="stable")][:3]
    texts = [
        f"{parts.hertz_text(float(low))} to {parts.hertz_text(float(high))}" for low, high in sorted(widest.tolist())
    ]
    more = f" and {len(ignored) - 3} narrower ones" if len(ignored) > 3 else ""
    return [f"No filter is open, at half its power, in {', '.join(texts)}{more}."]


def _heat(amplitudes: Floats) -> str:
    """Draw levels with the first row at the bottom."""
    levels = relative_db(amplitudes)[::-1]
    return parts.image(png(coloured(levels, SPECTRUM, low=FLOOR_DB, high=0.0)), is_smooth=False)


def _centres(report: FilterReport) -> str:
    n, top = len(report.centres), report.sample_rate / 2
    rank = np.arange(1, n + 1) / (n + 1)
    whole = float(hz_to_mel(np.array(top)))
    line = np.linspace(0.0, 1.0, 64)
    return parts.curves(
        [
            (line, line, "muted"),
            (line, hz_to_mel(line * top) / whole, "muted dotted"),
            (rank, hz_to_mel(report.centres) / whole, "first"),
        ]
    )


def _gallery(report: FilterReport) -> str:
    if report.first is not None:
        if not len(report.alive):
            return '<p class="note">None of the first filters varies: train the network first.</p>'
        some = waveform_gallery(report.first, most=SHOWN, which=report.alive)
        text = (
            "Above the filter as it lies over the waveform, below what it lets through: low to high on a mel scale, "
            f"{FLOOR_DB:.0f} to 0 dB. Then its centre, and its width at half the power."
        )
        body = f"<h2>Gallery</h2><p>{html.escape(text)}</p>{some}"
        if len(report.alive) > SHOWN:
            every = waveform_gallery(report.first, which=report.alive)
            body += f"<details><summary>All {len(report.alive)} filters</summary>{every}</details>"
        return body
    if not report.bands:
        return ""
    return (
        "<h2>The first filters</h2>"
        + _shape_words(report)
        + "".join(_band_group(report, i) for i in range(len(report.bands)))
    )


def _shape_words(report: FilterReport) -> str:
    used = {share.name for share in report.shapes if share.name}
    items = "".join(
        f"<li><b>{html.escape(name)}</b>: {html.escape(text)}</li>" for name, text in SHAPES.items() if name in used
    )
    return (
        "<p>Each filter has the name of the shape that it is nearest to, and how near it is: the correlation r, 1 for "
        "the shape itself. “Inverted” is the shape turned into its opposite. A filter that is no nearer to any shape "
        f"than 95 of 100 filters of random numbers has no named shape.</p><ul>{items}</ul>"
    )


def _band_group(report: FilterReport, i: int) -> str:
    filters = report.bands[i]
    flags = report.dead[filters.module]
    n, n_alive = len(flags), int((~flags).sum())
    still = f"; {n - n_alive} of {n} never vary and are left out" if n_alive < n else ""
    shares = [share for share in report.shapes if share.module == filters.module]
    table = parts.table(
        ("shape", "filters", "share", "by chance"),
        [
            (html.escape(share.name) or "<i>none</i>", str(share.n), percent(share.share), percent(share.by_chance))
            for share in shares
        ],
    )
    n_rows, n_columns = filters.kernels.shape[1:]
    size = (
        f"{n_alive} filters of {n_rows} bands by {n_columns} frames"
        if n_rows > 1
        else f"{n_alive} filters of {n_columns} frames"
    )
    every = (
        f"<details><summary>All {n_alive} filters</summary>{band_gallery(filters, is_dead=flags)}</details>"
        if n_alive > SHOWN
        else ""
    )
    return (
        f"<h3>{html.escape(filters.module)}: {size}</h3><p>{html.escape(gallery_key(filters))} "
        f"{html.escape(f'A correlation of {filters.chance:.2f} is chance{still}.')}</p>{table}"
        f"{band_gallery(filters, most=SHOWN, is_dead=flags)}{every}"
    )


def _stages(report: FilterReport) -> str:
    if not report.stages:
        return ""
    head = (
        "layer",
        "answer",
        "bandwidth",
        "× before",
        "resolves",
        "× before",
        "sees",
        "covers",
        "gains",
        "loses",
        "alike",
    )
    words = "".join(f"<li><b>{name}</b>: {html.escape(text)}</li>" for name, text in STAGE_WORDS)
    table = parts.table(head, [_stage_row(stage) for stage in report.stages])
    return (
        "<h2>Layer by layer</h2><p>Sines that glide through one band after another, noise of these bands and a click "
        "are sent through the network as far as each layer, and its answers are compared with those to silence. So "
        "every line tells of all layers up to there together, non-linearities included.</p>"
        f"{table}<details><summary>What the columns mean</summary><ul>{words}</ul></details>"
    )


def _stage_row(stage: StageChange) -> tuple[str, ...]:
    return (
        html.escape(stage.layer),
        percent(stage.n_answering),
        _number(stage.half_power, parts.hertz_text),
        _number(stage.half_power_ratio, lambda x: f"{x:.2f}"),
        _number(stage.time_resolution, seconds_text),
        _number(stage.time_ratio, lambda x: f"{x:.2f}"),
        f"{seconds_text(stage.field_seconds)} ({seconds_text(stage.effective_seconds)})",
        percent(stage.covered),
        percent(stage.gained) if stage.before else "–",
        percent(stage.lost) if stage.before else "–",
        _number(stage.likeness, lambda x: f"{x:.2f}"),
    )


def seconds_text(seconds: float) -> str:
    """Write a length of time.

    Examples
    --------
    >>> seconds_text(0.0123), seconds_text(0.9), seconds_text(0.9996), seconds_text(2.5), seconds_text(0.0001)
    ('12.3 ms', '900 ms', '1 s', '2.5 s', '0.1 ms')
    """
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def percent(share: float) -> str:
    """Write a share as a whole number of percent.

    Examples
    --------
    >>> percent(0.694)
    '69\xa0%'
    """
    return f"{100 * share:.0f}\xa0%"


def _apart(axis: parts.Axis, least: float) -> parts.Axis:
    """Leave out ticks that stand too near to the one above for a narrow panel, in parts of its width."""
    kept: list[tuple[float, str]] = []
    for at, text in reversed(axis.ticks):
        if at < 0.05 or (kept and kept[-1][0] - at < least):
            continue
        kept.append((at, text))
    return parts.Axis(tuple(reversed(kept)), axis.label)


def _number(value: float, text: Callable[[float], str]) -> str:
    return text(value) if np.isfinite(value) else "–"


def _layers(report: FilterReport) -> str:
    if not report.responses:
        return ""
    figures = "".join(_layer(report, response) for response in report.responses)
    return (
        "<h2>What the channels of each layer answer</h2><p>Each row is one channel, the one with the lowest peak at "
        f"the bottom; each column a gliding sine. Bright is its highest answer, dark {-FLOOR_DB:.0f} dB less.</p>"
        f'<div class="columns">{figures}</div>'
    )


def _layer(report: FilterReport, response: LayerResponse) -> str:
    n, n_answering = len(response.sweep), int(response.answers.sum())
    title = f"<h3>{html.escape(response.layer)}</h3>"
    if not n_answering:
        return f"<div>{title}<p class='muted'>None of its {n} channels answers a sine more than silence.</p></div>"
    order = np.argsort(response.bands.peak, kind="stable")[:n_answering]
    low, high = float(response.edges[0]), float(response.edges[-1])
    picture = parts.panel(
        _heat(response.sweep[order]), label=f"Answers of the channels of {response.layer} to sines",
        x=_apart(parts.mel_axis(low, high), 0.21), y=parts.Axis(((0.0, "1"), (1.0, str(n_answering)))), height=200,
    )  # fmt: skip
    silent = f" {n - n_answering} of {n} channels answer no sine and are left out." if n_answering < n else ""
    width = parts.hertz_text(float(np.nanmedian(response.bands.half_power)))
    widths = response.noise_bands.half_power[np.isfinite(response.noise_bands.half_power)]
    by_noise = f", {parts.hertz_text(float(np.median(widths)))} by band noise" if len(widths) else ""
    return (
        f"<div>{title}{parts.figure(picture, html.escape(f'Median width {width} by sines{by_noise}.{silent}'))}</div>"
    )


def _fields(report: FilterReport) -> str:
    if not report.fields:
        return ""
    lengths = [length for field in report.fields for length in (field.seconds, field.effective_seconds) if length > 0]
    low, high = np.log10(min(lengths)) - 0.5, np.log10(max(lengths)) + 0.05
    marks = [power for power in range(-5, 3) if low <= power <= high]
    ticks = tuple(((power - low) / (high - low), seconds_text(10.0**power)) for power in marks)
    bars = []
    for i, field in enumerate(report.fields):
        for seconds, kind in ((field.seconds, "whole"), (field.effective_seconds, "core")):
            if seconds > 0:
                width = 1000 * (np.log10(seconds) - low) / (high - low)
                y = 1000 * (i + (0.15 if kind == "whole" else 0.32)) / len(report.fields)
                height = 1000 * (0.7 if kind == "whole" else 0.36) / len(report.fields)
                bars.append(f'<rect class="{kind}" x="0" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>')
    drawing = f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{"".join(bars)}</svg>'
    n = len(report.fields)
    names = parts.Axis(tuple((1 - (i + 0.5) / n, field.layer) for i, field in enumerate(report.fields)))
    picture = parts.panel(
        drawing, label="Receptive fields of the layers", x=parts.Axis(ticks), y=names, height=max(26 * n, 60)
    )
    rows = [
        (
            html.escape(field.layer), seconds_text(field.seconds), f"{field.n_samples:,}",
            seconds_text(field.effective_seconds) if field.effective_samples else "–",
            seconds_text(field.step_seconds) if field.step_samples else "–",
        )
        for field in report.fields
    ]  # fmt: skip
    table = parts.table(("layer", "sees", "samples", "effectively", "one step each"), rows)
    return (
        "<h2>How much of the sound a step sees</h2><p>Pale: from the first sample that one step depends on to the "
        "last. Full: the shortest stretch that holds 95 % of its squared gradient on noise, where the influence is. "
        "The axis of time is logarithmic.</p>"
        f'<div class="wide">{parts.figure(picture)}</div><details><summary>As numbers</summary>{table}</details>'
    )


def _preferred(report: FilterReport) -> str:
    if not report.preferred:
        return ""
    body = (
        "<h2>Sounds that excite a channel most</h2><p>Made from noise, by climbing the gradient of the channel with a "
        "spectrum that falls like 1/f to begin with. They are short and are repeated here, at one loudness.</p>"
    )
    for climbed in report.preferred:
        blocks = []
        for i, channel in enumerate(climbed.channels.tolist()):
            name = (
                report.tags[channel]
                if climbed.layer == "logits" and channel < len(report.tags)
                else f"channel {channel}"
            )
            label = f"{climbed.layer}, {name}"
            panel = parts.panel(
                _spectrum(climbed.frequencies, climbed.spectra[i]), label=f"Spectrum of the sound for {label}",
                x=_apart(parts.mel_axis(LOWEST_HZ, float(climbed.frequencies[-1])), 0.14),
                y=parts.Axis(((0.0, f"{SPECTRUM_DB:.0f} dB"), (1.0, "0 dB"))), height=110,
            )  # fmt: skip
            before, after = float(climbed.starts[i]), float(climbed.activations[i])
            caption = f"mean answer {after:.3g}, that to the noise it began from {before:.3g}"
            address = sound(_repeated(climbed.waveforms[i], climbed.sample_rate), climbed.sample_rate)
            player = parts.player(address, label=f"Sound that excites {label} most")
            blocks.append(f"<div><h3>{html.escape(label)}</h3>{parts.figure(panel, caption)}{player}</div>")
        body += f"<div class='columns'>{''.join(blocks)}</div>"
    return body


def _spectrum(frequencies: Floats, power: Floats) -> str:
    inside = frequencies >= LOWEST_HZ
    edges, found = onto_mel(frequencies[inside], np.sqrt(power[inside])[None], 200)
    levels = 20 * np.log10(np.maximum(found[0] / max(float(found.max()), 1e-30), 10 ** (SPECTRUM_DB / 20)))
    ends = hz_to_mel(np.array([LOWEST_HZ, frequencies[-1]]))
    x = (hz_to_mel((edges[:-1] + edges[1:]) / 2) - ends[0]) / (ends[1] - ends[0])
    return parts.curves([(x, 1 - levels / SPECTRUM_DB, "first")])


def _repeated(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Repeat a sound, whose end goes on into its beginning, and bring it to the loudness of the others."""
    n = max(int(np.ceil(SOUND_SECONDS * sample_rate / max(len(waveform), 1))), 1)
    long = np.tile(waveform, n)
    fade = min(sample_rate // 50, len(long) // 4)
    long[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    long[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    loud, _ = matched(long, sample_rate)
    return loud


def _method(report: FilterReport) -> str:
    level = f"{report.responses[0].level_db:.0f} dB" if report.responses else "-20 dB"
    words = (
        "The responses of the first filters are the Fourier transforms of their weights. Mel is Slaney’s scale; slope "
        "and R² are of the least-squares line of the centres over those of a mel bank of as many filters. Sines and "
        f"noise have {level} re full scale, the click is one sample of full scale; an answer is the mean of the "
        "channel’s positive values less that in silence. A filter never varies if its weights, or what its batch "
        "norm saw in training, are a millionth of the largest or less."
    )
    return (
        f"<h2>How this was measured</h2><p class='muted'>{words} The same as numbers: "
        "<code>earmark explain filters MODEL -o filters.npz</code>, or <code>.csv</code>.</p>"
    )
