"""Every recipe, end to end: small copies of the datasets in their published layouts, the networks narrow, one epoch."""

import csv
import io
import json
import pickle
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from typer.testing import CliRunner  # noqa: E402

from earmark.cli.app import app  # noqa: E402
from earmark.config import Config, check_config, override, read_config  # noqa: E402
from earmark.models.base import build, load, save  # noqa: E402
from earmark.models.card import ModelCard  # noqa: E402
from earmark.train import Epoch, schema, train  # noqa: E402
from earmark.train.options import resolved  # noqa: E402

ROOT = Path(__file__).parents[1]
RECIPES = {path.stem: path for path in sorted((ROOT / "recipes").glob("*.toml"))}
MAKERS = Path(__file__).parent / "datasets" / "makers"
PARTS = {"train": 2, "validation": 2, "test": 2}
"""Tracks of each part; the tags of track i are those whose number is i modulo the tracks of its part."""
SECONDS = 29.2  # what every network here hears at once fits into that

# What makes a network small; those that hear 29 s have no option for that.
NARROW: dict[str, list[str]] = {
    "cnn_attention": ["model.n_channels=8", "model.n_seconds=2"],
    "harmonic_cnn": ["model.n_channels=4"],
    "music_tagging_transformer": ["model.n_channels=4", "model.n_units=16", "model.n_layers=1", "model.n_seconds=2"],
    "musicnn": ["model.n_mid=4", "model.n_units=8"],
    "musicnn_won": ["model.n_mid=4", "model.n_units=8"],
    "sample_cnn": ["model.n_filters=4"],
    "sample_cnn_rese_won": ["model.n_filters=4"],
    "short_chunk": ["model.n_channels=2"],
    "short_chunk_res": ["model.n_channels=2"],
    "vgg": ["model.n_filters=4"],
}
SLOW = ("magnatagatune_won_crnn", "magnatagatune_won_fcn", "msd_choi_crnn")
SMALL = ["run.epochs=1", "run.batch_size=2", "run.n_chunks=1", "run.overfit_check=false", "run.readers=1"]
SMALL += ["run.accelerator=cpu", "run.precision=32-true"]

# Parameters of the published networks with 50 tags, counted in other implementations or stated by their authors.
PUBLISHED_SIZES = {
    "magnatagatune_won_crnn": 394_100,
    "magnatagatune_won_fcn": 447_732,
    "magnatagatune_won_harmonic_cnn": 3_631_551,
    "magnatagatune_won_cnn_attention": 10_521_652,
    "magnatagatune_won_sample_cnn": 1_869_874,
    "magnatagatune_won_sample_cnn_se": 6_951_858,
    "magnatagatune_won_short_chunk": 3_687_348,
    "magnatagatune_won_short_chunk_res": 12_104_244,
    "magnatagatune_lee_sample_cnn": 1_869_874,
    "jamendo_top50_won_short_chunk_res": 12_104_244,
    "jamendo_moodtheme_short_chunk_res64": 3_037_492,
    "msd_won_short_chunk_res": 12_104_244,
    "msd_won_transformer": 4_567_732,
}


def maker(name: str) -> dict[str, Any]:
    return runpy.run_path(str(MAKERS / f"{name}.py"))


def mp3(path: Path, pitch: int, seconds: float = SECONDS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pitch, seconds))


@cache
def encoded(pitch: int, seconds: float) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, sound(pitch, seconds, 16000), 16000, format="MP3", subtype="MPEG_LAYER_III")
    return memory.getvalue()


def sound(pitch: int, seconds: float, rate: int) -> np.ndarray[Any, Any]:
    """A tone in noise, higher from pitch to pitch, so that there is something to learn."""
    generator = np.random.default_rng(pitch)
    times = np.arange(round(seconds * rate)) / rate
    return 0.2 * np.sin(2 * np.pi * 220 * 1.3**pitch * times) + 0.02 * generator.standard_normal(len(times))


def tracks() -> list[tuple[str, int, int]]:
    """Part, place in it, and how many tracks the part has."""
    return [(part, i, n) for part, n in PARTS.items() for i in range(n)]


def make_magnatagatune(root: Path) -> None:
    folders = {"train": "0", "validation": "c", "test": "d"}
    with (root / "annotations_final.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["clip_id", *(f"tag {k}" for k in range(8)), "mp3_path"])
        for number, (part, i, n) in enumerate(tracks()):
            path = f"{folders[part]}/artist_{number}-album-01-song-0-29.mp3"
            writer.writerow([number + 2, *(int(k % n == i) for k in range(8)), path])
            mp3(root / "mp3" / path, i)


def make_mtg_jamendo(root: Path) -> None:
    header = maker("mtg_jamendo")["HEADER"]
    folder = root / "data" / "splits" / "split-0"
    folder.mkdir(parents=True)
    for subset, category in (("top50tags", "genre"), ("moodtheme", "mood/theme")):
        for part, count in PARTS.items():
            lines = [header]
            for number, (name, i, n) in enumerate(tracks()):
                if name == part:
                    tags = "\t".join(f"{category}---{k}" for k in range(8) if k % n == i)
                    path = f"{number:02d}/{number + 100}.mp3"
                    lines.append(f"track_{number:07d}\tartist_{number:06d}\talbum_{number:06d}\t{path}\t31.0\t{tags}")
                    mp3(root / "audio" / path, i, 31.0)
            assert len(lines) == count + 1
            (folder / f"autotagging_{subset}-{part}.tsv").write_text("\n".join(lines) + "\n")


def make_msd(root: Path) -> None:
    msd = maker("msd")
    letters = [f"{chr(65 + number) * 5}" for number in range(len(tracks()))]
    ids = [msd["track"](text) for text in letters]
    vectors = np.array([[k % n == i for k in range(50)] for _, i, n in tracks()], np.float64)
    lines = [f"{id}<SEP>{msd['song'](x)}<SEP>Artist {x}<SEP>Title\n" for id, x in zip(ids, letters, strict=True)]
    (root / "unique_tracks.txt").write_text("".join(lines))
    for name in ("lee", "choi"):
        (root / name).mkdir()
    numbers = [str(1000 + number) for number in range(len(ids))]
    for short, part in (("train", "train"), ("valid", "validation"), ("test", "test")):
        rows = [number for number, (name, _, _) in enumerate(tracks()) if name == part]
        (root / "choi" / f"{short}_x_msd_id.txt").write_text("".join(f"{ids[row]}\n" for row in rows))
        (root / "choi" / f"{short}_x_7d_id.txt").write_text("".join(f"{numbers[row]}\n" for row in rows))
        np.save(root / "choi" / f"{short}_y.npy", vectors[rows])
    cut = PARTS["train"] + PARTS["validation"]
    (root / "lee" / "filtered_list_train.cP").write_bytes(msd["python2_list"](ids[:cut]))
    (root / "lee" / "filtered_list_test.cP").write_bytes(msd["python2_list"](ids[cut:]))
    tagged = {id.encode(): vector[:, None] for id, vector in zip(ids, vectors, strict=True)}
    (root / "lee" / "msd_id_to_tag_vector.cP").write_bytes(pickle.dumps(tagged, protocol=2))
    (root / "lee" / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps(dict(zip(ids, numbers, strict=True)), protocol=0))
    for number, (_, i, _) in zip(numbers, tracks(), strict=True):
        mp3(root / "audio" / number[0] / number[1] / f"{number}.clip.mp3", i)


def make_fma(root: Path) -> None:
    fma = maker("fma")
    names = {"train": "training", "validation": "validation", "test": "test"}
    rows = []
    for number, (part, i, _) in enumerate(tracks(), start=2):
        genre = ("Rock", "Folk")[i % 2]
        cells = (number, number, "", "Album", number, "Artist", names[part], "small", 200, genre, "[1]", "[1]", "Title")
        rows.append(cells)
        mp3(root / "fma_medium" / "000" / f"{number:06d}.mp3", i)
    (root / "fma_metadata").mkdir()
    fma["write"](root / "fma_metadata" / "tracks.csv", fma["COLUMNS"], rows)


def make_gtzan(root: Path) -> None:
    genres = maker("gtzan")["GENRES"]
    for name, number in (("train", 1), ("valid", 2), ("test", 3)):
        (root / f"{name}_filtered.txt").write_text("".join(f"{g}/{g}.{number:05d}.wav\n" for g in genres))
        for pitch, genre in enumerate(genres):
            path = root / "genres" / genre / f"{genre}.{number:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sound(pitch, 4.0, 22050), 22050)


def make_esc10(root: Path) -> None:
    for number, name in enumerate(maker("esc10")["CLASSES"], start=1):
        folder = root / f"{number:03d} - {name}"
        folder.mkdir()
        for fold in range(1, 6):
            soundfile.write(folder / f"{fold}-{1000 * fold + number}-A.ogg", sound(number, 5.0, 16000), 16000)


def make_philharmonia(root: Path) -> None:
    for instrument in ("cello", "flute", "tuba"):
        for pitch, note in enumerate(("A2", "B2", "C3", "D3", "E3", "F3", "G3", "A3")):
            mp3(root / "all-samples" / instrument / f"{instrument}_{note}_phrase_forte_normal.mp3", pitch, 4.0)


MAKE = {
    "esc10": make_esc10,
    "fma": make_fma,
    "gtzan": make_gtzan,
    "magnatagatune": make_magnatagatune,
    "msd": make_msd,
    "mtg_jamendo": make_mtg_jamendo,
    "philharmonia": make_philharmonia,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Folders of datasets, each made when it is first asked for, with one cache for what is decoded of them."""

    class Made(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            self[name] = tmp_path_factory.mktemp(name)
            MAKE[name](self[name])
            return self[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("earmark.features.extract.cpu_count", lambda: 1)  # no processes for eight short files
        patch.setattr("earmark.datasets.msd_lists.TRAIN_OF_LEE", PARTS["train"])
        yield Made()


@pytest.fixture(scope="module")
def small_musicnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow musicnn with a card and random weights."""
    model = build("musicnn", n_tags=3, n_mid=4, n_units=8)
    model.card = ModelCard(
        name="small", architecture="musicnn", options={"n_tags": 3, "n_mid": 4, "n_units": 8},
        sample_rate=model.sample_rate, chunk_samples=model.chunk_samples, hop_samples=model.chunk_samples,
        context_samples=model.context, frontend="musicnn", vocabulary="own", tags=("a", "b", "c"),
        n_parameters=model.n_parameters, embedding=model.embedding_layer, n_features=model.n_features,
        dataset="none", split="none", n_train=0, scores={}, licence="none",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("start") / "small.safetensors"
    save(model, path)
    return path


def small(recipe: Config, made: dict[str, Path], *more: str) -> Config:
    narrow = NARROW.get(recipe.get("model", {}).get("name", ""), [])
    return override(recipe, [*SMALL, *narrow, f"data.root={made[recipe['data']['dataset']]}", *more])


def each_recipe() -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in RECIPES]


@pytest.mark.parametrize("name", each_recipe())
def test_recipes_run_from_published_files_to_results(
    name: str, made: dict[str, Path], small_musicnn: Path, tmp_path: Path
) -> None:
    config = small(read_config(RECIPES[name]), made)
    if "start" in config:
        config = override(config, [f"start.init={small_musicnn}"])
    epochs: list[Epoch] = []
    results = train(config, tmp_path / "run", on_epoch=epochs.append)
    assert results["unreadable"] == {}
    assert set(results["tracks"]) == {"train", "validation", "test"}
    assert results["tracks"]["train"] >= PARTS["train"]
    for part in ("validation", "test"):
        assert np.isfinite(list(results[part].values())).all()
    assert config["run"]["monitor"] in results["validation"]
    assert [(epoch.number, epoch.stage) for epoch in epochs] == [(1, 0)]
    assert 0 < epochs[0].learning_rate <= config["optimizer"]["lr"]
    model = load(tmp_path / "run" / "best.safetensors")
    assert model.card is not None
    assert model.card.activation == ("softmax" if config["loss"]["name"] == "cross_entropy" else "sigmoid")
    assert model.card.n_train == results["tracks"]["train"]
    assert len(model.card.tags) == model.n_tags
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_hold_nothing_that_nobody_takes(name: str) -> None:
    check_config(resolved(read_config(RECIPES[name])), schema())


@pytest.mark.parametrize("name", PUBLISHED_SIZES)
def test_networks_are_as_large_as_published(name: str) -> None:
    table = dict(read_config(RECIPES[name])["model"])
    assert build(table.pop("name"), n_tags=50, **table).n_parameters == PUBLISHED_SIZES[name]


@pytest.mark.parametrize("name", [n for n, path in RECIPES.items() if "stages" in read_config(path)])
def test_stages_are_the_published_ones(name: str) -> None:
    """Adam and three falls of the rate in Won's protocol, two of the authors of MTG-Jamendo, four of Lee's."""
    config = read_config(RECIPES[name])
    first, following = config["optimizer"], config["stages"]["next"]
    rates = [first["lr"], *(stage["lr"] for stage in following)]
    assert {(stage["name"], stage["momentum"], stage["nesterov"]) for stage in following} == {("sgd", 0.9, True)}
    lengths = [config["stages"].get("epochs"), *(stage.get("epochs") for stage in following)]
    if "won" in name:
        assert (first["name"], first["weight_decay"], rates) == ("adam", 1e-4, [1e-4, 1e-3, 1e-4, 1e-5])
        assert (config["run"]["epochs"], lengths) == (200, [80, 20, 20, None])
        assert {stage["weight_decay"] for stage in following} == {1e-4}
    elif "lee" in name:
        assert rates == pytest.approx([0.01 * 0.2**stage for stage in range(5)])
        assert {config["stages"]["patience"], *(stage["patience"] for stage in following)} == {30}
    else:
        assert (rates, config["run"]["epochs"], lengths) == ([1e-4, 1e-3, 1e-4], 100, [60, 20, None])


def test_a_run_goes_through_all_stages_of_a_recipe(made: dict[str, Path], tmp_path: Path) -> None:
    config = small(read_config(RECIPES["magnatagatune_lee_sample_cnn"]), made, "run.epochs=5", "stages.epochs=1")
    for stage in config["stages"]["next"]:
        stage["epochs"] = 1
    epochs: list[Epoch] = []
    train(config, tmp_path / "run", on_epoch=epochs.append)
    assert [epoch.stage for epoch in epochs] == [0, 1, 2, 3, 4]
    rates = [0.01 * 0.2**stage / (1 + 1e-6 * stage) for stage in range(5)]
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx(rates)


@pytest.mark.parametrize("name", ["magnatagatune_won_short_chunk_res", "gtzan_short_chunk_res32"])
def test_recipes_run_from_the_command_line(name: str, made: dict[str, Path], tmp_path: Path) -> None:
    recipe = read_config(RECIPES[name])
    changes = [*SMALL, *NARROW[recipe["model"]["name"]], f"data.root={made[recipe['data']['dataset']]}"]
    sets = [argument for change in changes for argument in ("--set", change)]
    done = CliRunner().invoke(app, ["train", str(RECIPES[name]), *sets, "-o", str(tmp_path / "run"), "--json", "-q"])
    assert done.exit_code == 0, done.output
    epoch, results = map(json.loads, done.stdout.splitlines())
    assert epoch["number"] == results["epoch"] == 1
    assert results == json.loads((tmp_path / "run" / "results.json").read_text())


@pytest.mark.shared
def test_the_probe_starts_from_the_published_weights(
    made: dict[str, Path], published_weights: None, tmp_path: Path
) -> None:
    config = small(read_config(RECIPES["probe_musicnn_msd"]), made, f"data.cache={tmp_path / 'decoded'}")
    train(config, tmp_path / "run")
    probe, musicnn = (load(model).state_dict() for model in (tmp_path / "run" / "best.safetensors", "musicnn.pons_msd"))
    changed = {key for key, value in musicnn.items() if not torch.equal(probe[key], value)}
    assert changed == {"end.head.weight", "end.head.bias"}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_say_what_they_are_and_how_to_run_them(name: str) -> None:
    lines = RECIPES[name].read_text(encoding="utf-8").splitlines()
    comment = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    assert 3 <= len(comment) <= 8
    assert comment[-1] == f"# earmark train recipes/{name}.toml --set data.root=FOLDER"


def test_the_readme_lists_every_recipe_and_no_other() -> None:
    text = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`?([a-z0-9_]+)`?\]\(\1\.toml\)", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(RECIPES)
