"""What holds for every dataset: facts, parsers, tracks, vocabulary, splits, faults, and clear errors."""

import inspect
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.datasets import DATASETS, dataset_info, dataset_options, open_dataset
from earmark.datasets.base import GROUPS, Dataset
from earmark.errors import EarmarkError, InputError, UsageError

MAKERS = Path(__file__).parents[1] / "datasets" / "makers"


def maker(name: str) -> dict[str, Any]:
    return runpy.run_path(str(MAKERS / f"{name}.py"))


def variants() -> list[Any]:
    return [
        pytest.param(name, options, id=f"{name}-{'-'.join(map(str, options.values())) or 'default'}")
        for name in DATASETS
        for options in maker(name).get("OPTIONS", [{}])
    ]


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small copy of every dataset in its published layout, in a folder whose name is no ASCII."""
    made = {}
    for name in DATASETS:
        made[name] = tmp_path_factory.mktemp(f"{name} größer")
        maker(name)["make"](made[name])
    return made


@pytest.fixture
def dataset(request: pytest.FixtureRequest, roots: dict[str, Path]) -> Dataset:
    name, options = request.param
    return open_dataset(name, roots[name], **options)


def each_variant() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("dataset", [pytest.param(p.values, id=p.id) for p in variants()], indirect=True)


@pytest.mark.parametrize("name", DATASETS)
def test_facts(name: str) -> None:
    info = dataset_info(name)
    assert info.name == name
    for text in (info.title, info.description, info.licence, info.how_to_get, info.citation):
        assert text.strip()
    assert info.layout
    assert info.n_tracks >= 0
    assert info.home.startswith("http") or name in ("folder", "table", "jams")
    assert set(info.options) == set(dataset_options(name)), "every option is described, and no other"
    assert info.remotes or info.no_download, "what cannot be downloaded says why"
    for remote in info.remotes:
        assert remote.url.startswith(("https://", "http://"))
        assert Path(remote.file_name).name == remote.file_name
        if remote.checksum is not None:
            kind, _, digits = remote.checksum.partition(":")
            assert len(digits) == {"sha256": 64, "sha1": 40, "md5": 32}[kind]
            assert set(digits) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", DATASETS)
def test_parsers_are_pure(name: str) -> None:
    """A `read_*` takes an open file first, no path."""
    module = inspect.getmodule(__import__(DATASETS[name], fromlist=["load"]).load)
    parsers = [function for key, function in vars(module).items() if key.startswith("read_")]
    for parser in parsers:
        assert next(iter(inspect.signature(parser).parameters)) == "file", parser
    assert next(iter(inspect.signature(module.load).parameters)) == "root"  # type: ignore[union-attr]


@each_variant()
def test_tracks(dataset: Dataset) -> None:
    assert len(dataset) > 0
    for track in dataset:
        assert dataset[track.id] is track
        assert track.audio is None or track.audio.is_relative_to(dataset.root)
        assert len(set(track.tags)) == len(track.tags)
        assert all(tag == tag.strip() and tag for tag in track.tags), "no empty tag"
        assert not track.tag_weights or len(track.tag_weights) == len(track.tags)
        assert set(track.groups) <= set(GROUPS)
        assert all(track.groups.values()), "no empty key"
        for interval in (track.segment, track.origin):
            assert interval is None or 0 <= interval[0] < interval[1]
        assert track.duration is None or track.duration > 0
    assert any(track.tags for track in dataset)


@each_variant()
def test_vocabulary_and_targets(dataset: Dataset) -> None:
    targets = dataset.targets()
    assert targets.shape == (len(dataset), len(dataset.vocabulary))
    assert targets.dtype == np.bool_
    assert targets.any()
    if dataset.task == "single_label":
        assert (targets.sum(axis=1) == 1).all()
    for track, row in zip(dataset, targets, strict=True):
        assert {tag for tag, held in zip(dataset.vocabulary.tags, row, strict=True) if held} == (
            set(track.tags) & set(dataset.vocabulary.tags)
        )


@each_variant()
def test_splits(dataset: Dataset) -> None:
    """Disjoint and exhaustive (checked where a split is made, and here), reproducible, none left out without reason."""
    ids = {track.id for track in dataset}
    for name in dataset.split_names:
        split = dataset.split(name)
        assert split.name == name
        assert split.description
        listed = [id for part in split.parts.values() for id in part] + list(split.left_out)
        assert sorted(listed) == sorted(ids)
        assert all(split.left_out.values())
        assert dataset.split_makers[name]() == split
    if dataset.split_names:
        assert dataset.split() is dataset.split(dataset.split_names[0])
    with pytest.raises(LookupError, match="no split"):
        dataset.split("nonesuch")


@each_variant()
def test_faults_are_of_tracks_that_are_there(dataset: Dataset) -> None:
    for fault in dataset.faults:
        assert fault.track in dataset
        assert fault.kind
        assert fault.source


@pytest.mark.parametrize("name", DATASETS)
def test_a_wrong_root_is_named(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for root in (tmp_path / "gone", tmp_path / "empty", file):
        if root.name == "empty":
            root.mkdir()
        with pytest.raises(InputError, match=r"no such folder|is a file|missing|is there|no ") as error:
            open_dataset(name, root)
        assert str(root) in error.value.message
        assert error.value.hint


def complaint(name: str, root: Path, options: dict[str, Any]) -> EarmarkError | None:
    """What opening a dataset and making its splits raises; nothing but errors of ours may come."""
    try:
        dataset = open_dataset(name, root, **options)
        for split in dataset.split_names:
            dataset.split(split)
    except EarmarkError as error:
        return error
    return None


@pytest.mark.parametrize("name", DATASETS)
def test_damage_is_an_error_with_a_name(name: str, tmp_path: Path) -> None:
    """Whatever label file is cut in the middle or holds rubbish: an `InputError`, or tracks; never another error."""
    made = maker(name)
    made["make"](tmp_path)
    options = made.get("OPTIONS", [{}])[0]
    labels = [p for p in sorted(tmp_path.rglob("*")) if p.is_file() and p.suffix not in (".mp3", ".wav", ".au", ".ogg")]
    for path in labels:
        whole = path.read_bytes()
        half = whole[: len(whole) // 2]
        for damaged in (half, b"", b"\xff\xfe\x00rubbish\n", half + b"\x00\xff"):
            path.write_bytes(damaged)
            problem = complaint(name, tmp_path, options)
            assert problem is None or str(tmp_path) in problem.message or isinstance(problem, UsageError), problem
        path.write_bytes(whole)
    open_dataset(name, tmp_path, **options)


@pytest.mark.parametrize("name", DATASETS)
def test_an_unknown_option_is_refused(name: str, roots: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="takes no option 'nonesuch'"):
        open_dataset(name, roots[name], nonesuch=1)
