"""Graphs and engines: skeletons are what the code exports, engines agree, torch stays out."""

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.filters import frontend_constants
from earmark.errors import EarmarkError, UnknownNameError, UsageError
from earmark.models.card import PUBLISHED
from earmark.models.graphs import SKELETONS, read_skeleton, skeleton_for, values_for
from earmark.models.weights import load_weights
from earmark.runtime import choose, group, open_network


def music_like(n: int, window: int) -> np.ndarray:
    """Chords and noise, (n, window)."""
    rng = np.random.default_rng(0)
    time = np.arange(window) / 16000
    tones = sum(np.sin(2 * np.pi * f * time) for f in (110, 220, 277.2, 329.6, 880))
    return (0.05 * tones + 0.02 * rng.standard_normal((n, window))).astype(np.float32)


@pytest.mark.parametrize("name", SKELETONS)
def test_shipped_skeletons_are_what_the_code_exports(name: str) -> None:
    pytest.importorskip("torch")
    from earmark.models.export import skeleton

    assert skeleton(name) == read_skeleton(name), "run: python -m earmark.models.export src/earmark/data/skeletons"


def test_shipped_shapes_are_those_of_the_models() -> None:
    pytest.importorskip("torch")
    from earmark.models.export import weight_shapes

    stored = resources.files("earmark") / "data" / "skeletons" / "shapes.json"
    assert json.loads(stored.read_text()) == weight_shapes()


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
@pytest.mark.parametrize("name", PUBLISHED)
def test_onnx_agrees_with_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    model = load_weights(name)
    window = model[1].chunk_samples + sum(model[1].context_samples)
    batch = music_like(2, window)
    (scores, embedding), *rest = open_network([model]).run(batch)
    assert rest == []
    ((expected_scores, expected_embedding),) = open_network([model], engine="torch").run(batch)
    np.testing.assert_allclose(scores, expected_scores, rtol=0, atol=1e-4)
    np.testing.assert_allclose(embedding, expected_embedding, rtol=1e-3, atol=1e-3)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_two_networks_on_one_mel_give_what_each_gives_alone() -> None:
    models = [load_weights(name) for name in ("musicnn.pons_msd", "musicnn.pons_mtt")]
    batch = music_like(3, 187 * 256 + 256)
    together = open_network(models).run(batch)
    for both, model in zip(together, models, strict=True):
        (alone,) = open_network([model]).run(batch)
        np.testing.assert_allclose(both[0], alone[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(both[1], alone[1], rtol=1e-4, atol=1e-4)


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_weights_that_do_not_fit_are_refused() -> None:
    arrays, card = load_weights("fcn.won_mtt")
    arrays["head.weight"], arrays["head.bias"] = arrays["head.weight"][:7], arrays["head.bias"][:7]
    with pytest.raises(EarmarkError, match=r"weights of fcn\.won_mtt do not fit") as error:
        open_network([(arrays, card)])
    assert "--engine torch" in str(error.value.hint)


def test_models_on_one_front_end_share_a_network() -> None:
    cards = [PUBLISHED[n] for n in ("musicnn.pons_msd", "musicnn.won_jamendo", "musicnn.pons_mtt", "fcn.won_mtt")]
    assert group(cards) == [[0, 2], [1], [3]]


def test_values_cover_every_name_of_a_skeleton() -> None:
    onnx = pytest.importorskip("onnx")
    card = PUBLISHED["fcn.won_mtt"]
    model = onnx.ModelProto.FromString(skeleton_for([card]))
    wanted = {t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
    constants = set(values_for([({}, card)]))
    assert constants == {f"frontend.{name}" for name in frontend_constants("won")}
    assert constants <= wanted
    assert all(name.startswith("0.") for name in wanted - constants)


def test_an_unknown_graph_or_engine_is_named() -> None:
    with pytest.raises(UnknownNameError, match="there is no graph 'fnc'"):
        read_skeleton("fnc")
    with pytest.raises(UsageError, match="there is no engine 'tensorrt'"):
        choose("tensorrt", "cpu")
    with pytest.raises(UsageError, match="runs on the CPU, not on 'cuda'"):
        choose("onnx", "cuda")
    assert choose("auto", "cpu") == ("onnx", "cpu")


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
def test_tagging_on_the_cpu_never_imports_torch(shared: Path) -> None:
    code = (
        "import sys, earmark; earmark.tag(sys.argv[1], device='cpu');"
        "bad = {'torch', 'onnx', 'matplotlib', 'av', 'pyarrow'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    song = shared / "audio" / "clips" / "bensound-cute.mp3"
    done = subprocess.run([sys.executable, "-c", code, str(song)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_onnx_runtime_tells_nobody_how_it_is_used(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = "from earmark.onnx_runtime import ort; import earmark.runtime; ort.SessionOptions()"
    homes = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | homes, timeout=60)
    assert list(tmp_path.rglob("*")) == []
