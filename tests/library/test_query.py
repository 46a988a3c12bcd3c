"""Queries: which tags the words name, how scores become a relevance, and that the docs tell the truth."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import EarmarkError, InputError, UnknownNameError, UsageError
from earmark.evaluate.stored import read_stored
from earmark.library.filters import parse_filter, to_sql
from earmark.library.query import MAX_LENGTH, Query, Term, parse_query, rank
from earmark.library.tag_index import TagColumn, TagIndex
from earmark.library.thresholds import default_threshold
from earmark.vocabulary import get_vocabulary, union

MERGED = union([get_vocabulary("msd"), get_vocabulary("mtt")])
INDEX = TagIndex(
    [
        TagColumn(tag, kind, f"score__standard__{tag.replace(' ', '_')}", 0.2, "standard")
        for tag, kind in zip(MERGED.names, MERGED.categories, strict=True)
    ]
    + [TagColumn("road trip", "other", "score__taught__road_trip", 0.5, "taught")],
    file_genres=lambda: {"acid jazz"},
)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "finding-music.md"


def weights(text: str) -> dict[str, float]:
    return {term.tag: round(term.weight, 3) for term in parse_query(text, INDEX).terms}


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("piano", {"piano": 1}),
        ("piano -vocals", {"piano": 1, "vocals": -1}),
        ("piano, jazz and drums", {"piano": 1, "jazz": 1, "drums": 1}),
        ("Hip-Hop^2 female vocals^.5", {"hip hop": 2, "female vocals": 0.5}),
        ("female vocals", {"female vocals": 1}),
        ("female, vocals", {"female vocals": 1, "vocals": 1}),
        ('"female" "vocals"', {"female vocals": 1, "vocals": 1}),
        ("-female vocals", {"female vocals": -1}),
        ("piano without drums", {"piano": 1, "drums": -1}),
        ("piano no drums", {"piano": 1, "drums": -1}),
        ("no vocals", {"instrumental": 1}),
        ("not -piano jazz", {"piano": 1, "jazz": 1}),
        ("mood:soft -genre:rock", {"soft": 1, "rock": -1}),
        ('genre:"hip hop"', {"hip hop": 1}),
        ("genre:hip hop", {"hip hop": 1}),
        ("heard:piano", {"piano": 1}),
        ("taught:road trip", {"road trip": 1}),
        ("some piano music with a violin", {"piano": 1, "violin": 1}),
        ("piano piano^2", {"piano": 3}),
        ("calm", {"mellow": 0.2, "soft": 0.2, "quiet": 0.2, "slow": 0.2, "ambient": 0.2}),
        ("calm slow", {"mellow": 0.2, "soft": 0.2, "quiet": 0.2, "slow": 1.2, "ambient": 0.2}),
        ("calm -slow", {"mellow": 0.2, "soft": 0.2, "quiet": 0.2, "slow": -1, "ambient": 0.2}),
        ("-slow calm", {"mellow": 0.2, "soft": 0.2, "quiet": 0.2, "slow": -1, "ambient": 0.2}),
        ("acoustic guitar^2", {"acoustic": 1, "guitar": 1}),
        ("classic rock", {"classic rock": 1}),
        ("-vocals", {"vocals": -1}),
    ],
)
def test_words(text: str, expected: dict[str, float]) -> None:
    assert weights(text) == expected


def test_what_stands_in_for_a_word_is_said() -> None:
    query = parse_query("calm piano -heavy", INDEX)
    assert query.notes == (
        "'calm' is no tag here: searching by mellow, soft, quiet, slow, ambient",
        "'heavy' is no tag here: searching by metal, loud",
    )
    assert query.columns == tuple(f"score__standard__{term.tag}" for term in query.terms)
    assert parse_query("piano", INDEX).notes == ()


@pytest.mark.parametrize(
    ("text", "said", "pointed"),
    [
        ("jazz pianno", "there is no tag 'pianno'", "pianno"),
        ("mood:jazz", "there is no mood 'jazz'", "jazz"),
        ("genre:calm", "there is no genre 'calm'", "calm"),
        ("flavour:jazz", "there is no category 'flavour'", "flavour"),
        ("jazz^x", "a weight is a number", "x"),
        ("jazz^0", "a weight is a number", "0"),
        ("jazz^", "a weight is a number", ""),
        ("jazz -jazz", "both wanted and not", "jazz"),
        ("jazz without", "without what?", "without"),
        ('jazz "piano', "no tag can be read here", '"'),
        ('jazz ""', "no tag can be read here", '"'),
        ('jazz "without"', "there is no tag 'without'", "without"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, said: str, pointed: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        parse_query(text, INDEX)
    first, shown, carets = caught.value.message.split("\n")
    assert said in first
    at = carets.index("^")
    assert (shown + " ")[at : at + max(1, len(pointed))].strip() == pointed


@pytest.mark.parametrize("text", ["", "  , ", "the music", "jazz " * MAX_LENGTH])
def test_too_little_and_too_much(text: str) -> None:
    with pytest.raises(UsageError, match=r"names no tag|more than"):
        parse_query(text, INDEX)


def test_an_empty_catalogue() -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse_query("jazz", TagIndex([]))
    assert "earmark library add" in str(caught.value.hint)


@given(st.text(alphabet='piano jz-^2:", "\\\nétnoslw.', max_size=30))
def test_any_text_is_a_query_or_a_mistake_that_is_explained(text: str) -> None:
    try:
        query = parse_query(text, INDEX)
    except (UsageError, UnknownNameError):
        return
    assert query.terms
    assert len(set(query.columns)) == len(query.columns)
    assert all(term.weight for term in query.terms)


# Relevance ------------------------------------------------------------------------------------------------------------


def terms(*weights: float, threshold: float = 0.2) -> Query:
    return Query(tuple(Term(f"tag {i}", weight, f"score__{i}", threshold) for i, weight in enumerate(weights)))


def test_one_half_is_at_the_thresholds() -> None:
    assert rank(terms(1), [[0.2], [0.0], [1.0]]).round(6).tolist() == [0.5, 0.000005, round(5 / 6, 6)]
    assert rank(terms(1, 1), [[0.1, 0.4]])[0] == pytest.approx(0.5)
    assert rank(terms(1, -1), [[0.2, 0.2]])[0] == pytest.approx(1 / 3)
    assert rank(terms(-1), [[0.0], [0.2], [1.0]]) == pytest.approx([1, 1 / 2, 1 / 6], abs=1e-5)


def test_what_was_not_heard_is_not_known() -> None:
    found = rank(terms(1, -1), np.array([[0.5, np.nan], [np.nan, 0.1], [0.5, 0.1]], np.float32))
    assert np.isnan(found).tolist() == [True, True, False]
    assert rank(terms(1), np.empty((0, 1))).shape == (0,)


def test_columns_have_to_fit() -> None:
    with pytest.raises(InputError, match="one column per term"):
        rank(terms(1, 1), [[0.1]])


@settings(max_examples=60, deadline=None)
@given(
    signs=st.lists(st.sampled_from([1.0, -1.0, 2.0, -0.5]), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    factor=st.floats(0.02, 1),
)
def test_a_rare_tag_counts_as_much_as_a_common_one(signs: list[float], seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.001, 1, (50, len(signs)))
    common = terms(*signs)
    rare = Query((Term("rare", signs[0], "x", 0.2 * factor), *common.terms[1:]))
    rarer = scores * [factor, *[1.0] * (len(signs) - 1)]
    found = rank(common, scores)
    assert rank(rare, rarer) == pytest.approx(found, rel=1e-4)
    assert ((found >= 0) & (found <= 1)).all()
    better = scores.copy()
    better[:, 0] *= 1.1 if signs[0] > 0 else 0.9
    assert (rank(common, better) >= found).all()


@pytest.mark.parametrize("extreme", [1e-6, 100.0])
def test_extreme_weights_and_scores_stay_within_bounds(extreme: float) -> None:
    found = rank(terms(extreme, -100.0, threshold=0.0), [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.shared
def test_on_real_predictions_the_product_is_best(shared: Path, tmp_path: Path) -> None:
    """For two tags, and for one without another, against the usual rules; benchmarks/finding_music.py has all."""
    import json

    folder = shared / "datasets" / "stored_predictions"
    order = json.loads((shared / "references" / "won2020.json").read_text())["vocabularies"]["mtat"]
    (tmp_path / "tags.txt").write_text("\n".join(order))
    found = read_stored(
        folder / "won_musicnn_mtt_test_est.csv.gz",
        folder / "won_musicnn_mtt_test_gt.csv.gz",
        tags=tmp_path / "tags.txt",
    )
    targets, scores = found.targets[:, :25], found.scores[:, :25].astype(np.float64)
    limits = [default_threshold(float(targets[:, k].mean())) for k in range(25)]
    percentiles = np.argsort(np.argsort(scores, axis=0), axis=0) / len(scores)
    precisions: dict[str, list[float]] = {"rank": [], "mean": [], "percentiles": []}
    for a, b in list(combinations(range(25), 2))[::3]:
        for sign in (1.0, -1.0):
            right = targets[:, a] & (targets[:, b] == (sign > 0))
            if right.sum() < 20:
                continue
            query = Query((Term("a", 1.0, "a", limits[a]), Term("b", sign, "b", limits[b])))
            ways = {
                "rank": rank(query, scores[:, [a, b]]),
                "mean": scores[:, a] + sign * scores[:, b],
                "percentiles": percentiles[:, a] + sign * percentiles[:, b],
            }
            for name, relevance in ways.items():
                places = np.flatnonzero(right[np.argsort(-relevance, kind="stable")])
                precisions[name].append(float((np.arange(1, len(places) + 1) / (places + 1)).mean()))
    means = {name: float(np.mean(values)) for name, values in precisions.items()}
    assert len(precisions["rank"]) > 100
    assert means["rank"] > means["mean"] + 0.01
    assert means["rank"] > means["percentiles"] + 0.1


# The docs -------------------------------------------------------------------------------------------------------------


def fenced(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return [line for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def filters_of_the_page() -> list[str]:
    part = PAGE.read_text(encoding="utf-8").partition("## Filters")[2].partition("## Queries")[0]
    tables = part.partition("### Text")[2]
    first_columns = re.findall(r"^\| `([^`]+)` \|", tables, re.MULTILINE)
    return [*fenced("filter"), *first_columns]


def test_every_filter_of_the_page_is_one() -> None:
    filters = filters_of_the_page()
    assert len(filters) > 35
    for text in filters:
        assert to_sql(parse_filter(text), INDEX)


def test_every_field_of_the_page_is_one() -> None:
    from earmark.library.filter_nodes import ALIASES, FIELDS

    part = PAGE.read_text(encoding="utf-8").partition("### Fields")[2].partition("### Text")[0]
    rows = [row.strip("|").split("|") for row in part.splitlines() if row.startswith("| `")]
    fields = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row[0])}
    names = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row[-1])}
    assert fields == set(FIELDS)
    assert names == set(ALIASES)


def test_every_query_of_the_page_is_one() -> None:
    queries = fenced("query")
    assert len(queries) == 3
    for text in queries:
        assert parse_query(text, INDEX).terms


def test_the_error_of_the_page_is_what_is_said() -> None:
    text = "genre:jaz and bpm < 100"
    with pytest.raises(UnknownNameError) as caught:
        to_sql(parse_filter(text), TagIndex(INDEX.tags))
    assert f"error: {caught.value.message}\nhint: {caught.value.hint}" in PAGE.read_text(encoding="utf-8")
