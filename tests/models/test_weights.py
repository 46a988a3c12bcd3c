"""Weights by name: fetched, converted once, kept, imported; and what is said when they cannot be had."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import earmark
import earmark.errors
from earmark.errors import AssetError, InputError, UnknownNameError, UsageError
from earmark.models.card import PUBLISHED
from earmark.models.convert import convert
from earmark.models.importing import import_checkpoint
from earmark.models.readers import read_arrays, read_wheel_bundle
from earmark.models.weights import get_card, iter_cards, load_weights, pull, weights_path

pytestmark = pytest.mark.shared


@pytest.fixture
def cache(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; published files come from the shared folder."""
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_MIRROR", str(shared / "weights"))
    return tmp_path / "cache"


def test_weights_are_converted_once_and_need_no_source_then(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pull("fcn.won_mtt")
    assert path == weights_path("fcn.won_mtt")
    written = path.stat().st_mtime_ns
    monkeypatch.delenv("EARMARK_MIRROR")
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    arrays, card = load_weights("fcn.won_mtt")
    assert path.stat().st_mtime_ns == written
    assert card is PUBLISHED["fcn.won_mtt"]
    assert arrays["head.weight"].shape == (50, 64)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_file_converts(name: str, cache: Path) -> None:
    arrays, card = load_weights(name)
    trained = sum(a.size for key, a in arrays.items() if not key.endswith(("running_mean", "running_var")))
    assert trained == card.n_parameters
    assert all(a.dtype == np.float32 and np.isfinite(a).all() for a in arrays.values())


@pytest.mark.skipif("EARMARK_TEST_MUSICNN_WHEEL" not in os.environ, reason="EARMARK_TEST_MUSICNN_WHEEL names no wheel")
@pytest.mark.parametrize("name", [name for name in PUBLISHED if ".pons_" in name])
def test_the_python_package_holds_the_same_weights(name: str, cache: Path) -> None:
    kind, dataset = name.split(".pons_")
    wheel = os.environ["EARMARK_TEST_MUSICNN_WHEEL"]
    from_wheel = convert(read_wheel_bundle(wheel, f"{dataset.upper()}_{kind}"), kind)
    arrays, _ = load_weights(name)
    assert set(arrays) == set(from_wheel)
    for key, value in arrays.items():
        np.testing.assert_array_equal(value, from_wheel[key])


def test_a_damaged_copy_is_made_anew(cache: Path) -> None:
    path = pull("fcn.won_msd")
    path.write_bytes(path.read_bytes()[:1000])
    arrays, _ = load_weights("fcn.won_msd")
    assert arrays["head.bias"].shape == (50,)


def test_without_any_source_the_error_says_what_was_tried(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_MIRROR")
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    with pytest.raises(AssetError, match=r"won_mtat_musicnn\.pth") as error:
        load_weights("musicnn.won_mtt")
    assert "EARMARK_MIRROR" in str(error.value.hint)


def test_a_checkpoint_can_be_imported_and_tags(cache: Path, shared: Path) -> None:
    card = import_checkpoint(
        shared / "weights" / "won_mtat_fcn.pth", architecture="fcn", name="my.fcn", vocabulary="mtt"
    )
    assert get_card("my.fcn").to_dict() == card.to_dict()
    assert "my.fcn" in [c.name for c in iter_cards()]
    song = shared / "audio" / "clips" / "bensound-thejazzpiano.mp3"
    ours = earmark.tag(song, model="my.fcn", duration=30)
    published = earmark.tag(song, model="fcn.won_mtt", duration=30)
    np.testing.assert_array_equal(ours.taggram, published.taggram)
    assert [tag.lift for tag in ours.tags] == [tag.lift for tag in published.tags]
    with pytest.raises(UsageError, match=r"there is a model 'my\.fcn' already"):
        import_checkpoint(shared / "weights" / "won_mtat_fcn.pth", architecture="fcn", name="my.fcn", vocabulary="mtt")


def test_form_and_tags_are_told_from_file_and_path(cache: Path, shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "models" / "jamendo" / "musicnn" / "best model.pth"
    path.parent.mkdir(parents=True)
    shutil.copy(shared / "weights" / "won_jamendo_musicnn.pth", path)
    with pytest.warns(earmark.errors.EarmarkWarning, match="took the tags of 'jamendo'"):
        card = import_checkpoint(path, architecture="musicnn")
    assert (card.name, card.architecture) == ("musicnn.best-model", "musicnn_won")
    assert card.tags == PUBLISHED["musicnn.won_jamendo"].tags


def test_a_checkpoint_of_other_sizes_runs_in_pytorch(cache: Path, shared: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = torch.load(shared / "weights" / "won_mtat_fcn.pth", weights_only=True, map_location="cpu")
    state["dense.weight"], state["dense.bias"] = state["dense.weight"][:3], state["dense.bias"][:3]
    torch.save(state, tmp_path / "small.pth")
    card = import_checkpoint(
        tmp_path / "small.pth", architecture="fcn", name="my.small", tags=("guitar", "classical", "slow")
    )
    assert card.options == {"n_tags": 3}
    song = shared / "audio" / "clips" / "bensound-thejazzpiano.mp3"
    result = earmark.tag(song, model="my.small", duration=30)
    assert result.vocabulary == ("guitar", "classical", "slow")
    assert result.tags[0].lift is None
    published = earmark.tag(song, model="fcn.won_mtt", duration=30)
    np.testing.assert_allclose(result.taggram, published.taggram[:, :3], rtol=0, atol=1e-4)


def test_imports_that_cannot_work_say_why(cache: Path, shared: Path, tmp_path: Path) -> None:
    fcn = shared / "weights" / "won_mtat_fcn.pth"
    with pytest.raises(AssetError, match="does not hold a checkpoint of the architecture 'crnn'"):
        import_checkpoint(fcn, architecture="crnn", vocabulary="mtt")
    with pytest.raises(AssetError, match="architecture 'vgg'") as error:
        import_checkpoint(shared / "weights" / "won_mtat_musicnn.pth", architecture="vgg", vocabulary="mtt")
    assert error.value.hint == "it fits 'musicnn_won': --architecture musicnn_won"
    shutil.copy(fcn, tmp_path / "best_model.pth")
    with pytest.raises(UsageError, match="say which tags"):
        import_checkpoint(tmp_path / "best_model.pth", architecture="fcn")
    with pytest.raises(UsageError, match="the checkpoint has 50 outputs, the vocabulary 2 tags"):
        import_checkpoint(fcn, architecture="fcn", tags=("a", "b"))
    with pytest.raises(UnknownNameError, match="architecture 'fnc'"):
        import_checkpoint(fcn, architecture="fnc", vocabulary="mtt")
    shutil.copy(shared / "README.md", tmp_path / "text.pth")
    with pytest.raises((AssetError, InputError), match=r"text\.pth"):
        import_checkpoint(tmp_path / "text.pth", architecture="fcn", vocabulary="mtt")


def test_a_file_without_a_card_is_not_loaded(cache: Path) -> None:
    from safetensors.numpy import save_file

    path = weights_path("own.model")
    path.parent.mkdir(parents=True)
    save_file({"x": np.zeros(3, np.float32)}, path)
    with pytest.raises(AssetError, match="holds no model card"):
        load_weights("own.model")
    assert read_arrays(path)["x"].shape == (3,)


def test_another_size_is_checked_as_strictly(cache: Path, shared: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = torch.load(shared / "weights" / "won_mtat_fcn.pth", weights_only=True, map_location="cpu")
    state["dense.weight"], state["dense.bias"] = state["dense.weight"][:3], state["dense.bias"][:3]
    state["layer3.conv.bias"] = state["layer3.conv.bias"][:100]
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(AssetError, match=r"blocks\.2\.conv\.bias is \(100,\), not \(128,\)"):
        import_checkpoint(tmp_path / "odd.pth", architecture="fcn", tags=("a", "b", "c"))
    state["layer3.conv.bias"] = torch.full((128,), float("nan"))
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(AssetError, match="not finite"):
        import_checkpoint(tmp_path / "nan.pth", architecture="fcn", tags=("a", "b", "c"))


@pytest.mark.parametrize("name", ["../evil", "sub/model", "", "x" * 300, "a\\b", ".hidden"])
def test_names_stay_inside_the_cache(name: str, cache: Path, shared: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a model"):
        weights_path(name)
    with pytest.raises((UnknownNameError, AssetError), match=r"there is no (such )?model"):
        get_card(name)


def test_flipped_bytes_are_noticed_and_healed(cache: Path) -> None:
    good, _ = load_weights("fcn.won_msd")
    path = weights_path("fcn.won_msd")
    data = bytearray(path.read_bytes())
    data[-100] ^= 0xFF
    path.write_bytes(data)
    again, _ = load_weights("fcn.won_msd")
    assert all(np.array_equal(again[name], good[name]) for name in good)
    assert path.read_bytes() != bytes(data)


def test_weights_that_cannot_be_stored_are_used_all_the_same(cache: Path) -> None:
    (cache / "downloads").mkdir(parents=True)
    (cache / "models").write_text("a file where the folder should be")
    with pytest.warns(earmark.errors.EarmarkWarning, match="cannot be written"):
        arrays, _ = load_weights("fcn.won_msd")
    assert arrays["head.bias"].shape == (50,)
    with pytest.raises(AssetError, match="cannot be written"):
        pull("fcn.won_msd")


def test_the_stored_file_has_the_usual_permissions(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert pull("fcn.won_msd").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_damaged_import_is_left_out_of_the_list(cache: Path) -> None:
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "own.broken.safetensors").write_bytes(b"junk")
    with pytest.warns(earmark.errors.EarmarkWarning, match=r"left out: .*own\.broken"):
        names = [card.name for card in iter_cards()]
    assert names == list(PUBLISHED)
