"""Who may ask: hosts, origins, proxies, tokens, and what the log says of them."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from earmark.service.guarding import is_loopback
from earmark.service.settings import Settings
from earmark.service.tokens import FILE, Tokens

from .asgi import exchange, scope_of

Make = Callable[..., TestClient]
OUTSIDE = {"base_url": "http://music.example:8337", "client": ("192.0.2.7", 5000)}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8337"])
def test_names_of_this_machine(still: TestClient, host: str) -> None:
    assert is_loopback(host)
    assert still.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "a@localhost",
        "192.0.2.1",
        "0.0.0.0",
        "[::",
        "",
    ],
)
def test_names_that_may_lead_here_from_elsewhere(still: TestClient, host: str) -> None:
    assert not is_loopback(host)
    for path in ("/v1/models", "/healthz", "/docs", "/nothing"):
        answer = still.get(path, headers={"host": host})
        assert answer.status_code == 403
        assert "127.0.0.1" in answer.json()["hint"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:8337.evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_pages_of_other_sites_change_nothing(still: TestClient, headers: dict[str, str]) -> None:
    answer = still.post("/v1/playlist", json={"seeds": ["Title 1"], "length": 2}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"] == "the request comes from a page of another site"


def test_pages_of_other_sites_load_nothing(still: TestClient) -> None:
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert still.get("/v1/models", headers=embedded).status_code == 403
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert still.get("/docs", headers=followed).status_code == 200


def test_its_own_pages_may_ask(still: TestClient) -> None:
    own = {"origin": "http://127.0.0.1:8337", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    answer = still.post("/v1/playlist", json={"seeds": ["Title 1"], "length": 2}, headers=own)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_other_machines_need_a_token(make_client: Make, settings: Settings) -> None:
    client = make_client(OUTSIDE, host="0.0.0.0")
    token = Tokens(settings.data).add("radio")
    for path in ("/v1/models", "/metrics", "/readyz", "/docs", "/openapi.json", "/nothing", "/healthz/", "/page/map"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="earmark"'), path
    assert client.get("/healthz").json() == {"status": "ok"}
    for headers in ({"authorization": f"Bearer {token}"}, {"authorization": f"bearer  {token}"}, {"x-api-key": token}):
        assert client.get("/v1/models", headers=headers).status_code == 200
    assert client.post("/v1/playlist", json={"seeds": ["Title 1"], "length": 2}).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        ("x-emby-token", "{}"),
        ("x-mediabrowser-token", "{}"),
        ("authorization", 'MediaBrowser Client="Feishin", Device="PC", DeviceId="7", Version="1.0", Token="{}"'),
        ("authorization", 'mediabrowser Token="{}", Client="Token=x"'),
        ("authorization", 'Emby token = "{}"'),
        ("x-emby-authorization", 'MediaBrowser Client="Finamp", Token="{}"'),
    ],
)
def test_clients_of_jellyfin_show_tokens_in_their_way(
    make_client: Make, settings: Settings, header: tuple[str, str]
) -> None:
    client = make_client(OUTSIDE, host="0.0.0.0")
    token = Tokens(settings.data).add("phone")
    right, wrong = ({header[0]: header[1].format(one)} for one in (token, token[:-1]))
    assert client.get("/AudioMuseAI/info", headers=right).status_code == 200
    assert client.get("/AudioMuseAI/info", headers=wrong).status_code == 401
    assert client.get("/v1/models", headers=right).status_code == 401


def test_what_only_looks_like_a_token_of_jellyfin_is_none(make_client: Make, settings: Settings) -> None:
    client = make_client(OUTSIDE, host="0.0.0.0")
    token = Tokens(settings.data).add("phone")
    for text in (
        f"MediaBrowser {token}",
        f'MediaBrowser OtherToken="{token}"',
        f'Basic Token="{token}"',
        "MediaBrowser",
    ):
        assert client.get("/AudioMuseAI/info", headers={"authorization": text}).status_code == 401
    assert client.get(f"/AudioMuseAI/info?api_key={token}").status_code == 401


def test_wrong_tokens_are_refused_everywhere(make_client: Make, settings: Settings) -> None:
    token = Tokens(settings.data).add("radio")
    for client in (make_client(), make_client(OUTSIDE, host="0.0.0.0")):
        for wrong in ("x", token[:-1], token + "\u00e9", "Bearer", "a b", "'; DROP TABLE"):
            answer = client.get("/v1/models", headers={"authorization": f"Bearer {wrong}".encode("latin-1")})
            assert answer.status_code == 401
            assert wrong not in answer.text or len(wrong) < 3
        assert client.get("/v1/models", headers={"x-api-key": "x"}).status_code == 401
    outside = make_client(OUTSIDE, host="0.0.0.0")
    assert outside.get(f"/v1/models?token={token}&api_key={token}").status_code == 401
    assert outside.get("/v1/models", headers={"authorization": f"Basic {token}"}).status_code == 401


def test_a_token_that_is_removed_opens_nothing(make_client: Make, settings: Settings) -> None:
    client, tokens = make_client(OUTSIDE, host="0.0.0.0"), Tokens(settings.data)
    headers = {"x-api-key": tokens.add("radio")}
    assert client.get("/v1/models", headers=headers).status_code == 200
    tokens.remove("radio")
    assert client.get("/v1/models", headers=headers).status_code == 401


def test_a_damaged_file_of_tokens_opens_nothing(make_client: Make, settings: Settings) -> None:
    client = make_client(OUTSIDE, host="0.0.0.0")
    (settings.data / FILE).write_text("{")
    answer = client.get("/v1/models", headers={"x-api-key": "x"})
    assert answer.status_code == 500
    assert str(settings.data) not in answer.text


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_strangers_behind_a_proxy_need_a_token(client: TestClient, settings: Settings, name: str) -> None:
    assert client.get("/v1/models", headers={name: "127.0.0.1"}).status_code == 401
    token = Tokens(settings.data).add("proxy")
    assert client.get("/v1/models", headers={name: "192.0.2.7", "x-api-key": token}).status_code == 200


def test_tokens_have_their_own_rate(make_client: Make, settings: Settings) -> None:
    client, tokens = make_client(OUTSIDE, host="0.0.0.0", rate=2), Tokens(settings.data)
    one, other = ({"x-api-key": tokens.add(name)} for name in ("one", "other"))
    assert [client.get("/readyz", headers=one).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/readyz", headers=other).status_code == 200
    wrong = [client.get("/readyz", headers={"x-api-key": "x"}).status_code for _ in range(3)]
    assert wrong == [401, 401, 429]


def test_the_log_holds_no_secrets(client: TestClient, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    token = Tokens(settings.data).add("radio")
    with caplog.at_level(logging.DEBUG):
        client.get(f"/v1/models?apiKey={token}&p=hunter2", headers={"authorization": f"Bearer {token}"})
        client.get("/v1/models", headers={"x-api-key": "wrong-secret"})
        client.get("/v1/search", params={"q": "hunter2"})
        client.get("/a%0d%0aINFO forged")
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("earmark")]
    text = "\n".join(ours)
    assert token not in text
    assert "hunter2" not in text
    assert "wrong-secret" not in text
    assert "token radio GET /v1/models 200" in ours[0]
    assert ours[-1].startswith("127.0.0.1 GET /a%0D%0AINFO%20forged 404")
    assert all("\n" not in one for one in ours)


def test_answers_tell_browsers_what_not_to_do(still: TestClient) -> None:
    for path in ("/v1/models", "/nothing", "/docs"):
        headers = still.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_no_header_is_made_of_what_was_sent(still: TestClient) -> None:
    evil = "x\r\nSet-Cookie: a=b"
    for answer in (
        still.get("/v1/tracks", params={"filter": evil, "cursor": "y"}),
        still.get("/v1/similar", params={"track": evil}),
        still.post("/v1/tag", files={"file": (evil, b"no audio")}),
    ):
        assert "set-cookie" not in answer.headers
        assert all("\r" not in value and "\n" not in value for value in answer.headers.values())


def test_websockets_pass_the_same_doors(client: TestClient) -> None:
    scope = scope_of("/live", origin="https://evil.example") | {"type": "websocket"}
    answer = exchange(client.app, scope)
    assert answer.messages[0]["type"] == "websocket.close"
    assert answer.messages[0]["code"] == 1008


def test_music_outside(tmp_path: Path, make_client: Make) -> None:
    """Nothing below the folder for data, where tokens lie, is reached by a path."""
    answer = make_client().post("/v1/tag", json={"path": str(tmp_path / "service" / FILE)})
    assert answer.status_code == 400


def test_players_show_keys_of_their_own(make_client: Make, settings: Settings) -> None:
    key = Tokens(settings.data).add("phone")
    for client in (make_client(), make_client(OUTSIDE, host="0.0.0.0")):
        refused = client.get("/rest/ping?f=json").json()["subsonic-response"]
        assert refused["status"] == "failed"
        answered = client.get(f"/rest/ping?f=json&apiKey={key}").json()["subsonic-response"]
        assert answered["status"] == "ok"
        embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
        assert client.get("/rest/ping?f=json", headers=embedded).status_code == 200
    outside = make_client(OUTSIDE, host="0.0.0.0")
    assert outside.get("/AudioMuseAI/info").status_code == 401
    assert outside.get("/rest/../v1/models").status_code == 401
    assert outside.get("/rest/%2e%2e/v1/models").status_code in (401, 404)
