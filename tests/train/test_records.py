"""Records for TensorBoard: they say what happened, they change nothing, and a full disk does not stop a run."""

import builtins
import errno
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")
pytest.importorskip("tensorboard")

from PIL import Image  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from earmark.errors import EarmarkWarning, MissingExtraError  # noqa: E402
from earmark.metrics import pr_auc_per_tag  # noqa: E402
from earmark.predictions import load_predictions  # noqa: E402
from earmark.train import event_file, train  # noqa: E402
from earmark.train.drawing import ROWS, STEP, WIDTH  # noqa: E402
from earmark.train.examples import find_examples  # noqa: E402
from earmark.train.records import gradient_norms, is_due, norms_every, open_recorder  # noqa: E402
from earmark.train.run import Epoch, Run, set_up  # noqa: E402

TAGS = ("high", "low", "middle")
RATE = 3150


@pytest.fixture
def recorded(quick: dict[str, Any]) -> dict[str, Any]:
    quick["run"] |= {"epochs": 3, "tensorboard": True, "clip": 0.5}
    quick["optimizer"]["lr"] = 0.001
    return quick


def read(run: Path) -> EventAccumulator:
    everything = dict.fromkeys(("scalars", "images", "audio", "tensors"), 0)
    found = EventAccumulator(str(run / "tensorboard"), size_guidance=everything)
    return found.Reload()


def values(events: EventAccumulator, name: str) -> list[float]:
    return [event.value for event in events.Scalars(name)]


def steps(events: EventAccumulator, name: str) -> list[int]:
    return [event.step for event in events.Scalars(name)]


def text(events: EventAccumulator, name: str) -> str:
    return events.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0].decode()


def weights(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_records_say_what_happened(recorded: dict[str, Any], tmp_path: Path) -> None:
    losses: list[float] = []
    train(recorded, tmp_path / "run", on_step=lambda step, n, loss: losses.append(loss))
    events, epochs = read(tmp_path / "run"), history(tmp_path / "run")
    n = len(losses) // 3
    assert values(events, "loss/step") == pytest.approx(losses)
    assert steps(events, "loss/step") == list(range(1, 3 * n + 1))
    assert steps(events, "loss/train") == [n, 2 * n, 3 * n]
    assert values(events, "loss/train") == pytest.approx([epoch["train_loss"] for epoch in epochs])
    assert values(events, "loss/validation") == pytest.approx([epoch["scores"]["loss"] for epoch in epochs])
    for metric in ("pr_auc", "roc_auc", "accuracy"):
        assert values(events, f"validation/{metric}") == pytest.approx([e["scores"][metric] for e in epochs])
    rates = values(events, "learning_rate")
    assert rates[n - 1 :: n] == pytest.approx([epoch["learning_rate"] for epoch in epochs])
    assert "mlp_spectrum" in text(events, "recipe")


def test_precision_is_recorded_tag_by_tag(recorded: dict[str, Any], tmp_path: Path) -> None:
    recorded["run"]["epochs"] = 1
    train(recorded, tmp_path / "run")
    events = read(tmp_path / "run")
    found = load_predictions(tmp_path / "run" / "predictions" / "validation.npz")
    last = {tag: values(events, f"average_precision/{tag}")[-1] for tag in TAGS}
    assert [last[tag] for tag in found.tags] == pytest.approx(pr_auc_per_tag(found.targets, found.scores).tolist())
    names = [name for name in events.Tags()["tensors"] if name.startswith("pr_curve/")]
    assert sorted(names) == [f"pr_curve/{tag}" for tag in TAGS], "one for each tag"
    for name in names:
        true, false, _, missed, precision, recall = np.reshape(events.Tensors(name)[-1].tensor_proto.float_val, (6, -1))
        column = found.tags.index(name.removeprefix("pr_curve/"))
        assert (true[0], false[0]) == (found.targets[:, column].sum(), (~found.targets[:, column]).sum())
        assert recall == pytest.approx(true / (true + missed))
        half = found.scores[:, column] >= 0.5
        assert true[50] == (half & found.targets[:, column]).sum()
        assert precision[50] == pytest.approx(found.targets[half, column].mean() if half.any() else 0)


def test_pictures_and_sounds_of_the_validation_part(recorded: dict[str, Any], tmp_path: Path) -> None:
    recorded["run"]["epochs"] = 1
    train(recorded, tmp_path / "run")
    events = read(tmp_path / "run")
    found = load_predictions(tmp_path / "run" / "predictions" / "validation.npz")
    names = events.Tags()["images"]
    assert 1 < len(names) <= 6
    assert {name.removeprefix("examples/") for name in names} <= set(found.ids)
    for name in names:
        (event,) = events.Images(name)
        assert (event.width, event.height) == (WIDTH, ROWS + 3 * STEP + 8), "three tags"
        with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
            assert picture.size == (event.width, event.height)
            assert len(picture.getcolors()) > 50, "it shows something"
    wrong = ~found.targets[np.arange(len(found)), found.scores.argmax(axis=1)]
    sounds = events.Tags()["audio"]
    assert sounds == [f"mistakes/{rank + 1}" for rank in range(min(int(wrong.sum()), 5))]
    for name in sounds:
        (event,) = events.Audio(name)
        waveform, rate = soundfile.read(io.BytesIO(event.encoded_audio_string))
        assert rate == RATE
        assert len(waveform) == pytest.approx(4 * RATE, abs=2), "the whole of a short track"
        assert np.abs(waveform).max() > 0.1
        lines = {line.split()[0]: line.split()[1:] for line in text(events, name).splitlines()}
        index = found.ids.index(lines["track"][0])
        assert wrong[index]
        assert lines["file"] == [found.audio[index]]
        assert lines["true"][0] == found.tags[int(found.targets[index].argmax())]
        assert lines["heard"][0] == found.tags[int(found.scores[index].argmax())] != lines["true"][0]


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_norms_of_gradients_are_those_before_clipping(quick: dict[str, Any], clip: float) -> None:
    run = set_up(quick)
    waveform = torch.randn(4, run.model.chunk_samples, generator=torch.Generator().manual_seed(0))
    run.model(waveform).square().sum().backward()
    parts = {name: torch.cat([p.grad.flatten() for p in part.parameters()]).norm()
             for name, part in run.model.named_children() if any(True for _ in part.parameters())}  # fmt: skip
    total = torch.stack(list(parts.values())).norm()
    norm = run.fabric.clip_gradients(run.network, run.optimizer, max_norm=clip) if clip else None
    found = gradient_norms(run, norm)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {name: float(value) for name, value in (parts | {"all": total}).items()}, rel=1e-4
    )


def test_norms_of_half_precision_are_those_of_the_gradient(quick: dict[str, Any]) -> None:
    run = set_up(quick)
    run.model(torch.ones(2, run.model.chunk_samples)).sum().backward()
    plain = gradient_norms(run, None)
    run.fabric.strategy.precision.scaler = SimpleNamespace(get_scale=lambda: 4.0)
    assert {name: 4 * float(value) for name, value in gradient_norms(run, None).items()} == pytest.approx(
        {name: float(value) for name, value in plain.items()}
    )


def test_a_run_with_records_ends_as_one_without(recorded: dict[str, Any], tmp_path: Path) -> None:
    recorded["model"] = {"name": "short_chunk_res", "n_channels": 2}  # batch norms, dropout
    recorded["run"] |= {"epochs": 2, "ema": 0.5}
    train(recorded, tmp_path / "with")
    recorded["run"]["tensorboard"] = False
    train(recorded, tmp_path / "without")
    assert not (tmp_path / "without" / "tensorboard").exists()
    one, other = weights(tmp_path / "with"), weights(tmp_path / "without")
    for place in (lambda content: content["model"], lambda content: content["average"]["state"]):
        assert all(torch.equal(place(one)[name], place(other)[name]) for name in place(other))
    untimed = [[epoch | {"seconds": 0} for epoch in history(tmp_path / name)] for name in ("with", "without")]
    assert untimed[0] == untimed[1]
    results = [(tmp_path / name / "results.json").read_text() for name in ("with", "without")]
    assert results[0] == results[1]


def test_looking_touches_neither_random_state_nor_modes(quick: dict[str, Any]) -> None:
    quick["model"] = {"name": "windowed", "inner": "mlp_spectrum", "n_windows": 2, "pooling": "stme"}
    quick["data"]["repeat"] = True
    run = set_up(quick)
    run.model.train()
    run.model.frontend.eval()
    modes = [module.training for module in run.model.modules()]
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    predictions = made_up(run)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    first, second = find_examples(run, predictions), find_examples(run, predictions)
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(first, second, strict=True))
    assert [module.training for module in run.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())


def made_up(run: Run) -> Any:
    from earmark.predictions import of_part

    n = len(run.data.split["validation"])
    scores = np.random.default_rng(0).random((n, len(TAGS)), np.float32)
    return of_part(run.data.dataset, run.data.split, "validation", scores, model="", protocol="")


def test_a_run_that_was_killed_goes_on_without_doubling(recorded: dict[str, Any], tmp_path: Path) -> None:
    train(recorded, tmp_path / "whole")
    seen = 0

    def killed(step: int, n: int, loss: float) -> None:
        nonlocal seen
        seen += 1
        if seen == 2 * n // 3 - 2:  # in the second epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recorded, tmp_path / "cut", on_step=killed)
    (file,) = (tmp_path / "cut" / "tensorboard").iterdir()
    content = file.read_bytes()
    assert len(values(read(tmp_path / "cut"), "loss/step")) == seen, "what was still to be fetched is written"
    file.write_bytes(content[:-7])  # as if the machine had lost power
    train(recorded, tmp_path / "cut", resume=True)
    whole, cut = read(tmp_path / "whole"), read(tmp_path / "cut")
    assert whole.Tags()["scalars"] == cut.Tags()["scalars"]
    for name in whole.Tags()["scalars"]:
        assert steps(cut, name) == steps(whole, name)
        assert values(cut, name) == values(whole, name)
    for kind, events in (("images", "Images"), ("audio", "Audio"), ("tensors", "Tensors")):
        for name in cut.Tags()[kind]:
            found = [event.step for event in getattr(cut, events)(name)]
            assert found == sorted(set(found)), f"{name} is there twice"


class Full:
    """A file on a disk that is full after so many bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()


@pytest.mark.parametrize("room", [0, 4000])
def test_a_full_disk_ends_the_records_and_not_the_run(
    recorded: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    created = event_file._created
    monkeypatch.setattr(event_file, "_created", lambda folder: Full(created(folder), room))
    with pytest.warns(EarmarkWarning, match="No space left on device; the run goes on without records") as caught:
        results = train(recorded, tmp_path / "run")
    assert len(caught) == 1, "it says so once"
    assert results["epochs"] == 3


def test_a_folder_that_cannot_be_made_does_not_stop_a_run(recorded: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("in the way")
    recorder, run = open_recorder(tmp_path), set_up(recorded)
    with pytest.warns(EarmarkWarning, match=r"tensorboard: cannot be written: File exists"):
        recorder.step(run, torch.tensor(1.0), None)
    recorder.step(run, torch.tensor(1.0), None)  # a second warning would be an error
    recorder.close()


def test_pictures_wait_for_five_epochs_since_the_last() -> None:
    best = (1, 2, 3, 7, 8, 13)
    epochs = [Epoch(number, 0.5, {}, 0.1, 1.0, number in best) for number in range(1, 15)]
    assert [epoch.number for i, epoch in enumerate(epochs) if is_due(epochs[: i + 1])] == [1, 7, 13]


def test_the_best_epoch_is_pictured_in_the_end(recorded: dict[str, Any], tmp_path: Path) -> None:
    recorded["run"] |= {"epochs": 4, "monitor": "loss"}
    train(recorded, tmp_path / "run")
    best = [epoch["number"] for epoch in history(tmp_path / "run") if epoch["is_best"]]
    assert best[-1] > 1, "else this tests nothing"
    events = read(tmp_path / "run")
    n = steps(events, "loss/train")[0]
    for name in events.Tags()["images"]:
        assert [event.step for event in events.Images(name)] == [n, best[-1] * n]


def test_norms_are_recorded_at_least_four_times_an_epoch(recorded: dict[str, Any], tmp_path: Path) -> None:
    run = set_up(recorded)
    assert norms_every(run) == max(len(run.data.split["train"]) // 4 // 4, 1) == 1
    recorded["run"]["epochs"] = 1
    train(recorded, tmp_path / "run")
    events = read(tmp_path / "run")
    names = sorted(name for name in events.Tags()["scalars"] if name.startswith("gradient_norm/"))
    assert names == [f"gradient_norm/{part}" for part in ("all", "dense1", "dense2", "head")]
    assert all(steps(events, name) == steps(events, "loss/step") for name in names)


def test_without_tensorboard_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "tensorboard":
            raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
        return original(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"records for TensorBoard needs the extra \[train\]"):
        open_recorder(tmp_path)
    assert not list(tmp_path.iterdir())
