"""Why a tag, on a page: what speaks for it under the spectrogram, how that sounds, and whether it is true."""

import html

import numpy as np
from numpy.typing import NDArray

from earmark.audio.filters import hz_to_mel, mel_to_hz
from earmark.explain.auralize import Sound
from earmark.explain.faithfulness import BLOCK_SECONDS, Deletion, SanityCheck
from earmark.explain.marking import MARKED
from earmark.explain.pages.images import SPECTRUM, coloured, mel_rows, png, signed, sound
from earmark.explain.pages.parts import Axis, curves, figure, hertz_text, image, mel_axis, panel, player, time_axis
from earmark.explain.report import SongReport, TagReport
from earmark.explain.saliency import COMPLETENESS, Saliency
from earmark.plots.text import clock

Floats = NDArray[np.float64]

RANGE_DB = 80.0  # of the spectrogram
N_ROWS = 64  # of the pictures
SPIKE = 0.995  # share of the cells below what gets the full colour
AS_SILENCE = 0.5  # of the score of the moment: silence that has more leaves little to explain
TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)  # of scores, on log odds
HOLES = (
    "<p><small>The marked part alone scores lower than silence: the network never heard sound with such holes, and it "
    "judges it as something strange.</small></p>"
)
SAME, OTHER = 0.7, 0.3  # correlation with shuffled weights: shows the song; depends on the weights


def why(report: SongReport, tag: TagReport) -> str:
    """Return the section that explains a tag.

    Parameters
    ----------
    report : of the song
    tag : one of its `explained`
    """
    name = html.escape(tag.tag)
    marked = tag.marked
    when = f"{clock(tag.start)} to {clock(tag.end)}"
    return (
        f"<h2>Why {name}</h2>"
        f"<p>From {when} the network gives {name} {score_html(marked.score_whole)}, over the whole song "
        f"{score_html(tag.score)}. To silence it gives {score_html(marked.score_silence)}.</p>"
        + _silence_note(tag)
        + _pictures(report, tag)
        + f"<p>{_in_words(tag.saliency, name)}</p>"
        + _residual_note(tag.saliency)
        + _sounds(tag)
        + _faithfulness(tag.deletion, name, is_fair=marked.score_silence < AS_SILENCE * marked.score_whole)
        + _sanity(tag.sanity)
    )


def score_html(score: float) -> str:
    """Write a score with two digits, as HTML; what is close to an end is not written as the end itself.

    Examples
    --------
    >>> score_html(0.543), score_html(0.9987), score_html(0.0004)
    ('0.54', '&gt; 0.99', '&lt; 0.01')
    """
    return html.escape("> 0.99" if score > 0.995 else "< 0.01" if score < 0.005 else f"{score:.2f}")


def _silence_note(tag: TagReport) -> str:
    marked = tag.marked
    if marked.score_silence < AS_SILENCE * marked.score_whole:
        return ""
    return (
        f"<p class='note'>The network gives {html.escape(tag.tag)} to silence, too: "
        f"{score_html(marked.score_silence)}, and {score_html(marked.score_whole)} here. So there is little in the "
        "sound for an explanation to find.</p>"
    )


def _pictures(report: SongReport, tag: TagReport) -> str:
    saliency = tag.saliency
    frequencies, times = saliency.frequencies, saliency.times
    top = report.sample_rate / 2
    inside = (times >= tag.start) & (times <= tag.end)
    if inside.sum() < 2:
        inside = np.ones(len(times), bool)
    span = (float(times[inside][0]), float(times[inside][-1]))
    power = 10.0 ** (tag.marked.level_db[:, inside] / 10)
    level = 10 * np.log10(np.maximum(mel_rows(power, frequencies, n_rows=N_ROWS)[0], 1e-12))
    highest = float(level.max())
    picture = _evidence(saliency)[:, inside]
    y = mel_axis(0.0, top)
    about = "relative" if saliency.method == "grad_cam" else "for and against"
    return figure(
        panel(
            image(png(coloured(level[::-1], SPECTRUM, low=highest - RANGE_DB, high=highest))),
            label="spectrogram of the moment", y=y, height=150, span=span,
        )
        + panel(
            image(png(signed(picture[::-1]))),
            label=f"what speaks for {tag.tag}, {about}", x=time_axis(*span), y=y, height=150, span=span,
        ),
        "Above the sound, bright where it is loud. Below what the network makes of it: "
        + (
            f"bright is where the layer {html.escape(saliency.layer)} shows what speaks for {html.escape(tag.tag)}."
            if saliency.method == "grad_cam"
            else f"pink to yellow speaks for {html.escape(tag.tag)}, turquoise against it, dark is neither."
        ),
    )  # fmt: skip


def _evidence(saliency: Saliency) -> NDArray[np.floating]:
    """Return what speaks for a tag as the picture shows it, shape (rows, T), in [-1, 1].

    Cells are added up over rows of equal height on the mel scale (of Grad-CAM averaged), blurred over three rows and
    five frames, and drawn by the root of their size: single cells say little, and the largest are few.
    """
    rows, edges = mel_rows(saliency.values, saliency.frequencies, n_rows=N_ROWS)
    if saliency.method != "grad_cam":
        rows = rows * np.diff(edges)[:, None]
    rows = _blurred(_blurred(rows, (1, 2, 1)).T, (1, 2, 3, 2, 1)).T
    scale = max(float(np.quantile(np.abs(rows), SPIKE)), 1e-30)
    return np.asarray(np.sign(rows) * np.sqrt(np.minimum(np.abs(rows) / scale, 1.0)))


def _blurred(values: NDArray[np.floating], weights: tuple[int, ...]) -> NDArray[np.floating]:
    """Average neighbours along the first axis, by weights."""
    half = len(weights) // 2
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    total = sum(weight * padded[i : i + len(values)] for i, weight in enumerate(weights))
    return np.asarray(total / sum(weights))


def _in_words(saliency: Saliency, name: str) -> str:
    """Say at which frequencies and times what speaks for a tag is strongest."""
    values = saliency.values.astype(np.float64)
    if not values.any():
        return f"Nothing in this moment speaks for {name} or against it."
    top = saliency.grid.sample_rate / 2
    edges = mel_to_hz(np.linspace(0.0, float(hz_to_mel(np.array(top))), 13))
    bands = np.clip(np.searchsorted(edges, saliency.frequencies, side="right") - 1, 0, 11)
    n_parts = max(round((saliency.times[-1] - saliency.times[0]) / BLOCK_SECONDS), 1)
    parts = np.arange(len(saliency.times)) * n_parts // len(saliency.times)
    together = np.mean if saliency.method == "grad_cam" else np.sum  # the values of Grad-CAM have no sum
    by_band = np.array([together(values[bands == i]) if (bands == i).any() else 0.0 for i in range(12)])
    by_time = np.array([together(values[:, parts == i]) if (parts == i).any() else 0.0 for i in range(n_parts)])
    if not by_band.max() > 0 or not by_time.max() > 0:
        return f"On the whole nothing in this moment speaks for {name}: what the network hears speaks against it."
    at = " and ".join(
        f"{_moment(float(saliency.times[parts == i].mean()))} ({100 * share:.0f} %)" for i, share in _strongest(by_time)
    )
    if not _has_frequencies(saliency):
        return (
            f"What speaks for {name} is strongest around {at}. The layer {html.escape(saliency.layer)} has no axis of "
            "frequency: the picture tells times only."
        )
    where = " and ".join(
        f"from {hertz_text(float(edges[i]))} to {hertz_text(float(edges[i + 1]))} ({100 * share:.0f} %)"
        for i, share in _strongest(by_band)
    )
    against = ""
    worst = int(by_band.argmin())
    if by_band[worst] < -0.1 * by_band.clip(min=0).sum():
        against = (
            f" Most against it speaks the band from {hertz_text(float(edges[worst]))} to "
            f"{hertz_text(float(edges[worst + 1]))}."
        )
    return f"What speaks for {name} is strongest {where}, and in time around {at}.{against}"


def _strongest(parts: Floats) -> list[tuple[int, float]]:
    """Return the two largest parts, and their shares of all that are above zero."""
    whole = parts.clip(min=0).sum()
    return [(i, float(parts[i] / whole)) for i in np.argsort(-parts)[:2].tolist() if parts[i] > 0]


def _has_frequencies(saliency: Saliency) -> bool:
    """Say whether a saliency tells frequencies apart: Grad-CAM of a layer without such an axis does not."""
    spread = float(np.ptp(saliency.values, axis=0).max(initial=0.0))
    return saliency.method != "grad_cam" or spread > 1e-6 * float(np.abs(saliency.values).max(initial=0.0))


def _moment(seconds: float) -> str:
    """Write a time to a tenth of a second, such as 1:02.3."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _residual_note(saliency: Saliency) -> str:
    whole = saliency.score - saliency.baseline_score
    if saliency.method != "integrated_gradients" or abs(saliency.residual) <= COMPLETENESS * abs(whole) + 1e-3:
        return ""
    return (
        f"<p class='note'>The parts should add up to {whole:+.2f} (log odds) and add up to "
        f"{whole + saliency.residual:+.2f}: compare large areas, not details.</p>"
    )


def _sounds(tag: TagReport) -> str:
    marked, start = tag.marked, float(tag.saliency.times[0])
    share = f"{100 * MARKED:.0f} %"
    texts = score_html(marked.score_only), score_html(marked.score_silence)
    is_lower = marked.score_only < marked.score_silence and texts[0] != texts[1]  # so that the page shows it
    return (
        '<div class="sounds">'
        + _sound(tag.sound, "The moment", marked.score_whole, tag.start)
        + _sound(marked.only, f"Only the {share} that speak most for it", marked.score_only, start)
        + _sound(marked.without, "The same without them", marked.score_without, start)
        + "</div>"
        + (HOLES if is_lower else "")
    )


def _sound(heard: Sound | None, what: str, score: float, start: float) -> str:
    caption = f"{what}: score {score_html(score)}"
    if heard is None:
        return figure("<p class='muted'>Nothing to hear.</p>", caption)
    return figure(player(sound(heard.waveform, heard.sample_rate), label=what, start=start), caption)


def _faithfulness(deletion: Deletion, name: str, *, is_fair: bool) -> str:
    n, beaten = len(deletion.random), deletion.n_random_beaten
    heading = "<h3>Does this explanation hold?</h3>"
    if beaten == n and deletion.area > 0:
        verdict = (
            f"<p><b>Yes, for this moment.</b> Take away what is marked, the most important first, and the score falls "
            f"faster than in each of {n} random orders. By chance that happens once in {n + 1} times.</p>"
        )
    elif 2 * beaten > n and deletion.area > 0:
        verdict = (
            f"<p><b>In part.</b> Take away what is marked, the most important first, and the score falls faster than "
            f"in {beaten} of {n} random orders, but not in all of them. Read the picture with care.</p>"
        )
    else:
        verdict = (
            f"<p class='note'><b>No, not for this moment.</b> Taking away what is marked, the most important first, "
            f"lowers the score faster than in only {beaten} of {n} random orders. The picture does not show why the "
            f"network says {name}; try another method or moment.</p>"
        )
    number = (
        f"The area between the lines is {deletion.area:+.2f}: on average over the way, the log odds of the score are "
        f"so much {'lower' if deletion.area >= 0 else 'higher'} than in random order."
    )
    if is_fair:
        number += f" That is {100 * deletion.relative_area:.0f} % of what lies between this moment and silence."
    return heading + verdict + figure(_curves(deletion), f"Solid: the most important first. Dashed: random. {number}")


def _curves(deletion: Deletion) -> str:
    everything = np.concatenate([deletion.random.ravel(), deletion.salient_first])
    low, high = float(everything.min()), float(everything.max())
    margin = max(0.08 * (high - low), 0.02)
    low, high = low - margin, high + margin

    def drawn(curve: Floats, kind: str) -> tuple[Floats, Floats, str]:
        return deletion.fractions, (curve - low) / (high - low), kind

    lines = [drawn(curve, "muted") for curve in deletion.random] + [drawn(deletion.salient_first, "second")]
    odds = [(float(np.log(score / (1 - score))), score) for score in TICKS]
    ticks = [((logit - low) / (high - low), f"{score:g}") for logit, score in odds if low <= logit <= high]
    if len(ticks) < 2:
        ends = (low + margin, high - margin)
        ticks = [((logit - low) / (high - low), f"{1 / (1 + np.exp(-logit)):.3g}") for logit in ends]
    x = Axis(tuple((i / 4, f"{25 * i} % gone") for i in range(5)))
    return panel(
        curves(lines), label="score while the sound is taken away", x=x, y=Axis(tuple(ticks), "score"), height=170
    )


def _sanity(found: SanityCheck | None) -> str:
    if found is None:
        return ""
    if found.mean >= SAME:
        verdict = "So it shows the song rather than what the network learned."
    elif found.mean <= OTHER:
        verdict = "So it depends on what the network learned."
    else:
        verdict = "So it depends on what the network learned in part."
    return (
        f"<p>With the weights shuffled at random ({len(found.correlations)} times) the picture has a rank correlation "
        f"of {found.mean:.2f} with this one; 0 would be unrelated, 1 the same. {verdict}</p>"
    )
