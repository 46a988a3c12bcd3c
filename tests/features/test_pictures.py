"""Pictures of features: exact sizes and values, numbers that stay, nothing out of date; contact sheets."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from earmark.errors import EarmarkWarning, InputError, MissingExtraError, UsageError
from earmark.features import pictures
from earmark.features.extract import extract
from earmark.features.pictures import draw_pictures
from earmark.features.png import encode_png, palette
from earmark.features.sheets import draw_sheets, file_names, spread
from earmark.features.store import FeatureStore, Item

from .conftest import RATE, SMALL, sound

Make = Callable[..., FeatureStore]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make or go on with a store of tracks."""

    def call(items: list[Item], *, name: str = "store", **parameters: object) -> FeatureStore:
        done = extract(items, tmp_path / name, parameters=SMALL | parameters, jobs=1)
        assert not done.failures
        return FeatureStore.open(tmp_path / name)

    return call


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "pictures.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


# PNG ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (96, 313)])
@pytest.mark.parametrize("colours", [False, True])
def test_another_program_reads_the_same_pixels(tmp_path: Path, shape: tuple[int, int], colours: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(pixels, colours=colours, text={"Title": "ç 音 \udce9", "Other": "x" * 1000}))
    with Image.open(path) as image:
        image.load()
        assert image.mode == ("P" if colours else "L")
        assert image.text == {"Title": "ç 音 \\udce9", "Other": "x" * 1000}
        np.testing.assert_array_equal(np.asarray(image), pixels)
        if colours:
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette()[pixels])


def test_the_palette_gets_lighter_at_every_step() -> None:
    lightness = palette().astype(int) @ [299, 587, 114]
    assert palette().shape == (256, 3)
    assert (np.diff(lightness) >= 0).all()


# Pictures -------------------------------------------------------------------------------------------------------------


def test_a_pixel_is_a_value(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    paths = draw_pictures(store, tmp_path / "png", value_range=(-60.0, 0.0), jobs=2)
    assert [path.relative_to(tmp_path / "png").as_posix() for path in paths] == [f"000/{i:06d}.png" for i in range(5)]
    rows = table(tmp_path / "png")
    assert list(rows) == store.ids
    for item, path in zip(items, paths, strict=True):
        levels = np.clip((store[item.id].astype(np.float64) + 60) / 60 * 255, 0, 255)
        with Image.open(path) as image:
            pixels = np.asarray(image)
            assert image.mode == "L"
            assert image.size == (store.entry(item.id).n_frames, 8)
            facts = json.loads(image.text["earmark"])  # type: ignore[attr-defined]
            assert image.text["Comment"] == "0 is -60.0 dB, 255 is 0.0 dB"  # type: ignore[attr-defined]
        np.testing.assert_allclose(pixels[::-1].T, levels, atol=0.51)  # low frequencies at the bottom
        assert (facts["id"], facts["low"], facts["high"], facts["unit"]) == (item.id, -60.0, 0.0, "dB")
        assert facts["parameters"] == dict(store.info.parameters)
        row = rows[item.id]
        assert (row["picture"], row["path"]) == (path.relative_to(tmp_path / "png").as_posix(), item.path)
        assert (row["low"], row["high"], row["unit"]) == ("-60.0", "0.0", "dB")
        assert (int(row["width"]), int(row["height"])) == (store.entry(item.id).n_frames, 8)


def test_the_front_end_has_a_range(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    draw_pictures(store, tmp_path / "png")
    row = table(tmp_path / "png")["a.wav"]
    assert (float(row["low"]), float(row["high"])) == store.info.value_range
    assert store.info.value_range is not None
    assert store.info.value_range[1] - store.info.value_range[0] == pytest.approx(90)


def test_a_range_that_only_the_data_tell_is_kept(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items[:2], scaling="power")
    assert store.info.value_range is None
    draw_pictures(store, tmp_path / "png")
    values = np.concatenate([np.ravel(store[id]) for id in store])
    row = table(tmp_path / "png")["a.wav"]
    assert [float(row["low"]), float(row["high"])] == pytest.approx(np.percentile(values, [1, 99]).tolist())
    store = make(items, scaling="power")
    draw_pictures(store, tmp_path / "png")
    rows = table(tmp_path / "png").values()
    assert {(other["low"], other["high"]) for other in rows} == {(row["low"], row["high"])}


def test_every_cepstral_coefficient_has_its_range(items: list[Item], tmp_path: Path) -> None:
    options = {**SMALL, "n_coefficients": 5}
    for n in (2, 5):  # the range is kept when there are more tracks
        extract(items[:n], tmp_path / "store", frontend="mfcc", parameters=options, jobs=1)
        store = FeatureStore.open(tmp_path / "store")
        paths = draw_pictures(store, tmp_path / "png")
        ranges = {(row["low"], row["high"]) for row in table(tmp_path / "png").values()}
        values = np.concatenate([store[item.id] for item in items[:2]])
        low, high = (np.array(text.split(), dtype=float) for text in ranges.pop())
        np.testing.assert_allclose([low, high], np.percentile(values, [1, 99], axis=0), rtol=1e-3)
        assert not ranges
    for item, path in zip(items, paths, strict=True):
        with Image.open(path) as image:
            facts = json.loads(image.text["earmark"])  # type: ignore[attr-defined]
            levels = np.clip((store[item.id].astype(np.float64) - low) / (high - low) * 255, 0, 255)
            np.testing.assert_allclose(np.asarray(image)[::-1].T, levels, atol=0.51)
        assert (facts["low"], facts["high"]) == (low.tolist(), high.tolist())
    draw_pictures(store, tmp_path / "same", value_range=(-60.0, 0.0))
    assert table(tmp_path / "same")["a.wav"]["low"] == "-60.0"


def test_pictures_that_many_programs_do_not_open_are_warned_of(
    items: list[Item], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(items)
    widths = sorted(entry.n_frames for entry in store.entries)
    monkeypatch.setattr(pictures, "WIDEST", widths[-2])
    with pytest.warns(EarmarkWarning, match=r"^000/000004\.png \(e\.wav\) is wider than 44 pixels: many programs"):
        draw_pictures(store, tmp_path / "png")
    monkeypatch.setattr(pictures, "WIDEST", widths[0] - 1)
    with pytest.warns(EarmarkWarning, match=r"^5 pictures, such as 000/000000\.png \(a\.wav\), are wider"):
        draw_pictures(store, tmp_path / "png")
    draw_pictures(store, tmp_path / "small", size=(20, 8))


def test_an_exact_size(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    for size in ((20, 4), (100, 50)):
        for path in draw_pictures(store, tmp_path / f"{size}", size=size, colours=True):
            with Image.open(path) as image:
                assert image.size == size
                assert image.mode == "P"
    row = table(tmp_path / "(20, 4)")["a.wav"]
    assert (row["width"], row["height"]) == ("20", "4")


def test_a_size_is_a_mean_over_what_it_covers(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    [whole] = draw_pictures(store, tmp_path / "whole", ids=["a.wav"])
    with Image.open(whole) as image:
        pixels = np.asarray(image)[:, :32]
    small = pictures.resized(np.ascontiguousarray(pixels), (16, 4))
    np.testing.assert_allclose(small, pixels.reshape(4, 2, 16, 2).mean(axis=(1, 3)), atol=1.0)  # rounded twice


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["2", "10", "155320"], ["000/000002.png", "000/000010.png", "155/155320.png"]),
        (["000002", "1234567"], ["000/000002.png", "1234/1234567.png"]),
        (["2", "002"], ["000/000000.png", "000/000001.png"]),
        (["2", "b"], ["000/000000.png", "000/000001.png"]),
        (["²", "-3"], ["000/000000.png", "000/000001.png"]),
    ],
)
def test_whole_numbers_name_their_pictures(
    items: list[Item], make: Make, tmp_path: Path, ids: list[str], expected: list[str]
) -> None:
    store = make([replace(item, id=id) for item, id in zip(items, ids, strict=False)])
    paths = draw_pictures(store, tmp_path / "png")
    assert [path.relative_to(tmp_path / "png").as_posix() for path in paths] == expected


def test_numbers_stay_when_tracks_come_between(items: list[Item], make: Make, tmp_path: Path) -> None:
    draw_pictures(make(items[2:]), tmp_path / "png")
    store = make(items, name="more")
    paths = draw_pictures(store, tmp_path / "png")
    assert [int(path.stem) for path in paths] == [3, 4, 0, 1, 2]
    assert len(table(tmp_path / "png")) == 5


def test_what_is_there_is_not_drawn_again(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    paths = draw_pictures(store, tmp_path / "png")
    before = [path.read_bytes() for path in paths]
    times = [path.stat().st_mtime_ns for path in paths]
    paths[1].unlink()
    paths[2].write_bytes(before[2][:-5])
    paths[3].write_bytes(b"")
    (paths[0].parent / ".0123456789abcdef0123456789abcdef.part").touch()
    seen: list[Path] = []
    assert draw_pictures(store, tmp_path / "png", on_picture=seen.append) == paths == seen
    assert [path.read_bytes() for path in paths] == before
    changed = [path.stat().st_mtime_ns != time for path, time in zip(paths, times, strict=True)]
    assert changed == [False, True, True, True, False]
    assert sorted(paths[0].parent.iterdir()) == paths


def test_a_changed_track_gets_a_new_picture(items: list[Item], make: Make, tmp_path: Path) -> None:
    paths = draw_pictures(make(items), tmp_path / "png")
    before = [path.read_bytes() for path in paths]
    soundfile.write(items[1].path, sound(0.6, seed=9), RATE)
    store = make(items)
    assert draw_pictures(store, tmp_path / "png") == paths
    assert [path.read_bytes() == old for path, old in zip(paths, before, strict=True)] == [
        True,
        False,
        True,
        True,
        True,
    ]


def test_interrupted_and_resumed_the_pictures_are_the_same(
    items: list[Item], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(items)

    def stop(path: Path) -> None:
        if path.stem == "000002":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_pictures(store, tmp_path / "png", jobs=1, on_picture=stop)
    draw_pictures(store, tmp_path / "png")
    draw_pictures(store, tmp_path / "whole")
    for path in (tmp_path / "whole").rglob("*.[pc]*"):
        assert (tmp_path / "png" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


def test_other_things_are_not_written_over(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "holiday.jpg").touch()
    with pytest.raises(InputError, match="holds something else"):
        draw_pictures(store, tmp_path / "full")
    (tmp_path / "full" / "pictures.csv").write_text("picture,id\nx,y\n", encoding="utf-8")
    with pytest.raises(InputError, match="is not a table of pictures"):
        draw_pictures(store, tmp_path / "full")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"value_range": (0.0, 0.0)}, "range 0 to 0 is empty"), ({"size": (0, 5)}, "a picture of 0 × 5 pixels")],
)
def test_wrong_styles(
    items: list[Item], make: Make, tmp_path: Path, options: dict[str, tuple[int, int]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        draw_pictures(make(items), tmp_path / "png", **options)  # type: ignore[arg-type]


def test_waveforms_are_no_pictures(items: list[Item], tmp_path: Path) -> None:
    extract(items, tmp_path / "store", frontend="raw", jobs=1)
    with pytest.raises(UsageError, match="a waveform is no picture"):
        draw_pictures(FeatureStore.open(tmp_path / "store"), tmp_path / "png")


def test_without_pillow(items: list[Item], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    store = make(items)
    assert len(draw_pictures(store, tmp_path / "png")) == 5
    with pytest.raises(MissingExtraError, match=r"\[features\]"):
        draw_pictures(store, tmp_path / "small", size=(5, 5))
    with pytest.raises(MissingExtraError, match=r"\[features\]"):
        draw_sheets(store, tmp_path / "sheets")


# Sheets ---------------------------------------------------------------------------------------------------------------


def test_a_sheet_per_tag(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(items)
    paths = draw_sheets(store, tmp_path / "sheets")
    assert [path.name for path in paths] == ["noise.png", *(f"seed_{i}.png" for i in range(5))]
    with (tmp_path / "sheets" / "sheets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:3] == [["picture", "tag", "tracks"], ["noise.png", "noise", "5"], ["seed_0.png", "seed 0", "1"]]
    with Image.open(paths[0]) as image:
        assert image.mode == "RGB"
        width, height = image.size
        assert width == 2 * 24 + 5 * 180 + 4 * 12
        assert height > 96
        pixels = np.asarray(image)
    first = pixels[58 : 58 + 96, 24 : 24 + round(180 * store.entry("a.wav").n_frames / store.entry("e.wav").n_frames)]
    colours = {tuple(colour) for colour in palette().tolist()}
    assert {tuple(colour) for colour in first.reshape(-1, 3).tolist()} <= colours


def test_no_tags_no_sheets(items: list[Item], make: Make, tmp_path: Path) -> None:
    assert draw_sheets(make([replace(item, tags=()) for item in items]), tmp_path / "sheets") == []
    assert not (tmp_path / "sheets").exists()


def test_a_tag_of_very_many_tracks(items: list[Item], make: Make, tmp_path: Path) -> None:
    store = make(
        [replace(items[0], id=f"track {i}", tags=("a", "ü 音\n\x00"), segment=(0, 0.3 + i / 1e3)) for i in range(60)]
    )
    paths = draw_sheets(store, tmp_path / "sheets")
    assert [path.name for path in paths] == ["a.png", "ü_音.png"]
    with Image.open(paths[0]) as image:
        assert image.size == (2 * 24 + 8 * 192 - 12, 58 + 6 * 126 + 24 - 12)
    shown = spread(store.entries, 48)
    assert len({entry.id for entry in shown}) == 48
    assert [shown[0].id, shown[-1].id] == ["track 0", "track 59"]


@given(st.lists(st.text(max_size=200), unique=True, max_size=8))
def test_any_tag_has_a_safe_name_of_its_own(tags: list[str]) -> None:
    names = file_names(tags)
    assert list(names) == tags
    assert len({name.casefold() for name in names.values()}) == len(tags)
    for name in names.values():
        assert len(name.encode()) <= 100
        assert name.endswith(".png")
        assert not set(name) & set('/\\:*?"<>| \0\n')
        assert not name.startswith((".", "-2"))
        assert name.partition(".")[0].casefold() not in {"con", "nul", "aux", "com1"}
