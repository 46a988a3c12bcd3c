"""Tags of one's own from few examples: which embedding, how many examples, how honest the answers, what to ask next.

    python benchmarks/few_shot.py TASK --esc10 FOLDER --philharmonia FOLDER --cache FOLDER [--models NAME,NAME ...]

Tasks: "embed" computes the embeddings and keeps them in the cache; "embeddings" compares them; "choices" compares what
`earmark.library.fitting` could do otherwise; "answers" says how good probabilities, scores and answers are;
"suggestions" lets different rules choose the next examples. Everything is printed as Markdown.

The folds are those of the datasets: ESC-10's official ones, and Philharmonia's by pitch and instrument, pitched
instruments only. In each fold, examples are drawn from the training part, at most one per recording (of Philharmonia:
per pitch of an instrument) while there are others; the rest of the training part is the unlabelled background, and the
test part is asked about. A tag is one class, or any of three classes together: what people call "dinner" is not one
kind of sound.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.datasets import open_dataset
from earmark.errors import EarmarkError
from earmark.library.answering import expected_share, usual_evidence
from earmark.library.fitting import (
    BACKGROUND_WEIGHT,
    Scaling,
    example_weights,
    fit_logistic,
    fit_scaling,
    rotated,
)
from earmark.library.heads import Head, Report
from earmark.library.holding_out import deal, n_folds
from earmark.library.suggesting import suggest
from earmark.library.teach import MOST_BACKGROUND, teach
from earmark.metrics import calibration_error, pr_auc, roc_auc
from earmark.tagger import Tagger

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
COUNTS = (1, 2, 5, 10, 20)
STUDENT = 2.776  # 97.5 % of Student's t with 4 degrees of freedom: five folds
SETS = {
    "standard": ("musicnn.pons_msd", "musicnn.pons_mtt"),
    "full": ("musicnn.pons_msd", "musicnn.pons_mtt", "musicnn.won_jamendo"),
}
MODELS = (
    "musicnn.pons_msd", "musicnn.pons_mtt", "musicnn.won_jamendo", "musicnn.won_mtt", "vgg.pons_msd", "vgg.pons_mtt",
    "fcn.won_jamendo", "fcn.won_msd", "fcn.won_mtt", "crnn.won_jamendo", "crnn.won_msd", "crnn.choi_msd",
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Embeddings x (n, D) with class, recording and test fold of each row."""

    name: str
    x: NDArray[np.float32]
    classes: NDArray[np.str_]
    groups: NDArray[np.str_]
    folds: Rows

    @property
    def names(self) -> NDArray[np.str_]:
        return np.unique(self.classes)


@dataclass(frozen=True)
class Draw:
    """Rows of examples, of unlabelled tracks and of the test part, and the answer of every row."""

    fold: int
    examples: Rows
    rest: Rows
    test: Rows
    answers: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    on_standard = {"choices": choices, "answers": answers, "suggestions": suggestions}
    parser.add_argument("task", choices=["embed", "embeddings", *on_standard])
    parser.add_argument("--esc10", type=Path)
    parser.add_argument("--philharmonia", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--models", default=",".join([*MODELS, *SETS]))
    parser.add_argument("--draws", type=int, default=4, help="per fold and class, or per fold")
    options = parser.parse_args()
    roots = {name: root for name in ("esc10", "philharmonia") if (root := getattr(options, name))}
    names = options.models.split(",")
    if options.task == "embed":
        for model in dict.fromkeys(part for name in names for part in SETS.get(name, (name,))):
            embed(model, roots, options.cache)
    elif options.task == "embeddings":
        sets = {
            name: {model: load(name, root, model, options.cache) for model in names} for name, root in roots.items()
        }
        embeddings(sets, options.draws)
    else:
        data = [load(name, root, "standard", options.cache) for name, root in roots.items()]
        on_standard[options.task](data, options.draws)


def opened(name: str, root: Path):
    return open_dataset(name, root, **({"instruments": "pitched"} if name == "philharmonia" else {}))


def embed(model: str, roots: dict[str, Path], cache: Path) -> None:
    """Compute the embeddings of a model, unless they are in the cache."""
    cache.mkdir(parents=True, exist_ok=True)
    with Tagger(model=model, threads=1) as tagger:
        for name, root in roots.items():
            path = cache / f"{name}.{model}.npz"
            if path.exists():
                continue
            ids, rows = [], []
            for track in opened(name, root).tracks:
                try:
                    rows.append(tagger.embed(str(track.audio)))
                    ids.append(track.id)
                except EarmarkError as error:
                    print(error)
            np.savez(path, ids=np.array(ids), x=np.array(rows))


def load(name: str, root: Path, model: str, cache: Path) -> Data:
    """Read embeddings of a model, or of several side by side, and what the dataset says of every track."""
    dataset = opened(name, root)
    tables = []
    for part in SETS.get(model, (model,)):
        stored = np.load(cache / f"{name}.{part}.npz")
        tables.append(dict(zip(stored["ids"].tolist(), stored["x"], strict=True)))
    tracks = [track for track in dataset.tracks if all(track.id in table for table in tables)]
    number = {id: fold for fold in range(5) for id in dataset.split(f"fold-{fold + 1}").parts["test"]}
    return Data(
        name,
        np.hstack([np.array([table[track.id] for track in tracks]) for table in tables]).astype(np.float32),
        np.array([track.tags[0] for track in tracks]),
        np.array([track.groups.get("track") or track.id for track in tracks]),
        np.array([number[track.id] for track in tracks]),
    )


def pick(data: Data, rows: Rows, k: int, rng: np.random.Generator) -> Rows:
    """Draw k rows, of different recordings as far as there are any."""
    order = rng.permutation(rows)
    seen: dict[str, int] = {}
    turns = []
    for group in data.groups[order]:
        turns.append(seen.get(group, 0))
        seen[group] = turns[-1] + 1
    return order[np.argsort(turns, kind="stable")][:k]


def draws(data: Data, k: int, n_draws: int, *, n_classes: int = 1, n_no: int | None = None) -> Iterator[Draw]:
    """Draw k examples of "yes" and k of "no", for every class in every fold; or for random unions of classes."""
    rng = np.random.default_rng(1000 * k + n_classes)
    for fold in range(5):
        train, test = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
        tags = [[name] for name in data.names for _ in range(n_draws)]
        if n_classes > 1:
            tags = [list(rng.permutation(data.names)[:n_classes]) for _ in range(n_draws * 5)]
        for tag in tags:
            answer = np.isin(data.classes, tag)
            yes, no = train[answer[train]], train[~answer[train]]
            if np.count_nonzero(answer[test]) < 2 or len(yes) < k + 2:
                continue
            examples = np.append(pick(data, yes, k, rng), pick(data, no, k if n_no is None else n_no, rng))
            yield Draw(fold, examples, np.setdiff1d(train, examples), test, answer)


def weigh(
    rows: Array,
    answers: NDArray[np.bool_],
    *,
    penalty: float | None = None,
    background_weight: float = BACKGROUND_WEIGHT,
) -> tuple[Array, float]:
    """Fit as `teach` does, without judging: rows beyond the answers are background."""
    n_background = len(rows) - len(answers) if background_weight else 0
    rows = rows[: len(answers) + n_background]
    turned, axes = rotated(rows)
    every = np.append(answers, np.zeros(n_background, bool))
    found = fit_logistic(turned, every, example_weights(answers, n_background, background_weight), penalty=penalty)
    return found[:-1] @ axes, float(found[-1])


def weak(rest: Rows, fold: int) -> Rows:
    return np.random.default_rng(fold).permutation(rest)[:MOST_BACKGROUND]


def mean_and_half(values: Sequence[float], folds: Sequence[int]) -> str:
    """The mean, and half the 95 % interval of the mean over folds."""
    means = [np.mean(np.array(values)[np.array(folds) == fold]) for fold in sorted(set(folds))]
    return f"{np.mean(means):.3f} ± {STUDENT * np.std(means, ddof=1) / np.sqrt(len(means)):.3f}"


def table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    print(f"\n| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}")
    for line in lines:
        print(f"| {' | '.join(line)} |", flush=True)


def embeddings(sets: dict[str, dict[str, Data]], n_draws: int) -> None:
    """Compare embeddings: one class against the rest, and which class of all."""
    for name, by_model in sets.items():
        ranking, naming = [], []
        for model, data in by_model.items():
            cells = [model, str(data.x.shape[1])]
            found = [[(area(data, draw), draw.fold) for draw in draws(data, k, 1)] for k in COUNTS]
            ranking.append(cells + [mean_and_half(*zip(*one, strict=True)) for one in found])
            turns = [(fold, seed) for fold in range(5) for seed in range(n_draws)]
            found = [[(named(data, k, fold, seed), fold) for fold, seed in turns] for k in COUNTS]
            naming.append(cells + [mean_and_half(*zip(*one, strict=True)) for one in found])
        heads = ["embedding", "D", *(f"{k} and {k}" for k in COUNTS)]
        print(f"\n{name}: ROC-AUC of one class against the rest")
        table(heads, ranking)
        print(f"\n{name}: accuracy, the class with the most evidence")
        table([*heads[:2], *(f"{k} each" for k in COUNTS)], naming)


def area(data: Data, draw: Draw) -> float:
    scaling = fit_scaling(data.x[draw.rest])
    rows = np.append(draw.examples, weak(draw.rest, draw.fold))
    weights, _ = weigh(scaling.apply(data.x[rows]), draw.answers[draw.examples])
    return roc_auc(draw.answers[draw.test][:, None], (scaling.apply(data.x[draw.test]) @ weights)[:, None])


def named(data: Data, k: int, fold: int, seed: int) -> float:
    """Accuracy with k examples of every class: those of the other classes are the examples of "no"."""
    rng = np.random.default_rng(100 * seed + fold)
    train, test = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
    names = [name for name in data.names if np.count_nonzero(data.classes[train] == name) > k]
    examples = np.concatenate([pick(data, train[data.classes[train] == name], k, rng) for name in names])
    rest = np.setdiff1d(train, examples)
    scaling = fit_scaling(data.x[rest])
    rows, asked = scaling.apply(data.x[np.append(examples, weak(rest, fold))]), scaling.apply(data.x[test])
    evidence = []
    for name in names:
        weights, offset = weigh(rows, data.classes[examples] == name)
        evidence.append(asked @ weights + offset)
    return float(np.mean(np.array(names)[np.argmax(evidence, axis=0)] == data.classes[test]))


def variants() -> dict[str, Callable[[NDArray[np.float32]], Callable[[NDArray[np.float32]], Array]]]:
    """Ways to make embeddings comparable: from the background to what scales rows."""

    def unit(rows: Array) -> Array:
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def root(x: Array) -> Array:
        return np.sign(x) * np.sqrt(np.abs(x))

    def standard(x: Array) -> Callable[[Array], Array]:
        mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
        return lambda rows: (rows - mean) / deviation / np.sqrt(x.shape[1])

    def whitened(x: Array) -> Callable[[Array], Array]:
        first = standard(x)
        covariance = 0.7 * np.cov(first(x).T) * x.shape[1] + 0.3 * np.eye(x.shape[1])
        values, axes = np.linalg.eigh(covariance)
        return lambda rows: unit(first(rows) @ (axes / np.sqrt(values)))

    return {
        "standardised, length 1 (what is used)": lambda x: fit_scaling(x).apply,
        "length 1 only": lambda x: unit,
        "centred, length 1": lambda x: lambda rows: unit(rows - x.mean(axis=0)),
        "standardised only": standard,
        "signed root, standardised, length 1": lambda x: lambda rows: unit(standard(root(x))(root(rows))),
        "whitened (shrunk by 0.3), length 1": whitened,
    }


def choices(sets: Sequence[Data], n_draws: int) -> None:
    """Compare preprocessing, penalty and the weight of the background; and choosing the latter two anew each time."""
    counts = (2, 5, 10, 20)
    settings = [(data, n_classes) for data in sets for n_classes in (1, 3)]
    for data, n_classes in settings:
        lines: dict[str, list[str]] = {}

        def add(label: str, found: list[float], lines: dict[str, list[str]] = lines) -> None:
            lines.setdefault(label, [label]).append(f"{np.mean(found):.4f}")

        for k in counts:
            chosen = list(draws(data, k, 1 if n_classes == 1 else n_draws, n_classes=n_classes))
            for label, make in variants().items():
                add(label, [with_options(data, draw, make) for draw in chosen])
            for penalty in (0.01, 0.03, 0.1, 0.3, 1.0):
                add(f"penalty {penalty}, whatever n", [with_options(data, draw, penalty=penalty) for draw in chosen])
            for weight in (0.0, 1.0, 10.0):
                label = f"background counts as {weight:g} for {BACKGROUND_WEIGHT:g}"
                add(label, [with_options(data, draw, background_weight=weight) for draw in chosen])
            add("both chosen by cross-validation", [chosen_anew(data, draw) for draw in chosen])
        print(f"\n{data.name}, tags of {n_classes} class{'es' * (n_classes > 1)}: ROC-AUC")
        table(["", *(f"{k} and {k}" for k in counts)], list(lines.values()))


def with_options(data: Data, draw: Draw, make=None, **options: float | None) -> float:
    scale = (make or (lambda x: fit_scaling(x).apply))(data.x[draw.rest])
    rows = np.append(draw.examples, weak(draw.rest, draw.fold))
    weights, _ = weigh(scale(data.x[rows]), draw.answers[draw.examples], **options)
    return roc_auc(draw.answers[draw.test][:, None], (scale(data.x[draw.test]) @ weights)[:, None])


def chosen_anew(data: Data, draw: Draw) -> float:
    """Choose penalty and weight of the background by the ROC-AUC of held-out examples, of equal ones the usual."""
    scaling = fit_scaling(data.x[draw.rest])
    rows = scaling.apply(data.x[np.append(draw.examples, weak(draw.rest, draw.fold))])
    answers, n = draw.answers[draw.examples], len(draw.examples)
    rows, others = rows[:n], rows[n:]
    folds = deal(answers, np.arange(n), n_folds(answers, np.arange(n)), np.random.default_rng(0))
    grid = [(p, b) for p in (None, 0.01, 0.1, 0.3) for b in (BACKGROUND_WEIGHT, 0.0, n / 2)]

    def held_out(penalty: float | None, weight: float) -> float:
        areas = []
        for fold in np.unique(folds):
            train, test = folds != fold, folds == fold
            known = np.vstack([rows[train], others])
            weights, _ = weigh(known, answers[train], penalty=penalty, background_weight=weight)
            areas.append(roc_auc(answers[test][:, None], (rows[test] @ weights)[:, None]))
        return float(np.mean(areas))

    penalty, weight = max(grid, key=lambda one: held_out(*one))
    return with_options(data, draw, penalty=penalty, background_weight=weight)


def answers(sets: Sequence[Data], n_draws: int) -> None:
    """Say how good probabilities, reported scores and answers are on the test part."""
    columns = [
        "examples", "ROC-AUC", "as reported", "width of its interval", "below it", "above it",
        "Brier, share of a constant's", "ECE", "share", "as estimated", "answered", "of yes, right", "yes found",
        "tagged lost", "F1", "F1 at 0.5",
    ]  # fmt: skip
    for data in sets:
        for n_classes in (1, 3):
            lines = []
            for k in (*COUNTS, *((40,) if n_classes > 1 else ())):
                chosen = list(draws(data, k, n_draws, n_classes=n_classes))
                if n_classes == 1:  # as many as of unions, drawn from all
                    chosen = chosen[:: max(1, len(chosen) // (n_draws * 25))]
                if chosen:
                    lines.append([f"{k} and {k}", *judged(data, chosen)])
            print(f"\n{data.name}, tags of {n_classes} class{'es' * (n_classes > 1)}")
            table(columns, lines)


def judged(data: Data, chosen: Sequence[Draw]) -> list[str]:
    found: dict[str, list[float]] = {}
    given: list[Array] = []

    def add(**values: float) -> None:
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))

    for draw in chosen:
        rows, y = draw.examples, draw.answers[draw.test]
        head = teach("t", data.x[rows], draw.answers[rows], data.groups[rows].tolist(), data.x[draw.rest],
                     model="standard", model_version="1")  # fmt: skip
        p, told = head.probabilities(data.x[draw.test]), head.decide(data.x[draw.test])
        yes, no, tagged, half = told == "yes", told == "no", p >= head.threshold, p >= 0.5
        truth = roc_auc(y[:, None], p[:, None])
        given.append(np.column_stack([y, p]))
        add(auc=truth, brier=np.mean((p - y) ** 2) / (y.mean() * (1 - y.mean())), share=y.mean(), expected=head.share)
        add(answered=np.mean(yes | no), yes=yes.sum(), right=(yes & y).sum(), lost=(no & y).sum(), all=y.sum())
        add(f1=2 * (tagged & y).sum() / (tagged.sum() + y.sum()), f1_half=2 * (half & y).sum() / (half.sum() + y.sum()))
        if head.report.roc_auc is not None:
            area = head.report.roc_auc
            add(told=area.value, below=truth < area.low, above=truth > area.high, width=area.high - area.low)
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    pairs = np.concatenate(given)
    reported = [f"{mean[name]:{style}}" if name in mean else "-" for name, style in
                (("told", ".3f"), ("width", ".2f"), ("below", ".0%"), ("above", ".0%"))]  # fmt: skip
    of_yes = f"{mean['right'] / mean['yes']:.2f}" if mean["yes"] else "-"
    return [
        f"{mean['auc']:.3f}", *reported, f"{mean['brier']:.2f}",
        f"{calibration_error(pairs[:, :1], pairs[:, 1:]):.3f}", f"{mean['share']:.2f}", f"{mean['expected']:.2f}",
        f"{mean['answered']:.0%}", of_yes, f"{mean['right'] / mean['all']:.0%}", f"{mean['lost'] / mean['all']:.0%}",
        f"{mean['f1']:.2f}", f"{mean['f1_half']:.2f}",
    ]  # fmt: skip


def suggestions(sets: Sequence[Data], n_draws: int) -> None:
    """Begin with two and two examples, and let rules choose five more at a time."""
    rules: dict[str, Callable[[Head, NDArray[np.float32], list[int], np.random.Generator], list[int]]] = {
        "by chance": lambda head, x, have, rng: free(rng.permutation(len(x)), have),
        "most uncertain": lambda head, x, have, rng: free(np.argsort(np.abs(head.probabilities(x) - 0.5)), have),
        "most likely yes": lambda head, x, have, rng: free(np.argsort(-head.probabilities(x)), have),
        "middles of groups of uncertain ones": lambda head, x, have, rng: middles(head, x, have),
        "`suggest`": lambda head, x, have, rng: suggest(head, x, n=5, exclude=have),
    }
    counts = range(4, 35, 5)
    for data in sets:
        for n_classes in (1, 3):
            found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
            for draw in draws(data, 2, n_draws if n_classes > 1 else 1, n_classes=n_classes):
                pool, y = np.append(draw.examples, draw.rest), draw.answers
                for rule, choose in rules.items():
                    have, rng = [0, 1, 2, 3], np.random.default_rng(draw.fold)
                    for n in counts:
                        head = quick(data, pool[have], np.setdiff1d(pool, pool[have]), y, draw.fold)
                        z, truth = head.evidence(data.x[draw.test])[:, None], y[draw.test][:, None]
                        found.setdefault((rule, n), []).append(
                            (pr_auc(truth, z), roc_auc(truth, z), np.count_nonzero(y[pool[have]]))
                        )
                        have = have + choose(head, data.x[pool], have, rng)
            print(f"\n{data.name}, tags of {n_classes} class{'es' * (n_classes > 1)}: PR-AUC / ROC-AUC")
            table(
                ["next examples", *(str(n) for n in counts), "yes among the last"],
                [[rule, *("{:.3f} / {:.3f}".format(*np.mean(found[rule, n], axis=0)[:2]) for n in counts),
                  f"{np.mean(found[rule, counts[-1]], axis=0)[2]:.1f}"] for rule in rules],
            )  # fmt: skip


def free(order: Rows, have: list[int]) -> list[int]:
    return [int(i) for i in order if i not in have][:5]


def middles(head: Head, x: NDArray[np.float32], have: list[int]) -> list[int]:
    """Group the 50 most uncertain by k-means, weighted by entropy; take those in the middles (Zhdanov 2019)."""
    from sklearn.cluster import KMeans

    p = np.clip(head.probabilities(x), 1e-12, 1 - 1e-12)
    doubt = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    rows = np.array([i for i in np.argsort(-doubt) if i not in have][:50])
    points = head.scaling.apply(x[rows])
    model = KMeans(5, n_init=3, random_state=0).fit(points, sample_weight=doubt[rows] + 1e-9)
    return [int(rows[i]) for i in model.transform(points).argmin(axis=0)]


def quick(data: Data, examples: Rows, rest: Rows, answers: NDArray[np.bool_], fold: int) -> Head:
    """Teach without judging."""
    scaling: Scaling = fit_scaling(data.x[rest])
    y = answers[examples]
    weights, offset = weigh(scaling.apply(data.x[np.append(examples, weak(rest, fold))]), y)
    usual = usual_evidence(int(y.sum()))
    share = expected_share(usual(scaling.apply(data.x[rest]) @ weights + offset), n_counts=len(y))
    report = Report(int(y.sum()), int((~y).sum()), 1, 1, len(rest))
    return Head("t", "other", "standard", "1", scaling, weights.astype(np.float32), usual.slope,
                usual.slope * offset + usual.offset, share, 0.5, 0.1, 0.9, report)  # fmt: skip


if __name__ == "__main__":
    main()
