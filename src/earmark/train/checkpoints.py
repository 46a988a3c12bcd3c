"""What a run leaves in its folder: values, versions, a checkpoint to go on from, the best weights with their card."""

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

import torch

from earmark import metrics
from earmark.audio.frontends import FRONTENDS
from earmark.config import Config, to_toml
from earmark.errors import InputError, UsageError
from earmark.files import disk_errors, replacing
from earmark.models.base import save
from earmark.models.card import ModelCard
from earmark.predictions import Predictions
from earmark.train.averaging import LateAverage
from earmark.train.judging import worth
from earmark.train.run import Epoch, Run, replace_optimizer

FORMAT = 2
PENDING = "best-{}.safetensors"
CHANGEABLE = ("epochs", "patience", "devices", "nodes", "accelerator", "readers", "tensorboard")
"""Keys of [run] that may differ when a run goes on."""
LEFT = ("run.toml", "provenance.json", "predictions", "tensorboard")
"""What is in the folder of a run that ended before its first checkpoint: another may begin there."""
PLACES = ("root", "cache")
"""Keys of [data] that may: the same tracks in another place."""


def check_folder(folder: Path, *, resume: bool) -> None:
    """Raise `UsageError` if a run cannot begin in a folder, `InputError` if it cannot go on from there."""
    if resume and not any((folder / name).is_file() for name in ("checkpoint.pt", "run.toml")):
        raise InputError(f"{folder}: there is no checkpoint to go on from", hint="begin the run without resume")
    if resume or not folder.exists():
        return
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    strange = [name for name in found if name not in LEFT and not fnmatch(name, PENDING.format("*"))]
    if strange or (not (folder / "run.toml").is_file() and found):
        goes_on = (folder / "checkpoint.pt").is_file()
        hint = f", or go on: earmark train --resume {folder}" if goes_on else ""
        raise UsageError(f"{folder}: is not empty", hint=f"name a new folder{hint}")


def begin_folder(run: Run, folder: Path, config: Config) -> None:
    """Make the folder of a run that is known to work or goes on, and say in it what the run is."""
    try:
        (folder / "predictions").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created: {error.strerror or error}") from error
    write_text(folder / "run.toml", to_toml(config))
    if not (folder / "checkpoint.pt").exists():
        write_text(folder / "provenance.json", json.dumps(dict(run.provenance), indent=1) + "\n")
    settle_best(run, folder)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def save_model(run: Run, folder: Path, scores: Mapping[str, float], predictions: Predictions) -> None:
    """Write the weights as they are now, with their card, and predictions: they are to be the best ones.

    Parameters
    ----------
    run : whose weights
    folder : of the run
    scores : metrics of the validation part
    predictions : of the validation part; thresholds and calibration in the card come from them

    Notes
    -----
    They become `best.safetensors` when the checkpoint is written that knows of them: see `write_checkpoint`.
    """
    model, data, table = run.model, run.data, run.config["model"]
    model.card = ModelCard(
        name=folder.name,
        architecture=table["name"],
        options={key: value for key, value in table.items() if key != "name"} | {"n_tags": model.n_tags},
        sample_rate=model.sample_rate,
        chunk_samples=model.chunk_samples,
        hop_samples=model.chunk_samples,
        context_samples=model.context,
        frontend=next((key for key in FRONTENDS if type(model.frontend) is FRONTENDS[key]), "own"),
        vocabulary=data.dataset.vocabulary.name,
        tags=data.tags,
        n_parameters=model.n_parameters,
        embedding=model.embedding_layer,
        n_features=model.n_features,
        dataset=data.dataset.info.title,
        split=data.split.name,
        n_train=len(data.split["train"]),
        scores={f"validation_{key}": value for key, value in scores.items()},
        licence="not stated",
        notes=_notes(run),
        activation="softmax" if run.is_single_label else "sigmoid",
        base_rates=tuple(data.targets("train").mean(axis=0).tolist()),
        thresholds=tuple(metrics.best_thresholds(predictions.targets, predictions.scores).tolist()),
        calibration=metrics.fit_calibration(predictions.targets, predictions.scores, tags=data.tags).to_dict(),
    )
    predictions.save(folder / "predictions" / "validation.npz")
    save(model, folder / PENDING.format(run.best_epoch()))


def _notes(run: Run) -> str:
    begun = "" if run.taken is None else f"began with the weights of {run.taken.model}; "
    n = len(run.data.split["validation"])
    return f"trained with earmark; {begun}chosen by {run.options.monitor} of the {n} tracks of the validation part"


def write_checkpoint(run: Run, folder: Path) -> None:
    """Write all that going on takes, and the history.

    Notes
    -----
    The checkpoint is what counts. Best weights of an epoch that it does not know, because the run was killed before it
    was written, are forgotten: until then they lie in a file of their own, and `best.safetensors` is the former one.
    """
    content = {
        "format": FORMAT,
        "config": run.config,
        "tags": list(run.data.tags),
        "provenance": dict(run.provenance),
        "step": run.step,
        "stage": run.stage,
        "stage_began": run.stage_began,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "average": None if run.average is None else {"n": run.average.n, "state": run.average.state},
        "precision": run.fabric.strategy.precision.state_dict(),
        "tracks": _tracks(run),
        "history": [asdict(epoch) for epoch in run.history],
    }
    memory = io.BytesIO()
    torch.save(content, memory)
    with replacing(folder / "checkpoint.pt") as file:
        file.write(memory.getbuffer())
    settle_best(run, folder)
    write_text(folder / "history.jsonl", "".join(json.dumps(asdict(epoch)) + "\n" for epoch in run.history))


def settle_best(run: Run, folder: Path) -> None:
    """Make pending weights the best ones if the history says so, and forget others."""
    with disk_errors(folder / "best.safetensors"):
        with suppress(FileNotFoundError):
            (folder / PENDING.format(run.best_epoch())).replace(folder / "best.safetensors")
        for other in folder.glob(PENDING.format("*")):
            other.unlink()


def load_checkpoint(run: Run, path: Path) -> None:
    """Go to where a checkpoint was written.

    Raises
    ------
    InputError
        If it cannot be read.
    UsageError
        If it is of another recipe, or of other tracks.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        hint = "begin another run in another folder"
        if (path.parent / "best.safetensors").is_file():
            hint += f"; the best weights so far are whole: --init {path.parent} begins with them"
        raise InputError(f"{path}: damaged, no checkpoint can be read from it", hint=hint) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: is no checkpoint of a run", hint="begin the run anew in another folder")
    different = _different(_comparable(content["config"]), _comparable(run.config))
    if different:
        may = ", ".join([*(f"run.{key}" for key in CHANGEABLE), *(f"data.{key}" for key in PLACES)])
        hint = f"go on with the recipe in run.toml; these may change: {may}"
        raise UsageError(f"{path}: was written by a run of another recipe: {different}", hint=hint)
    if content.get("tracks", _tracks(run)) != _tracks(run):
        hint = "put back what is missing, take away what is new; or begin anew in another folder"
        raise UsageError(
            f"{path}: tracks, tags or parts of the dataset are not those that the run began with", hint=hint
        )
    run.model.load_state_dict(content["model"])
    run.step, run.stage, run.stage_began = content["step"], content["stage"], content["stage_began"]
    if run.stage:
        replace_optimizer(run, run.stages.next[run.stage - 1])
    run.optimizer.load_state_dict(content["optimizer"])
    if content.get("precision"):
        run.fabric.strategy.precision.load_state_dict(content["precision"])
    is_early = isinstance(run.average, LateAverage) and len(content["history"]) <= run.average.first
    if run.average is not None and not is_early:  # early: the run was made longer, its last epochs are others
        run.average.n = content["average"]["n"]
        run.average.state = {key: run.fabric.to_device(value) for key, value in content["average"]["state"].items()}
    run.history = [Epoch(**plain) for plain in content["history"]]
    for epoch in run.history:
        run.schedule.measured(worth(run, dict(epoch.scores)))


def _tracks(run: Run) -> str:
    """Return what changes when tags, tracks or parts of the dataset do."""
    parts = {part: list(ids) for part, ids in run.data.split.parts.items()}
    return hashlib.sha256(json.dumps([run.data.tags, parts], sort_keys=True).encode()).hexdigest()


def _different(then: Config, now: Config) -> str:
    """Say in which value two recipes differ first; nothing if in none."""
    for table in {**then, **now}:
        before, after = then.get(table, {}), now.get(table, {})
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                was, is_now = (one.get(key, "not set") for one in (before, after))
                return f"{table}.{key} is {was} there, {is_now} here"
    return ""


def _comparable(config: Config) -> Config:
    plain: Config = json.loads(json.dumps(config))
    plain["run"] = {key: value for key, value in plain.get("run", {}).items() if key not in CHANGEABLE}
    plain["data"] = {key: value for key, value in plain["data"].items() if key not in PLACES}
    return plain
