"""`earmark evaluate` and `earmark compare` as a user gives them."""

import json
from pathlib import Path

import numpy as np
import pytest

from earmark import metrics
from earmark.config import to_toml
from earmark.models.card import ModelCard
from earmark.models.weights import read_card, write_weights
from earmark.predictions import Predictions

TAGS = ("rock", "piano")


def predictions(part: str, *, seed: int = 0, model: str = "net", skill: float = 2.0, **more: object) -> Predictions:
    rng = np.random.default_rng(seed)
    targets = rng.random((60, 2)) < [0.5, 0.3]
    scores = 1 / (1 + np.exp(-(skill * (targets - 0.5) + rng.normal(size=targets.shape))))
    ids = tuple(f"{part}-{i}" for i in range(60))
    return Predictions(targets=targets, scores=scores.astype(np.float32), ids=ids, tags=TAGS, model=model,
                       dataset="ours", split="published", part=part, **more)  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "predictions").mkdir(parents=True)
    (folder / "run.toml").write_text(to_toml({"data": {"dataset": "table", "root": "gone"}}), encoding="utf-8")
    predictions("test").save(folder / "predictions" / "test.npz")
    predictions("validation", seed=1).save(folder / "predictions" / "validation.npz")
    card = ModelCard(
        name="net", architecture="fcn", sample_rate=16000, chunk_samples=16000, hop_samples=16000, frontend="won",
        vocabulary="own", tags=TAGS, n_parameters=3, embedding="pooled", n_features=2,
    )  # fmt: skip
    write_weights(folder / "best.safetensors", {"a": np.zeros(3, np.float32)}, card, is_converted=False)
    return folder


def test_a_line_per_metric_in_a_pipe(cli, run) -> None:
    answer = cli("evaluate", run, "--resamples", 20)
    assert answer.status == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in answer.out.splitlines()}
    made = predictions("test")
    assert float(rows["pr_auc"][0]) == metrics.pr_auc(made.targets, made.scores)
    assert float(rows["f1"][0]) > 0.5
    assert rows["log_loss"][3] == "60"
    assert "could not be opened" in answer.err


def test_a_split_goes_with_a_dataset(cli, run) -> None:
    for option in (("--split", "fold-2"), ("--option", "vocabulary=all")):
        answer = cli("evaluate", run, *option)
        assert answer.status == 2
        assert "is of a dataset to score" in answer.err
    assert "nothing to evaluate is named" in cli("evaluate").err
    assert "two things to evaluate" in cli("evaluate", run, "--scores", "s.npy", "--targets", "t.npy").err


def test_a_report_and_json(cli, run, tmp_path) -> None:
    answer = cli("evaluate", run, "--resamples", 5, "-o", tmp_path / "report", "--json")
    assert answer.status == 0
    assert json.loads(answer.out) == json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert len(json.loads(answer.out)["mistakes"]) > 0
    assert "report.html: the report" in answer.err
    again = cli("evaluate", tmp_path / "report", "--resamples", 5, "--part", "test", "-q")
    assert again.status == 0


def test_store_puts_thresholds_into_the_card(cli, run) -> None:
    answer = cli("evaluate", run, "--resamples", 5, "--store")
    assert answer.status == 0
    made = predictions("validation", seed=1)
    expected = metrics.best_thresholds(made.targets, made.scores).tolist()
    assert list(read_card(run / "best.safetensors").thresholds) == expected
    assert "its card has the thresholds" in answer.err


def test_leaks_are_warned_of(cli, tmp_path) -> None:
    shared = {"artist": (True,) * 10 + (False,) * 50}
    predictions("test", shared=shared).save(tmp_path / "p.npz")
    answer = cli("evaluate", tmp_path / "p.npz", "--resamples", 5)
    assert "warning: Leakage: the artist of 10 of 60 tracks (17 %)" in answer.err


def test_stored_scores(cli, tmp_path) -> None:
    made = predictions("test")
    np.save(tmp_path / "s.npy", made.scores)
    np.save(tmp_path / "t.npy", made.targets)
    stored = ("--scores", tmp_path / "s.npy", "--targets", tmp_path / "t.npy")
    answer = cli("evaluate", *stored, "--halves", "--resamples", 5)
    assert f"roc_auc\t{metrics.roc_auc(made.targets, made.scores)}\t" in answer.out
    assert any(line.startswith("f1\t") and line.endswith("\t30") for line in answer.out.splitlines())
    np.save(tmp_path / "s.npy", made.scores[:, :1])
    wrong = cli("evaluate", *stored)
    assert (wrong.status, wrong.out) == (1, "")
    assert "expected the same" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "nothing to evaluate is named"),
        (("nothing.npz",), 1, "nothing.npz: cannot be read"),
        (("musicnn.pons_mtt",), 2, "add --dataset NAME --root FOLDER"),
        (("x", "--dataset", "tabel", "--root", "."), 2, "did you mean 'table'?"),
        (("x", "--store", "--dataset", "table", "--root", "."), 2, "--store is for a run"),
        (("run", "--group", "genre"), 2, "genre"),
        (("run", "--group", "album"), 1, "several known albums"),
        (("run", "--part", "train"), 1, "no predictions of the train part"),
        (("run", "--floors", "mfcc_logistik"), 2, "there is no floor 'mfcc_logistik'"),
        (("run", "-o", "run/run.toml"), 1, "is a file, expected a folder"),
    ],
)
def test_what_goes_wrong_is_told(cli, run, monkeypatch, arguments, status, message) -> None:
    monkeypatch.chdir(run.parent)
    answer = cli("evaluate", *arguments, *(("--resamples", 2) if arguments[:1] == ("run",) else ()))
    assert (answer.status, answer.out) == (status, "")
    assert message in answer.err


def test_compare(cli, run, tmp_path) -> None:
    predictions("test", model="weaker", skill=0.3).save(tmp_path / "weaker.npz")
    answer = cli("compare", run, tmp_path / "weaker.npz", "--resamples", 50)
    assert answer.status == 0
    rows = {tuple(line.split("\t")[:2]): line.split("\t")[2:] for line in answer.out.splitlines()}
    assert all(len(values) == 3 for values in rows.values())
    made = predictions("test")
    value, low, high = map(float, rows["pr_auc", "net"])
    assert (value, low < value < high) == (metrics.pr_auc(made.targets, made.scores), True)
    assert float(rows["pr_auc", "weaker - net"][2]) < 0
    lines = [
        json.loads(line)
        for line in cli("compare", run, tmp_path / "weaker.npz", "--json", "--resamples", 5).out.splitlines()
    ]
    assert [next(iter(line)) for line in lines] == ["entry", "entry", "difference", "difference"]
    assert lines[2]["difference"]["interval"]["value"] < 0
    text = cli("compare", run, tmp_path / "weaker.npz", "--markdown", "--mean", "--resamples", 5).out
    assert text.startswith("|  | net | weaker | mean ± deviation |\n")


def test_compare_keeps_to_the_terminal(cli, run, tmp_path, monkeypatch) -> None:
    predictions("test", model="weaker", skill=0.3).save(tmp_path / "weaker.npz")
    predictions("test", model="weakest", skill=0.1).save(tmp_path / "weakest.npz")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for columns in (80, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        answer = cli("compare", run, tmp_path / "weaker.npz", tmp_path / "weakest.npz", "--mean", "--resamples", 5)
        assert (answer.status, "\t" in answer.out) == (0, False)
        table = answer.out.partition("\n\n")[0]
        assert "lower is better" in answer.out.lower()
        assert max(map(len, answer.out.splitlines())) <= columns
        assert ("[" in table) == (columns == 140)


def test_evaluate_keeps_to_the_terminal(cli, run, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for columns, is_whole in ((70, False), (120, True)):
        monkeypatch.setenv("COLUMNS", str(columns))
        answer = cli("evaluate", run, "--resamples", 5)
        assert max(map(len, answer.out.splitlines())) <= columns
        assert ("for want of room" in " ".join(answer.out.split())) != is_whole


def test_compare_takes_no_bare_model(cli, run) -> None:
    answer = cli("compare", run, "musicnn.pons_mtt")
    assert answer.status == 2
    assert "is no run, no report and no file of predictions" in answer.err
    assert "earmark evaluate musicnn.pons_mtt --dataset NAME" in answer.err
    assert "or the name of a model" not in answer.err


def test_compare_notes_what_differs(cli, run, tmp_path) -> None:
    predictions("fold", model="other").save(tmp_path / "other.npz")
    answer = cli("compare", run, tmp_path / "other.npz", "--resamples", 5)
    assert "warning: the tracks differ" in answer.err
    assert cli("compare", run).status == 2


@pytest.mark.shared
def test_published_figures_come_out(cli, shared) -> None:
    folder = shared / "datasets" / "stored_predictions"
    answer = cli(
        "evaluate", "--scores", folder / "won_musicnn_mtt_test_est.csv.gz",
        "--targets", folder / "won_musicnn_mtt_test_gt.csv.gz", "--tags", "mtt", "--halves", "--resamples", 2,
    )  # fmt: skip
    found = {line.split("\t")[0]: float(line.split("\t")[1]) for line in answer.out.splitlines()}
    assert (round(found["roc_auc"], 4), round(found["pr_auc"], 4)) == (0.9109, 0.4509)
    assert round(found["f1"], 4) == 0.4822
    answer = cli(
        "evaluate", "--scores", folder / "jamendo_moodtheme_baseline_vggish_predictions.npy",
        "--targets", folder / "jamendo_moodtheme_groundtruth.npy", "--resamples", 2,
    )  # fmt: skip
    found = {line.split("\t")[0]: float(line.split("\t")[1]) for line in answer.out.splitlines()}
    assert (round(found["roc_auc"], 6), round(found["pr_auc"], 6)) == (0.725821, 0.107734)
