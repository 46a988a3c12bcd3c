"""What browsers are given: files, the map, a cookie."""

import json
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from earmark.plots.taste_page import STEPS, WIDE
from earmark.service.guarding import COOKIE
from earmark.service.pages.routes import read_files
from earmark.service.settings import Settings
from earmark.service.tokens import Tokens

Make = Callable[..., TestClient]
OUTSIDE = {"base_url": "http://music.example:8337", "client": ("192.0.2.7", 5000)}


def test_every_file_of_the_page_is_given(still: TestClient) -> None:
    files = read_files()
    assert {"index.html", "main.js", "style.css", "icon.svg"} < set(files)
    for name, data in files.items():
        answer = still.get(f"/page/{name}")
        assert (answer.status_code, answer.content) == (200, data)
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        again = still.get(f"/page/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert still.get("/").content == files["index.html"]
    assert still.get("/").headers["content-type"] == "text/html; charset=utf-8"


def test_files_name_only_files_that_are_there() -> None:
    files = read_files()
    for name, data in files.items():
        text = data.decode()
        for found in re.findall(r'(?:from "\./|/page/)([a-z]+\.[a-z]+)"', text):
            assert found in files, f"{name} names {found}"
        assert not re.search(
            r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://(?!www\.w3\.org)", text
        ), name


def test_a_score_is_called_the_same_here_and_on_the_page_of_the_command() -> None:
    script = read_files()["compare.js"].decode()
    assert float(re.search(r"const WIDE = (\d+);", script)[1]) == WIDE  # type: ignore[index]
    steps = re.search(r"const STEPS = (\[.*\]);", script)[1].replace("-Infinity", "0")  # type: ignore[index]
    assert json.loads(steps) == [[least, words] for least, words in STEPS]


@pytest.mark.parametrize("name", ["nothing.js", "%2e%2e", "%2e%2e%2froutes.py", "routes.py", "a%00b.js"])
def test_there_is_nothing_else(still: TestClient, name: str) -> None:
    answer = still.get(f"/page/{name}")
    assert answer.status_code in (404, 400)
    assert json.loads(answer.content)["error"]


def test_the_map_is_a_page_inside_the_page(still: TestClient) -> None:
    answer = still.get("/page/map")
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert 'http-equiv="Content-Security-Policy"' in answer.text
    again = still.get("/page/map", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert still.get("/page/map", params={"filter": "artist:nobody"}).status_code == 400


def test_a_token_is_kept_in_a_cookie_until_it_is_forgotten(make_client: Make, settings: Settings) -> None:
    client = make_client(OUTSIDE, host="0.0.0.0")
    token = Tokens(settings.data).add("browser")
    assert client.get("/").status_code == client.get("/page/main.js").status_code == 200
    assert client.get("/page/map").status_code == client.post("/v1/session").status_code == 401
    wrong = client.post("/v1/session", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.headers.get("set-cookie")) == (401, None)

    answer = client.post("/v1/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    kept = answer.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} < set(kept.split("; "))
    assert "Secure" not in kept, "as long as the service is asked over plain HTTP"
    assert client.get("/v1/models").status_code == 200
    assert client.delete("/v1/session").status_code == 204
    assert client.get("/v1/models").status_code == 401

    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-Proto": "https"}
    assert "Secure" in client.post("/v1/session", headers=headers).headers["set-cookie"]


def test_a_cookie_of_another_service_is_no_mistake(make_client: Make) -> None:
    cookies = {"Cookie": f"other=1; {COOKIE}=of-another-service"}
    assert make_client().get("/v1/models", headers=cookies).status_code == 200
    assert make_client(OUTSIDE, host="0.0.0.0").get("/v1/models", headers=cookies).status_code == 401


def test_pages_of_other_sites_cannot_use_the_cookie(make_client: Make, settings: Settings) -> None:
    client = make_client(OUTSIDE, host="0.0.0.0")
    token = Tokens(settings.data).add("browser")
    headers = {"Cookie": f"{COOKIE}={token}", "Origin": "http://evil.example"}
    assert client.post("/v1/playlist", json={"seeds": ["Title 1"], "length": 2}, headers=headers).status_code == 403
    headers |= {"Origin": "http://music.example:8337"}
    assert client.post("/v1/playlist", json={"seeds": ["Title 1"], "length": 2}, headers=headers).status_code == 200
