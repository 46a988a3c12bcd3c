"""Answers of services kept on disk for a while: one folder per service and listener, so that one can be deleted.

Files are for their owner alone. What has expired is deleted when anything of that service is looked up.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from earmark.assets import cache_dir
from earmark.errors import InputError
from earmark.files import replacing

HOUR, DAY = 3600.0, 86400.0
_FOREVER = 400 * DAY
_BETWEEN_SWEEPS = 60.0  # seconds: a sweep reads all that is kept


def sources_dir() -> Path:
    """Return the folder that answers are kept in."""
    return cache_dir() / "sources"


class Cache:
    """Answers of one service.

    Parameters
    ----------
    service : such as "lastfm"
    seconds : how long an answer is kept
    clock : seconds since 1970
    """

    def __init__(self, service: str, seconds: float, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = sources_dir() / service
        self.seconds = seconds
        self._clock = clock
        self._swept = float("-inf")

    def get(self, listener: str, key: str) -> Any:
        """Return what was kept, or None; what has expired is deleted, whoever's it is (once a minute at most)."""
        if not 0 <= self._clock() - self._swept < _BETWEEN_SWEEPS:
            self.sweep()
        path = self._path(listener, key)
        if self._has_expired(path):
            with suppress(OSError):
                path.unlink()
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return kept.get("data") if isinstance(kept, dict) and kept.get("key") == key else None

    def put(self, listener: str, key: str, data: Any) -> None:
        """Keep plain data.

        Parameters
        ----------
        listener : whose; "" for what is nobody's
        key : what it is; no secret
        data : plain data that JSON can hold

        Raises
        ------
        InputError
            If it cannot be written.
        """
        path = self._path(listener, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.folder, path.parent):
                folder.chmod(0o700)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be written: {error.strerror or error}") from error
        text = json.dumps({"key": key, "listener": listener, "until": self._clock() + self.seconds, "data": data})
        with replacing(path, private=True) as file:
            file.write(text.encode("utf-8"))

    def sweep(self) -> int:
        """Delete what has expired; return how many answers."""
        gone, self._swept = 0, self._clock()
        for path in self.folder.glob("*/*.json"):
            if self._has_expired(path):
                with suppress(OSError):
                    path.unlink()
                    gone += 1
        return gone

    def _has_expired(self, path: Path) -> bool:
        now = self._clock()
        try:
            until = json.loads(path.read_text(encoding="utf-8"))["until"]
            return not now < float(until) <= now + _FOREVER
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def forget(self, listener: str | None = None) -> int:
        """Delete all that is kept of a listener, or of everybody; return how many answers."""
        folders = [self.folder] if listener is None else [self._path(listener, "").parent]
        gone = sum(1 for folder in folders for _ in folder.rglob("*.json"))
        for folder in folders:
            if folder.is_dir():
                shutil.rmtree(folder)
        return gone

    def _path(self, listener: str, key: str) -> Path:
        return self.folder / _digest(listener) / f"{_digest(key)}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
