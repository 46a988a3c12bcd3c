"""Folders per class: what is a class, what is a part, and what is neither."""

import unicodedata
from pathlib import Path

import pytest

from earmark.datasets import Dataset, open_dataset
from earmark.errors import EarmarkWarning, InputError, UsageError


def lay(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def classes(dataset: Dataset) -> dict[str, str]:
    return {track.id: track.tags[0] for track in dataset}


def test_a_class_per_folder(tmp_path: Path) -> None:
    root = lay(tmp_path, "rock/a.mp3", "rock/live/b.flac", "jazz/a.mp3", "jazz/._a.mp3", "jazz/cover.jpg", ".x/y/z.mp3")
    dataset = open_dataset("folder", root)
    assert classes(dataset) == {"jazz/a.mp3": "jazz", "rock/a.mp3": "rock", "rock/live/b.flac": "rock"}
    assert dataset.vocabulary.tags == ("rock", "jazz"), "the most frequent first"
    assert dataset["rock/live/b.flac"].audio == root / "rock/live/b.flac"
    assert dataset.split_names == ("random",)


def test_parts_on_top(tmp_path: Path) -> None:
    root = lay(tmp_path, "train/rock/a.mp3", "train/jazz/b.mp3", "val/rock/c.mp3", "test/jazz/deep/d.mp3")
    dataset = open_dataset("folder", root)
    assert classes(dataset)["test/jazz/deep/d.mp3"] == "jazz"
    assert dataset.split_names == ("published", "random")
    assert dataset.split().parts == {
        "train": ("train/jazz/b.mp3", "train/rock/a.mp3"),
        "validation": ("val/rock/c.mp3",),
        "test": ("test/jazz/deep/d.mp3",),
    }


def test_a_class_may_be_called_like_a_part(tmp_path: Path) -> None:
    root = lay(tmp_path, "train/a.wav", "dog/b.wav", "dog/inside/c.wav")
    assert classes(open_dataset("folder", root))["train/a.wav"] == "train"


def test_two_parts_and_something_else_is_an_error(tmp_path: Path) -> None:
    root = lay(tmp_path, "train/rock/a.mp3", "test/rock/b.mp3", "extra/rock/c.mp3")
    with pytest.raises(InputError, match="beside the parts test, train lies a folder 'extra'"):
        open_dataset("folder", root)


def test_audio_in_no_class_is_left_out_with_a_warning(tmp_path: Path) -> None:
    root = lay(tmp_path, "rock/a.mp3", "stray.mp3")
    with pytest.warns(EarmarkWarning, match=r"1 audio files in no folder of a class, such as stray\.mp3"):
        assert len(open_dataset("folder", root)) == 1


@pytest.mark.parametrize("names", [(), ("a.mp3",), ("rock/cover.jpg",)])
def test_no_class_at_all(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="no audio file in a folder of a class") as error:
        open_dataset("folder", lay(tmp_path, *names))
    assert error.value.hint


def test_one_class_however_its_accents_are_encoded(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "größer") for form in ("NFC", "NFD"))
    dataset = open_dataset("folder", lay(tmp_path, f"train/{composed}/a.mp3", f"test/{apart}/b.mp3"))
    assert dataset.vocabulary.tags == (composed,)
    assert dataset.targets().all()


def test_a_link_that_leads_back_ends(tmp_path: Path) -> None:
    root = lay(tmp_path, "rock/a.mp3")
    (root / "rock" / "again").symlink_to(root, target_is_directory=True)
    assert classes(open_dataset("folder", root)) == {"rock/a.mp3": "rock"}


def test_the_same_split_every_time(tmp_path: Path) -> None:
    root = lay(tmp_path, *(f"{name}/{i}.mp3" for name in ("rock", "jazz") for i in range(40)))
    split = open_dataset("folder", root).split("random")
    assert split == open_dataset("folder", root).split("random")
    assert split.sizes == {"train": 60, "validation": 5, "test": 15}
    assert sum(id.startswith("rock") for id in split["train"]) == 30


def test_too_few_tracks_for_a_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot fill 3 parts"):
        open_dataset("folder", lay(tmp_path, "rock/a.mp3")).split("random")
