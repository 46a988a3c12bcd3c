"""Write a report: Markdown, JSON, one page of HTML that needs nothing else, and the predictions to compare by."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path

from earmark.errors import InputError
from earmark.evaluate.blocks import Block, Heading, Items, Photo, Picture, Table, Text
from earmark.evaluate.report import Report
from earmark.evaluate.sections import sections, title
from earmark.files import disk_errors, replacing

FILES = ("report.md", "report.json", "report.html", "predictions.npz")
LONG = 24  # letters of a word that may be broken


def write_report(report: Report, folder: str | Path) -> tuple[Path, ...]:
    """Write `report.md`, `report.json`, `report.html` and `predictions.npz`.

    Parameters
    ----------
    report : an evaluation
    folder : made if it is not there; a report in it is replaced, file by file, each whole or not at all

    Returns
    -------
    the paths

    Raises
    ------
    InputError
        If the folder cannot be made or written to, or is a file.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file, expected a folder for the report")
    with disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    texts = (f"{report.to_markdown()}", text, to_html(sections(report, pictures=True), title(report)))
    paths = tuple(target / name for name in FILES)
    for path, content in zip(paths[:3], texts, strict=True):
        with replacing(path) as file:
            file.write(content.encode("utf-8", "backslashreplace"))
    report.predictions.save(paths[3])
    return paths


def to_markdown(blocks: Sequence[Block], heading: str = "") -> str:
    """Write blocks as Markdown; pictures are left out."""
    parts = [f"# {plain(heading)}"] if heading else []
    for block in blocks:
        match block:
            case Heading():
                parts.append(f"{'#' * block.level} {plain(block.text)}")
            case Text() if block.text:
                parts.append(f"**{plain(block.text)}**" if block.is_warning else plain(block.text))
            case Items():
                parts.append("\n".join(f"- {plain(text)}" for text in block.texts))
            case Table():
                parts.append(markdown_table(block))
            case _:
                pass
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Keep a text from being Markdown or HTML."""
    text = re.sub(r"([\\`*\[\]|#])", r"\\\1", " ".join(text.split()))
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return text.replace("<", "&lt;")


def markdown_table(table: Table) -> str:
    """Write a table as Markdown."""
    rule = ["---" if i < table.left else "---:" for i in range(len(table.columns))]
    lines = [map(plain, table.columns), rule, *(map(plain, row) for row in table.rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def to_html(blocks: Sequence[Block], heading: str) -> str:
    """Write blocks as one page: no script, and nothing that is fetched."""
    style = resources.files("earmark.data").joinpath("report.css").read_text(encoding="utf-8")
    numbered = {id(block): f"part-{i}" for i, block in enumerate(blocks)}
    contents = "".join(
        f'<li><a href="#{numbered[id(block)]}">{_safe(block.text)}</a></li>'
        for block in blocks
        if isinstance(block, Heading) and block.level == 2
    )
    body = "\n".join(part for block in blocks for part in _html(block, numbered[id(block)]))
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{_safe(heading)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_safe(heading)}</h1>\n<nav><ol>{contents}</ol></nav>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _html(block: Block, anchor: str) -> Iterator[str]:
    match block:
        case Heading():
            yield f'<h{block.level} id="{anchor}">{_safe(block.text)}</h{block.level}>'
        case Text() if block.text:
            yield (
                f'<p class="warning" role="note">{_safe(block.text)}</p>'
                if block.is_warning
                else (f"<p>{_safe(block.text)}</p>")
            )
        case Items():
            yield "<ul>" + "".join(f"<li>{_safe(text)}</li>" for text in block.texts) + "</ul>"
        case Table():
            yield _html_table(block)
        case Picture():
            yield f"<figure>{_printable(block.svg)}<figcaption>{_safe(block.caption)}</figcaption></figure>"
        case Photo():
            light, dark = (_data(image) for image in (block.image.light, block.image.dark))
            yield (
                f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
                f'<img src="{light}" alt="{_safe(block.alt)}" loading="lazy"></picture>'
                f"<figcaption>{_safe(block.alt)}</figcaption></figure>"
            )
        case _:
            pass


def _html_table(table: Table) -> str:
    kinds = ["" if i < table.left else ' class="number"' for i in range(len(table.columns))]
    head = "".join(f"<th{kind}>{_safe(text)}</th>" for kind, text in zip(kinds, table.columns, strict=True))
    rows = [
        "<tr>" + "".join(f"<td{kind}>{_breakable(text)}</td>" for kind, text in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows
    ]
    top = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    return f'<div class="table"><table>{top}<tbody>{"".join(rows)}</tbody></table></div>'


def _safe(text: str) -> str:
    return escape(_printable(text), quote=True)


def _breakable(text: str) -> str:
    """Let long names, such as paths, break after slashes and underscores."""
    safe = _safe(text)
    return safe if max(map(len, text.split()), default=0) <= LONG else re.sub(r"([/_])", r"\1<wbr>", safe)


def _printable(text: str) -> str:
    """Put � in place of what is no text: bytes of a name in another encoding, control characters."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def _data(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")
