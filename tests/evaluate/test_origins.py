"""Whether a model learned from the training part of a split: told by cards, recipes, reports and names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.config import to_toml
from earmark.datasets import dataset_info, open_dataset
from earmark.evaluate import evaluate, write_report
from earmark.evaluate.origins import Origin, is_named, origin_of_card, origin_of_stored
from earmark.evaluate.sources import gather
from earmark.models.card import PUBLISHED, ModelCard

CARD = PUBLISHED["musicnn.pons_mtt"]
DATASETS = {"mtt": "magnatagatune", "msd": "msd", "jamendo": "mtg_jamendo"}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_cards_name_their_dataset_and_no_other(name) -> None:
    own = DATASETS[name.rpartition("_")[2]]
    others = ("magnatagatune", "msd", "mtg_jamendo", "gtzan", "fma", "cal500", "table")
    infos = {other: dataset_info(other) for other in others}
    assert [other for other, info in infos.items() if is_named(PUBLISHED[name].dataset, info)] == [own]


def test_titles_and_names() -> None:
    music_speech = dataset_info("gtzan_music_speech")
    assert is_named("GTZAN Genre Collection", dataset_info("gtzan"))
    assert is_named("gtzan", dataset_info("gtzan"))
    assert not is_named("gtzan", music_speech)
    assert not is_named("GTZAN Genre Collection", music_speech)
    assert is_named("ESC-50", dataset_info("esc50"))
    assert not is_named("ESC-50", dataset_info("esc10"))


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    lines = [f"{i}.wav,{i},{('rock', 'guitar')[i % 2]},{'test' if i > 5 else 'train'},a{i}\n" for i in range(9)]
    (folder / "tracks.csv").write_text("path,id,tags,split,artist\n" + "".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path, tracks: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "best.safetensors").write_bytes(b"")
    (folder / "run.toml").write_text(to_toml({"data": {"dataset": "table", "root": str(tracks)}}), encoding="utf-8")
    return folder


def of_run(split: str) -> ModelCard:
    return replace(CARD, name="run", dataset="A table of tracks", split=split, tags=("guitar", "rock"), base_rates=())


def test_a_run_is_known_by_its_recipe(run, tracks, tmp_path) -> None:
    dataset = open_dataset("table", tracks)
    weights, published = str(run / "best.safetensors"), dataset.split("published")
    assert origin_of_card(of_run("published"), weights, dataset, published, "test") == Origin("split")
    assert origin_of_card(CARD, "musicnn.pons_mtt", dataset, published, "test") == Origin("elsewhere")
    (run / "run.toml").write_text(to_toml({"data": {"dataset": "table", "root": str(tmp_path)}}), encoding="utf-8")
    assert origin_of_card(of_run("published"), weights, dataset, published, "test") == Origin("unsaid")
    strange = replace(of_run("published"), tags=("a", "b"))
    assert origin_of_card(strange, weights, dataset, published, "test") == Origin("elsewhere")
    (run / "run.toml").write_text(to_toml({"data": {"dataset": "gtzan", "root": str(tracks)}}), encoding="utf-8")
    assert origin_of_card(of_run("published"), weights, dataset, published, "test") == Origin("elsewhere")


def test_tracks_that_another_split_trained_on_are_counted(run, tracks) -> None:
    dataset = open_dataset("table", tracks)
    other = next(name for name in dataset.split_names if name != "published")
    split = dataset.split(other)
    n = len(set(split["test"]) & set(dataset.split("published")["train"]))
    found = origin_of_card(of_run("published"), str(run / "best.safetensors"), dataset, split, "test")
    assert found.kind == "dataset"
    assert f"split 'published' of this dataset, and {n} of the {len(split['test'])} tracks" in found.warnings[0]


def test_a_published_model_may_have_heard_the_tracks_of_another_split(tracks) -> None:
    plain = open_dataset("table", tracks)
    dataset = replace(plain, info=replace(plain.info, name="magnatagatune", title="MagnaTagATune"))
    published, other = (dataset.split(name) for name in dataset.split_names[:2])
    assert origin_of_card(CARD, CARD.name, dataset, published, "test") == Origin("dataset")
    (warning,) = origin_of_card(CARD, CARD.name, dataset, other, "test").warnings
    assert "by a split that its card calls '12:1:3 by folder" in warning


def test_stored_predictions(make, tmp_path) -> None:
    shared = {"artist": (True,) * 40 + (False,) * 80}
    made = make(shared=shared)
    assert origin_of_stored(made).kind == "unsaid"
    (tmp_path / "run" / "predictions").mkdir(parents=True)
    made.save(tmp_path / "run" / "predictions" / "test.npz")
    assert gather(tmp_path / "run" / "predictions" / "test.npz").origin.kind == "unsaid"
    (tmp_path / "run" / "run.toml").write_text("", encoding="utf-8")
    assert gather(tmp_path / "run" / "predictions" / "test.npz").origin.kind == "split"


def test_a_report_remembers(make, tmp_path) -> None:
    report = evaluate(make(shared={"artist": (True,) * 40 + (False,) * 80}), resamples=5, mistakes=0)
    assert "If the model learned from that, scores are flattered" in report.to_markdown()
    write_report(replace(report, learned_from="elsewhere", warnings=("it has heard them",)), tmp_path)
    assert gather(tmp_path).origin == Origin("elsewhere", ("it has heard them",))
    again = evaluate(tmp_path, resamples=5, mistakes=0)
    assert "**Leakage: it has heard them.**" in again.to_markdown()
    assert "the artist of" not in again.to_markdown().partition("## Scores")[0]
    (tmp_path / "report.json").write_text('["a list"]', encoding="utf-8")
    assert gather(tmp_path).origin == Origin("unsaid")
    assert np.array_equal(gather(tmp_path).predictions.scores, report.predictions.scores)
