"""The contract of every registered architecture, at small widths where the published ones are slow."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from earmark.errors import InputError, UnknownNameError, UsageError  # noqa: E402
from earmark.models.base import ARCHITECTURES, TaggingModel, build, load, save  # noqa: E402
from earmark.models.card import PUBLISHED, ModelCard  # noqa: E402
from earmark.models.export import export_graph  # noqa: E402

from ..small_architectures import SMALL  # noqa: E402

build("fcn")  # importing the families registers them
NAMES = list(ARCHITECTURES)
N_TAGS = 7


def options(name: str) -> dict[str, int]:
    return {"n_tags": N_TAGS, **SMALL.get(name, {})}


def make(name: str) -> TaggingModel:
    """Build a model with random weights and lively statistics."""
    torch.manual_seed(3)
    model = build(name, **options(name))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.normal_(module.weight, 0.5, 0.5)  # negative scales too
    return model


def card_of(model: TaggingModel, name: str) -> ModelCard:
    """Make the card that weights of one's own would have."""
    return ModelCard(
        name=f"{name}.own_music",
        architecture=name,
        options=options(name),
        sample_rate=model.sample_rate,
        chunk_samples=model.chunk_samples,
        hop_samples=model.chunk_samples,
        context_samples=model.context,
        frontend="own",
        vocabulary="own_music",
        tags=tuple(f"tag {i}" for i in range(model.n_tags)),
        n_parameters=model.n_parameters,
        embedding=model.embedding_layer,
        n_features=model.n_features,
    )


def noise(model: TaggingModel, n: int = 2, *, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(n, model.chunk_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str) -> None:
    model = make(name).eval()
    waveform = noise(model)
    with torch.no_grad():
        stages = model.intermediates(waveform)
        logits, embedding = model(waveform[:1]), model.embed(waveform[:1])
    assert tuple(stages) == model.layer_names
    assert model.layer_names[-1] == "logits"
    assert all(value.ndim == 4 and value.shape[0] == 2 for value in stages.values())
    assert stages["logits"].shape == (2, N_TAGS, 1, 1)
    assert stages[model.embedding_layer].shape == (2, model.n_features, 1, 1)
    assert (logits.shape, embedding.shape) == ((1, N_TAGS), (1, model.n_features))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = make(name).train()
    model(noise(model)).square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
    moved = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in model.parameters()]
    # A bias before a batch norm has no effect in training mode; everything else has.
    without_effect = [n for (n, _), m in zip(model.named_parameters(), moved, strict=True) if not m]
    assert all(n.endswith("bias") for n in without_effect), without_effect


@pytest.mark.parametrize("name", NAMES)
def test_eval_is_deterministic_and_ignores_batch_mates(name: str) -> None:
    model = make(name).eval()
    waveform = noise(model)
    with torch.no_grad():
        together, again, alone = model(waveform), model(waveform), model(waveform[1:2])
    assert torch.equal(together, again)
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_save_and_load_are_bit_equal(name: str, tmp_path: Path) -> None:
    model = make(name).eval()
    with pytest.raises(UsageError, match="no card"):
        save(model, tmp_path / "without.safetensors")
    model.card = card_of(model, name)
    path = tmp_path / "own.safetensors"
    save(model, path)
    loaded = load(path)
    waveform = noise(model, 1)
    with torch.no_grad():
        assert torch.equal(model(waveform), loaded(waveform))
    assert loaded.card is not None
    assert loaded.card.to_dict() == model.card.to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_exported_graph_agrees(name: str) -> None:
    model = make(name).eval()
    graph = export_graph([model])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for n in (1, 2):  # the batch is dynamic
        waveform = noise(model, n, seed=n)
        left, right = model.context
        padded = torch.nn.functional.pad(waveform, (left, right), mode="reflect") if left + right else waveform
        scores, embedding = session.run(None, {"waveform": padded.numpy()})
        with torch.no_grad():
            stages = model.intermediates(waveform, ["logits", model.embedding_layer])
        expected, features = stages["logits"].flatten(1), stages[model.embedding_layer].flatten(1)
        np.testing.assert_allclose(scores, torch.sigmoid(expected).numpy(), atol=1e-4)
        np.testing.assert_allclose(embedding, features.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SMALL)
def test_published_sizes_run(name: str) -> None:
    model = build(name).eval()
    with torch.no_grad():
        stages = model.intermediates(noise(model, 1))
    assert tuple(stages) == model.layer_names
    assert stages["logits"].shape == (1, 50, 1, 1)
    assert stages[model.embedding_layer].shape == (1, model.n_features, 1, 1)
    assert all(bool(torch.isfinite(value).all()) for value in stages.values())


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_refused(name: str) -> None:
    model = make(name).eval()
    with pytest.raises(InputError, match="shape"):
        model(torch.zeros(model.chunk_samples))
    with pytest.raises(UnknownNameError, match="there is no layer 'pol1'"):
        model.intermediates(noise(model), ["pol1"])


def test_a_misspelt_architecture_or_option_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError) as unknown:
        build("muscnn")
    assert "musicnn" in str(unknown.value.hint)
    with pytest.raises(UsageError, match="takes no option 'n_tag'") as usage:
        build("fcn", n_tag=3)
    assert "n_tags" in str(usage.value.hint)


@pytest.mark.parametrize("card", PUBLISHED.values(), ids=PUBLISHED)
def test_cards_are_true_of_their_architectures(card: ModelCard) -> None:
    model = build(card.architecture, **dict(card.options))
    assert model.n_parameters == card.n_parameters
    assert (model.sample_rate, model.chunk_samples, model.context) == (
        card.sample_rate,
        card.chunk_samples,
        card.context_samples,
    )
    assert (model.n_tags, model.n_features, model.embedding_layer) == (len(card.tags), card.n_features, card.embedding)
    assert card.licence
    assert card.paper
    assert card.home
    assert 0.7 < card.scores["roc_auc"] < 1
    assert ModelCard.from_json(card.to_json()).to_dict() == card.to_dict()
