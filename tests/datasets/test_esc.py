"""ESC-10 and ESC-50: folds, groups, both layouts agree, and wrong tables."""

import io
from pathlib import Path

import pytest

from earmark.audio.io import probe
from earmark.datasets import dataset_info, open_dataset
from earmark.datasets.base import Dataset
from earmark.datasets.esc import OLD_CLASSES, make_dataset, read_clips
from earmark.errors import InputError

HEADER = "filename,fold,target,category,esc10,src_file,take\n"
ROW = "1-100032-A-0.wav,1,0,dog,True,100032,A\n"


def folds_of(dataset: Dataset) -> dict[str, set[str]]:
    """Recording to the folds that it is in."""
    found: dict[str, set[str]] = {}
    for name in dataset.split_names:
        for id in dataset.split(name)["test"]:
            found.setdefault(dataset[id].groups["track"], set()).add(name)
    return found


@pytest.mark.shared
def test_real_esc10(shared: Path) -> None:
    dataset = open_dataset("esc10", shared / "datasets" / "esc10")
    assert len(dataset) == 400
    assert dataset.split_names == ("fold-1", "fold-2", "fold-3", "fold-4", "fold-5")
    for name in dataset.split_names:
        split = dataset.split(name)
        assert split.sizes == {"train": 320, "test": 80}
        assert (dataset.targets(split["test"]).sum(axis=0) == 8).all()
    assert all(len(folds) == 1 for folds in folds_of(dataset).values())
    track = dataset["1-100032-A-0"]
    assert track.tags == ("dog",)
    assert track.audio is not None
    assert probe(track.audio).duration == pytest.approx(5.0, abs=0.1)


def test_pieces_of_a_recording_are_of_one_group() -> None:
    pieces = [ROW, ROW.replace("-A-", "-B-").replace(",A", ",B"), ROW.replace("100032", "7")]
    clips = [(Path(clip.file_name), clip) for clip in read_clips(io.StringIO(HEADER + "".join(pieces)))]
    dataset = make_dataset(dataset_info("esc50"), Path(), clips)
    assert [track.groups["track"] for track in dataset] == ["100032", "100032", "7"]


def test_both_layouts_give_the_same(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (new / "meta").mkdir(parents=True)
    rows = []
    for i, (name, (category, target)) in enumerate(OLD_CLASSES.items()):
        folder = old / f"{i + 1:03d} - {name}"
        folder.mkdir(parents=True)
        for fold in range(1, 6):
            (folder / f"{fold}-{fold}00{i}-B.ogg").touch()
            rows.append(f"{fold}-{fold}00{i}-B-{target}.wav,{fold},{target},{category},True,{fold}00{i},B\n")
    rows.append("1-9-A-49.wav,1,49,hand_saw,False,9,A\n")
    (new / "meta" / "esc50.csv").write_text(HEADER + "".join(rows))
    first, second = open_dataset("esc10", old), open_dataset("esc10", new)
    assert first.vocabulary == second.vocabulary
    assert {t.id: (t.tags, t.groups) for t in first} == {t.id: (t.tags, t.groups) for t in second}
    assert all(set(first.split(n)["test"]) == set(second.split(n)["test"]) for n in first.split_names)
    assert len(open_dataset("esc50", new)) == 51
    assert second.tracks[0].audio == new / "audio" / rows[0].split(",")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (HEADER, "no clip"),
        ("filename,fold,target\n", "no column 'category'"),
        (HEADER + ROW + ROW, "stands in line 2 already"),
        (HEADER + ROW.replace("wav,1", "wav,6"), "fold is '6', expected 1 to 5"),
        (HEADER + ROW.replace(",0,", ",dog,"), "target is 'dog'"),
        (HEADER + ROW.replace("True", "yes"), "esc10 is 'yes'"),
        (HEADER + ROW.replace("100032,A", ",A"), "src_file is empty"),
        (HEADER + ROW.replace("1-100032-A-0.wav", "../x.wav"), "leads out of the folder"),
        (HEADER + ROW.replace("1-100032-A-0.wav", ".."), "leads out of the folder"),
        (HEADER + ROW.replace("1-100032-A-0.wav", "a/x.wav"), "no name of a file"),
        (HEADER + ROW.replace(",0,dog", f",{'9' * 6000},dog"), "expected a whole number"),
        (HEADER + ROW + ROW.replace("1-1", "1-2").replace("dog", "cat"), "target 0 is 'dog' and 'cat'"),
    ],
)
def test_wrong_tables(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_clips(io.StringIO(text))


def test_wrong_folders_and_files(tmp_path: Path) -> None:
    (tmp_path / "001 - Dog bark").mkdir()
    (tmp_path / "001 - Dog bark" / "6-1-A.ogg").touch()
    with pytest.raises(InputError, match=r"6-1-A.ogg: expected a name like 1-100032-A"):
        open_dataset("esc10", tmp_path)
    (tmp_path / "000 - Cat").mkdir()
    with pytest.raises(InputError, match="'Cat' is no class of ESC-10"):
        open_dataset("esc10", tmp_path)


def test_a_table_without_esc10(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(HEADER + ROW.replace("True", "False"))
    with pytest.raises(InputError, match="no clip is marked"):
        open_dataset("esc10", tmp_path)
