"""A head answers by its numbers, and its file gives back the same head or says what is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.fitting import Scaling
from earmark.library.heads import SUFFIX, Head, Measured, Report, check_name, load_head, save_head

REPORT = Report(
    6,
    7,
    5,
    7,
    100,
    roc_auc=Measured(0.9, 0.6, 0.98),
    balanced_accuracy=Measured(0.8, 0.5, 0.9),
    decided=0.75,
    right=Measured(1.0, 0.7, 1.0),
    share=0.2,
    warnings=("only 3 examples without it", "ein Käfer"),
    doubtful=(2, 4),
    conflicts=((1, 8),),
)


def head(n_features: int = 4, **facts: object) -> Head:
    rng = np.random.default_rng(1)
    mean, gain, weights = rng.standard_normal((3, n_features)).astype(np.float32)
    made = Head(
        name="late night",
        category="mood",
        model="standard",
        model_version="1a2b",
        scaling=Scaling(mean, np.abs(gain) + 0.1),
        weights=weights,
        slope=2.0,
        offset=0.5,
        share=0.2,
        threshold=0.4,
        low=0.1,
        high=0.8,
        report=REPORT,
        created="2026-11-27T10:00:00+00:00",
    )
    return replace(made, **facts)


def test_probabilities_follow_the_formula() -> None:
    mine = head()
    x = np.random.default_rng(2).standard_normal((5, 4))
    scaled = (x.astype(np.float32) - mine.scaling.mean) * mine.scaling.gain
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    odds = np.exp(2.0 * scaled @ mine.weights + 0.5) * 0.2 / 0.8
    np.testing.assert_allclose(mine.probabilities(x), odds / (1 + odds), rtol=1e-4)


def test_a_tag_that_is_more_frequent_is_more_probable() -> None:
    x = np.random.default_rng(2).standard_normal((5, 4))
    assert (head().probabilities(x, share=0.6) > head().probabilities(x)).all()
    np.testing.assert_allclose(head().probabilities(x, share=0.2), head().probabilities(x))
    with pytest.raises(UsageError, match="share is 1"):
        head().probabilities(x, share=1)


def test_answers_lie_at_the_bounds() -> None:
    assert head().answers(np.array([0.0, 0.1, 0.11, 0.79, 0.8, 1.0])).tolist() == [
        "no", "no", "unsure", "unsure", "yes", "yes",
    ]  # fmt: skip
    x = np.random.default_rng(2).standard_normal((50, 4))
    assert head().decide(x).tolist() == head().answers(head().probabilities(x)).tolist()
    assert len(head().decide(np.zeros((0, 4)))) == 0


def test_what_comes_back_from_a_file_is_the_same(tmp_path: Path) -> None:
    mine, path = head(400), tmp_path / f"late night{SUFFIX}"
    save_head(mine, path)
    assert path.stat().st_size < 12_000
    back = load_head(path)
    x = np.random.default_rng(2).standard_normal((20, 400))
    assert np.array_equal(back.probabilities(x), mine.probabilities(x))
    assert back.report == mine.report
    for name in ("name", "category", "model", "model_version", "share", "threshold", "low", "high", "created"):
        assert getattr(back, name) == getattr(mine, name)
    save_head(back, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_report_without_scores_comes_back(tmp_path: Path) -> None:
    bare = Report(1, 0, 1, 0, 50)
    save_head(head(report=bare), tmp_path / "x")
    assert load_head(tmp_path / "x").report == bare


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no taught tag, or only a part"),
        (b"\x00\xff\x00", "no taught tag, or only a part"),
        (b"[" * 100_000, "no taught tag, or only a part"),
        (b"[1, 2]", "this is no taught tag"),
        (b'{"name": "x"}', "this is no taught tag"),
        (b'{"format": "earmark taught tag", "version": 2}', "version 2 of the format"),
        (b" " * 1_000_001, "over 1 MB"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_head(tmp_path / "x")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_head(tmp_path / "x")
    with pytest.raises(InputError, match="there is no folder"):
        save_head(head(), tmp_path / "no" / "x")


@given(st.data())
def test_damage_anywhere_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    save_head(head(), path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        back = load_head(path)
    except InputError:
        return
    assert back.report == REPORT  # it was white space
    assert np.array_equal(back.weights, head().weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "AAAA"}, "makes sense"),
        ({"n_features": 5}, "mean has 4 numbers, expected 5"),
        ({"mean": "?"}, "mean is not base64"),
        ({"category": "smell"}, "category"),
        ({"low": 0.9}, "low <= threshold"),
        ({"slope": None}, "makes sense"),
        ({"report": {}}, "makes sense"),
        ({"name": "a;b"}, "players split tags"),
    ],
)
def test_a_file_whose_digest_is_right_and_whose_content_is_not(tmp_path: Path, change: dict, message: str) -> None:
    from earmark.library.heads import _digest

    save_head(head(), tmp_path / "x")
    stored = json.loads((tmp_path / "x").read_text())
    del stored["sha256"]
    stored.update(change)
    (tmp_path / "x").write_text(json.dumps({**stored, "sha256": _digest(stored)}))
    with pytest.raises(InputError, match=message):
        load_head(tmp_path / "x")


@pytest.mark.parametrize("name", ["", " x", "x\n", "a/b", "a,b", "a;b", "x" * 101])
def test_names_that_cannot_be_tags(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a tag"):
        check_name(name)


@pytest.mark.parametrize(
    ("facts", "kind", "message"),
    [
        ({"category": "smell"}, UnknownNameError, "category"),
        ({"weights": np.zeros(3, np.float32)}, InputError, "differ in size"),
        ({"weights": np.full(4, np.inf, np.float32)}, InputError, "not finite"),
        ({"offset": float("nan")}, InputError, "not finite"),
        ({"share": 1.0}, InputError, "share in"),
        ({"threshold": 0.9}, InputError, "low <= threshold"),
    ],
)
def test_heads_that_make_no_sense(facts: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        head(**facts)


@pytest.mark.parametrize(
    ("measured", "n_groups", "verdict"),
    [
        (None, 3, "not tested"),
        (Measured(0.9, 0.51, 1), 3, "better than chance"),
        (Measured(0.9, 0.4, 1), 3, "too few to say"),
        (Measured(0.55, 0.4, 0.7), 20, "no better than chance"),
    ],
)
def test_what_a_score_amounts_to(measured: Measured | None, n_groups: int, verdict: str) -> None:
    assert Report(30, 30, n_groups, n_groups, 0, roc_auc=measured).verdict == verdict
