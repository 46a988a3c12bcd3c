"""Teaching: what can be learned is, scores are honest, what is wrong with the examples is said."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.heads import Head, load_head, save_head
from earmark.library.teach import MOST_BACKGROUND, teach
from earmark.metrics import roc_auc

D = 40


def world(n: int, share: float, seed: int, *, separation: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, D) and answers: tracks with the tag lie apart along one direction."""
    rng = np.random.default_rng(seed)
    answers = rng.random(n) < share
    x = rng.standard_normal((n, D)) * np.linspace(0.2, 2, D)
    x[:, :4] += separation / 2 * np.linspace(0.2, 2, D)[:4] * answers[:, None]
    return x.astype(np.float32), answers


def examples(n_yes: int, n_no: int, seed: int = 0, **facts: float) -> tuple[np.ndarray, np.ndarray]:
    x, answers = world(40 * (n_yes + n_no) + 200, 0.3, seed + 100, **facts)
    rows = np.concatenate([np.flatnonzero(answers)[:n_yes], np.flatnonzero(~answers)[:n_no]])
    return x[rows], answers[rows]


def taught(n_yes: int, n_no: int, *, seed: int = 0, background: bool = True, **facts: float) -> Head:
    x, answers = examples(n_yes, n_no, seed, **facts)
    others = world(600, 0.1, seed + 200, **facts)[0] if background else None
    return teach("calm", x, answers, None, others, model="standard", model_version="1", category="mood")


def area(head: Head, **facts: float) -> float:
    x, answers = world(800, 0.1, 999, **facts)
    return roc_auc(answers[:, None], head.probabilities(x)[:, None])


def test_few_examples_do_and_more_do_better() -> None:
    areas = [np.mean([area(taught(n, n, seed=seed)) for seed in range(4)]) for n in (1, 3, 10, 30)]
    assert areas == sorted(areas)
    assert areas[0] > 0.7
    assert areas[-1] > 0.95


def test_other_tracks_of_the_library_help() -> None:
    pairs = [(area(taught(3, 3, seed=s)), area(taught(3, 3, seed=s, background=False))) for s in range(8)]
    assert np.mean([a - b for a, b in pairs]) > 0.01


def test_probabilities_mean_what_they_say() -> None:
    x, answers = world(3000, 0.1, 7)
    p = taught(150, 150).probabilities(x)
    assert p.mean() == pytest.approx(answers.mean(), abs=0.04)
    likely = p > 0.5
    assert answers[likely].mean() == pytest.approx(p[likely].mean(), abs=0.12)
    assert np.mean((p - answers) ** 2) < 0.5 * answers.mean() * (1 - answers.mean())


def test_probabilities_from_few_examples_do_not_boast() -> None:
    x, answers = world(3000, 0.1, 7)
    p = taught(10, 10).probabilities(x)
    likely = p > 0.5
    assert p[likely].mean() < answers[likely].mean() + 0.1


def test_answers_are_right_where_they_are_given() -> None:
    x, answers = world(3000, 0.1, 7)
    given_answers = taught(40, 40).decide(x)
    yes, no = given_answers == "yes", given_answers == "no"
    assert answers[yes].mean() > 0.7
    assert yes.sum() > 0.3 * answers.sum()
    assert (answers & no).sum() < 0.2 * answers.sum()
    assert no.mean() > 0.5


def test_the_report_counts_what_was_given() -> None:
    report = taught(6, 8).report
    assert (report.n_yes, report.n_no, report.n_yes_groups, report.n_no_groups) == (6, 8, 6, 8)
    assert report.n_background == 600
    assert 0 < report.share < 0.5
    assert report.roc_auc is not None
    assert report.balanced_accuracy is not None
    assert report.verdict == "better than chance"


def test_scores_do_not_flatter() -> None:
    """What the report says of held-out examples is about what strangers see."""
    told, seen = [], []
    for seed in range(8):
        head = taught(10, 10, seed=seed, separation=2.0)
        assert head.report.roc_auc is not None
        told.append(head.report.roc_auc.value)
        seen.append(area(head, separation=2.0))
    assert np.mean(told) < np.mean(seen) + 0.04
    assert np.mean(told) == pytest.approx(np.mean(seen), abs=0.12)


def test_a_tag_that_cannot_be_heard_is_no_better_than_chance() -> None:
    x, _ = world(60, 0.5, 3)
    answers = np.random.default_rng(5).permutation(np.arange(60) < 30)
    report = teach("calm", x, answers, None, world(300, 0.1, 4)[0], model="m", model_version="1").report
    assert report.roc_auc is not None
    assert 0.25 < report.roc_auc.value < 0.75
    assert report.verdict == "no better than chance"
    assert any("no better than chance: ROC-AUC" in text for text in report.warnings)


def test_two_and_two_say_that_they_are_too_few() -> None:
    report = taught(2, 2).report
    assert report.verdict == "too few to say"
    assert any(text.startswith("only 2 examples with the tag") for text in report.warnings)


@pytest.mark.parametrize(("n_yes", "n_no"), [(1, 0), (1, 1), (3, 0), (5, 1)])
def test_what_cannot_be_tested_is_said(n_yes: int, n_no: int) -> None:
    head = taught(n_yes, n_no)
    assert head.report.verdict == "not tested"
    assert head.report.roc_auc is head.report.right is head.report.decided is None
    assert any("could not be tested" in text for text in head.report.warnings)
    assert area(head) > 0.6


def test_one_album_is_no_test() -> None:
    x, answers = examples(5, 5)
    report = teach(
        "calm", x, answers, ["A"] * 5 + list("bcdef"), world(300, 0.1, 4)[0], model="m", model_version="1"
    ).report
    assert report.verdict == "not tested"
    assert any("all examples with the tag are of one album" in text for text in report.warnings)


def test_albums_are_held_back_whole() -> None:
    """Albums that sound alike and have nothing to do with the tag: only groups tell."""
    rng = np.random.default_rng(0)
    album = np.repeat(np.arange(10), 5)
    answers = album % 2 == 0
    x = (5 * rng.standard_normal((10, D))[album] + 0.2 * rng.standard_normal((50, D))).astype(np.float32)
    background = 5 * rng.standard_normal((200, D))
    options = {"model": "m", "model_version": "1"}
    by_album = teach("x", x, answers, [f"album {i}" for i in album], background, **options).report
    by_track = teach("x", x, answers, None, background, **options).report
    assert by_track.roc_auc is not None
    assert by_album.roc_auc is not None
    assert by_track.roc_auc.value > 0.95 > by_album.roc_auc.value
    assert (by_album.n_yes_groups, by_album.n_no_groups) == (5, 5)
    assert by_album.roc_auc.high - by_album.roc_auc.low > by_track.roc_auc.high - by_track.roc_auc.low


def test_the_same_track_with_both_answers_is_named() -> None:
    x, answers = examples(6, 6)
    x[9] = x[2]
    report = teach("calm", x, answers, None, world(300, 0.1, 4)[0], model="m", model_version="1").report
    assert report.conflicts == ((2, 9),)
    assert any("example 3 has the tag and example 10 has not, but they sound the same" in t for t in report.warnings)


def test_a_wrong_answer_is_doubted() -> None:
    x, answers = examples(30, 30, separation=8.0)
    answers[4] = False
    report = teach("calm", x, answers, None, world(300, 0.1, 4)[0], model="m", model_version="1").report
    assert 4 in report.doubtful
    assert len(report.doubtful) < 4
    assert any("listen again" in text and "number 5" in text for text in report.warnings)


def test_examples_in_the_background_are_left_out() -> None:
    x, answers = examples(5, 5)
    others = world(300, 0.1, 4)[0]
    options = {"model": "m", "model_version": "1"}
    apart = teach("calm", x, answers, None, others, **options)
    among = teach("calm", x, answers, None, np.concatenate([others, x]), **options)
    assert among.report.n_background == apart.report.n_background == 300
    np.testing.assert_array_equal(among.weights, apart.weights)


def test_the_same_examples_give_the_same_tag() -> None:
    one, same = taught(8, 8), taught(8, 8)
    assert np.array_equal(one.weights, same.weights)
    assert one.report == same.report
    assert (one.low, one.threshold, one.high) == (same.low, same.threshold, same.high)


def test_a_large_background_is_drawn_from_by_its_seed() -> None:
    x, answers = examples(3, 3)
    others = world(MOST_BACKGROUND + 200, 0.1, 4)[0]
    heads = [teach("calm", x, answers, None, others, model="m", model_version="1", seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(heads[0].weights, heads[1].weights)
    assert not np.array_equal(heads[0].weights, heads[2].weights)
    assert heads[0].report.n_background == len(others)


def test_a_tag_comes_back_from_its_file(tmp_path: Path) -> None:
    head = taught(5, 5)
    save_head(head, tmp_path / "calm.tag.json")
    back = load_head(tmp_path / "calm.tag.json")
    x = world(50, 0.1, 1)[0]
    assert np.array_equal(back.probabilities(x), head.probabilities(x))
    assert back.report == head.report
    assert (back.model, back.model_version, back.category) == ("standard", "1", "mood")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 30), st.integers(0, 3))
def test_whatever_is_given_comes_out_in_order(n_yes: int, n_no: int, n_background: int, seed: int) -> None:
    if n_no + n_background == 0 or n_yes + n_no + n_background < 2:
        return
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_yes + n_no, 5))
    answers = np.arange(n_yes + n_no) < n_yes
    groups = [str(rng.integers(4)) for _ in answers]
    background = rng.standard_normal((n_background, 5)) if n_background else None
    head = teach("x", x, answers, groups, background, model="m", model_version="1", seed=seed)
    p = head.probabilities(rng.standard_normal((20, 5)))
    assert ((p > 0) & (p < 1)).all()
    assert 0 <= head.low <= head.threshold <= head.high <= 1


X = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("embeddings", "answers", "groups", "background", "message"),
    [
        (X, [0, 0, 0, 0], None, X, "no example of a track that has the tag"),
        (X[:0], [], None, X, "no example of a track that has the tag"),
        (X, [1, 1, 1, 1], None, None, "nothing says what has not"),
        (X, [1, 1, 1, 1], None, X, "nothing says what has not"),
        (X, [1, 0], None, X, r"answers have shape \(2,\), expected \(4,\)"),
        (X, [1, 0, 2, 0], None, X, "one yes or no for each"),
        (X, [1, 0, 0, 0], ["a"], X, "1 groups for 4 examples"),
        (X, [1, 0, 0, 0], None, np.eye(5), "4 features, the background 5"),
        (X * np.nan, [1, 0, 0, 0], None, None, "embeddings of the examples: row 0"),
        (X, [1, 0, 0, 0], None, np.full((3, 4), np.inf), "embeddings of the background: row 0"),
        (X[0], [1], None, None, "embeddings of the examples have shape"),
        (X[[0, 0]], [1, 0], None, None, "all embeddings are the same"),
    ],
)
def test_examples_that_cannot_be_used(
    embeddings: np.ndarray, answers: list[int], groups: list[str] | None, background: np.ndarray | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        teach("x", embeddings, answers, groups, background, model="m", model_version="1")


def test_names_and_categories_are_checked_first() -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        teach("a;b", X, [1, 0, 0, 0], model="m", model_version="1")
    with pytest.raises(UnknownNameError, match="category"):
        teach("a", X, [1, 0, 0, 0], model="m", model_version="1", category="smell")


@pytest.mark.shared
def test_clarinets_from_four_phrases(shared: Path, published_weights: None) -> None:
    """Real embeddings: four clarinets and four flutes, strings and horns, asked about eight others."""
    from earmark.tagger import Tagger

    folder = shared / "datasets" / "philharmonia"

    def phrases(instrument: str, start: int) -> list[Path]:
        return sorted((folder / instrument).glob("*.ogg"))[start : start + 16 : 4]

    yes, no = phrases("clarinet", 0), [phrases(name, 0)[0] for name in ("flute", "cello", "french_horn", "trombone")]
    asked = phrases("clarinet", 30) + [phrases(name, 30)[0] for name in ("flute", "cello", "french_horn", "trombone")]
    with Tagger(model="musicnn.pons_mtt") as tagger:
        x = np.array([tagger.embed(str(path), duration=3.0) for path in [*yes, *no, *asked]])
    head = teach("clarinet", x[:8], [1] * 4 + [0] * 4, model="musicnn.pons_mtt", model_version="1")
    p = head.probabilities(x[8:])
    assert roc_auc(np.array([[1]] * 4 + [[0]] * 4), p[:, None]) > 0.8
