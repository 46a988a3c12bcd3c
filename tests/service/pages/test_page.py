"""The page in a real browser, over a real service with real music: what people do with it."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.service.tokens import Tokens

from .conftest import NASTY, Served, serving, settled, until

pytestmark = pytest.mark.shared
Open = Callable[..., Any]
ROUTES = ("#/", "#/library", "#/map", "#/compare", "#/settings", "#/playlist", "#/nowhere")


def open_song(open_page: Open, served: Served, title: str, **options: Any) -> Any:
    page = open_page(f"{served.address}/#/", **options)
    page.fill("#pick", title)
    page.click(f"ul.plain a:text-is('{title}')")
    page.wait_for_selector(".bars .bar")
    return page


def test_a_song_that_is_dropped_is_heard(open_page: Open, served: Served, shared: Path) -> None:
    page = open_page(f"{served.address}/#/")
    page.set_input_files("#file", served.music / "piano" / "batty_mcfaddlin_1.flac")
    page.wait_for_url("**/#/heard/*")
    page.wait_for_selector(".taggram")
    assert page.text_content("h1") == "batty mcfaddlin 1"
    first = page.locator(".bars .bar").filter(has=page.locator("button.name", has_text="piano")).first
    assert int(first.locator(".number").inner_text().split()[0]) > 50, "what it is"
    assert page.locator(".similar, table.tracks tbody tr").count() >= 5
    assert page.locator("text=It is in your library").count() == 1, "the very recording is known again"
    page.wait_for_selector("canvas.waveform")

    page.click(".play.large")
    until(page, "document.querySelector('canvas.waveform').getAttribute('aria-valuenow') >= 1")
    assert page.title().startswith("batty mcfaddlin 1")
    page.keyboard.press("Escape")
    page.locator("canvas.waveform").focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('canvas.waveform').getAttribute('aria-valuenow') >= 6")
    page.click("#player .buttons .play")
    page.wait_for_selector("#player .buttons .play[aria-label=Play]")


def test_a_tag_leads_to_where_it_holds_most(open_page: Open, served: Served) -> None:
    page = open_song(open_page, served, "four_beers_polka 2")
    row = page.locator(".taggram button.row").nth(3)
    minutes, seconds = row.get_attribute("title").rsplit(" ", 1)[1].split(":")
    wanted = 60 * int(minutes) + int(seconds)
    before = row.get_attribute("data-now")
    row.click()
    until(page, "document.querySelector('#player .place input').getAttribute('aria-valuetext').startsWith('0:')")
    heard = page.evaluate("document.querySelector('canvas.waveform').getAttribute('aria-valuenow')")
    assert wanted - 2 <= int(heard) <= wanted + 2
    until(page, f"document.querySelectorAll('.taggram button.row')[3].dataset.now !== '{before}'")


def test_files_that_are_no_music_are_refused_in_words(open_page: Open, served: Served, tmp_path: Path) -> None:
    (tmp_path / "notes.mp3").write_text("these are notes")
    page = open_page(f"{served.address}/#/", expected="status of 4")
    page.set_input_files("#file", tmp_path / "notes.mp3")
    page.wait_for_selector("[role=alert]")
    assert "notes.mp3" in page.inner_text("[role=alert]")
    page.goto(f"{served.address}/#/heard/{'0' * 32}")
    page.wait_for_selector("[role=alert] >> text=job")


def test_the_library_is_searched_and_becomes_a_playlist(open_page: Open, served: Served) -> None:
    page = open_page(f"{served.address}/#/library", expected="status of 400")
    page.wait_for_selector("text=16 tracks")
    assert NASTY in page.inner_text("table"), "a title is text, whatever stands in it"
    page.fill("#filter", "artist:piano")
    page.press("#filter", "Enter")
    page.wait_for_selector("text=8 tracks")
    page.fill("#words", "piano")
    page.press("#words", "Enter")
    page.wait_for_selector("table.tracks tbody tr")
    page.check("tbody tr:nth-child(1) input")
    page.check("tbody tr:nth-child(2) input")
    page.click("text=Make a playlist from them")
    page.wait_for_selector("text=so fewer songs go together", timeout=10_000)
    page.fill("text=Artist again after >> xpath=.. >> input", "0")
    page.click("text=Make it")
    page.wait_for_selector("text=16 songs")
    with page.expect_download() as download:
        page.click("text=Save as M3U8")
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    assert len(lines) == 1 + 2 * 16
    assert all(Path(line).is_file() for line in lines[2::2])

    page.goto(f"{served.address}/#/library?filter=colour%3Ared")
    page.wait_for_selector("[role=alert]")
    assert "colour" in page.inner_text("[role=alert]")


def test_tags_are_corrected_and_written(open_page: Open, served: Served) -> None:
    path = served.music / "piano" / "if_i_had_a_chicken_2.flac"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    page = open_song(open_page, served, "if_i_had_a_chicken 2")
    page.click("[aria-label='jazz is wrong']")
    page.wait_for_selector(".notice >> text=jazz is wrong here")
    assert page.get_attribute("[aria-label='jazz is wrong']", "aria-pressed") == "true"

    page.reload()
    page.wait_for_selector("[aria-label='jazz is wrong'][aria-pressed=true]")
    page.click("text=Write tags into the file…")
    page.wait_for_selector(".difference ins")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before, "it is only shown"
    page.click("dialog button.main")
    page.wait_for_selector(".notice >> text=Tags were written into 1 file")
    assert hashlib.sha256(path.read_bytes()).hexdigest() != before
    page.click(".notice >> text=Undo")
    page.wait_for_selector(".notice >> text=1 file is as before")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before

    page.goto(f"{served.address}/#/settings")
    page.wait_for_selector("text=taken back")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("tr", has=page.locator("a", has_text="jazz")).locator("text=Remove").click()
    page.wait_for_selector("text=There are none yet")


def test_two_people_are_compared(open_page: Open, served: Served) -> None:
    page = open_page(f"{served.address}/#/compare", expected="status of 400")
    for number, name in ((1, "piano"), (2, "band")):
        page.select_option(f"fieldset:nth-of-type({number}) select", "path")
        page.fill(f"fieldset:nth-of-type({number}) input", name)
    page.click("form button.main")
    page.wait_for_selector(".taste .big")
    assert "piano" in page.inner_text(".score h2")
    assert page.locator(".butterfly .line").count() > 2
    assert 0 <= int(page.inner_text(".big").split()[0]) <= 100
    page.fill("fieldset:nth-of-type(2) input", "../elsewhere")
    page.click("form button.main")
    page.wait_for_selector("[role=alert]")


def test_the_map_leads_to_songs(open_page: Open, served: Served) -> None:
    page = open_page(f"{served.address}/#/map")
    frame = page.frame_locator("iframe")
    frame.locator("input").first.fill("hustle 1")
    frame.locator("input").first.press("ArrowDown")
    frame.locator("input").first.press("Enter")
    frame.locator("#open").click()
    page.wait_for_url("**/#/track/*")
    page.wait_for_selector("h1:text-is('hustle 1')")


def test_other_machines_show_a_token_once(open_page: Open, excerpts: Path, library: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    token = Tokens(data).add("browser")
    with serving(excerpts, data, library, "--host", "0.0.0.0") as one:
        page = open_page(f"{one.address}/#/library", expected="status of 401")
        page.fill("input[type=password]", "wrong")
        page.press("input[type=password]", "Enter")
        page.wait_for_selector("dialog >> text=none of this service")
        page.fill("input[type=password]", token)
        page.press("input[type=password]", "Enter")
        page.wait_for_selector("text=16 tracks")
        page.reload()
        page.wait_for_selector("text=16 tracks")
        assert token not in page.evaluate("document.cookie + JSON.stringify(localStorage)"), "scripts do not see it"
        page.goto(f"{one.address}/#/settings")
        page.click("text=Forget the token of this browser")
        page.wait_for_selector("input[type=password]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_and_reach_it(open_page: Open, served: Served, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_song(open_page, served, "hustle 0", color_scheme=scheme, bypass_csp=True)
    others = ROUTES if scheme == "light" else ("#/library", "#/compare")  # where all colours are
    for route in (page.evaluate("location.hash"), *others):
        page.goto(f"{served.address}/{route}")
        settled(page)
        found = axe.run(page, options={"iframes": False}).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], route


def test_a_phone_shows_all_of_it(open_page: Open, served: Served) -> None:
    page = open_song(open_page, served, "hustle 0", viewport={"width": 360, "height": 740})
    for route in (page.evaluate("location.hash"), *ROUTES):
        page.goto(f"{served.address}/{route}")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, route


def test_an_empty_library_and_a_service_that_is_gone(open_page: Open, excerpts: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "one.flac").write_bytes((excerpts / "band" / "hustle_0.flac").read_bytes())
    with serving(music, tmp_path / "data", tmp_path / "catalogue") as one:
        page = open_page(f"{one.address}/#/library", expected="status of 4|ERR_CONNECTION|Failed to load")
        page.click("text=Listen to my folders of music")
        page.wait_for_selector("table.tracks >> text=hustle 0")
        page.goto(f"{one.address}/#/settings")
        page.wait_for_selector("text=Listen to music")
    page.evaluate("location.hash = '#/library'")
    page.wait_for_selector("[role=alert] >> text=The service does not answer")
