"""The parts of a report, one function each: from an evaluation to headings, texts, tables and drawings."""

import math
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np

from earmark.evaluate.blocks import Block, Heading, Items, Photo, Picture, Table, Text, table_width
from earmark.evaluate.measuring import LOW_IS_BETTER, TITLES, Estimate
from earmark.evaluate.report import Leak, Report
from earmark.metrics import Interval, Reliability
from earmark.metrics.checks import Array64
from earmark.plots.evaluation import Bar, draw_bars, draw_confusion, draw_curves, draw_reliability

UNITS = {"artist": "artists", "album": "albums", "track": "recordings", "none": "tracks"}
ONE = {"artist": "artist", "album": "album", "track": "recording"}
MOST_FAILURES = 20
MOST_CLASSES = 60  # of a confusion matrix that is drawn


def sections(report: Report, *, pictures: bool) -> list[Block]:
    """Return the report, from above.

    Parameters
    ----------
    report : an evaluation
    pictures : whether drawings are made
    """
    parts = [_leaks(report), _about(report), _headline(report)]
    parts += [_categories(report), _tags(report, pictures=pictures)]
    parts += [_curves(report)] if pictures else []
    parts += [_calibration(report, pictures=pictures), _confusion(report, pictures=pictures)]
    parts += [_mistakes(report), _failures(report), _notes(report)]
    return [block for part in parts for block in part]


def title(report: Report) -> str:
    """Say in one line what was evaluated."""
    about = report.predictions
    on = " · ".join(filter(None, (about.dataset, about.split, f"{about.part} part")))
    return f"{about.model or 'model'} on {on}"


def _leaks(report: Report) -> Iterator[Block]:
    """Warn before anything else of what the model may have heard of the part."""
    for text in leak_texts(report):
        yield Text(text, is_warning=True)


def leak_texts(report: Report) -> tuple[str, ...]:
    """Say what the part shares with what the model learned from; empty if it learned elsewhere."""
    texts = [f"Leakage: {text}." for text in report.warnings]
    if report.learned_from != "elsewhere":
        texts += [_leak_text(report, leak) for leak in report.leaks]
    return tuple(texts)


def _leak_text(report: Report, leak: Leak) -> str:
    known = {"dataset": ", and the model was trained on this dataset"}.get(report.learned_from, "")
    text = f"Leakage: {_shared(leak, len(report.predictions))} is in the training part too{known}. "
    flattered = "If the model learned from that, scores" if report.learned_from == "unsaid" else "Scores"
    if leak.estimates:
        return text + f"{flattered} are flattered to that extent; those without these tracks stand beside them."
    return text + "Too little is left without them to score, so nothing here says how the model does on new ones."


def leak_note(leak: Leak, n_tracks: int) -> str:
    """Say of a model that did not learn from the training part what the part shares with that."""
    return (
        f"{_shared(leak, n_tracks)} is in the training part of the dataset too; that concerns the floors only, which "
        "learn from it. Whether the model has heard these tracks is not known"
    )


def _shared(leak: Leak, n_tracks: int) -> str:
    return f"the {ONE[leak.by]} of {leak.n_shared:,} of {n_tracks:,} tracks ({percent(leak.n_shared / n_tracks)})"


def _about(report: Report) -> Iterator[Block]:
    about, resampling, found = report.predictions, report.resampling, report.model.evaluation
    yield Heading("What was evaluated")
    sizes = ", ".join(f"{part} {n:,}" for part, n in report.sizes.items())
    kind = "one class per track" if about.task == "single_label" else "any number of tags per track"
    prevalence = found.prevalence[found.prevalence > 0]
    facts = {
        "model": about.model,
        "dataset": about.dataset,
        "split": about.split + (f" (tracks: {sizes})" if sizes else ""),
        "part": f"{about.part}, {len(about):,} tracks"
        + (f", {found.n_without_tag:,} of them without any tag" if found.n_without_tag else ""),
        "tags": f"{len(about.tags)}, {kind}",
        "share of tracks with a tag": _spread(prevalence),
        "from track to scores": about.protocol,
        "intervals": f"{percent(resampling.level)}, from {resampling.resamples:,} resamples of {resampling.n_groups:,} "
        f"{UNITS[resampling.unit]}, seed {resampling.seed}",
        "thresholds and calibration from": report.chosen_on or "nothing: there is no validation part",
        "versions": ", ".join(f"{name} {version}" for name, version in report.versions.items()),
    }
    yield Table(("", ""), tuple((key, value) for key, value in facts.items() if value.strip()), left=2)


def _spread(shares: Array64) -> str:
    lowest, highest, mean = (percent(float(value)) for value in (shares.min(), shares.max(), shares.mean()))
    return f"{mean} of each" if lowest == highest else f"{lowest} to {highest}, {mean} on average"


def _headline(report: Report) -> Iterator[Block]:
    yield Heading("Scores")
    yield scores_table(report)
    for floor in report.floors:
        yield Text(f"{floor.name}: {floor.detail}." if floor.detail else "")
    yield from (_without(report, leak) for leak in report.leaks if leak.estimates)
    yield Text(" ".join(_footnotes(report)))


def scores_table(report: Report, *, width: int | None = None) -> Table:
    """Return every metric of the model, beside floors and beside the part without what leaked.

    Parameters
    ----------
    report : an evaluation
    width : columns that there is room for: where it takes more, intervals are left out, first those of the others; None
        for any number
    """
    others = {floor.name: floor.estimates for floor in report.floors}
    others |= {f"without known {UNITS[leak.by]}": leak.estimates for leak in report.leaks if leak.estimates}
    columns = ("", report.predictions.model or "model", *others)
    for own, beside in ((_worded, _worded), (_worded, _bare), (_bare, _bare)):
        title = TITLES.__getitem__ if own is _bare else metric_title
        rows = []
        for metric, estimate in report.model.estimates.items():
            rows.append((title(metric), own(estimate), *(beside(others[name].get(metric)) for name in others)))
        table = Table(columns, tuple(rows))
        if width is None or table_width(table) <= width:
            break
    return table


def _footnotes(report: Report) -> Iterator[str]:
    yield "Macro means are over tags; lower is better of log loss and calibration error."
    f1 = report.model.estimates.get("f1")
    if f1 is not None:
        on_all = f1.n_tracks == len(report.predictions)
        where = "" if on_all else f", and judged on the other half, {f1.n_tracks:,} tracks"
        yield f"F1 is at a threshold per tag, chosen on {report.chosen_on}{where}."
    else:
        yield "F1 is left out: there is no validation part to choose thresholds on."
    if "calibration_error" in report.model.estimates:
        yield (
            "The calibration error of resamples is higher than that of all tracks; the interval takes that off, so it "
            "may lie below the value."
        )


def _without(report: Report, leak: Leak) -> Text:
    return Text(
        f"Without known {UNITS[leak.by]}: the {leak.n_left:,} tracks whose {ONE[leak.by]} the training part does not "
        f"have, as far as that is known (of {leak.n_known:,} of {len(report.predictions):,} tracks)."
    )


def _categories(report: Report) -> Iterator[Block]:
    found = report.model.evaluation.by_category
    if len(found) < 2:
        return
    yield Heading("Kinds of tags")
    rows = tuple(
        (category or "other", str(means["n_tags"]), number(means["roc_auc"]), number(means["pr_auc"]))
        for category, means in found.items()
        if means["n_tags"]
    )
    yield Table(("kind", "tags", "ROC-AUC", "PR-AUC"), rows)


def _tags(report: Report, *, pictures: bool) -> Iterator[Block]:
    yield Heading("Tags")
    found, rows = report.model.evaluation, report.tags
    if found.without_positives:
        names = ", ".join(found.without_positives)
        yield Text(f"Left out of all means, because no track of the part has them: {names}.", is_warning=True)
    if found.without_negatives:
        names = ", ".join(found.without_negatives)
        yield Text(f"Left out of mean ROC-AUC, because every track of the part has them: {names}.")
    order = sorted(range(len(rows)), key=lambda k: _sort_key(rows[k].pr_auc.value))
    if pictures:
        bars = [
            Bar(rows[k].tag, *_ends(rows[k].pr_auc), float(found.prevalence[k]) if rows[k].n_positives else math.nan)
            for k in order
        ]
        caption = "PR-AUC of every tag with its interval; the stroke is what constant scores get, the tag's share."
        yield Picture(draw_bars(bars, label="PR-AUC"), caption)
    with_thresholds = report.thresholds is not None
    columns = ("tag", "tracks", "ROC-AUC", "PR-AUC", *(("threshold", "F1") if with_thresholds else ()))
    lines: list[tuple[str, ...]] = []
    for k in order:
        row = rows[k]
        cells = (row.tag, f"{row.n_positives:,}", _of_interval(row.roc_auc), _of_interval(row.pr_auc))
        if row.threshold is not None:
            never = "never" if math.isinf(row.threshold) else f"{row.threshold:#.3g}"
            lines.append((*cells, never, number(row.f1)))
        else:
            lines.append(cells)
    yield Table(columns, tuple(lines))


def _sort_key(value: float) -> float:
    return math.inf if math.isnan(value) else -value


def _curves(report: Report) -> Iterator[Block]:
    about = report.predictions
    yield Heading("Precision and recall")
    yield Picture(
        draw_curves(about.targets, about.scores, about.tags), "A thin curve per tag; thick: all tags together."
    )


def _calibration(report: Report, *, pictures: bool) -> Iterator[Block]:
    found = report.calibrated
    if found is None or report.calibration is None:
        return
    yield Heading("Scores as probabilities")
    yield Text(
        f"Calibrated with {report.calibration.method.capitalize()}'s method, a scale and an offset per tag, fitted on "
        f"{report.chosen_on}; judged on {found.n_tracks:,} tracks, tag by tag."
    )
    rows = (
        ("log loss, mean over tags", *(f"{value:.4f}" for value in found.log_loss)),
        ("calibration error, mean over tags", *(f"{value:.4f}" for value in found.calibration_error)),
    )
    yield Table(("", "as they are", "calibrated"), rows)
    if pictures:

        def of(one: Reliability) -> tuple[Array64, Array64, Array64]:
            return one.score[0], one.rate[0], one.counts[0]

        caption = "Of what got a score, the share that is true; right is on the diagonal. Large dots are many scores."
        yield Picture(draw_reliability(of(found.before), of(found.after)), caption)


def _confusion(report: Report, *, pictures: bool) -> Iterator[Block]:
    matrix = report.model.evaluation.confusion
    if matrix is None:
        return
    tags = report.predictions.tags
    yield Heading("Which class is taken for which")
    if pictures and len(tags) <= MOST_CLASSES:
        yield Picture(draw_confusion(matrix, tags), "Rows are true, columns given; shades are shares of the row.")
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    pairs = [np.unravel_index(i, wrong.shape) for i in np.argsort(-wrong, axis=None, kind="stable")[:10]]
    rows = tuple((tags[i], tags[j], f"{wrong[i, j]:,}", f"{matrix[i].sum():,}") for i, j in pairs if wrong[i, j])
    if rows:
        yield Table(("class", "taken for", "tracks", "of"), rows, left=2)


def _mistakes(report: Report) -> Iterator[Block]:
    if not report.mistakes:
        return
    yield Heading("The worst mistakes")
    by = "calibrated scores, so that tags can be compared" if report.mistakes[0].probability is not None else "scores"
    yield Text(f"By {by}. Some are wrong labels rather than wrong scores: listen before you believe either.")
    texts = {"wrong": "Given with confidence, and not there", "missed": "There, and missed"}
    seen: set[str] = set()
    for kind, heading in texts.items():
        chosen = [one for one in report.mistakes if one.kind == kind]
        if not chosen:
            continue
        yield Heading(heading, 3)
        is_calibrated = chosen[0].probability is not None
        columns = ("track", "tag", "truth", "best given", "score", *(("calibrated",) if is_calibrated else ()))
        rows: list[tuple[str, ...]] = []
        for one in chosen:
            given = ", ".join(f"{tag} {score:.2f}" for tag, score in one.given)
            cells = (one.audio or one.track, one.tag, ", ".join(one.truth) or "no tag", given, f"{one.score:.3f}")
            rows.append((*cells, f"{one.probability:.3f}") if one.probability is not None else cells)
        yield Table(columns, tuple(rows), left=4)
        for one in chosen:
            if one.track in report.taggrams and one.track not in seen:
                seen.add(one.track)
                yield Photo(report.taggrams[one.track], f"taggram of {PurePath(one.audio).name}")


def _failures(report: Report) -> Iterator[Block]:
    failed = {part: ids for part, ids in report.failures.items() if ids}
    if not failed:
        return
    yield Heading("Tracks that could not be scored")
    for part, ids in failed.items():
        yield Text(f"{part} part: {len(ids):,}. They are in no score.", is_warning=part == report.predictions.part)
        texts = tuple(f"{id}: {reason}" for id, reason in list(ids.items())[:MOST_FAILURES])
        more = len(ids) - MOST_FAILURES
        yield Items((*texts, f"and {more:,} more, in report.json") if more > 0 else texts)


def _notes(report: Report) -> Iterator[Block]:
    if report.notes:
        yield Heading("Notes")
        yield Items(report.notes)


def metric_title(metric: str) -> str:
    """Say what a metric is called, and which way is better where that is not plain."""
    return TITLES[metric] + (" (lower is better)" if metric in LOW_IS_BETTER else "")


def percent(share: float) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.95), percent(0.0653), percent(0.0046)
    ('95 %', '6.5 %', '0.46 %')
    """
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %" if value >= 0.95 else f"{value:.2f} %"


def number(value: float | int | None) -> str:
    """Write a metric with four digits; a dash where it is not defined."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def worded(value: float, low: float | None, high: float | None) -> str:
    """Write a metric with its interval.

    Examples
    --------
    >>> worded(0.91, 0.9, 0.92), worded(0.5, None, None)
    ('0.9100 [0.9000, 0.9200]', '0.5000')
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return number(value)
    return f"{number(value)} [{low:.4f}, {high:.4f}]"


def _worded(estimate: Estimate | None) -> str:
    return "–" if estimate is None else worded(estimate.value, estimate.low, estimate.high)


def _bare(estimate: Estimate | None) -> str:
    return number(None if estimate is None else estimate.value)


def _of_interval(one: Interval) -> str:
    return worded(one.value, one.low, one.high)


def _ends(one: Interval) -> tuple[float, float, float]:
    return one.value, one.low, one.high
