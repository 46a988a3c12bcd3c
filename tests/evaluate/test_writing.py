"""A report on disk: whole or not at all, one page without a network, names that cannot break out of it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from earmark.errors import InputError
from earmark.evaluate import evaluate, write_report
from earmark.evaluate.mistakes import Taggram
from earmark.evaluate.writing import plain
from earmark.predictions import load_predictions

NASTY = "<script>alert('x')</script> & \"|*_\udcff"
VOID = {"meta", "img", "source", "wbr", "br"}


class Balanced(HTMLParser):
    """Fails where an element is not closed; keeps what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def report(make):
    return evaluate(make(), validation=make(seed=1), resamples=10, mistakes=2)


def read(path) -> Balanced:
    page = Balanced()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_everything_is_written(report, tmp_path) -> None:
    paths = write_report(report, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["report.md", "report.json", "report.html", "predictions.npz"]
    assert json.loads(paths[1].read_text(encoding="utf-8")) == report.to_dict()
    assert load_predictions(paths[3]).ids == report.predictions.ids
    assert paths[0].read_text(encoding="utf-8").startswith("# net on ours · published · test part\n")


def test_the_same_evaluation_gives_the_same_bytes(report, make, tmp_path) -> None:
    again = evaluate(make(), validation=make(seed=1), resamples=10, mistakes=2)
    one, other = write_report(report, tmp_path / "a")[:3], write_report(again, tmp_path / "b")[:3]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_the_page_needs_nothing_else(report, tmp_path) -> None:
    report = replace(report, taggrams={one.track: Taggram(b"light", b"dark") for one in report.mistakes})
    page = read(write_report(report, tmp_path)[2])
    links = [value for _, about in page.found for key, value in about.items() if key in ("src", "href", "srcset")]
    assert links
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in links)
    assert "script" not in {tag for tag, _ in page.found}
    assert {"svg", "nav", "picture", "table"} <= {tag for tag, _ in page.found}
    anchors = {about["id"] for _, about in page.found if "id" in about}
    assert {value[1:] for value in links if value.startswith("#")} <= anchors
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_names_cannot_break_out(make, tmp_path) -> None:
    made = make(tags=(NASTY, "piano", "choir", "quiet"), ids=(NASTY, *(str(i) for i in range(119))), model=NASTY)
    paths = write_report(evaluate(made, resamples=5, mistakes=60), tmp_path)
    page = read(paths[2])
    assert "script" not in {tag for tag, _ in page.found}
    assert "&lt;script&gt;" in paths[2].read_text(encoding="utf-8")
    rows = [line for line in paths[0].read_text(encoding="utf-8").splitlines() if "script" in line and line[0] == "|"]
    assert rows
    widths = {len(re.split(r"(?<!\\)\|", line)) for line in rows if "\\*" in line}
    assert widths
    assert json.loads(paths[1].read_text(encoding="utf-8"))["n_tracks"] == 120


def test_text_is_no_markup() -> None:
    assert plain("a|b *c* <i> d_e _f_ #1\n[x](y)") == r"a\|b \*c\* &lt;i> d_e \_f\_ \#1 \[x\](y)"


def test_a_report_is_replaced(report, tmp_path) -> None:
    write_report(report, tmp_path)
    before = (tmp_path / "report.md").read_text(encoding="utf-8")
    write_report(replace(report, notes=("new",)), tmp_path)
    assert "- new" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "- new" not in before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "predictions.npz",
        "report.html",
        "report.json",
        "report.md",
    ]


def test_a_folder_that_cannot_be_written_to(report, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("a letter", encoding="utf-8")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        write_report(report, tmp_path / "file")
    with pytest.raises(InputError, match="file/below: cannot be written"):
        write_report(report, tmp_path / "file" / "below")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left") as caught:
        write_report(report, tmp_path / "full")
    assert "free some space" in str(caught.value.hint)
    assert list((tmp_path / "full").iterdir()) == []
