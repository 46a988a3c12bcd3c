"""The training loop on a small made-up dataset: it learns, goes on bit for bit, and says what is wrong."""

import copy
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from earmark import metrics  # noqa: E402
from earmark.audio import io  # noqa: E402
from earmark.config import read_config  # noqa: E402
from earmark.errors import EarmarkError, InputError, UnknownNameError, UsageError  # noqa: E402
from earmark.models.base import load  # noqa: E402
from earmark.predictions import load_predictions  # noqa: E402
from earmark.train import loop, overfitting, train  # noqa: E402
from earmark.train.checkpoints import load_checkpoint, write_checkpoint  # noqa: E402
from earmark.train.overfitting import check_that_it_learns  # noqa: E402
from earmark.train.run import set_up  # noqa: E402

RATE = 16000
CLASSES = ("low", "middle", "high")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["model"]


def test_a_run_learns_and_leaves_a_model(recipe: dict[str, Any], root: Path, tmp_path: Path) -> None:
    recipe["run"]["epochs"] = 20
    epochs = []
    results = train(recipe, tmp_path / "run", on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == list(range(1, 21))
    assert results["test"]["accuracy"] > 0.45, "a third is chance"
    assert results["tracks"]["train"] + results["tracks"]["validation"] + results["tracks"]["test"] == 36
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results
    assert read_config(tmp_path / "run" / "run.toml") == recipe
    assert "numpy" in json.loads((tmp_path / "run" / "provenance.json").read_text())["packages"]
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 20
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert sorted(checkpoint["tags"]) == sorted(CLASSES)
    assert checkpoint["config"] == recipe
    assert checkpoint["provenance"]["packages"]["torch"]
    model = load(tmp_path / "run" / "best.safetensors")
    assert model.card is not None
    assert sorted(model.card.tags) == sorted(CLASSES)
    assert model.card.activation == "softmax"
    for part in ("validation", "test"):
        found = load_predictions(tmp_path / "run" / "predictions" / f"{part}.npz")
        assert metrics.accuracy(found.targets, found.scores) == results[part]["accuracy"]
        assert (found.model, found.part, len(found)) == ("run", part, results["tracks"][part])
    assert model.card.scores["validation_accuracy"] == results["validation"]["accuracy"]
    heard = [heard_as(model, root / name / f"{i}.wav") == name for name in CLASSES for i in range(12)]
    assert np.mean(heard) > 0.5, "of all tracks, most of which it learned from"


def heard_as(model: Any, path: Path) -> str:
    waveform, _ = io.read(path, duration=model.chunk_samples / RATE)
    with torch.no_grad():
        return model.card.tags[int(model(torch.from_numpy(waveform)[None]).argmax())]


AUGMENT = {"gain": {"probability": 0.5}, "time_shift": {}, "spec_augment": {}}


@pytest.mark.parametrize(
    ("run", "others"),
    [
        ({}, {}),
        ({"ema": 0.9, "mixup": 0.4, "clip": 1.0}, {"augment": AUGMENT}),
        ({"swa": 0.5, "balance": "tags", "accumulate": 2}, {"schedule": {"name": "plateau", "patience": 1}}),
        ({}, {"stages": {"epochs": 1, "next": [{"name": "sgd", "lr": 0.01, "epochs": 2}]}}),
    ],
    ids=["plain", "ema, mixup, augmented", "swa, balanced, in pieces, plateau", "stages"],
)
def test_a_killed_run_goes_on_bit_for_bit(
    recipe: dict[str, Any], run: dict[str, Any], others: dict[str, Any], tmp_path: Path
) -> None:
    recipe |= others
    recipe["run"] |= run | {"overfit_check": False}
    train(recipe, tmp_path / "whole")
    n_steps = 0

    def killed(step: int, n: int, loss: float) -> None:
        nonlocal n_steps
        n_steps += 1
        if n_steps == 9:  # in the middle of the second epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", on_step=killed)
    assert not (tmp_path / "cut" / "results.json").exists()
    results = train(recipe, tmp_path / "cut", resume=True)
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert results == json.loads((tmp_path / "whole" / "results.json").read_text())
    best = [load(tmp_path / run / "best.safetensors").state_dict() for run in ("whole", "cut")]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def test_best_weights_that_no_checkpoint_knows_are_forgotten(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the best weights of the second epoch were written and before its checkpoint was."""
    quick["run"] |= {"epochs": 3, "monitor": "loss"}
    quick["optimizer"]["lr"] = 0.001
    quick["stages"] = {"epochs": 1, "next": [{"name": "sgd", "lr": 0.01}]}
    whole = train(quick, tmp_path / "whole")
    write, n_written = loop.write_checkpoint, 0

    def killed(run: Any, folder: Path) -> None:
        nonlocal n_written
        n_written += 1
        if n_written == 2:
            assert run.history[-1].is_best, "else this tests nothing"
            raise KeyboardInterrupt
        write(run, folder)

    monkeypatch.setattr(loop, "write_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        train(quick, tmp_path / "cut")
    monkeypatch.undo()
    assert train(quick | {"run": quick["run"] | {"epochs": 1}}, tmp_path / "cut", resume=True)["epoch"] == 1
    first = load(tmp_path / "cut" / "best.safetensors").state_dict()
    assert all(torch.equal(value, first[name]) for name, value in weights(tmp_path / "cut").items())
    assert train(quick, tmp_path / "cut", resume=True) == whole
    assert not list((tmp_path / "cut").glob("best-*")), "nothing is left over"


def test_a_run_that_was_killed_in_its_first_epoch_begins_again(quick: dict[str, Any], tmp_path: Path) -> None:
    def killed(step: int, n: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(quick, tmp_path / "cut", on_step=killed)
    assert train(quick, tmp_path / "cut", resume=True) == train(quick, tmp_path / "whole")


def test_a_run_does_not_go_on_with_other_tracks(quick: dict[str, Any], root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "grows")
    quick["data"]["root"] = tmp_path / "grows"  # a path is as good as text
    train(quick, tmp_path / "run")
    assert read_config(tmp_path / "run" / "run.toml")["data"]["root"] == str(tmp_path / "grows")
    shutil.copy(root / "low" / "0.wav", tmp_path / "grows" / "low" / "new.wav")
    with pytest.raises(UsageError, match="are not those that the run began with"):
        train(quick, tmp_path / "run", resume=True)


@pytest.mark.parametrize("content", [[1, 2], {"format": 1}, {"weights": 0.0}], ids=["list", "older", "other"])
def test_another_checkpoint_is_told(quick: dict[str, Any], tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="is no checkpoint of a run"):
        train(quick, tmp_path, resume=True)


def test_a_longer_run_averages_its_own_last_epochs(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"] |= {"epochs": 4, "swa": 0.5}
    train(quick, tmp_path / "run")
    quick["run"]["epochs"] = 12
    train(quick, tmp_path / "run", resume=True)
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["average"]["n"] == 6


def test_the_scale_of_half_precision_goes_on(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"]["precision"] = "bf16-mixed"
    (tmp_path / "predictions").mkdir()
    first, second = set_up(quick), set_up(quick)
    for run, scale in ((first, 8.0), (second, 16.0)):
        run.fabric.strategy.precision.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    write_checkpoint(first, tmp_path)
    load_checkpoint(second, tmp_path / "checkpoint.pt")
    assert second.fabric.strategy.precision.scaler.get_scale() == 8.0


def test_the_same_seed_gives_the_same_run_and_another_seed_another(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["run"] |= {"epochs": 1, "overfit_check": False}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(recipe | {"run": recipe["run"] | {"seed": seed}}, tmp_path / name)
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_a_run_goes_on_for_more_epochs_but_not_with_another_recipe(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["run"]["epochs"] = 1
    recipe["schedule"] = {"name": "constant"}
    train(recipe, tmp_path / "run")
    longer = copy.deepcopy(recipe)
    longer["run"]["epochs"] = 2
    under_way = []
    results = train(
        longer,
        tmp_path / "run",
        resume=True,
        on_step=lambda *_: under_way.append((tmp_path / "run/results.json").exists()),
    )
    assert results["epochs"] == 2
    assert not any(under_way), "results of the shorter run would pass for those of this one"
    assert read_config(tmp_path / "run" / "run.toml") == longer, "so that it goes on with that the next time too"
    other = copy.deepcopy(longer)
    other["optimizer"]["lr"] = 0.02
    with pytest.raises(UsageError, match="of another recipe"):
        train(other, tmp_path / "run", resume=True)


def test_patience_ends_a_run(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["run"] |= {"epochs": 30, "patience": 2, "overfit_check": False}
    recipe["optimizer"]["lr"] = 0.0
    recipe["schedule"] = {"name": "constant"}
    results = train(recipe, tmp_path / "run")
    assert results["epochs"] <= 6


def test_a_run_that_diverges_says_so_and_keeps_its_checkpoint(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["run"]["epochs"] = 1
    train(recipe, tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    recipe["run"]["epochs"] = 4

    def spoil(step: int, n: int, loss: float) -> None:
        for module in model_of_run:
            with torch.no_grad():
                next(module.parameters()).fill_(float("nan"))

    model_of_run: list[torch.nn.Module] = []
    original = loop.set_up

    def caught(config: Any, **options: Any) -> Any:
        run = original(config, **options)
        model_of_run.append(run.model)
        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "set_up", caught)
        with pytest.raises(EarmarkError, match=r"the loss became nan in step 8, epoch 2"):
            train(recipe, tmp_path / "run", resume=True, on_step=spoil)
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_gradients_that_are_no_numbers_are_told_in_words(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"]["clip"] = 1.0
    quick["optimizer"] = {"name": "sgd", "lr": 1e30}
    with pytest.raises(EarmarkError, match="the loss became nan in step"):
        train(quick, tmp_path / "run")


def test_too_little_memory_is_told(quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore lines.")

    monkeypatch.setattr(loop, "_step", full)
    with pytest.raises(EarmarkError, match=r"^out of memory: CUDA out of memory\. Tried to allocate 2 GiB\.$"):
        train(quick, tmp_path / "run")


def test_what_chooses_has_to_be_known_before_the_run(quick: dict[str, Any], root: Path, tmp_path: Path) -> None:
    table = tmp_path / "tracks.csv"
    rows = [f"{root}/{name}/{i}.wav,{name};{'ab'[i % 2]},{('train', 'validation')[i % 3 % 2]}"
            for name in CLASSES for i in range(8)]  # fmt: skip
    table.write_text("path,tags,split\n" + "\n".join(rows) + "\n")
    quick["data"] |= {"dataset": "table", "root": str(table), "split": "published"}
    quick["loss"] = {"name": "bce"}
    with pytest.raises(UsageError, match=r"run\.monitor is 'accuracy', which this validation part cannot tell"):
        train(quick, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_cannot_learn_is_stopped_before_the_run(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = set_up(recipe)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    check_that_it_learns(run)
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items()), "nothing is kept"
    for parameter in run.model.parameters():
        parameter.requires_grad_(False)
    next(iter(run.model.end.parameters())).requires_grad_(True)
    monkeypatch.setattr(overfitting, "CHECK_FALL", 1e-6)
    with pytest.raises(InputError, match="does not learn one batch by heart"):
        check_that_it_learns(run)


@pytest.mark.parametrize(
    ("table", "key", "value", "error", "problem"),
    [
        ("run", "epoch", 3, UsageError, "takes no option 'epoch'"),
        ("run", "batch_size", 1, UsageError, "batch_size of 2 or more"),
        ("run", "accumulate", 4, UsageError, "cannot be shared among 4 pieces"),
        ("run", "epochs", "three", UsageError, "epochs='three', expected a whole number"),
        ("run", "balance", "artists", UsageError, "balance='artists'"),
        ("run", "precision", "bf16-true", UsageError, "precision='bf16-true'"),
        ("run", "accelerator", "abacus", UsageError, "accelerator='abacus'"),
        ("run", "seed", -1, UsageError, "run.seed is -1"),
        ("run", "seed", 1 << 63, UsageError, "run.seed"),
        ("run", "swa", 1.5, UsageError, "swa from 0 to below 1"),
        ("start", "freeze", "encoder", UsageError, "its weights are random"),
        ("start", "init", "musicnn.pons_msb", UnknownNameError, "musicnn.pons_msb"),
        ("stages", "next", [{"name": "sgd"}], UsageError, "stage 1 never ends"),
        ("stages", "next", {"name": "sgd"}, UsageError, "stage 2 is 'name', expected a table"),
        ("stages", "next", [{"name": "sdg"}], UnknownNameError, "sdg"),
        ("stages", "next", [{"name": "sgd", "lrr": 0.1}], UsageError, "stage 2 takes no option 'lrr'"),
        ("stages", "next", [{"name": "sgd", "parameters": []}], UsageError, "no option 'parameters'"),
        ("stages", "next", [{"name": "sgd", "lr": "low"}], UsageError, "stage 2: lr='low', expected a number"),
        ("stages", "next", [{"name": "sgd", "epochs": "ten"}], UsageError, "epochs='ten', expected a whole number"),
        ("optimizer", "lr", -0.1, UsageError, "lr=-0.1"),
        ("augment", "spec_augment", {"time_width": 4000}, InputError, "time_width=4000, and the picture has"),
        ("augment", "gain", 3, UsageError, "sets 'gain' to 3"),
        ("augment", "gian", {}, UnknownNameError, "gian"),
        ("run", "monitor", "f1", UsageError, "monitor='f1'"),
        ("model", "name", "short_chunk_rse", UnknownNameError, "no architecture 'short_chunk_rse'"),
        ("model", "n_tags", 3, UsageError, "sets 'n_tags'"),
        ("data", "split", "fold-1", UnknownNameError, "no split of folder 'fold-1'"),
        ("data", "root", "nowhere", InputError, "nowhere"),
        ("optimizer", "learning_rate", 1.0, UsageError, "takes no option 'learning_rate'"),
        ("augmentation", "name", "noise", UsageError, r"no table \[augmentation\]"),
    ],
)
def test_a_wrong_recipe_is_an_error_before_any_work(
    recipe: dict[str, Any], tmp_path: Path, table: str, key: str, value: object, error: type[Exception], problem: str
) -> None:
    recipe.setdefault(table, {})[key] = value
    with pytest.raises(error, match=problem):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists(), "the folder is still free when the recipe is mended"


def test_a_class_without_training_tracks_is_named(recipe: dict[str, Any], root: Path, tmp_path: Path) -> None:
    table = tmp_path / "tracks.csv"
    rows = [f"{root}/{name}/{i}.wav,{name},{'test' if name == 'low' else ('train', 'validation')[i % 2]}"
            for name in CLASSES for i in range(8)]  # fmt: skip
    table.write_text("path,tags,split\n" + "\n".join(rows) + "\n")
    recipe["data"] |= {"dataset": "table", "root": str(table), "split": "published"}
    with pytest.raises(UsageError, match=r"1 of 3 tags have no track in the training part: 'low'"):
        train(recipe, tmp_path / "run")


def test_folders_that_are_taken_or_hold_nothing(recipe: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is not empty"):
        train(recipe, tmp_path / "full")
    with pytest.raises(InputError, match="no checkpoint to go on from"):
        train(recipe, tmp_path / "empty", resume=True)
    assert not (tmp_path / "empty").exists()


def test_a_bad_file_is_left_out_and_named(recipe: dict[str, Any], root: Path, tmp_path: Path) -> None:
    bad = root / "low" / "bad.wav"
    bad.write_bytes(b"RIFF")
    try:
        recipe["run"] |= {"epochs": 1, "overfit_check": False}
        found = train(recipe, tmp_path / "run")["unreadable"]
        assert list(found) == ["low/bad.wav"]
        assert "bad.wav" in found["low/bad.wav"]
    finally:
        bad.unlink()


def test_pieces_of_a_batch_give_the_gradient_of_the_batch(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["optimizer"] = {"name": "sgd", "lr": 0.1}
    quick["run"] |= {"batch_size": 9, "clip": 0.5}
    train(quick, tmp_path / "whole")
    quick["run"]["accumulate"] = 4
    train(quick, tmp_path / "pieces")
    whole, pieces = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    for name, value in whole.items():
        torch.testing.assert_close(value, pieces[name], rtol=1e-4, atol=1e-6)


def test_averages_and_half_precision_work_together(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["run"] |= {"precision": "bf16-mixed", "swa": 0.6, "overfit_check": False}
    results = train(recipe, tmp_path / "run")
    best = load(tmp_path / "run" / "best.safetensors")
    assert all(value.dtype == torch.float32 for value in best.state_dict().values() if value.is_floating_point())
    assert np.isfinite(results["validation"]["loss"])


def test_stages_change_the_optimiser_and_begin_with_the_best_weights(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"]["epochs"] = 9
    quick["schedule"] = {"name": "constant"}
    quick["stages"] = {
        "epochs": 2,
        "next": [{"name": "sgd", "lr": 0.5, "epochs": 3}, {"name": "sgd", "lr": 0.0, "patience": 2}],
    }
    epochs = []
    train(quick, tmp_path / "run", on_epoch=epochs.append)
    assert [epoch.stage for epoch in epochs[:5]] == [0, 0, 1, 1, 1]
    assert [epoch.learning_rate for epoch in epochs[:6]] == [0.01, 0.01, 0.5, 0.5, 0.5, 0.0]
    last = [epoch for epoch in epochs if epoch.stage == 2]
    assert len(last) == 3, "nothing gets better than the first at a rate of zero: the stage ends by its patience of two"
    best = max(epochs[:5], key=lambda epoch: epoch.scores["accuracy"])
    assert last[0].scores == best.scores


def test_a_moving_average_begins_a_stage_with_the_best_weights(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"] |= {"epochs": 40, "ema": 0.5, "monitor": "loss"}
    quick["optimizer"]["lr"] = 0.1
    quick["schedule"] = {"name": "constant"}
    quick["stages"] = {"patience": 1, "next": [{"name": "sgd", "lr": 0.0, "epochs": 1}]}
    epochs = []
    train(quick, tmp_path / "run", on_epoch=epochs.append)
    *first, worse, last = epochs
    assert (worse.stage, worse.is_best, last.stage) == (0, False, 1), "else this tests nothing"
    assert last.scores == first[-1].scores


def test_clips_shorter_than_the_network_hears_are_told(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["model"] = {"name": "short_chunk_res", "n_channels": 4}
    recipe["data"]["dataset"], recipe["data"]["root"] = "folder", str(tmp_path / "short")
    for name in CLASSES:
        (tmp_path / "short" / name).mkdir(parents=True)
        for i in range(8):
            io.write(tmp_path / "short" / name / f"{i}.wav", 0.1 * np.sin(np.arange(RATE) * (i + 1) / 9), RATE)
    with pytest.raises(UsageError, match=r"hears 3.69 s at once; \d+ of \d+ training clips are shorter"):
        train(recipe, tmp_path / "run")
    recipe["data"]["repeat"] = True
    recipe["run"] |= {"epochs": 1, "overfit_check": False}
    assert train(recipe, tmp_path / "run")["epochs"] == 1


def test_a_full_disk_leaves_the_last_checkpoint(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(quick, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    quick["run"]["epochs"] = 2
    original = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name in ("checkpoint.pt", "best.safetensors"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(EarmarkError, match=r"No space left on device|disk is full"):
        train(quick, tmp_path / "run", resume=True)
    monkeypatch.undo()
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before[tmp_path / "run" / "checkpoint.pt"]
    assert not list((tmp_path / "run").rglob("*.part"))
    assert train(quick, tmp_path / "run", resume=True)["epochs"] == 2


def test_a_run_that_ended_before_its_first_checkpoint_leaves_its_folder_free(
    quick: dict[str, Any], tmp_path: Path
) -> None:
    def killed(step: int, n: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(quick, tmp_path / "run", on_step=killed)
    assert (tmp_path / "run" / "run.toml").is_file()
    quick["optimizer"]["lr"] = 0.02
    assert train(quick, tmp_path / "run")["epochs"] == 1
    assert read_config(tmp_path / "run" / "run.toml")["optimizer"]["lr"] == 0.02
    with pytest.raises(UsageError, match="is not empty") as told:
        train(quick, tmp_path / "run")
    assert f"earmark train --resume {tmp_path / 'run'}" in str(told.value.hint)


def test_what_differs_is_said(quick: dict[str, Any], tmp_path: Path) -> None:
    train(quick, tmp_path / "run")
    quick["optimizer"]["lr"] = 0.5
    with pytest.raises(UsageError, match=r"of another recipe: optimizer.lr is 0.01 there, 0.5 here"):
        train(quick, tmp_path / "run", resume=True)


def test_stages_and_doubts_are_told(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["run"]["overfit_check"] = True
    said: list[str] = []
    train(quick, tmp_path / "run", on_stage=said.append, on_note=said.append)
    assert [text.split()[0] for text in said] == ["decoding", "checking", "the"]
    assert said[2].startswith("the validation part has ")
    train(quick, tmp_path / "run", resume=True, on_note=said.append)
    assert said[-1] == "this run is finished after 1 epochs; for more: --set run.epochs=N"


def test_wrong_values_name_their_table(quick: dict[str, Any], tmp_path: Path) -> None:
    for table, options, said in (
        ("optimizer", {"name": "sgd", "lr": 0.1, "momentum": 0.0}, r"\[optimizer\]"),
        ("schedule", {"name": "cosine", "warm_up": 2.0}, r"\[schedule\]: warm_up=2.0"),
        ("model", {"name": "short_chunk_res", "chunk_samples": 5}, r"\[model\]: chunk_samples=5"),
        ("augment", {"gain": {"probability": 2.0}}, r"\[augment"),
        ("run", {"accelerator": "cuda"}, r"run.accelerator is 'cuda', but PyTorch sees no GPU"),
    ):
        if table == "run" and torch.cuda.is_available():
            continue
        with pytest.raises(UsageError, match=said):
            train(quick | {table: options}, tmp_path / "run")


def test_one_class_is_nothing_to_learn(quick: dict[str, Any], root: Path, tmp_path: Path) -> None:
    table = tmp_path / "tracks.csv"
    rows = [f"{root}/low/{i}.wav,low,{('train', 'validation', 'test')[i % 3]}" for i in range(9)]
    table.write_text("path,tags,split\n" + "\n".join(rows) + "\n")
    quick["data"] |= {"dataset": "table", "root": str(table), "split": "published"}
    with pytest.raises(UsageError, match="one class, 'low': nothing to tell apart"):
        train(quick, tmp_path / "run")
