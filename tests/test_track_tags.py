"""The result of tagging: built from taggrams, chosen from, written and read back."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark import __version__
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.metrics.calibration import Calibration
from earmark.plain_data import encode_array
from earmark.track_tags import ModelTaggram, Tag, TrackTags, from_taggrams
from earmark.vocabulary import CATEGORIES, from_tags, get_vocabulary, union

N_TRAIN = {"msd": 201_680, "mtt": 18_706, "jamendo": 32_136}


def grid(n: int, hop: float, length: float) -> np.ndarray:
    starts = hop * np.arange(n)
    return np.stack([starts, starts + length], axis=1)


def parts(*names: str, n_chunks: int = 10, seed: int = 0) -> list[ModelTaggram]:
    rng = np.random.default_rng(seed)
    return [
        ModelTaggram(
            f"musicnn.{name}",
            rng.random((n_chunks, 50), np.float32) ** 3,
            grid(n_chunks, 3.0, 3.0),
            rng.standard_normal(6, np.float32),
            get_vocabulary(name).base_rates(N_TRAIN[name]),
        )
        for name in names
    ]


def tags_of(*names: str, merge: bool = True, n_chunks: int = 10, seed: int = 0, path: str = "a/song.mp3") -> TrackTags:
    vocabulary = union([get_vocabulary(name) for name in names], merge_synonyms=merge)
    return from_taggrams(
        parts(*names, n_chunks=n_chunks, seed=seed),
        vocabulary,
        path=path,
        duration=3.0 * n_chunks,
        model="standard",
        warnings=("truncated by 2 s",),
    )


def test_one_model_by_hand():
    vocabulary = from_tags("mine", ["rock", "didgeridoo"])
    taggram = np.array([[0.5, 0.125], [1.0, 0.125], [0.0, 0.5]], np.float32)
    part = ModelTaggram("m", taggram, grid(3, 3.0, 3.0), np.ones(4, np.float32), np.array([0.25, np.nan]))
    merged = union([vocabulary], merge_synonyms=False)
    result = from_taggrams([part], merged, path="x.wav", duration=7.0, model="m")
    assert result.tags == (
        Tag("rock", "genre", 0.5, 2.0, 1.0, 4.5, {"m": 0.5}),
        Tag("didgeridoo", "other", 0.25, None, 0.5, 6.5, {"m": 0.25}),
    )
    assert np.array_equal(result.taggram, taggram)
    assert result.taggram.dtype == np.float32
    assert result.centres.tolist() == [1.5, 4.5, 6.5]
    assert result.version == __version__
    assert result.models == ("m",)
    assert result["rock"].lift == 2.0
    with pytest.raises(UnknownNameError, match="no tag 'rok'"):
        result["rok"]


def test_two_models_keep_both_scores():
    vocabularies = [from_tags("a", ["rock", "woman", "female"]), from_tags("b", ["piano", "rock"])]
    embeddings = [np.array([1.0, 2.0]), np.array([3.0])]
    first = ModelTaggram("one", np.array([[0.2, 0.5, 0.2]] * 2), grid(2, 3.0, 3.0), embeddings[0], [0.1, 0.1, 0.1])
    second = ModelTaggram("two", np.array([[0.1, 0.4], [0.3, 0.8]]), grid(2, 3.0, 3.0), embeddings[1], [0.1, 0.3])
    result = from_taggrams([first, second], union(vocabularies), path="x", duration=6.0, model="both")
    assert result.vocabulary == ("rock", "piano", "female vocals")
    rock, piano, voice = result.tags
    assert rock.score == pytest.approx((0.2 + 0.6) / 2)
    assert rock.lift == pytest.approx(0.4 / 0.2)
    assert rock.scores_by_model == pytest.approx({"one": 0.2, "two": 0.6})
    assert rock.peak == pytest.approx(0.5)
    assert rock.peak_time == 4.5
    assert piano.scores_by_model == pytest.approx({"two": 0.2})
    assert voice.scores_by_model == pytest.approx({"one": 0.55})
    assert result.embedding.tolist() == [1.0, 2.0, 3.0]
    assert result.embedding.dtype == np.float32


def test_models_on_different_chunks():
    vocabularies = [from_tags("a", ["rock"]), from_tags("b", ["rock"])]
    first = ModelTaggram("one", np.zeros((6, 1)), grid(6, 2.0, 2.0), np.zeros(1))
    second = ModelTaggram("two", np.array([[0.2], [0.8], [0.8]]), grid(3, 4.0, 4.0), np.zeros(1))
    result = from_taggrams([first, second], union(vocabularies), path="x", duration=12.0, model="both")
    assert result.taggram[:, 0] == pytest.approx([0.1, 0.1, 0.4, 0.4, 0.4, 0.4])
    assert result.tags[0].score == pytest.approx(0.3)
    assert result.tags[0].peak_time == 5.0
    assert result.tags[0].lift is None


@pytest.mark.parametrize("names", [("mtt",), ("msd", "mtt"), ("msd", "mtt", "jamendo")])
@pytest.mark.parametrize("merge", [True, False])
def test_contract(names, merge):
    result = tags_of(*names, merge=merge)
    vocabulary = union([get_vocabulary(name) for name in names], merge_synonyms=merge)
    n_tags = len(result.tags)
    assert result.taggram.shape == (10, n_tags)
    assert result.times.shape == (10, 2)
    assert result.embedding.shape == (6 * len(names),)
    assert len(set(result.vocabulary)) == n_tags
    assert np.allclose(result.taggram.max(0), [tag.peak for tag in result.tags])
    plain = [len(column.members) == len(column.vocabularies) for column in vocabulary.columns]  # no synonyms
    assert sum(plain) == n_tags if not merge else 25 < sum(plain) < n_tags
    assert np.allclose(result.taggram.mean(0)[plain], result.scores[plain], atol=1e-6)
    merged_means = vocabulary.merge_scores([part.taggram.mean(0, dtype=np.float64) for part in parts(*names)])
    assert np.array_equal(result.scores, merged_means)
    for tag in result.tags:
        assert 0 <= tag.score <= tag.peak + 1e-6
        assert tag.lift is not None
        assert 0 < tag.lift < math.inf
        assert tag.peak_time in result.centres
        assert isinstance(tag.score, float)
        assert isinstance(tag.peak, float)
        assert isinstance(tag.peak_time, float)
        low, high = min(tag.scores_by_model.values()), max(tag.scores_by_model.values())
        assert low - 1e-9 <= tag.score <= high + 1e-9
    assert pickle.loads(pickle.dumps(result)) == result


def test_raw_names_and_order_are_the_published_ones():
    result = tags_of("jamendo", merge=False)
    assert result.vocabulary == get_vocabulary("jamendo").tags
    assert np.array_equal(result.taggram, parts("jamendo")[0].taggram)


def test_top():
    result = tags_of("msd", "mtt")
    everything = result.top()
    assert [tag.score for tag in everything] == sorted(result.scores, reverse=True)
    assert set(everything) == set(result.tags)
    assert result.top(5) == everything[:5]
    assert result.top(0) == []
    assert result.top(10_000) == everything
    assert all(tag.score >= 0.3 for tag in result.top(min_score=0.3))
    assert result.top(min_score=0.3) == [tag for tag in everything if tag.score >= 0.3]
    assert {tag.category for tag in result.top(category="mood")} == {"mood"}
    assert {tag.category for tag in result.top(category=["mood", "era"])} == {"mood", "era"}
    assert len(result.top(2, category="mood")) == 2
    with pytest.raises(UsageError, match="top is -1"):
        result.top(-1)
    with pytest.raises(UnknownNameError, match="no category 'moods'") as error:
        result.top(category="moods")
    assert "'mood'" in (error.value.hint or "")


def test_equal_scores_keep_the_order_of_columns():
    part = ModelTaggram("m", np.full((2, 3), 0.5), grid(2, 1.0, 1.0), np.zeros(1))
    vocabulary = union([from_tags("v", ["b", "a", "c"])], merge_synonyms=False)
    result = from_taggrams([part], vocabulary, path="x", duration=2.0, model="m")
    assert [tag.tag for tag in result.top()] == ["b", "a", "c"]
    assert result.tags[0].peak_time == 0.5


def test_by_category():
    result = tags_of("msd", "mtt")
    groups = result.by_category()
    assert list(groups) == list(CATEGORIES)
    assert sum(map(len, groups.values())) == len(result.tags)
    for name, tags in groups.items():
        assert tags == result.top(category=name)
    assert "era" not in tags_of("mtt").by_category()


def test_to_dict():
    result = tags_of("msd", "mtt")
    plain = result.to_dict()
    assert list(plain) == ["path", "duration", "model", "models", "version", "tags", "warnings"]
    assert [tag["tag"] for tag in plain["tags"]] == list(result.vocabulary)
    assert list(plain["tags"][0]) == ["tag", "category", "score", "lift", "peak", "peak_time", "scores_by_model"]
    assert list(tags_of("mtt").to_dict()["tags"][0]) == ["tag", "category", "score", "lift", "peak", "peak_time"]
    chosen = result.to_dict(top=3, category="genre", min_score=0.1)["tags"]
    assert [tag["tag"] for tag in chosen] == [tag.tag for tag in result.top(3, category="genre")]
    assert plain == json.loads(json.dumps(plain, allow_nan=False))


def test_taggram_of_a_selection_has_its_columns():
    result = tags_of("msd", "mtt")
    back = TrackTags.from_dict(result.to_dict(top=2, taggram=True))
    assert back.vocabulary == tuple(tag.tag for tag in result.top(2))
    columns = [result.vocabulary.index(name) for name in back.vocabulary]
    assert np.array_equal(back.taggram, result.taggram[:, columns])


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**31),
    st.integers(1, 12),
    st.sampled_from([("mtt",), ("msd", "mtt"), ("msd", "mtt", "jamendo")]),
    st.booleans(),
    st.text(),
)
def test_round_trip(seed, n_chunks, names, merge, path):
    result = tags_of(*names, merge=merge, n_chunks=n_chunks, seed=seed, path=path)
    text = result.to_json(taggram=True, embedding=True)
    assert "\n" not in text
    assert text.encode()
    back = TrackTags.from_json(text)
    assert back == result
    assert back.taggram.dtype == back.embedding.dtype == np.float32
    assert back.times.dtype == np.float64
    assert TrackTags.from_dict(result.to_dict()).tags == result.tags


def test_without_arrays_they_are_empty():
    back = TrackTags.from_json(tags_of("mtt").to_json())
    assert back.taggram.shape == (0, len(back.tags))
    assert back.times.shape == (0, 2)
    assert back.embedding.shape == (0,)
    assert back != tags_of("mtt")
    assert "song.mp3" in repr(back)


def test_file_names_that_are_no_text_survive():
    result = tags_of("mtt", path="caf\udce9.mp3")
    assert TrackTags.from_json(result.to_json()).path == "caf\udce9.mp3"
    assert "猫" in tags_of("mtt", path="猫.mp3").to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not the tags"),
        ("[1]", "a JSON list"),
        ("{}", "KeyError: 'models'"),
        ('{"models": ["m"], "tags": [{"tag": "rock"}]}', "not the tags"),
    ],
)
def test_other_json_is_an_error(text, message):
    with pytest.raises(InputError, match=message):
        TrackTags.from_json(text)


def test_damaged_arrays_are_errors():
    plain = tags_of("mtt").to_dict(taggram=True)
    cut = plain | {"taggram": plain["taggram"] | {"base64": "AAAA"}}
    with pytest.raises(InputError, match="not the tags"):
        TrackTags.from_dict(cut)
    fewer = plain | {"tags": plain["tags"][:3]}
    with pytest.raises(InputError, match="10 chunks and 3 tags"):
        TrackTags.from_dict(fewer)
    objects = plain | {"taggram": plain["taggram"] | {"dtype": "|O"}}
    with pytest.raises(InputError, match="not the tags"):
        TrackTags.from_dict(objects)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"duration": "30"}, "duration is '30', expected a number"),
        ({"path": 3}, "path is 3, expected text"),
        ({"models": "m"}, "models is 'm', expected a list of texts"),
        ({"warnings": [None]}, "expected a list of texts"),
        ({"times": encode_array(np.zeros(10))}, r"times of shape \(10,\)"),
        ({"embedding": encode_array(np.zeros((2, 3)))}, r"embedding of shape \(2, 3\)"),
    ],
)
def test_values_of_another_kind_are_errors(change, message):
    plain = tags_of("mtt").to_dict(taggram=True, embedding=True)
    with pytest.raises(InputError, match=message):
        TrackTags.from_dict(plain | change)


@pytest.mark.parametrize("change", [{"score": "0.5"}, {"lift": []}, {"peak_time": None}, {"category": 1}])
def test_tags_with_values_of_another_kind_are_errors(change):
    plain = tags_of("mtt").to_dict()
    plain["tags"][0] |= change
    with pytest.raises(InputError, match="not the tags of a track"):
        TrackTags.from_dict(plain)


def test_wrong_parts_are_errors():
    part = parts("mtt")[0]
    mtt = union([get_vocabulary("mtt")])

    def build(*, taggram=part.taggram, times=part.times, vocabulary=mtt, times_given=1):
        given_parts = [ModelTaggram("m", taggram, times, part.embedding)] * times_given
        return from_taggrams(given_parts, vocabulary, path="x", duration=30.0, model="m")

    assert build().tags[0].lift is None
    nan = part.taggram.copy()
    nan[3, 4] = np.nan
    with pytest.raises(InputError, match=r"^x: m gave values that are not finite"):
        build(taggram=nan)
    with pytest.raises(InputError, match="no chunk"):
        build(taggram=part.taggram[:0], times=part.times[:0])
    with pytest.raises(InputError, match=r"\(10, 50\) and times \(9, 2\)"):
        build(times=part.times[:9])
    with pytest.raises(InputError, match="expected"):
        build(taggram=part.taggram[:, :49])
    with pytest.raises(InputError, match="given twice"):
        build(times_given=2)
    with pytest.raises(InputError, match="1 arrays of scores for 2"):
        build(vocabulary=union([get_vocabulary("mtt"), get_vocabulary("msd")]))


def test_long_mix():
    result = tags_of("msd", "mtt", n_chunks=12_000)
    assert result.taggram.shape == (12_000, 73)
    assert result.duration == 36_000


def with_thresholds(**options):
    vocabulary = union([from_tags("own", ("a", "b", "c"))], merge_synonyms=False)
    taggram = np.array([[0.2, 0.6, 0.4], [0.4, 0.8, 0.0]], np.float32)  # means 0.3, 0.7, 0.2
    part = ModelTaggram("own", taggram, np.array([[0, 3], [3, 6.0]]), np.zeros(2), **options)
    return from_taggrams([part], vocabulary, path="song.mp3", duration=6, model="own")


def test_tags_above_their_own_thresholds():
    result = with_thresholds(thresholds=(0.3, 0.9, math.inf))
    assert [tag.threshold for tag in result.tags] == [0.3, 0.9, math.inf]
    assert [tag.tag for tag in result.top(above_threshold=True)] == ["a"]
    assert [tag.is_above_threshold for tag in result.tags] == [True, False, False]
    plain = json.loads(result.to_json())
    assert [tag["threshold"] for tag in plain["tags"]] == [0.3, 0.9, None]
    assert [tag["tag"] for tag in json.loads(result.to_json(above_threshold=True))["tags"]] == ["a"]
    assert TrackTags.from_json(result.to_json(taggram=True, embedding=True)) == result


def test_without_thresholds_none_is_above():
    result = with_thresholds()
    assert "threshold" not in result.to_dict()["tags"][0]
    assert not any(tag.is_above_threshold for tag in result.tags)
    with pytest.raises(UsageError, match="own has no thresholds"):
        result.top(above_threshold=True)


def test_a_calibration_is_applied_to_the_score_of_the_track():
    calibration = Calibration("platt", ("a", "b", "c"), np.array([1.0, 2.0, 0.5]), np.array([0.0, -1.0, 1.0]))
    raw = with_thresholds(thresholds=(0.3, 0.9, math.inf))
    result = with_thresholds(thresholds=(0.3, 0.9, math.inf), calibration=calibration)
    np.testing.assert_allclose(result.scores, calibration.apply(raw.scores), rtol=1e-12)
    np.testing.assert_allclose(result.taggram, calibration.apply(raw.taggram), rtol=1e-6)
    assert result.scores[0] == pytest.approx(raw.scores[0], rel=1e-6)
    assert result.scores[1] == pytest.approx((0.7 / 0.3) ** 2 / math.e / (1 + (0.7 / 0.3) ** 2 / math.e), rel=1e-6)
    chosen = [tag.tag for tag in result.top(above_threshold=True)]
    assert chosen == [tag.tag for tag in raw.top(above_threshold=True)]


def test_thresholds_merge_only_if_all_models_have_them():
    vocabularies = [from_tags("one", ("a", "b")), from_tags("two", ("b", "c"))]
    times = np.array([[0, 3.0]])

    def merged(second):
        parts = [
            ModelTaggram("one", np.array([[0.5, 0.5]]), times, np.zeros(2), thresholds=(0.4, 0.2)),
            ModelTaggram("two", np.array([[0.5, 0.5]]), times, np.zeros(2), thresholds=second),
        ]
        return from_taggrams(parts, union(vocabularies), path="song.mp3", duration=3, model="both")

    assert [tag.threshold for tag in merged((0.6, 0.9)).tags] == pytest.approx([0.4, 0.4, 0.9])
    assert [tag.threshold for tag in merged(None).tags] == [None] * 3
