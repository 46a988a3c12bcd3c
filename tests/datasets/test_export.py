"""Exports are read back as they were, whatever is in them; nothing is written over or left half."""

import json
import runpy
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.datasets import DATASETS, Dataset, Split, Track, dataset_info, open_dataset
from earmark.datasets.export import export
from earmark.errors import InputError, MissingExtraError, UnknownNameError, UsageError
from earmark.vocabulary import from_tags

MAKERS = Path(__file__).parent / "makers"
FORMS = [("table", "out.csv"), ("table", "out.tsv"), ("table", "out.parquet"), ("jams", "out")]


def need(name: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")


def dataset_of(root: Path, *tracks: Track, **parts: tuple[str, ...]) -> Dataset:
    tags = tuple(dict.fromkeys(tag for track in tracks for tag in track.tags))
    rest = {track.id: "why not" for track in tracks if not any(track.id in ids for ids in parts.values())}
    split = Split("theirs", "a split", parts, rest)
    vocabulary = from_tags("mine", tags)
    return Dataset(dataset_info("table"), root, {}, tracks, vocabulary, split_makers={"theirs": lambda: split})


def without_audio(track: Track) -> dict[str, Any]:
    return {name: getattr(track, name) for name in Track.__slots__ if name not in ("audio", "groups")} | {
        "groups": dict(track.groups)
    }


def check_same(original: Dataset, back: Dataset, *, has_split: bool) -> None:
    assert [without_audio(track) for track in back] == [without_audio(track) for track in original]
    for before, after in zip(original, back, strict=True):
        assert (before.audio is None) == (after.audio is None)
        assert before.audio is None or after.audio is None or before.audio.resolve() == after.audio.resolve()
    if has_split:
        before_parts = {part: set(ids) for part, ids in original.split().parts.items() if ids}
        assert {part: set(ids) for part, ids in back.split("published").parts.items()} == before_parts
    else:
        assert "published" not in back.split_names


WEIRD = st.text(
    st.one_of(st.sampled_from(list(" ,;|\t\n\r'\"[]\\/.{}#=\x00\u2028\x85ß")), st.characters(codec="utf-8")),
    max_size=12,
)
TAGS = st.lists(WEIRD.map(str.strip).filter(bool), max_size=4, unique=True).map(tuple)
TIMES = st.floats(0, 1e6, allow_nan=False)
INTERVALS = st.none() | st.tuples(TIMES, TIMES).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


@st.composite
def tracks(draw: st.DrawFn) -> list[Track]:
    ids = draw(st.lists(WEIRD.filter(bool), min_size=1, max_size=5, unique=True))
    made = []
    for id in ids:
        tags = draw(TAGS)
        weights = draw(st.just(()) | st.tuples(*(st.floats(0, 100) for _ in tags)))
        segment = draw(INTERVALS)
        length = None if segment is None else segment[1] - segment[0]
        made.append(
            Track(
                id,
                draw(st.none() | st.lists(NAMES, min_size=1, max_size=3).map(lambda names: Path("/music", *names))),
                tags,
                artist=draw(WEIRD),
                album=draw(WEIRD),
                title=draw(WEIRD),
                groups=draw(st.dictionaries(st.sampled_from(["artist", "album", "track"]), WEIRD.filter(bool))),
                segment=segment,
                origin=draw(INTERVALS),
                duration=draw(st.just(length) | st.floats(1e-3, 1e6)),
                tag_weights=weights,
            )
        )
    return made if any(track.tags for track in made) else [*made[1:], Track(made[0].id, tags=("a",))]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize(("form", "name"), FORMS)
@settings(deadline=None)
@given(tracks=tracks(), has_split=st.booleans(), data=st.data())
def test_what_is_written_is_read_back(form: Any, name: str, tracks: list[Track], has_split: bool, data: Any) -> None:
    need(name)
    part = st.sampled_from(["train", "validation", "test"])
    chosen = {track.id: data.draw(part if i == 0 else part | st.none()) for i, track in enumerate(tracks)}
    parts = {part: tuple(id for id, own in chosen.items() if own == part) for part in ("train", "validation", "test")}
    with folder() as root:
        original = dataset_of(root, *tracks, **parts)
        path = export(original, root / name, form=form, split="theirs" if has_split else None)
        back = open_dataset(form, path)
        ordered = Dataset(back.info, back.root, {}, tuple(back[track.id] for track in original), back.vocabulary)
        check_same(original, Dataset(**{**vars_of(ordered), "split_makers": back.split_makers}), has_split=has_split)


def vars_of(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in Dataset.__dataclass_fields__}


@pytest.mark.parametrize(("form", "name"), FORMS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_survives(tmp_path: Path, dataset: str, form: Any, name: str) -> None:
    need(name)
    made = runpy.run_path(str(MAKERS / f"{dataset}.py"))
    root = tmp_path / "größer"
    root.mkdir()
    made["make"](root)
    original = open_dataset(dataset, root, **made.get("OPTIONS", [{}])[0])
    path = export(original, tmp_path / name, form=form, split=original.split_names[0] if original.split_names else None)
    back = open_dataset(form, path)
    assert {t.id: without_audio(t) for t in back} == {
        t.id: without_audio(t) | ({} if t.duration or not t.segment else {"duration": t.segment[1] - t.segment[0]})
        for t in original
    }
    if original.split_names:
        assert {part: set(ids) for part, ids in back.split().parts.items() if ids} == {
            part: set(ids) for part, ids in original.split().parts.items() if ids
        }


def test_a_plain_table_looks_plain(tmp_path: Path) -> None:
    one = Track("1", tmp_path / "deep" / "ä, b.mp3", ("rock", "hip hop"), artist="A", groups={"artist": "a"})
    two = Track("2", Path("/elsewhere/c.mp3"), ("a;b",), duration=29.5)
    path = export(dataset_of(tmp_path, one, two, train=("1",)), tmp_path / "out.csv", split="theirs")
    assert path.read_text(encoding="utf-8").splitlines() == [
        "id,path,tags,split,artist,duration",
        '1,"deep/ä, b.mp3",rock;hip hop,train,A,',
        '2,/elsewhere/c.mp3,"[""a;b""]",,,29.5',
    ]


def test_groups_that_are_not_those_of_the_names(tmp_path: Path) -> None:
    one = Track("1", None, ("x",), artist="A")
    (back,) = open_dataset("table", export(dataset_of(tmp_path, one), tmp_path / "out.csv"))
    assert (back.artist, dict(back.groups)) == ("A", {})


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    """A table cannot hold it, and says so; JAMS can."""
    odd = dataset_of(tmp_path, Track("1", tmp_path / "caf\udce9.mp3", ("x",)))
    for name in ("out.csv", "out.parquet"):
        need(name)
        with pytest.raises(InputError, match="holds bytes that are no UTF-8"):
            export(odd, tmp_path / name)
    assert not list(tmp_path.iterdir())
    (back,) = open_dataset("jams", export(odd, tmp_path / "out", form="jams"))
    assert back.audio == odd["1"].audio


def test_names_of_jams_files(tmp_path: Path) -> None:
    """Ids that no file can have, that differ in case alone, or that would lead out of the folder."""
    ids = ["../up", "a/b", "a:b", "A/B", "x" * 500, "..", "ä", "\n"]
    path = export(dataset_of(tmp_path, *(Track(id, tags=("t",)) for id in ids)), tmp_path / "out", form="jams")
    names = sorted(entry.name for entry in path.iterdir())
    assert names == sorted(
        ["_up.jams", "a_b.jams", "a_b-2.jams", "A_B-3.jams", "x" * 120 + ".jams", "_.jams", "ä.jams", "_-2.jams"]
    )
    assert {track.id for track in open_dataset("jams", path)} == set(ids)


def test_the_length_of_a_file_is_looked_up(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(12_000), 8000)
    audio = tmp_path / "a.wav"
    many = [Track("1", audio, ("x",)), Track("2", audio, ("x",), segment=(0.5, 1.0)), Track("3", None, ("x",))]
    path = export(dataset_of(tmp_path, *many), tmp_path / "out", form="jams")
    lengths = [json.loads((path / f"{i}.jams").read_bytes())["file_metadata"]["duration"] for i in (1, 2, 3)]
    assert lengths == [1.5, 1.5, 0.0]
    back = open_dataset("jams", path)
    assert [track.segment for track in back] == [None, (0.5, 1.0), None]


def test_the_form_of_a_jams_file(tmp_path: Path) -> None:
    """The names, types and required fields of the JAMS schema."""
    one = Track("1", tmp_path / "a.mp3", ("rock", "ü"), title="T", duration=30.0, tag_weights=(0.5, 1.0))
    path = export(dataset_of(tmp_path, one), tmp_path / "out", form="jams")
    content = json.loads((path / "1.jams").read_bytes())
    assert set(content) == {"annotations", "file_metadata", "sandbox"}
    about = content["file_metadata"]
    assert {key: type(value) for key, value in about.items()} == {
        "title": str,
        "artist": str,
        "release": str,
        "duration": float,
        "identifiers": dict,
        "jams_version": str,
    }
    (annotation,) = content["annotations"]
    assert {"annotation_metadata", "data", "namespace"} <= set(annotation)
    assert (annotation["namespace"], annotation["time"], annotation["duration"]) == ("tag_open", 0.0, 30.0)
    assert annotation["data"] == [
        {"time": 0.0, "duration": 30.0, "value": "rock", "confidence": 0.5},
        {"time": 0.0, "duration": 30.0, "value": "ü", "confidence": 1.0},
    ]


@pytest.mark.filterwarnings("ignore")
def test_the_jams_package_reads_and_validates(tmp_path: Path) -> None:
    jams = pytest.importorskip("jams")
    many = [
        Track("1", tmp_path / "a.mp3", ("rock", "ü"), artist="A", duration=30.0, tag_weights=(0.5, 1.0)),
        Track("2", None, ("rock",), segment=(10.0, 20.5)),
        Track("3", None, ("no duration",)),
        Track("4", None, ()),
    ]
    path = export(dataset_of(tmp_path, *many, train=("1",)), tmp_path / "out", form="jams", split="theirs")
    for track in many:
        read = jams.load(str(path / f"{track.id}.jams"), validate=True, strict=True)
        assert read.validate(strict=True)
        (annotation,) = read.search(namespace="tag_open")
        assert tuple(entry.value for entry in annotation.data) == track.tags
        assert read.file_metadata.artist == track.artist
    saved = tmp_path / "again.jams"
    made = jams.JAMS()
    made.file_metadata.duration = 12.0
    made.file_metadata.title = "ü"
    annotation = jams.Annotation(namespace="tag_open")
    annotation.append(time=0, duration=12.0, value="rock", confidence=0.5)
    made.annotations.append(annotation)
    made.save(str(saved))
    (track,) = open_dataset("jams", saved)
    assert (track.tags, track.tag_weights, track.duration, track.title) == (("rock",), (0.5,), 12.0, "ü")


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_nothing_is_written_over(tmp_path: Path, form: Any, name: str) -> None:
    need(name)
    target = tmp_path / name
    export(dataset_of(tmp_path, Track("old", tags=("x",)), Track("older", tags=("x",))), target, form=form)
    new = dataset_of(tmp_path, Track("new", tags=("x",)))
    with pytest.raises(UsageError, match=r"already") as error:
        export(new, target, form=form)
    assert "--force" in str(error.value.hint)
    assert len(open_dataset(form, target)) == 2
    export(new, target, form=form, force=True)
    assert [track.id for track in open_dataset(form, target)] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_music_is_never_replaced(tmp_path: Path) -> None:
    data = dataset_of(tmp_path, Track("1", tags=("x",)))
    music = tmp_path / "music"
    music.mkdir()
    (music / "a.jams").write_text("{}")
    (music / "a.mp3").write_bytes(b"music")
    with pytest.raises(UsageError, match=r"music: holds a\.mp3, which is no JAMS file"):
        export(data, music, form="jams", force=True)
    with pytest.raises(UsageError, match="is no folder"):
        export(data, music / "a.mp3", form="jams", force=True)
    with pytest.raises(UsageError, match=r"cannot write \.mp3"):
        export(data, music / "a.mp3", force=True)
    assert (music / "a.mp3").read_bytes() == b"music"


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(dataset_of(tmp_path, Track("1", tags=("x",))), tmp_path / "out", form="jams")
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["1.jams"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset_of(tmp_path, *(Track(str(i), tags=("x",)) for i in range(5)))
    write, count = Path.write_text, iter(range(100))

    def fail(path: Path, *args: Any, **options: Any) -> int:
        if next(count) == 3:
            raise OSError(28, "No space left on device")
        return write(path, *args, **options)

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(InputError, match="out: cannot be written: No space left on device"):
        export(data, tmp_path / "out", form="jams")
    assert not list(tmp_path.iterdir())


def test_wrong_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset_of(tmp_path, Track("1", tags=("x",)))
    with pytest.raises(UsageError, match="form 'xml'"):
        export(data, tmp_path / "out.csv", form="xml")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no split"):
        export(data, tmp_path / "out.csv", split="mine")
    for form, name in (("table", "gone/out.csv"), ("jams", "gone/out")):
        with pytest.raises(InputError, match="there is no folder"):
            export(data, tmp_path / name, form=form)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"\[parquet\]"):
        export(data, tmp_path / "out.parquet")
    assert not list(tmp_path.iterdir())
