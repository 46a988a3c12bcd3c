"""Labels of one's own judge the catalogue: by name, by synonym, by audio."""

from pathlib import Path

import pytest

from earmark.errors import InputError
from earmark.library.checking import check
from earmark.library.rows import FilePlace
from earmark.library.schema import files_columns
from earmark.library.store import Store


@pytest.fixture
def files(store: Store, tmp_path: Path) -> dict[str, float]:
    """Files of the tracks, and their score of piano."""
    found = {}
    for i, track in enumerate(sorted(store.tracks(), key=lambda track: track.id)):
        path = tmp_path / f"{i}.wav"
        path.write_bytes(b"RIFF")
        store.put("tracks", [{"id": track.id, **files_columns([FilePlace(str(path), 4, 1)])}])
        found[path.name] = track.heard["standard"].scores["piano"]
    return found


def table(tmp_path: Path, rows: dict[str, str]) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("path,tags\n" + "".join(f"{name},{tags}\n" for name, tags in rows.items()))
    return path


def test_labels_that_mean_one_tag_are_one(store: Store, tmp_path: Path, files: dict[str, float]) -> None:
    names = sorted(files, key=lambda name: -files[name])
    rows = {name: ("piano" if i % 2 else "Pianos") if i < 5 else "noise" for i, name in enumerate(names)}
    found = check(table(tmp_path, rows), store=store, resamples=20)
    assert found.left_out == ("noise",)
    assert found.report.model.evaluation.roc_auc == 1.0
    assert found.missing == ()


def test_what_is_not_there_is_left_out_and_told(store: Store, tmp_path: Path, files: dict[str, float]) -> None:
    rows = {name: "piano" if score > 0.5 else "rock" for name, score in files.items()} | {"gone.wav": "piano"}
    (tmp_path / "other.wav").write_bytes(b"RIFF no track of the catalogue")
    found = check(table(tmp_path, rows | {"other.wav": "rock"}), store=store, resamples=20)
    assert {name for name, _ in found.missing} == {"gone.wav", "other.wav"}
    with pytest.raises(InputError, match="nothing hears any of its tags"):
        check(table(tmp_path, dict.fromkeys(files, "shoegaze")), store=store)
    with pytest.raises(InputError, match="none of its 1 tracks has scores"):
        check(table(tmp_path, {"gone.wav": "piano"}), store=store)
