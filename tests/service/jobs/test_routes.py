"""Jobs over HTTP: made, listed, followed to their end, cancelled, tried again; and what is refused."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from earmark.errors import SourceError
from earmark.library.facade import Library
from earmark.service.app import create_app
from earmark.service.jobs import events, kinds, managing
from earmark.service.jobs.job import Job, Rules
from earmark.service.jobs.managing import Jobs
from earmark.service.jobs.watching import Watch
from earmark.service.metrics import Metrics
from earmark.service.settings import Settings
from earmark.service.state import Service

from .fast import FAST

Do = Callable[[Job, Watch], Any]


@pytest.fixture
def jobs(client: TestClient) -> Jobs:
    """The jobs of the service behind `client`, which nobody does."""
    found: Jobs = client.app.state.jobs  # type: ignore[attr-defined]
    return found


@pytest.fixture
def busy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Do], TestClient]]:
    """Make a client of a service whose workers do jobs as a test says."""
    monkeypatch.setattr(events, "_EVERY", 0.02)
    monkeypatch.setattr(managing, "Rules", lambda: FAST)
    opened: list[TestClient] = []

    def make(do: Do) -> TestClient:
        monkeypatch.setattr(kinds.Doing, "__call__", lambda self, job, watch: do(job, watch))
        client = TestClient(create_app(settings), base_url="http://127.0.0.1:8337", client=("127.0.0.1", 5000))
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


def begin(client: TestClient, kind: str = "add", **parameters: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"kind": kind, "parameters": parameters})
    assert answer.status_code == 202, answer.text
    plain: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{plain['id']}"
    return plain


def wait_for(client: TestClient, id: str, *states: str) -> dict[str, Any]:
    until = time.monotonic() + 10
    while (plain := client.get(f"/v1/jobs/{id}").json())["state"] not in states:
        assert time.monotonic() < until, plain
        time.sleep(0.01)
    return dict(plain)


def read_events(text: str) -> list[dict[str, Any]]:
    """Read server-sent events: blocks of "field: value" between empty lines."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            found.append(fields | {"data": json.loads(fields["data"])})
    return found


def test_a_job_waits_with_all_its_fields(client: TestClient, music: Path) -> None:
    (music / "Jazz").mkdir()
    job = begin(client, "add", paths=["Jazz"], whole=True)
    assert {name: job[name] for name in ("kind", "parameters", "state", "attempts", "error", "result")} == {
        "kind": "add", "parameters": {"paths": ["Jazz"], "whole": True}, "state": "waiting", "attempts": 0,
        "error": None, "result": None,
    }  # fmt: skip
    assert set(job) == {
        "id", "kind", "parameters", "state", "attempts", "error", "result", "progress", "cancelling", "created",
        "started", "finished", "next_try", "beat_at", "version",
    }  # fmt: skip
    assert client.get(f"/v1/jobs/{job['id']}").json() == job


def test_a_folder_is_added_by_the_workers_of_the_service(
    settings: Settings, music: Path, heard: Path, tmp_path: Path
) -> None:
    for i in range(3):
        (music / f"{i}.wav").write_bytes(b"music %d" % i)
    settings = replace(settings, library=str(tmp_path / "new"), workers=1)
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1:8337", client=("127.0.0.1", 5000)) as client:
        job = wait_for(client, begin(client)["id"], "done", "failed")
        assert (job["state"], job["result"]["n_heard"], job["progress"]["done"]) == ("done", 3, 3)
        assert client.get("/v1/tracks").json()["total"] == 3
    assert len(Library(settings.library)) == 3


def test_following_a_job_to_its_end(busy: Callable[[Do], TestClient]) -> None:
    def do(job: Job, watch: Watch) -> Any:
        for n in range(6):
            watch.report(n, 5, f"file {n}")
            time.sleep(0.1)
        return {"heard": 5}

    client = busy(do)
    id = begin(client)["id"]
    answer = client.get(f"/v1/jobs/{id}/events")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    seen = read_events(answer.text)
    assert [one["event"] for one in seen] == ["progress"] * (len(seen) - 1) + ["end"]
    assert len(seen) > 4
    done = [one["data"]["progress"]["done"] for one in seen]
    assert done == sorted(done)
    assert done[-1] == 5
    assert seen[-1]["data"]["result"] == {"heard": 5}
    assert [int(one["id"]) for one in seen] == sorted({one["data"]["version"] for one in seen})
    last = seen[-1]["id"]
    assert client.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": last}).status_code == 204
    missed = read_events(client.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": seen[0]["id"]}).text)
    assert [one["event"] for one in missed] == ["end"]
    odd = read_events(client.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": "x"}).text)
    assert odd == missed


def test_a_line_is_sent_where_there_is_no_news(client: TestClient, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_EVERY", 0.01)
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    id = begin(client)["id"]
    threading.Timer(0.3, jobs.queue.cancel, [id]).start()
    text = client.get(f"/v1/jobs/{id}/events").text
    assert text.startswith("retry: 2000\n\n")
    assert text.count(": it goes on\n\n") >= 2
    assert [one["data"]["state"] for one in read_events(text)] == ["waiting", "cancelled"]


def test_those_who_follow_are_let_go_when_the_service_stops(client: TestClient, jobs: Jobs) -> None:
    id = begin(client)["id"]
    threading.Timer(0.1, jobs.end_streams).start()
    begun = time.monotonic()
    assert len(read_events(client.get(f"/v1/jobs/{id}/events").text)) == 1
    assert time.monotonic() - begun < 5


def test_cancelling_and_trying_again(busy: Callable[[Do], TestClient]) -> None:
    runs: list[int] = []

    def do(job: Job, watch: Watch) -> Any:
        runs.append(job.attempts)
        while len(runs) == 1:
            watch.report(1, 9, "")
            time.sleep(0.005)
        if len(runs) == 2:
            raise ValueError("a defect")
        return "at last"

    client = busy(do)
    id = begin(client)["id"]
    wait_for(client, id, "running")
    assert client.post(f"/v1/jobs/{id}/cancel").json()["cancelling"] is True
    assert wait_for(client, id, "cancelled")["error"] is None
    assert client.post(f"/v1/jobs/{id}/retry").json()["state"] in ("waiting", "running", "failed")
    assert wait_for(client, id, "failed")["error"]["error"] == "a defect of earmark"
    client.post(f"/v1/jobs/{id}/retry")
    assert wait_for(client, id, "done")["result"] == "at last"
    again = client.post(f"/v1/jobs/{id}/cancel")
    assert (again.status_code, again.json()["error"]) == (400, "the job is done already")
    assert runs == [1, 1, 1]


def test_sending_a_file(busy: Callable[[Do], TestClient], settings: Settings) -> None:
    uploads = settings.data / "uploads"
    told: list[bytes] = []

    def do(job: Job, watch: Watch) -> Any:
        told.append((uploads / job.id).read_bytes())
        return {"path": job.parameters["upload"]}

    client = busy(do)
    answer = client.post(
        "/v1/jobs/upload?n=3&similar=5", files={"file": ("../../etc/a\u202eb.wav", io.BytesIO(b"music"))}
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["parameters"] == {"upload": "ab.wav", "n": 3, "similar": 5}
    assert wait_for(client, answer.json()["id"], "done", "failed")["result"] == {"path": "ab.wav"}
    assert told == [b"music"]
    until = time.monotonic() + 5
    while list(uploads.iterdir()):  # it goes with the job
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {"path": "a"}}, 400),
        ({"files": {"other": b"x"}}, 400),
        ({"data": {"file": "text"}, "files": {"x": b""}}, 400),
        ({"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"files": {"file": b"x"}, "params": {"model": "/etc/passwd"}}, 400),
        ({"files": {"file": b"x"}, "params": {"n": -1}}, 422),
        ({"files": {"file": b"x"}, "params": {"similar": 51}}, 422),
        ({"files": {"file": b"x"}, "params": {"unknown": 1}}, 422),
    ],
)
def test_what_cannot_be_sent(still: TestClient, options: dict[str, Any], status: int) -> None:
    answer = still.post("/v1/jobs/upload", **options)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "hint"}
    assert still.app.state.jobs.uploads.n_bytes() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "add", "parameters": {"paths": ["../catalogue"]}}, 400),
        ({"kind": "add", "parameters": {"paths": ["/etc"]}}, 400),
        ({"kind": "tag", "parameters": {"path": "/etc/passwd"}}, 400),
        ({"kind": "tag", "parameters": {"path": "http://127.0.0.1/a.mp3"}}, 400),
        ({"kind": "tag", "parameters": {"upload": "a.mp3"}}, 422),
        ({"kind": "tag"}, 422),
        ({"kind": "fly", "parameters": {}}, 422),
        ({"kind": "add", "parameters": {"jobs": 9}}, 422),
        ({"kind": "compatibility", "parameters": {"a": "/etc", "b": "bpm > 1"}}, 400),
        ({"kind": "compatibility", "parameters": {"a": "bpm > 1", "b": "bpm > 2", "mix": True}}, 422),
        ([], 422),
        (None, 422),
    ],
)
def test_what_is_no_job(still: TestClient, body: Any, status: int) -> None:
    answer = still.post("/v1/jobs", json=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "hint"}
    assert still.get("/v1/jobs").json()["jobs"] == []


@pytest.mark.parametrize("path", ["\\ud800", "a\\u0000b", "x" * 1000, "", "\\udcff.wav"])
def test_names_that_no_file_has(still: TestClient, path: str) -> None:
    for body in (f'{{"kind": "tag", "parameters": {{"path": "{path}"}}}}',
                 f'{{"kind": "add", "parameters": {{"paths": ["{path}"]}}}}'):  # fmt: skip
        answer = still.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("method", ["GET /", "GET /events", "POST /cancel", "POST /retry"])
def test_a_job_that_is_none(still: TestClient, method: str) -> None:
    verb, _, rest = method.partition(" /")
    answer = still.request(verb, f"/v1/jobs/{'0' * 32}/{rest}".rstrip("/"))
    assert answer.status_code == 404, answer.text
    assert "there is no job" in answer.json()["error"]


def test_pages(client: TestClient, jobs: Jobs) -> None:
    ids = [begin(client)["id"] for _ in range(5)]
    client.post(f"/v1/jobs/{ids[0]}/cancel")
    first = client.get("/v1/jobs", params={"limit": 3}).json()
    assert [job["id"] for job in first["jobs"]] == ids[:1:-1]
    assert "result" not in first["jobs"][0]
    assert first["counts"] == {"waiting": 4, "running": 0, "done": 0, "failed": 0, "cancelled": 1}
    rest = client.get("/v1/jobs", params={"limit": 3, "cursor": first["next"]}).json()
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == (ids[1::-1], None)
    assert [job["id"] for job in client.get("/v1/jobs?state=cancelled").json()["jobs"]] == [ids[0]]
    assert client.get("/v1/jobs?cursor=x").status_code == 400
    assert client.get(f"/v1/jobs?cursor={'9' * 18}").json()["jobs"][0]["id"] == ids[-1]
    assert client.get(f"/v1/jobs?cursor={'9' * 19}").status_code == 422
    assert client.get("/v1/jobs?state=odd").status_code == 422


def test_no_more_than_so_many(client: TestClient, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.queue, "rules", Rules(most_open=1))
    begin(client)
    for answer in (client.post("/v1/jobs", json={"kind": "add"}), client.post("/v1/jobs/upload", files={"file": b"x"})):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert jobs.uploads.n_bytes() == 0


def test_a_table_that_is_away(client: TestClient, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: Any, **options: Any) -> Any:
        raise SourceError("Redis does not answer", hint="start it")

    for name in ("insert", "get", "page", "counts", "change"):
        monkeypatch.setattr(jobs.queue.table, name, away)
    assert client.post("/v1/jobs", json={"kind": "add"}).json() == {
        "error": "Redis does not answer",
        "hint": "start it",
    }
    assert client.get("/v1/jobs").status_code == 502
    assert "earmark_jobs_waiting NaN" in client.get("/metrics").text


def test_numbers(client: TestClient) -> None:
    begin(client)
    assert "earmark_jobs_waiting 1.0" in client.get("/metrics").text


def test_the_document_names_every_kind(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    made = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(made["discriminator"]["mapping"]) == {"add", "tag", "compatibility"}
    assert "multipart/form-data" in document["paths"]["/v1/jobs/upload"]["post"]["requestBody"]["content"]


# Without HTTP ---------------------------------------------------------------------------------------------------------


def test_old_jobs_and_their_files_go(service: Service) -> None:
    jobs = Jobs(service, metrics=Metrics(), rules=replace(FAST, kept=0.0))
    kept, gone = "a" * 32, "b" * 32
    for id in (kept, gone):
        jobs.uploads.keep(id, io.BytesIO(b"music"))
        jobs.queue.add("tag", {"upload": "a"}, id=id)
    jobs.queue.cancel(gone)
    jobs.tidy()
    assert jobs.queue.table.get(gone) is None
    assert jobs.uploads.path(kept).exists()
    assert jobs.uploads.n_bytes() == 5
    jobs.stop()


def test_stopping_does_not_wait_for_ever_and_gives_back_what_is_not_done(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, going = threading.Event(), threading.Event()

    def do(self: kinds.Doing, job: Job, watch: Watch) -> Any:
        going.set()
        may_end.wait(10)  # at a long file
        return "too late"

    monkeypatch.setattr(kinds.Doing, "__call__", do)
    jobs = Jobs(service, n_workers=1, rules=FAST)
    jobs.start()
    id = jobs.queue.add("add", {}).id
    assert going.wait(10)
    table = jobs.queue.table
    begun = time.monotonic()
    jobs.stop(timeout=0.1)
    assert time.monotonic() - begun < 3
    job = table.get(id)
    assert job is not None
    assert (job.state, job.owner) == ("waiting", None)
    may_end.set()
    time.sleep(0.2)
    job = table.get(id)
    assert job is not None
    assert (job.state, job.result) == ("waiting", None)
    table.close()
