"""The published vocabularies, their union, and how scores merge."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.vocabulary import (
    CATEGORIES,
    SPLITS,
    Vocabulary,
    any_of,
    category,
    display_name,
    from_tags,
    get_vocabulary,
    merged_name,
    union,
    vocabulary_names,
)

NAMES = ("mtt", "msd", "jamendo")
GROUPS = {
    "female vocals": ("female", "female vocal", "female voice", "woman"),
    "male vocals": ("male", "male vocal", "male voice", "man"),
    "instrumental": ("no vocal", "no vocals", "no voice"),
    "vocals": ("vocal", "vocals", "voice", "singing"),
    "beat": ("beat", "beats"),
    "classical": ("classical", "classic"),
    "choir": ("choir", "choral"),
}


def three() -> list[Vocabulary]:
    return [get_vocabulary(name) for name in NAMES]


def test_the_three_are_listed():
    assert set(vocabulary_names()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name):
    vocabulary = get_vocabulary(name)
    assert vocabulary.name == name
    assert len(vocabulary) == len(vocabulary.tags) == len(vocabulary.categories) == 50
    assert len(set(vocabulary.tags)) == 50
    assert set(vocabulary.categories) <= set(CATEGORIES)
    assert set(vocabulary.counts) == set(SPLITS)
    assert all(len(counts) == 50 and min(counts) > 0 for counts in vocabulary.counts.values())
    for tag, shown, kind in zip(vocabulary.tags, vocabulary.display_names, vocabulary.categories, strict=True):
        assert shown == shown.lower().strip() == display_name(shown)
        assert not set(shown) & set(";/,-")
        assert merged_name(tag) == merged_name(shown) == merged_name(merged_name(tag))
        assert category(tag) == category(shown) == category(merged_name(tag)) == kind


@pytest.mark.parametrize("name", NAMES)
def test_single_vocabulary_unmerged_is_identity(name):
    vocabulary = get_vocabulary(name)
    merged = union([vocabulary], merge_synonyms=False)
    assert merged.names == vocabulary.tags
    assert merged.categories == vocabulary.categories
    scores = np.random.default_rng(0).random((3, 7, 50), np.float32)
    assert np.array_equal(merged.merge_scores([scores]), scores)
    assert merged.merge_scores([scores]).dtype == np.float32
    assert np.array_equal(merged.merge_base_rates([vocabulary.base_rates(300_000)]), vocabulary.base_rates(300_000))


@pytest.mark.shared
def test_published_order(shared):
    pons = json.loads((shared / "references/pons_musicnn.json").read_text())["vocabularies"]
    won = json.loads((shared / "references/won2020.json").read_text())["vocabularies"]
    for name, lists in {
        "mtt": [pons["MTT_musicnn"], pons["MTT_vgg"], won["mtat"]],
        "msd": [pons["MSD_musicnn"], pons["MSD_vgg"], won["msd"]],
        "jamendo": [won["jamendo"]],
    }.items():
        for tags in lists:
            assert list(get_vocabulary(name).tags) == tags


@pytest.mark.shared
@pytest.mark.parametrize(("name", "folder"), [("mtt", "magnatagatune"), ("msd", "msd"), ("jamendo", "mtg_jamendo")])
def test_counts_are_the_published_ones(shared, name, folder):
    with (shared / "datasets" / folder / "top50_counts.csv").open() as file:
        rows = {row[""]: row for row in csv.DictReader(file)}
    vocabulary = get_vocabulary(name)
    assert {tag.rpartition("---")[2].lower() for tag in vocabulary.tags} == set(rows)
    for k, tag in enumerate(vocabulary.tags):
        row = rows[tag.rpartition("---")[2].lower()]
        assert [vocabulary.counts[split][k] for split in SPLITS] == [int(row[split]) for split in SPLITS]


def test_golden_base_rates():
    mtt = get_vocabulary("mtt")
    guitar = mtt.tags.index("guitar")
    assert mtt.counts["train"][guitar] == 3469
    assert mtt.base_rates(18_706)[guitar] == pytest.approx(0.185449, abs=1e-6)
    assert mtt.base_rates(15_247)[guitar] == pytest.approx(0.227520, abs=1e-6)
    msd = get_vocabulary("msd")
    assert msd.base_rates(201_680)[msd.tags.index("Hip-Hop")] == pytest.approx(7541 / 201_680)
    jamendo = get_vocabulary("jamendo")
    assert jamendo.base_rates(32_136)[jamendo.tags.index("instrument---voice")] == pytest.approx(776 / 32_136)


@pytest.mark.parametrize("n_train", [0, -5, 3000])
def test_base_rates_refuse_too_few_clips(n_train):
    with pytest.raises(InputError, match="n_train"):
        get_vocabulary("mtt").base_rates(n_train)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Hip-Hop", "hip hop"),
        ("genre---hiphop", "hip hop"),
        ("Progressive rock", "progressive rock"),
        ("instrument---acousticguitar", "acoustic guitar"),
        ("genre---easylistening", "easy listening"),
        ("genre---newage", "new age"),
        ("mood/theme---film", "film"),
        ("House", "house"),
        ("rock/pop; live, loud", "rock pop live loud"),
    ],
)
def test_display_name(tag, expected):
    assert display_name(tag) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [(tag, name) for name, tags in GROUPS.items() for tag in tags]
    + [
        ("female vocalists", "female vocals"),
        ("female vocalist", "female vocals"),
        ("male vocalists", "male vocals"),
        ("instrument---voice", "vocals"),
        ("chill", "chillout"),
        ("electronica", "electronica"),
        ("electric guitar", "electric guitar"),
    ],
)
def test_merged_name(tag, expected):
    assert merged_name(tag) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("instrumental", "voice"),
        ("no vocals", "voice"),
        ("opera", "genre"),
        ("choir", "voice"),
        ("indian", "genre"),
        ("sitar", "instrument"),
        ("beautiful", "mood"),
        ("oldies", "era"),
        ("00s", "era"),
        ("solo", "other"),
        ("slow", "other"),
    ],
)
def test_category(tag, expected):
    assert category(tag) == expected


def test_unknown_names_are_errors():
    with pytest.raises(UnknownNameError, match="no tag 'gitar'") as error:
        category("gitar")
    assert "'guitar'" in (error.value.hint or "")
    assert category("gitar", default="other") == "other"
    with pytest.raises(UnknownNameError, match="no vocabulary 'mtat'"):
        get_vocabulary("mtat")
    with pytest.raises(UsageError, match="at least one"):
        union([])


def test_vocabulary_refuses_contradictions():
    with pytest.raises(InputError, match="twice"):
        from_tags("mine", ["a", "a"])
    with pytest.raises(InputError, match="differ in length"):
        Vocabulary("mine", ("a", "b"), ("genre",))
    with pytest.raises(UnknownNameError, match="category 'kind'"):
        Vocabulary("mine", ("a",), ("kind",))


def test_own_vocabulary():
    mine = from_tags("mine", ["Guitar", "didgeridoo", "woman"])
    assert mine.categories == ("instrument", "other", "voice")
    assert np.isnan(mine.base_rates(10)).all()
    assert union([mine]).names == ("guitar", "female vocals", "didgeridoo")


@pytest.mark.parametrize("names", [("mtt",), ("msd", "mtt"), ("mtt", "msd"), NAMES, ("mtt", "mtt")])
def test_union_holds_every_tag_once(names):
    vocabularies = [get_vocabulary(name) for name in names]
    for merge in (True, False):
        merged = union(vocabularies, merge_synonyms=merge)
        members = [pair for column in merged.columns for pair in column.members]
        assert sorted(members) == [(v, t) for v in range(len(names)) for t in range(50)]
        assert len(set(merged.names)) == len(merged)
        assert all(vocabularies[v].categories[t] == c.category for c in merged.columns for v, t in c.members)
        if merge:
            order = [CATEGORIES.index(kind) for kind in merged.categories]
            assert order == sorted(order)
            assert not any(set(name) & set(";/,") for name in merged.names)


def test_union_of_the_default_preset():
    merged = union([get_vocabulary("msd"), get_vocabulary("mtt")])
    both = {column.name for column in merged.columns if column.vocabularies == (0, 1)}
    assert len(merged) == 73
    expected = {"guitar", "rock", "pop", "metal", "country", "ambient", "dance", "electronic"}
    assert both == expected | {"female vocals", "male vocals", "instrumental"}
    published = union([get_vocabulary("msd"), get_vocabulary("mtt")], merge_synonyms=False)
    assert len(published) == 100
    assert {"guitar (msd)", "guitar (mtt)", "Hip-Hop", "no vocals"} <= set(published.names)


def test_merging_by_hand():
    a, b = from_tags("a", ["female", "rock", "woman"]), from_tags("b", ["rock", "piano"])
    merged = union([a, b])
    assert merged.names == ("rock", "piano", "female vocals")
    scores = [np.array([0.5, 0.2, 0.2]), np.array([0.6, 0.9])]
    assert merged.merge_scores(scores) == pytest.approx([0.4, 0.9, (0.5 + 0.6) / 2])
    first, second = merged.scores_by_vocabulary(scores)
    assert first == pytest.approx([0.2, np.nan, 0.55], nan_ok=True)
    assert second == pytest.approx([0.6, 0.9, np.nan], nan_ok=True)
    assert merged.knows(0).tolist() == [True, False, True]
    assert merged.merge_base_rates([[0.5, 0.2, 0.2], [0.6, 0.9]]) == pytest.approx([0.4, 0.9, 0.55])
    unknown = merged.merge_base_rates([[0.5, 0.2, 0.2], b.base_rates(1)])
    assert unknown == pytest.approx([np.nan, np.nan, 0.55], nan_ok=True)


def test_wrong_shapes_are_errors():
    merged = union([get_vocabulary("msd"), get_vocabulary("mtt")])
    with pytest.raises(InputError, match="1 arrays of scores for 2"):
        merged.merge_scores([np.zeros(50)])
    with pytest.raises(InputError, match=r"shape \(4, 49\), expected \(\.\.\., 50\)"):
        merged.merge_scores([np.zeros((4, 50)), np.zeros((4, 49))])
    with pytest.raises(InputError, match="leading shapes"):
        merged.merge_scores([np.zeros((4, 50)), np.zeros((5, 50))])


UNIT = st.floats(0, 1, width=32)


@settings(deadline=None)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=UNIT), st.data())
def test_any_of_lies_between_its_bounds(scores, data):
    merged = any_of(scores)
    assert merged.shape == scores.shape[:-1]
    assert np.all(merged >= scores.max(-1))
    assert np.all(merged <= 1)
    assert np.all(merged <= np.minimum(scores.sum(-1, dtype=np.float64), 1) + 1e-6)
    order = data.draw(st.permutations(range(scores.shape[-1])))
    assert np.allclose(any_of(scores[..., list(order)]), merged, atol=1e-6)
    higher = np.maximum(scores, data.draw(UNIT))
    assert np.all(any_of(higher) >= merged - 1e-6)
    assert np.array_equal(any_of(scores[..., :1]), scores[..., 0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.booleans())
def test_merged_scores_are_scores(seed, merge):
    rng = np.random.default_rng(seed)
    merged = union(three(), merge_synonyms=merge)
    taggrams = [rng.random((4, 50), np.float32) ** 3 for _ in NAMES]
    out = merged.merge_scores(taggrams)
    assert out.shape == (4, len(merged))
    assert out.dtype == np.float32
    assert np.all((out >= 0) & (out <= 1))
    for c, column in enumerate(merged.columns):
        raw = np.stack([taggrams[v][:, t] for v, t in column.members])
        assert np.all(out[:, c] >= raw.min(0) - 1e-6)
    rows = np.stack([merged.merge_scores([t[i] for t in taggrams]) for i in range(4)])
    assert np.array_equal(rows, out)


def rules(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {"largest": scores.max(-1), "independent": 1 - np.prod(1 - scores, -1), "midpoint": any_of(scores)}


@pytest.mark.shared
def test_log_of_merged_base_rates(shared):
    """The first table of docs/log.md, "Merging synonyms"."""
    clips = json.loads(gzip.decompress((shared / "datasets/magnatagatune/magnatagatune.json.gz").read_bytes()))
    train = [set(clip["y"]) for clip in clips.values() if clip["split"] == "train" and clip["y"]]
    assert len(train) == 15_247
    mtt = get_vocabulary("mtt")
    rates = dict(zip(mtt.tags, mtt.base_rates(15_247), strict=True))
    ratios: dict[str, list[float]] = {}
    for tags in GROUPS.values():
        true = np.mean([not clip.isdisjoint(tags) for clip in train])
        for rule, rate in rules(np.array([rates[tag] for tag in tags])).items():
            ratios.setdefault(rule, []).append(float(rate / true))
    means = {rule: np.mean(values) for rule, values in ratios.items()}
    assert means == pytest.approx({"largest": 0.741, "independent": 1.399, "midpoint": 1.070}, abs=1e-3)
    merged = union([mtt])
    column = merged.names.index("female vocals")
    assert merged.merge_base_rates([mtt.base_rates(15_247)])[column] == pytest.approx(0.1153, abs=1e-4)


def read_predictions(path: Path) -> np.ndarray:
    with gzip.open(path, "rt") as file:
        return np.array([[float(value) for value in row[1:]] for row in csv.reader(file)])


@pytest.mark.shared
def test_log_of_merged_scores(shared):
    """The second table of docs/log.md, "Merging synonyms"."""
    folder = shared / "datasets/stored_predictions"
    scores, truth = (read_predictions(folder / f"won_musicnn_mtt_test_{part}.csv.gz") for part in ("est", "gt"))
    tags = get_vocabulary("mtt").tags
    results: dict[str, list[tuple[float, float, float, float]]] = {}
    for members in GROUPS.values():
        columns = [tags.index(tag) for tag in members]
        target = truth[:, columns].max(1)
        for rule, merged in rules(scores[:, columns]).items():
            curves = (roc_auc_score(target, merged), average_precision_score(target, merged))
            results.setdefault(rule, []).append((*curves, log_loss(target, merged), merged.mean() / target.mean()))
    means = {rule: tuple(np.mean(rows, 0)) for rule, rows in results.items()}
    assert means["largest"] == pytest.approx((0.9026, 0.6053, 0.2198, 0.771), abs=1e-3)
    assert means["independent"] == pytest.approx((0.9031, 0.6127, 0.2111, 1.261), abs=1e-3)
    assert means["midpoint"] == pytest.approx((0.9031, 0.6111, 0.2090, 1.016), abs=1e-3)
