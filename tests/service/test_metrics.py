"""What is measured: requests by template, the queue, audio; no label that a client makes up."""

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from earmark.service.metrics import Metrics


def samples(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = client.get("/metrics").text
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_requests_are_counted_by_template(client: TestClient) -> None:
    for path in ("/v1/tracks", "/v1/tracks/00000000000000000000000000000001", "/v1/tracks/nothing", "/a", "/b"):
        client.get(path)
    client.request("BREW", "/c")
    found = samples(client)
    counts = {labels: n for (name, labels), n in found.items() if name == "earmark_requests_total"}
    assert counts == {
        (("method", "GET"), ("route", "/v1/tracks"), ("status", "200")): 1,
        (("method", "GET"), ("route", "/v1/tracks/{id}"), ("status", "200")): 1,
        (("method", "GET"), ("route", "/v1/tracks/{id}"), ("status", "404")): 1,
        (("method", "GET"), ("route", "none"), ("status", "404")): 2,
        (("method", "other"), ("route", "none"), ("status", "404")): 1,
    }
    latencies = {labels: n for (name, labels), n in found.items() if name == "earmark_request_seconds_count"}
    assert latencies[(("method", "GET"), ("route", "/v1/tracks/{id}"))] == 2
    assert found[("earmark_queue_length", ())] == 0


def test_the_speed_is_that_of_the_last_minute() -> None:
    now = [0.0]
    metrics = Metrics(clock=lambda: now[0])
    assert metrics.speed() == 0
    metrics.heard(300, 3)
    metrics.heard(100, 1)
    assert metrics.speed() == 100
    now[0] = 61.0
    metrics.heard(10, 1)
    assert metrics.speed() == 10
    text = metrics.text().decode()
    assert "earmark_audio_seconds_total 410.0" in text
    assert "earmark_audio_seconds_per_second 10.0" in text
    assert "earmark_hearing_seconds_total 5.0" in text


def test_the_format_is_named(client: TestClient) -> None:
    assert client.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
