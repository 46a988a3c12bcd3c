"""Starting from other weights: what is taken, what is frozen, and that frozen weights stay."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from earmark.errors import UsageError  # noqa: E402
from earmark.models.base import build, load  # noqa: E402
from earmark.train import train  # noqa: E402
from earmark.train.options import StartOptions, resolved  # noqa: E402
from earmark.train.starting import is_head, set_training, start_from  # noqa: E402

TAGS = ("low", "middle", "high")


@pytest.fixture(scope="module")
def trained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on the three classes."""
    folder = tmp_path_factory.mktemp("first")
    recipe = {
        "run": {"epochs": 1, "batch_size": 8, "n_chunks": 1, "accelerator": "cpu", "overfit_check": False},
        "data": {"dataset": "folder", "root": str(root), "by": "id", "cache": str(folder / "decoded")},
        "model": {"name": "short_chunk_res", "n_channels": 4},
    }
    train(recipe, folder / "run")
    return folder / "run"


def test_a_probe_learns_its_last_layer_only(trained: Path, quick: dict[str, Any], tmp_path: Path) -> None:
    del quick["model"]
    quick["start"] = {"init": str(trained), "freeze": "encoder"}
    quick["run"]["epochs"] = 2
    train(quick, tmp_path / "probe")
    before, after = load(trained / "best.safetensors"), load(tmp_path / "probe" / "best.safetensors")
    assert after.card is not None
    assert (after.card.architecture, after.card.options["n_channels"]) == ("short_chunk_res", 4)
    assert "began with the weights of run" in after.card.notes
    first, last = before.state_dict(), after.state_dict()
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    assert moved == {"end.head.weight", "end.head.bias"}, "statistics of batch norms stay too"


def test_fine_tuning_moves_everything(trained: Path, quick: dict[str, Any], tmp_path: Path) -> None:
    del quick["model"]
    quick["start"] = {"init": str(trained)}
    train(quick, tmp_path / "tuned")
    before, after = load(trained / "best.safetensors"), load(tmp_path / "tuned" / "best.safetensors")
    first, last = before.state_dict(), after.state_dict()
    learned = [name for name, _ in before.named_parameters()]
    assert all(not torch.equal(first[name], last[name]) for name in learned)


def test_the_last_layer_is_taken_if_the_tags_are_the_same(trained: Path) -> None:
    tags = load(trained / "best.safetensors").card.tags
    for wanted, fresh in ((tags, ()), (tags[::-1], ("end.head.weight", "end.head.bias"))):
        model = build("short_chunk_res", n_channels=4, n_tags=3)
        taken = start_from(model, StartOptions(init=str(trained)), wanted)
        assert taken is not None
        assert taken.fresh == fresh


def test_the_recipe_follows_from_the_card(trained: Path) -> None:
    config = resolved({"start": {"init": str(trained)}, "data": {}})
    assert config["model"] == {"name": "short_chunk_res", "n_channels": 4}
    with pytest.raises(UsageError, match="is of architecture 'short_chunk_res', not 'fcn'"):
        resolved({"start": {"init": str(trained)}, "model": {"name": "fcn"}})


def test_other_sizes_do_not_fit(trained: Path) -> None:
    with pytest.raises(UsageError, match="do not fit"):
        start_from(build("short_chunk_res", n_channels=8, n_tags=3), StartOptions(init=str(trained)), TAGS)


def test_frozen_parts_stay_as_they_are_used() -> None:
    model = build("harmonic_cnn", n_channels=8, n_tags=3)
    start_from(model, StartOptions(freeze="frontend"), TAGS)
    assert not any(parameter.requires_grad for parameter in model.frontend.parameters())
    set_training(model, StartOptions(freeze="frontend"))
    assert (model.training, model.frontend.training) == (True, False)
    set_training(model, StartOptions(freeze="encoder"))
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(
    "name", ["fcn", "crnn", "musicnn", "vgg", "short_chunk", "sample_cnn", "dm16", "content", "windowed"]
)
def test_every_family_has_a_last_layer(name: str) -> None:
    model = build(name, n_tags=5)
    heads = {n: p for n, p in model.named_parameters() if is_head(n)}
    assert {p.shape[0] for p in heads.values()} == {5}
    assert len(heads) == 2


@pytest.mark.shared
def test_a_published_model_is_a_start(shared: Path, root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("EARMARK_MIRROR", str(shared / "weights"))
    recipe = {
        "run": {"epochs": 1, "batch_size": 8, "n_chunks": 1, "accelerator": "cpu"},
        "start": {"init": "musicnn.pons_msd", "freeze": "encoder"},
        "data": {"dataset": "folder", "root": str(root), "by": "id", "cache": str(tmp_path / "decoded")},
        "loss": {"name": "cross_entropy"},
        "optimizer": {"name": "adam", "lr": 0.01},
    }
    train(recipe, tmp_path / "probe")
    published, probe = load("musicnn.pons_msd").state_dict(), load(tmp_path / "probe" / "best.safetensors").state_dict()
    same = {name for name in published if published[name].shape == probe[name].shape}
    assert {name for name in published if name not in same} == {"end.head.weight", "end.head.bias"}
    assert all(torch.equal(published[name], probe[name]) for name in same)
