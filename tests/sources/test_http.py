"""Requests: again where that helps, in time, and without telling secrets."""

import io
import traceback

import pytest

from earmark.errors import InputError, SourceError
from earmark.sources.http import Answer, Api
from earmark.sources.secrets import Secret

from .conftest import Reply, Server, Time


def test_a_request_carries_its_query_and_its_headers(server: Server, api: Api) -> None:
    server.answers["/a"] = Reply({"x": [1, 2]})
    answer = api.get("a", {"key": Secret("k&k"), "n": "3"}, headers={"Authorization": Secret("Token t")})
    assert (answer.status, answer.data, answer.ok) == (200, {"x": [1, 2]}, True)
    [asked] = server.asked
    assert asked.query == {"key": "k&k", "n": "3"}
    assert asked.headers["authorization"] == "Token t"
    assert asked.headers["user-agent"].startswith("earmark/")
    assert "key" not in answer.url


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(server: Server, api: Api, passing: Time, status: int) -> None:
    server.answers["/a"] = [Reply(status=status), Reply(status=status), Reply(1)]
    assert api.get("a").data == 1
    assert passing.slept == [1.0, 2.0]


@pytest.mark.parametrize(
    "reply",
    [Reply(b'{"a": '), Reply(b"<html>welcome</html>"), Reply({"a": "b" * 1000}, cut=300), Reply(b"\xff\xfe")],
)
def test_broken_answers_are_asked_for_again(server: Server, api: Api, reply: Reply) -> None:
    server.answers["/a"] = [reply, Reply({"a": 1})]
    assert api.get("a").data == {"a": 1}
    server.answers["/b"] = reply
    with pytest.raises(SourceError, match=r"Test: 127.0.0.1/b: .*\(5 tries\)"):
        api.get("b")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_does_not_pass_is_answered_at_once(server: Server, api: Api, passing: Time, status: int) -> None:
    server.answers["/a"] = Reply({"error": "no"}, status=status)
    answer = api.get("a")
    assert (answer.status, answer.data, answer.ok) == (status, {"error": "no"}, False)
    assert len(server.asked) == 1
    assert not passing.slept


def test_an_error_page_is_no_data(server: Server, api: Api) -> None:
    server.answers["/a"] = Reply(b"<html>forbidden</html>", status=403)
    assert api.get("a").data is None


def test_a_service_says_how_long_to_wait(server: Server, api: Api, passing: Time) -> None:
    server.answers["/a"] = [Reply(status=429, headers={"Retry-After": "7"}), Reply(1)]
    api.get("a")
    server.answers["/b"] = [Reply(status=429, headers={"X-RateLimit-Reset-In": "11"}), Reply(1)]
    api.get("b")
    assert passing.slept == [7.0, 11.0]


def test_nobody_waits_for_hours(server: Server, api: Api, passing: Time) -> None:
    server.answers["/a"] = Reply(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(SourceError, match="60 minutes without requests"):
        api.get("a")
    assert not passing.slept


def test_the_last_request_of_a_period_delays_the_next(server: Server, api: Api, passing: Time) -> None:
    server.answers["/a"] = Reply(1, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-In": "9"})
    api.get("a")
    assert not passing.slept
    api.get("a")
    assert passing.slept == [9.0]


def test_requests_keep_their_distance(server: Server, passing: Time) -> None:
    api = Api("Test", server.url, min_interval=0.2, sleep=passing.sleep, clock=passing.clock)
    server.answers["/a"] = Reply(1)
    for _ in range(4):
        api.get("a")
    assert passing.slept == pytest.approx([0.2, 0.2, 0.2])


def test_slow_answers_end(server: Server) -> None:
    api = Api("Test", server.url, timeout=0.15, tries=2, sleep=lambda _: None)
    server.answers["/a"] = Reply(1, seconds=0.6)
    with pytest.raises(SourceError, match=r"no answer within 0.15 s \(2 tries\)"):
        api.get("a")


def test_an_answer_that_never_ends_is_given_up(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.sources.http.MOST_BYTES", 1 << 20)
    server.answers["/a"] = Reply("x" * (2 << 20))
    with pytest.raises(SourceError, match="more than 1 MiB"):
        api.get("a")


def test_no_connection(passing: Time) -> None:
    api = Api("Test", "http://127.0.0.1:9", sleep=passing.sleep)
    with pytest.raises(SourceError, match="refused"):
        api.get("a")
    assert len(passing.slept) == 4


def test_further_answers_may_pass(server: Server, passing: Time) -> None:
    def is_busy(answer: Answer) -> bool:
        return isinstance(answer.data, dict) and answer.data.get("error") == 29

    api = Api("Test", server.url, is_transient=is_busy, tries=3, sleep=passing.sleep)
    server.answers["/a"] = [Reply({"error": 29}), Reply({"ok": 1})]
    assert api.get("a").data == {"ok": 1}
    server.answers["/b"] = Reply({"error": 29})
    assert api.get("b").data == {"error": 29}


def test_it_goes_where_it_is_sent_but_tells_no_other_host(server: Server, api: Api) -> None:
    server.answers["/a"] = Reply(status=302, headers={"Location": "/b?x=1"})
    server.answers["/b"] = Reply(1)
    assert api.get("a", headers={"Authorization": Secret("Token t")}).data == 1
    assert server.asked[1].headers["authorization"] == "Token t"
    other = Server()
    other.answers["/c"] = Reply(2)
    server.answers["/a"] = Reply(status=302, headers={"Location": f"{other.url}/c"})
    assert api.get("a", headers={"Authorization": Secret("Token t")}).data == 2
    assert "authorization" not in other.asked[0].headers
    other.close()


def test_round_and_round_ends(server: Server, api: Api) -> None:
    server.answers["/a"] = Reply(status=302, headers={"Location": "/a"})
    with pytest.raises(SourceError, match="leads on more than 5 times"):
        api.get("a")
    server.answers["/a"] = Reply(status=302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(SourceError, match="no http or https address"):
        api.get("a")


def test_nothing_is_sent_unencrypted_to_another_machine(passing: Time) -> None:
    api = Api("Test", "http://service.example", sleep=passing.sleep)
    with pytest.raises(SourceError, match="not encrypted"):
        api.get("a", {"key": Secret("k")})


def test_offline_nobody_is_asked(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_OFFLINE", "1")
    with pytest.raises(SourceError, match="the network is not to be used") as caught:
        Api("Test", "https://service.example").get("a")
    assert "EARMARK_OFFLINE" in str(caught.value.hint)
    server.answers["/a"] = Reply(1)
    assert api.get("a").data == 1  # this machine is no network


def test_a_form_that_must_not_be_sent_twice_is_not(server: Server, api: Api) -> None:
    server.answers["/a"] = Reply(status=503)
    with pytest.raises(SourceError):
        api.post("a", {"code": Secret("c")}, tries=1)
    [asked] = server.asked
    assert (asked.method, asked.form) == ("POST", {"code": "c"})


@pytest.mark.parametrize("reply", [Reply(status=500), Reply(b"{"), Reply({"a": "b" * 100}, cut=10), Reply(status=429)])
def test_no_secret_is_in_an_error_or_its_trace(server: Server, passing: Time, reply: Reply) -> None:
    server.answers["/a"] = reply
    api = Api("Test", server.url, tries=2, sleep=passing.sleep)
    secret = Secret("-".join(["hush", "hush"]))  # not as it would stand in a line of a trace
    for ask in (
        lambda: api.get("a", {"api_key": secret}, headers={"Authorization": secret}),
        lambda: api.post("a", {"secret": secret}),
    ):
        with pytest.raises(SourceError) as caught:
            ask()
        shown = "".join(traceback.format_exception(caught.value)) + repr(api) + repr(caught.value)
        assert "hush-hush" not in shown


def test_a_file_is_fetched_behind_what_stands_in_the_sink(server: Server, api: Api) -> None:
    whole = bytes(range(256)) * 1000
    server.answers["/a"] = [Reply(whole, cut=5000), Reply(status=503), Reply(whole)]
    sink = io.BytesIO()
    sink.write(b"head")
    answer = api.fetch("a", sink, headers={"Authorization": Secret("Token t")})
    assert (answer.status, answer.data) == (200, None)
    assert sink.getvalue() == b"head" + whole
    assert server.asked[0].headers["accept"] == "*/*"


@pytest.mark.parametrize("reply", [Reply(b"x" * 5000, cut=100), Reply({"error": "no"}, status=404), Reply(b"x" * 5000)])
def test_of_what_cannot_be_fetched_nothing_stays(server: Server, api: Api, reply: Reply) -> None:
    server.answers["/a"] = [Reply(b"x" * 5000, cut=100), reply]
    sink = io.BytesIO()
    if reply.status == 404:
        assert api.fetch("a", sink).data == {"error": "no"}
    else:
        with pytest.raises(SourceError, match=r"connection broke|more than 3000 bytes"):
            api.fetch("a", sink, most_bytes=3000 if reply.cut is None else 9999)
    assert sink.getvalue() == b""


def test_a_file_that_takes_too_long_is_given_up(server: Server, passing: Time) -> None:
    passing_fast = iter(range(0, 100_000, 50))
    api = Api("Test", server.url, tries=1, sleep=passing.sleep, clock=lambda: float(next(passing_fast)))
    server.answers["/a"] = Reply(b"x" * (1 << 20))
    with pytest.raises(SourceError, match="no answer within 60 s"):
        api.fetch("a", io.BytesIO(), timeout=60)


def test_a_file_comes_encrypted_or_from_this_machine(passing: Time) -> None:
    api = Api("Test", "http://127.0.0.1:9", sleep=passing.sleep)
    with pytest.raises(SourceError, match="not encrypted"):
        api.fetch("http://media.example/a.mp3?signature=1", io.BytesIO())


def test_a_full_disk_is_named(server: Server, api: Api) -> None:
    class Full(io.BytesIO):
        name = "song.mp3"

        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    server.answers["/a"] = Reply(b"x" * 100)
    with pytest.raises(InputError, match=r"song.mp3: cannot be written: No space left"):
        api.fetch("a", Full())
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "location",
    ["http://[::1", "https://a b/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "/\u00e9"],
)
def test_odd_addresses_are_errors_in_words(server: Server, api: Api, location: str) -> None:
    server.answers["/a"] = Reply(status=302, headers={"Location": location.encode().decode("latin-1")})
    with pytest.raises(SourceError, match="no http or https address"):
        api.get("a", headers={"Authorization": Secret("Token t")})
    with pytest.raises(SourceError, match="no http or https address"):
        api.get(location if "://" in location else f"{server.url}{location}")
