"""Loaders of mirdata through the adapter: a small one of the published interface, and real ones where mirdata is."""

import importlib
import json
import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from earmark.datasets import Dataset, dataset_info, dataset_options, open_dataset
from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError

INDEX = "toy_index_1.0.json"
MD5 = "5b3d6dddb579ab49814ab86dba69e7c7"


def remote(filename: str, folder: str | None = None, unpack: list[str] | None = None) -> Any:
    url = f"https://example.org/{filename}"
    return SimpleNamespace(filename=filename, url=url, checksum=MD5, destination_dir=folder, unpack_directories=unpack)


class ToyTrack:
    """As mirdata's tracks: attributes set at first, and properties read when they are asked for."""

    def __init__(self, id: str, home: str, row: dict[str, Any]) -> None:
        self.track_id = id
        self.audio_path = None if row["audio"] is None else f"{home}/{row['audio']}"
        self.genre = row.get("genre")
        self._row = row

    @property
    def instruments(self) -> Any:
        return self._row.get("instruments")

    @property
    def artist(self) -> Any:
        return self._row["artist"]

    @property
    def tags(self) -> Any:
        raise AttributeError("This Track does not have metadata.")

    @property
    def colour(self) -> str:
        return "blue"

    @property
    def split(self) -> str:
        return str(self._row["split"])


class ToyDataset:
    splits: dict[str, list[str]] | None = None

    def __init__(self, data_home: str, version: str) -> None:
        self.data_home = data_home
        self.index_path = f"/nowhere/{INDEX}"

    @property
    def _index(self) -> dict[str, Any]:
        return dict(json.loads(Path(self.index_path).read_text())["tracks"])

    @property
    def track_ids(self) -> list[str]:
        return list(self._index)

    def track(self, id: str) -> ToyTrack:
        return ToyTrack(id, self.data_home, self._index[id])

    def get_track_splits(self) -> dict[str, list[str]]:
        if self.splits is None:
            raise NotImplementedError("no official split")
        return self.splits

    def get_random_track_splits(self, splits: list[float], seed: int, split_names: list[str]) -> dict[str, list[str]]:
        ids = self.track_ids
        random.Random(seed).shuffle(ids)
        return {name: ids[i :: len(split_names)] for i, name in enumerate(split_names)}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of a loader, in a mirdata that has no other."""
    module = ModuleType("mirdata.datasets.toy")
    module.__doc__ = (
        "Toy Dataset Loader\n\n.. admonition:: Dataset Info\n    :class: dropdown\n\n    " + "What it is. " * 9
    )
    index = SimpleNamespace(remote=remote(INDEX, "/nowhere"), partial_download=["all", "annotations"])
    facts = {
        "BIBTEX": "@article{toy}",
        "LICENSE_INFO": "CC BY\n4.0",
        "INDEXES": {"default": "1.0", "1.0": index, "mini": index},
        "REMOTES": {
            "all": remote("toy.tar.gz", "toy"),
            "annotations": remote("annotations.zip"),
            "other": remote("other.zip"),
        },
        "Dataset": ToyDataset,
    }
    for name, value in facts.items():
        setattr(module, name, value)
    mirdata = ModuleType("mirdata")
    mirdata.list_datasets = lambda: ["toy", "toys_of_others"]  # type: ignore[attr-defined]
    mirdata.initialize = lambda name, data_home, version: ToyDataset(data_home, version)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mirdata", mirdata)
    monkeypatch.setitem(sys.modules, "mirdata.datasets", ModuleType("mirdata.datasets"))
    monkeypatch.setitem(sys.modules, "mirdata.datasets.toy", module)
    monkeypatch.setattr(ToyDataset, "splits", None)
    return module


def write_index(root: Path, rows: dict[str, dict[str, Any]]) -> None:
    rows = {id: {"audio": f"{id}.wav", "artist": "A", **row} for id, row in rows.items()}
    (root / INDEX).write_text(json.dumps({"version": "1.0", "tracks": rows}))


def opened(root: Path, rows: dict[str, dict[str, Any]], **options: Any) -> Dataset:
    write_index(root, rows)
    return open_dataset("mirdata:toy", root, **options)


@pytest.mark.usefixtures("toy")
def test_facts() -> None:
    info = dataset_info("mirdata:toy")
    assert (info.name, info.title, info.licence, info.citation) == (
        "mirdata:toy",
        "Toy Dataset",
        "CC BY 4.0",
        "@article{toy}",
    )
    assert info.description.startswith("What it is.")
    assert [(r.file_name, r.checksum, r.kind, r.unpack, r.into) for r in info.remotes] == [
        (INDEX, f"md5:{MD5}", "labels", False, "."),
        ("toy.tar.gz", f"md5:{MD5}", "audio", True, "toy"),
        ("annotations.zip", f"md5:{MD5}", "labels", True, "."),
    ]
    assert set(info.options) == set(dataset_options("mirdata:toy")) == {"tags", "version", "vocabulary"}


def test_what_only_mirdata_can_download(toy: ModuleType) -> None:
    toy.REMOTES["all"].unpack_directories = ["deep"]
    info = dataset_info("mirdata:toy")
    assert not info.remotes
    assert "mirdata.initialize('toy'" in info.no_download
    toy.REMOTES = None
    toy.DOWNLOAD_INFO = "\n  Ask the\n authors.\n"  # type: ignore[attr-defined]
    info = dataset_info("mirdata:toy")
    assert [r.file_name for r in info.remotes] == [INDEX]
    assert info.no_download == "Ask the authors."


@pytest.mark.usefixtures("toy")
def test_tags_of_every_shape(tmp_path: Path) -> None:
    dataset = opened(
        tmp_path,
        {
            "a": {"genre": " rock ", "instruments": {"flute": 0.9, "voice": 0.2}},
            "b": {"genre": ["rock", "ü", None], "instruments": None},
            "c": {"genre": {"main": ["pop"], "sub": ["synth pop"]}, "instruments": {"guitar": 80, "drums": 3}},
            "d": {"audio": None, "genre": "", "instruments": {"flute": 1, "drums": 0.5}},
        },
    )
    assert {track.id: track.tags for track in dataset} == {
        "a": ("rock", "flute"),
        "b": ("rock", "ü"),
        "c": ("pop", "synth pop", "guitar", "drums"),
        "d": ("flute", "drums"),
    }
    assert dataset["d"].tag_weights == (1.0, 0.5)
    assert dataset["a"].tag_weights == ()
    assert (dataset["a"].audio, dataset["d"].audio) == (tmp_path / "a.wav", None)
    assert dataset["a"].artist == "A"
    assert dataset.task == "multi_label"
    assert opened(tmp_path, {"a": {"genre": "x"}, "b": {"genre": "y"}}).task == "single_label"


@pytest.mark.usefixtures("toy")
def test_attributes_that_are_named(tmp_path: Path) -> None:
    rows = {"a": {"genre": "rock", "instruments": ["flute"]}}
    assert opened(tmp_path, rows, tags="instruments, colour")["a"].tags == ("flute", "blue")
    with pytest.raises(UsageError, match="has no attribute 'mood'") as error:
        opened(tmp_path, rows, tags="mood")
    assert "colour" in str(error.value.hint)
    with pytest.raises(UsageError, match="no track has tags") as error:
        opened(tmp_path, {"a": {}})
    assert "colour" in str(error.value.hint)


def test_splits(toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {str(i): {"genre": "xy"[i % 2], "artist": f"artist {i // 2}"} for i in range(12)}
    assert opened(tmp_path, rows).split_names == ("artist", "mirdata")
    listed = {"split01_train": ["0", "1"], "valid": ["2"], "test": ["3"], "unlabelled": ["4"]}
    monkeypatch.setattr(toy.Dataset, "splits", listed)
    dataset = opened(tmp_path, rows)
    assert dataset.split_names == ("published", "artist", "mirdata")
    split = dataset.split()
    assert split.parts == {"train": ("0", "1"), "validation": ("2",), "test": ("3",)}
    assert split.left_out["4"] == "in the part 'unlabelled' of mirdata's split"
    assert split.left_out["5"] == "in no part of it"
    assert sum(dataset.split("mirdata").sizes.values()) == 12
    assert dataset.split("mirdata") == opened(tmp_path, rows).split("mirdata")


@pytest.mark.usefixtures("toy")
def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_dataset("mirdata:toy", tmp_path / "gone")
    with pytest.raises(InputError, match=f"index {INDEX} is missing") as error:
        open_dataset("mirdata:toy", tmp_path)
    assert "it is a download: earmark datasets download mirdata:toy" in str(error.value.hint)
    (tmp_path / INDEX).write_text("{")
    with pytest.raises(InputError, match="mirdata's loader 'toy' cannot be read: JSONDecodeError"):
        open_dataset("mirdata:toy", tmp_path)
    (tmp_path / INDEX).write_text(json.dumps({"tracks": {"a": {}}}))
    with pytest.raises(InputError, match="track 'a' of mirdata:toy cannot be read: KeyError: 'audio'"):
        open_dataset("mirdata:toy", tmp_path)
    with pytest.raises(UsageError, match="version='2'"):
        open_dataset("mirdata:toy", tmp_path, version="2")
    with pytest.raises(UsageError, match="takes no option 'splits'"):
        open_dataset("mirdata:toy", tmp_path, splits=1)


@pytest.mark.usefixtures("toy")
def test_unknown_loaders() -> None:
    with pytest.raises(UnknownNameError, match="no loader of mirdata 'toys'") as error:
        dataset_info("mirdata:toys")
    assert "'toy'" in str(error.value.hint)


def test_a_loader_that_needs_more(toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mirdata.datasets.toy", None)
    with pytest.raises(InputError, match="needs a package that is not installed"):
        dataset_info("mirdata:toy")


def test_without_mirdata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(MissingExtraError, match=r"\[mirdata\]"):
        dataset_info("mirdata:gtzan_genre")


@pytest.fixture
def real() -> Any:
    return pytest.importorskip("mirdata", exc_type=ImportError)


@pytest.mark.filterwarnings("ignore")
def test_facts_of_every_real_loader(real: Any) -> None:
    n_remotes = 0
    for name in real.list_datasets():
        try:
            importlib.import_module(f"mirdata.datasets.{name}")
        except ImportError:
            continue  # needs packages of its own
        info = dataset_info(f"mirdata:{name}")
        assert all((info.title, info.description, info.licence, info.citation)), name
        assert info.remotes or info.no_download, name
        assert all(r.checksum is None or len(r.checksum) == len("md5:") + 32 for r in info.remotes), name
        n_remotes += len(info.remotes)
    assert n_remotes > 100


@pytest.mark.filterwarnings("ignore")
def test_gtzan_through_the_real_mirdata(real: Any, tmp_path: Path) -> None:
    ids = [f"{genre}.{i:05d}" for genre in ("blues", "hiphop") for i in range(4)]
    index = {id: {"audio": [f"gtzan_genre/genres/{id}.wav", "0" * 32]} for id in ids}
    for paths in index.values():
        paths |= {"beats": [None, None], "tempo": [None, None]}
    info = dataset_info("mirdata:gtzan_genre")
    (tmp_path / info.remotes[0].file_name).write_text(json.dumps({"version": "1.0", "tracks": index}))
    dataset = open_dataset("mirdata:gtzan_genre", tmp_path)
    assert len(dataset) == 8
    assert dataset["hiphop.00001"].tags == ("hip-hop",)
    assert dataset["hiphop.00001"].audio == tmp_path / "gtzan_genre/genres/hiphop.00001.wav"
    assert dataset.task == "single_label"
    assert dataset.split_names == ("random", "mirdata")
    for name in dataset.split_names:
        assert sum(dataset.split(name).sizes.values()) == 8


@pytest.mark.filterwarnings("ignore")
def test_irmas_through_the_real_mirdata(real: Any, tmp_path: Path) -> None:
    """Published parts, and instruments that a test track reads from a file."""
    (tmp_path / "test.txt").write_text("gel\t\nvoi\t\n")
    index = {
        "0189__2": {"audio": ["train/pia/[pia][jaz_blu]0189__2.wav", ""], "annotation": [None, None]},
        "1": {"audio": ["test/01.wav", ""], "annotation": ["test.txt", ""]},
    }
    name = next(r.file_name for r in dataset_info("mirdata:irmas").remotes if r.file_name.endswith(".json"))
    (tmp_path / name).write_text(json.dumps({"tracks": index}))
    dataset = open_dataset("mirdata:irmas", tmp_path)
    assert dataset["1"].tags == ("gel", "voi")
    assert "pia" in dataset["0189__2"].tags
    assert dataset.split("published").parts == {"train": ("0189__2",), "test": ("1",)}
    (tmp_path / "test.txt").unlink()
    with pytest.raises(InputError, match=r"track '1' of mirdata:irmas cannot be read: FileNotFoundError"):
        open_dataset("mirdata:irmas", tmp_path)
