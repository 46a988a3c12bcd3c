"""Taggrams as pictures and tables."""

import csv
import sys
import threading

import numpy as np
import pytest

from earmark.errors import InputError, MissingExtraError, UsageError
from earmark.plots.colours import DARK, LIGHT, even_ramp
from earmark.plots.taggram import plot_taggram, save_taggram, strongest, write_taggram
from earmark.plots.text import clock, printable, shorten
from earmark.track_tags import ModelTaggram, TrackTags, from_taggrams
from earmark.vocabulary import CATEGORIES, from_tags, get_vocabulary, union


def tagged(*, n_chunks: int = 12, seed: int = 0, path: str = "music/song.mp3", boost: str = "jazz") -> TrackTags:
    rng = np.random.default_rng(seed)
    starts = 3.0 * np.arange(n_chunks)
    times = np.stack([starts, starts + 3.0], axis=1)
    parts = []
    for name, n_train in (("msd", 201_680), ("mtt", 18_706)):
        vocabulary = get_vocabulary(name)
        taggram = (rng.random((n_chunks, 50)) ** 8).astype(np.float32)
        if boost in vocabulary.tags:
            taggram[:, vocabulary.tags.index(boost)] = 0.9
        embedding = np.zeros(4, np.float32)
        parts.append(ModelTaggram(f"musicnn.{name}", taggram, times, embedding, vocabulary.base_rates(n_train)))
    both = union([get_vocabulary("msd"), get_vocabulary("mtt")])
    return from_taggrams(parts, both, path=path, duration=3.0 * n_chunks, model="standard")


def pixels(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def texts(figure) -> set[str]:
    labels = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    ticks = [text for axes in figure.axes for text in axes.get_xticklabels()]
    axis_labels = [axes.get_xlabel() for axes in figure.axes]
    return {text.get_text() for text in labels + ticks} | set(axis_labels)


ENVELOPE = np.stack([-np.linspace(0, 1, 300), np.linspace(0, 1, 300)])


def test_the_picture_says_what_it_shows():
    result = tagged()
    shown = texts(plot_taggram(result, ENVELOPE))
    assert {"song.mp3", "waveform", "time", "score", "peak", "0:00", "0:05", "0:35", "jazz"} <= shown
    assert "0:36  ·  standard (musicnn.msd + musicnn.mtt)" in shown
    rows = strongest(result, 20)
    assert {tag.tag for tag in rows} <= shown
    assert {tag.category.upper() for tag in rows} <= shown
    assert {f"{tag.score:.2f}" for tag in rows} <= shown


def test_the_picture_depends_on_the_data():
    first = pixels(plot_taggram(tagged(seed=0), ENVELOPE))
    again = pixels(plot_taggram(tagged(seed=0), ENVELOPE))
    assert np.array_equal(first, again)
    other = pixels(plot_taggram(tagged(seed=0), ENVELOPE / np.arange(1, 301)))
    assert other.shape == first.shape
    changed = np.flatnonzero((other != first).any(axis=(1, 2)))
    assert len(changed) > 10
    assert changed.max() < first.shape[0] / 2  # only the waveform above


def test_a_strong_chunk_is_darker_where_it_is():
    vocabulary = from_tags("one", ["jazz"])
    taggram = np.array([[0.0], [0.0], [1.0], [0.0]])
    times = np.array([[0, 3], [3, 6], [6, 9], [9, 12]], float)
    part = ModelTaggram("m", taggram, times, np.zeros(1), [0.05])
    result = from_taggrams([part], union([vocabulary]), path="x.wav", duration=12.0, model="m")
    figure = plot_taggram(result)
    image = pixels(figure)[..., :3].astype(float)
    heat = figure.axes[0]
    row = [heat.transData.transform((second, 0.2)) for second in (1.5, 4.5, 7.5, 10.5)]
    found = np.array([image[image.shape[0] - 1 - round(y), round(x)] for x, y in row]) / 255
    ramp = even_ramp(LIGHT.ramp)
    assert found == pytest.approx(ramp[[0, 0, -1, 0]], abs=0.01)


@pytest.mark.parametrize("n_chunks", [1, 10, 80, 12_000])
@pytest.mark.parametrize("dark", [False, True])
def test_all_lengths(n_chunks, dark):
    figure = plot_taggram(tagged(n_chunks=n_chunks), ENVELOPE, dark=dark)
    image = pixels(figure)
    theme = DARK if dark else LIGHT
    corner = "#" + "".join(f"{value:02x}" for value in image[2, 2, :3])
    assert corner == theme.background
    assert len(figure.axes[0].get_xticks()) <= 11
    assert clock(0, like=3.0 * n_chunks) in texts(figure)


def test_no_pyplot(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail
    plot_taggram(tagged(), ENVELOPE)


def test_matplotlib_is_an_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"\[plots\]"):
        save_taggram(tmp_path / "x.png", tagged())
    write_taggram(tmp_path / "x.csv", tagged())
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("path", ["夜の猫.mp3", "$x^2 \\alpha$.mp3", "a\nb\t\x00.mp3", "caf\udce9.mp3", "", "é" * 500])
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_any_file_name(path, suffix, tmp_path):
    save_taggram(tmp_path / f"x{suffix}", tagged(n_chunks=2, path=path), top=3)
    head = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"x{suffix}").read_bytes().startswith(head)


def test_strongest():
    result = tagged(boost="harp")
    rows = strongest(result, 8)
    assert len(rows) == 8
    assert "harp" in [tag.tag for tag in rows]
    keys = [(CATEGORIES.index(tag.category), -tag.score) for tag in rows]
    assert keys == sorted(keys)
    assert strongest(result, 1) == [result["harp"]]


def test_tags_at_their_base_rate_tell_nothing():
    vocabulary = get_vocabulary("mtt")
    rates = vocabulary.base_rates(18_706)
    taggram = np.tile(rates, (4, 1))
    taggram[:, vocabulary.tags.index("harp")] = 0.3
    times = np.stack([np.arange(4.0), np.arange(4.0) + 1], axis=1)
    part = ModelTaggram("m", taggram, times, np.zeros(1), rates)
    result = from_taggrams([part], union([vocabulary], merge_synonyms=False), path="x", duration=4.0, model="m")
    assert strongest(result, 1)[0].tag == "harp"
    assert len(strongest(result, 20)) == 6  # the least that is drawn


def test_unknown_base_rates():
    vocabulary = from_tags("mine", ["rock", "didgeridoo"])
    part = ModelTaggram("m", np.array([[0.1, 0.9]]), np.array([[0.0, 3.0]]), np.zeros(1))
    result = from_taggrams([part], union([vocabulary]), path="x", duration=3.0, model="m")
    assert [tag.tag for tag in strongest(result, 1)] == ["didgeridoo"]
    assert "| base rate" not in texts(plot_taggram(result))


def test_npz(tmp_path):
    result = tagged()
    write_taggram(tmp_path / "t.npz", result)
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        assert np.array_equal(file["taggram"], result.taggram)
        assert file["taggram"].dtype == np.float32
        assert np.array_equal(file["times"], result.times)
        assert tuple(file["tags"]) == result.vocabulary
        assert str(file["model"]) == "standard"
        assert tuple(file["models"]) == result.models


def test_csv(tmp_path):
    result = tagged()
    write_taggram(tmp_path / "t.csv", result)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["start", "end", *result.vocabulary]
    values = np.array(lines, float)
    assert np.allclose(values[:, :2], result.times)
    assert np.allclose(values[:, 2:], result.taggram, atol=5e-7)


def test_what_cannot_be_written(tmp_path):
    result = tagged()
    with pytest.raises(UsageError, match=r"'\.gif'") as error:
        write_taggram(tmp_path / "t.gif", result)
    assert ".png" in (error.value.hint or "")
    with pytest.raises(UsageError, match="no picture"):
        save_taggram(tmp_path / "t.csv", result)
    for suffix in (".png", ".npz", ".csv"):
        with pytest.raises(InputError, match="cannot be written") as missing:
            write_taggram(tmp_path / "nowhere" / f"t{suffix}", result)
        assert "create the folder" in (missing.value.hint or "")
        with pytest.raises(InputError, match="without a taggram"):
            write_taggram(tmp_path / f"t{suffix}", TrackTags.from_dict(result.to_dict()))
    with pytest.raises(UsageError, match="top is 0"):
        plot_taggram(result, top=0)
    with pytest.raises(InputError, match=r"shape \(300,\)"):
        plot_taggram(result, ENVELOPE[0])
    assert not list(tmp_path.iterdir())


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def full_disk(self, path, **options):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    (tmp_path / "t.png").write_text("old")
    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(InputError, match="No space left"):
        save_taggram(tmp_path / "t.png", tagged())
    assert (tmp_path / "t.png").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_odd_envelopes_are_drawn():
    for envelope in (np.zeros((2, 0)), np.zeros((2, 5)), np.full((2, 10), np.nan), ENVELOPE * 1e6):
        pixels(plot_taggram(tagged(), envelope))


def test_several_threads(tmp_path):
    names = [tmp_path / f"{k}.png" for k in range(3)]
    threads = [threading.Thread(target=save_taggram, args=(name, tagged(n_chunks=2), ENVELOPE)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({name.read_bytes() for name in names}) == 1


def test_colours_step_evenly():
    for theme in (LIGHT, DARK):
        ramp = even_ramp(theme.ramp)
        assert ramp.shape == (256, 3)
        assert ramp.min() >= 0
        assert ramp.max() <= 1
        ends = ["#" + "".join(f"{round(v * 255):02x}" for v in ramp[k]) for k in (0, -1)]
        assert ends == [theme.ramp[0], theme.ramp[-1]]
        luminance = ramp**2.2 @ [0.2126, 0.7152, 0.0722]
        assert np.all(np.diff(luminance) * np.sign(luminance[-1] - luminance[0]) > -1e-4)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_text():
    assert printable("plain", []) == "plain"
    assert printable("a\tb", ["DejaVu Sans"]) == "a□b"
    assert printable("é猫", ["DejaVu Sans"]) == "é□"
    assert shorten("x" * 50 + "song.mp3", 20) == "x" * 11 + "…song.mp3"
