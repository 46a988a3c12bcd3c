"""Models by path: what counts as one, and what is said of those that cannot be loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.errors import AssetError, UnknownNameError, UsageError
from earmark.models.importing import import_run, is_run
from earmark.models.paths import is_path, model_file
from earmark.models.weights import (
    file_stamp,
    fingerprint,
    get_card,
    iter_cards,
    load_weights,
    path_of,
    pull,
    read_weights,
    weights_path,
)

Write = Callable[..., Path]
OPTIONS = {"n_units": 16}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    return tmp_path / "cache"


def test_what_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Music").mkdir()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.toml").touch()
    for name in ("musicnn.pons_mtt", "Music", "x" * 300, "", "a\0b"):
        assert not is_path(name), name
    for name in ("runs/mine", "./mine", "mine.safetensors", "mine.ONNX", "begun", Path("mine")):
        assert is_path(name), name


def test_a_run_is_a_model(write_run: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("mine", "mlp_spectrum", options=OPTIONS)
    arrays, card = load_weights(run)
    assert (card.name, card.tags) == ("mine", ("a", "b", "c"))
    for model in (str(run), run / "best.safetensors", f"{run}/"):
        assert get_card(model).to_dict() == card.to_dict()
        assert path_of(model) == pull(model) == run / "best.safetensors"
        assert set(load_weights(model)[0]) == set(arrays)
        assert len(fingerprint(model)) == 12
    monkeypatch.chdir(run.parent)
    assert get_card("mine").name == "mine"
    assert [listed.name for listed in iter_cards() if listed.name == "mine"] == []


def test_a_name_goes_before_a_folder(write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run("fcn.won_mtt", "mlp_spectrum", options=OPTIONS)
    monkeypatch.chdir(run.parent)
    assert get_card("fcn.won_mtt").architecture == "fcn"
    assert get_card("./fcn.won_mtt").architecture == "mlp_spectrum"


def test_what_cannot_be_loaded_says_why(write_run: Write, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    run = write_run("mine", "mlp_spectrum", options=OPTIONS)
    best = run / "best.safetensors"
    whole = best.read_bytes()
    best.unlink()
    with pytest.raises(AssetError, match="has not finished its first epoch") as error:
        load_weights(run)
    assert "earmark train --resume " in str(error.value.hint)
    for damaged in (whole[:1000], whole[:-1] + b"\x7f", b""):
        best.write_bytes(damaged)
        with pytest.raises(AssetError, match=r"best\.safetensors: (not a safetensors file|damaged)") as error:
            load_weights(run)
        assert error.value.hint == "copy it from where it is whole, or train again"
    save_file({"x": read_weights_of(whole, tmp_path)}, best)
    with pytest.raises(AssetError, match="holds no model card"):
        load_weights(run)
    (tmp_path / "empty").mkdir()
    for gone in (tmp_path / "empty", tmp_path / "gone", tmp_path / "gone.safetensors", tmp_path / ("x" * 300)):
        with pytest.raises(AssetError, match="there is no such model"):
            load_weights(gone)
    (tmp_path / "best_model.pth").touch()
    with pytest.raises(AssetError, match="neither a") as error:
        model_file(tmp_path / "best_model.pth")
    assert "earmark models import" in str(error.value.hint)


def read_weights_of(content: bytes, folder: Path) -> object:
    (folder / "whole.safetensors").write_bytes(content)
    return next(iter(read_weights(folder / "whole.safetensors")[0].values()))


def test_the_stamp_changes_with_the_weights(write_run: Write) -> None:
    run = write_run("mine", "mlp_spectrum", options=OPTIONS)
    before = file_stamp(run)
    (run / "best.safetensors").write_bytes((run / "best.safetensors").read_bytes() + b"x")
    assert file_stamp(run) != before
    assert file_stamp("fcn.won_mtt") == ()


def test_a_run_is_imported_under_a_name(write_run: Write) -> None:
    run = write_run("my run", "mlp_spectrum", options=OPTIONS, thresholds=(0.1, 0.2, 0.3), licence="not stated")
    assert is_run(run)
    assert import_run(run).name == "my-run"
    card = import_run(run, name="my.model", licence="CC0")
    assert (card.name, card.licence, card.thresholds) == ("my.model", "CC0", (0.1, 0.2, 0.3))
    assert get_card("my.model").to_dict() == card.to_dict()
    assert {"my.model", "my-run"} <= {listed.name for listed in iter_cards()}
    arrays, _ = load_weights("my.model")
    for name, array in load_weights(run)[0].items():
        assert (arrays[name] == array).all()
    with pytest.raises(UsageError, match=r"there is a model 'my\.model' already"):
        import_run(run, name="my.model")
    assert import_run(run, name="my.model", force=True).licence == "not stated"
    with pytest.raises(UsageError, match="there is a model 'fcn"):
        import_run(run, name="fcn.won_mtt", force=True)
    with pytest.raises(UsageError, match="cannot be the name"):
        import_run(run, name="my/model")
    weights_path("my.model").unlink()
    with pytest.raises(UnknownNameError, match="there is no model"):
        load_weights("my.model")


def test_what_is_no_run_is_not_imported_as_one(write_run: Write, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    run = write_run("mine", "mlp_spectrum", options=OPTIONS)
    save_file({"x": read_weights(run / "best.safetensors")[0].popitem()[1]}, tmp_path / "bare.safetensors")
    assert not is_run(tmp_path / "bare.safetensors")
    assert not is_run(tmp_path / "gone.pth")
    with pytest.raises(UsageError, match="an exported graph"):
        is_run(tmp_path / "mine.onnx")
    (run / "best.safetensors").unlink()
    with pytest.raises(AssetError, match="first epoch"):
        is_run(run)
