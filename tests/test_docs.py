"""The docs are true: generated pages are fresh, snippets run, command lines parse, links resolve."""

import ast
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import earmark
from earmark.cli.app import spread

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("README.md")])
GUIDES = [ROOT / "README.md", *sorted((DOCS / "guides").glob("*.md"))]
SHELLS = ("console", "bash", "sh", "shell")
NOT_RUN = "<!-- not run -->"


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fences(page: Path) -> Iterator[tuple[str, str, int]]:
    """Language, text and first line of every fenced block; those below `NOT_RUN` have no language."""
    lines = page.read_text(encoding="utf-8").splitlines()
    i = 0
    while i < len(lines):
        if not lines[i].startswith("```"):
            i += 1
            continue
        language = lines[i][3:].strip()
        end = next(k for k in range(i + 1, len(lines)) if lines[k].startswith("```"))
        before = next((line for line in reversed(lines[:i]) if line.strip()), "")
        yield "" if before == NOT_RUN else language, "\n".join(lines[i + 1 : end]), i + 1
        i = end + 1


def prose(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


# The reference --------------------------------------------------------------------------------------------------------


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs = generator()
    assert docs.main(["--folder", str(tmp_path)]) == 0
    assert docs.main(["--check", "--folder", str(tmp_path)]) == 0
    page = tmp_path / "reference" / "cli.md"
    page.write_text(page.read_text(encoding="utf-8").replace("--top N", "--best N"), encoding="utf-8")
    (tmp_path / "reference" / "models.md").unlink()
    assert docs.main(["--check", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "reference/cli.md is out of date from line" in said
    assert "reference/models.md is missing" in said


def test_every_public_name_is_in_the_reference() -> None:
    reference = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    missing = [name for name in earmark.__all__ if f"earmark.{name}" not in reference]
    assert not missing


def commands() -> dict[str, Any]:
    """Full name of every command -> the command."""
    return {name: command for name, command, _ in generator().commands()}


def flags(command: Any) -> list[str]:
    """All spellings of all options of a command."""
    return [
        flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts) if "-" in flag
    ]


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(commands())
    for name, command in commands().items():
        for flag in flags(command):
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", sections[name]), f"{name} {flag}"


def test_every_command_is_in_a_guide() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in GUIDES)
    missing = [
        name for name, command in commands().items() if not getattr(command, "commands", {}) and name not in text
    ]
    assert not missing


def test_every_option_of_tag_is_in_the_guide() -> None:
    text = (DOCS / "guides" / "tag-your-music.md").read_text(encoding="utf-8")
    long = [flag for flag in flags(commands()["earmark tag"]) if flag.startswith("--")]
    missing = [flag for flag in long if not re.search(rf"{flag}(?![\w-])", text)]
    assert set(missing) <= {"--quiet", "--help"}, missing


def test_every_environment_variable_is_in_the_guide() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    names = set(re.findall(r"\bEARMARK_[A-Z]+\b", source))
    assert names >= {"EARMARK_CACHE", "EARMARK_MIRROR", "EARMARK_OFFLINE"}
    guide = (DOCS / "guides" / "tag-your-music.md").read_text(encoding="utf-8")
    fields = {"EARMARK_STAMP", "EARMARK_GENRE", "EARMARK_MOOD"}  # of files, not of the environment
    assert not [name for name in sorted(names - fields) if name not in guide]


def test_messages_that_the_guide_explains_are_in_the_code() -> None:
    guide = (DOCS / "guides" / "tag-your-music.md").read_text(encoding="utf-8")
    table = guide.partition("## What the messages mean")[2]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(messages) > 20
    pieces = [
        node.value
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    code = "\n".join(pieces)
    for message in messages:
        # "[formats]" and "reading this format" are put together from several strings.
        for part in re.split(r"…|\[formats\]|(?<=this format) ", message):
            assert part.strip(" []") in code, f"no message says {part!r}"


# Links ----------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {generator().slug(re.sub(r"[`*]|\[(.*?)\]\(.*?\)", r"\1", heading)) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=ident)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{ident(page)} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{ident(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=ident)
def test_files_that_a_page_names_exist(page: Path) -> None:
    if page.name in ("log.md", "CHANGELOG.md"):  # they tell what was
        return
    folders = (ROOT, ROOT / "src", ROOT / "src" / "earmark")
    for name in re.findall(r"`([a-z_\d/]+/[a-z_\d]+\.(?:py|toml))`", prose(page)):
        assert any((folder / name).is_file() for folder in folders), name


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        waiting += [
            (page.parent / t.partition("#")[0]).resolve() for t in re.findall(r"\]\(([^)\s#:]+)[^)]*\)", prose(page))
        ]
    assert not set(DOCS.rglob("*.md")) - seen


# Snippets -------------------------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.usefixtures("published_weights")
@pytest.mark.parametrize("page", GUIDES, ids=ident)
def test_python_snippets_run(
    page: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [(text, line) for language, text, line in fences(page) if language == "python"]
    shutil.copy(shared / "audio" / "clips" / "bensound-thejazzpiano.mp3", tmp_path / "song.mp3")
    monkeypatch.chdir(tmp_path)
    for text, line in blocks:
        code = compile("\n" * line + text, str(page), "exec")  # a failure names the line of the page
        exec(code, {"__name__": "snippet"})
    assert not any("print(" in text for text, _ in blocks) or capsys.readouterr().out


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of every `earmark ...` in the shell blocks of a page."""
    for language, text, _ in fences(page):
        if language not in SHELLS:
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            call: list[str] | None = None
            for word in [*words, ";"]:
                if word in ("|", "||", "&&", ";", ">", ">>", "<"):
                    if call is not None:
                        yield call
                    call = None
                elif call is not None:
                    call.append(word)
                elif "=" not in word and Path(word).name == "earmark":
                    call = []


def parse(arguments: list[str]) -> None:
    """Parse a command line as earmark would, without running it."""
    found = commands()
    words = spread([word for word in arguments if word not in ("--debug", "--version")])
    name = "earmark"
    while words and f"{name} {words[0]}" in found:
        name = f"{name} {words.pop(0)}"
    if getattr(found[name], "commands", {}) and words and not words[0].startswith("-"):
        raise LookupError(f"no such command: {words[0]}")
    if "--help" in words or "-h" in words or (name == "earmark" and not words):
        return
    found[name].make_context(name, words)


COMMAND_LINES = [
    pytest.param(arguments, id=f"{page.name}: earmark {shlex.join(arguments)}")
    for page in GUIDES
    for arguments in command_lines(page)
]


@pytest.mark.parametrize("arguments", COMMAND_LINES)
def test_command_lines_parse(arguments: list[str]) -> None:
    parse(arguments)


@pytest.mark.parametrize("wrong", ["tag song.mp3 --nonsense", "tga song.mp3", "tag song.mp3 --top many", "taggram"])
def test_a_wrong_command_line_does_not_parse(wrong: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing|invalid|valid integer"):
        parse(wrong.split())


# Words ----------------------------------------------------------------------------------------------------------------


def test_no_path_of_a_machine_is_in_the_repository() -> None:
    places = r"(?<![\w.:/}~<])/(?:home|root|tmp|work|mnt|Users|private|scratch)(?:/|\b(?!\.))"
    files = [*PAGES, *(path for folder in (DOCS, ROOT / "src") for path in folder.rglob("*.py"))]
    for path in files:
        found = re.search(places, path.read_text(encoding="utf-8"))
        assert found is None, f"{ident(path)} holds {found}"
    assert re.search(places, "see /home/me/x")
    assert not re.search(places, "https://example.org/work/x")
