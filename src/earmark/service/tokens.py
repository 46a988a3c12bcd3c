"""Tokens that clients show: made at random, kept as hashes, compared in constant time."""

import datetime
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import UnknownNameError, UsageError
from earmark.service.kept import Kept

FILE = "tokens.json"
PREFIX = "earmark_"  # so that scanners for leaked secrets, and people, know what it is
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@ -]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
_DAMAGED = ("is no file of tokens", "delete it, and make tokens anew: earmark serve token add")
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
        self._kept: Kept[tuple[Token, ...]] = Kept(folder / FILE, _parse, (), damaged=_DAMAGED)

    def list(self) -> tuple[Token, ...]:
        """Return what is kept, in the order of adding.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        return self._kept.read()

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
        with self._kept.changing() as known:
            if any(one.name == name for one in known):
                raise UsageError(f"there is a token {name!r} already", hint=f"earmark serve token remove {name}")
            created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            _write(self._kept, (*known, Token(name, hash_of(token), created)))
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
        with self._kept.changing() as known:
            if all(one.name != name for one in known):
                if not known:
                    raise UsageError(f"there is no token {name!r}, and no other", hint="earmark serve token add NAME")
                raise UnknownNameError("token", name, [one.name for one in known])
            _write(self._kept, tuple(one for one in known if one.name != name))


def _parse(plain: Any) -> tuple[Token, ...]:
    return tuple(Token(str(one["name"]), str(one["sha256"]), str(one["created"])) for one in plain["tokens"])


def _write(kept: "Kept[tuple[Token, ...]]", tokens: tuple[Token, ...]) -> None:
    kept.write({"tokens": [vars(one) for one in tokens]})


def hash_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
