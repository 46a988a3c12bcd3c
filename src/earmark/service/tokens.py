"""Tokens that clients show: made at random, kept as hashes, compared in constant time."""

import contextlib
import datetime
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.files import disk_errors, lock_for_writing

FILE = "tokens.json"
PREFIX = "earmark_"  # so that scanners for leaked secrets, and people, know what it is
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@ -]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
_PATIENCE = 10.0  # seconds to wait for another process that changes the file
_LONGEST = 200  # characters of what may be a token


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    Parameters
    ----------
    name : whose, or what for
    sha256 : of the token, hexadecimal
    created : when, UTC, ISO 8601
    """

    name: str
    sha256: str
    created: str


class Tokens:
    """The tokens of a service.

    Parameters
    ----------
    folder : for data of the service; the file in it is read anew when it has changed

    Notes
    -----
    A token holds 256 random bits. One round of SHA-256 is enough to keep it: what a slow hash protects is what people
    make up.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tokens = Tokens(Path(folder))
    ...     token = tokens.add("kitchen radio")
    ...     tokens.check(token), tokens.check(token + "x"), tokens.check("")
    ('kitchen radio', None, None)
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._known: tuple[Token, ...] = ()

    def list(self) -> tuple[Token, ...]:
        """Return what is kept, in the order of adding.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._known, self._stamp = self._read(), stamp
            return self._known

    def check(self, token: str) -> str | None:
        """Return the name of a token; None if it is none of these.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        if not token or len(token) > _LONGEST:
            return None
        given = hash_of(token)
        found = None
        for one in self.list():  # all of them, however early one fits
            if hmac.compare_digest(one.sha256, given):
                found = one.name
        return found

    def add(self, name: str) -> str:
        """Make a token, and return it: it is shown this once.

        Parameters
        ----------
        name : whose, or what for; each once

        Raises
        ------
        UsageError
            If the name cannot be one, or is taken.
        InputError
            If the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be the name of a token", hint="letters, digits and . _ @ - between them")
        token = PREFIX + secrets.token_urlsafe(_BYTES)
        with self._changing():
            known = self._read()
            if any(one.name == name for one in known):
                raise UsageError(f"there is a token {name!r} already", hint=f"earmark serve token remove {name}")
            created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            self._write((*known, Token(name, hash_of(token), created)))
        return token

    def remove(self, name: str) -> None:
        """Let a token be none.

        Raises
        ------
        UnknownNameError
            If there is none of that name.
        UsageError
            If there is none at all.
        """
        with self._changing():
            known = self._read()
            if all(one.name != name for one in known):
                if not known:
                    raise UsageError(f"there is no token {name!r}, and no other", hint="earmark serve token add NAME")
                raise UnknownNameError("token", name, [one.name for one in known])
            self._write(tuple(one for one in known if one.name != name))

    def _stamp_now(self) -> tuple[int, int, int]:
        try:
            entry = self._path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        return (entry.st_ino, entry.st_size, entry.st_mtime_ns)

    def _read(self) -> tuple[Token, ...]:
        try:
            plain = json.loads(self._path.read_bytes())
            return tuple(Token(str(one["name"]), str(one["sha256"]), str(one["created"])) for one in plain["tokens"])
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self._path}: is no file of tokens", hint="delete it, and make tokens anew: earmark serve token add"
            ) from error

    def _write(self, tokens: tuple[Token, ...]) -> None:
        plain = {"tokens": [vars(one) for one in tokens]}
        temporary = self._path.with_name(f".{secrets.token_hex(8)}.part")
        with disk_errors(self._path):
            try:
                with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    json.dump(plain, file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other processes from changing the file meanwhile."""
        lock = self._path.with_name("tokens.lock")
        with disk_errors(lock):
            file = lock.open("ab")
        with file:
            begun = time.monotonic()
            while not lock_for_writing(file):
                if time.monotonic() - begun > _PATIENCE:
                    raise UsageError(f"{self._path}: another process is changing it", hint="try again")
                time.sleep(0.02)
            yield


def hash_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
