"""What a service measures of itself, for Prometheus."""

import threading
import time
from collections import deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark._version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WINDOW = 60.0
"""Seconds over which the speed of hearing is taken."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counts of one service.

    Parameters
    ----------
    clock : seconds, which never go back
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        ProcessCollector(registry=self.registry)
        Info("earmark", "The version of earmark.", registry=self.registry).info({"version": __version__})
        self._requests = Counter(
            "earmark_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._latency = Histogram(
            "earmark_request_seconds", "Time until the answer began.", ["method", "route"], buckets=_BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._refused = Counter(
            "earmark_queue_refused", "Requests for which the queue was full.", registry=self.registry
        )
        self._audio = Counter("earmark_audio_seconds", "Audio heard for requests, seconds.", registry=self.registry)
        self._busy = Counter("earmark_hearing_seconds", "Time that hearing it took, seconds.", registry=self.registry)
        self._recent: deque[tuple[float, float, float]] = deque()
        self._lock = threading.Lock()
        self.watch("earmark_audio_seconds_per_second", "Audio heard per second of hearing, last minute.", self.speed)

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Add a number that is asked for whenever somebody looks."""
        Gauge(name, what, registry=self.registry).set_function(value)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Parameters
        ----------
        method : such as "GET"
        route : the template, such as "/v1/tracks/{id}"; what clients make up must not become a label
        status : of the answer
        seconds : until it began
        """
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._latency.labels(known, route).observe(seconds)

    def refused(self) -> None:
        """Count a request for which the queue was full."""
        self._refused.inc()

    def heard(self, audio: float, took: float) -> None:
        """Count audio that was heard, and the time that took, seconds."""
        self._audio.inc(max(audio, 0.0))
        self._busy.inc(max(took, 0.0))
        with self._lock:
            self._recent.append((self._clock(), audio, took))

    def speed(self) -> float:
        """Return the seconds of audio that were heard per second of hearing in the last minute; 0 if none were."""
        with self._lock:
            while self._recent and self._recent[0][0] < self._clock() - WINDOW:
                self._recent.popleft()
            took = sum(one[2] for one in self._recent)
            return sum(one[1] for one in self._recent) / took if took else 0.0

    def text(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self.registry)


class Measuring:
    """Counts requests; ASGI middleware.

    Parameters
    ----------
    app : what answers
    metrics : where to
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, took = time.perf_counter(), 499, None  # 499: gone before there was an answer, as nginx has it

        async def watch(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status, took = message["status"], time.perf_counter() - begun
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - begun if took is None else took
            self._metrics.answered(scope["method"], route_of(scope), status, seconds)


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered, "none" if there was none."""
    return str(getattr(scope.get("route"), "path", "") or "none")
