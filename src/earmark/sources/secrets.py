"""Keys and tokens: from the environment, or from a file that only its owner can read; shown nowhere."""

import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from earmark.errors import InputError, UsageError

FILE_VARIABLE = "EARMARK_SECRETS"


class Secret:
    """A text that is not to be seen: every way of printing it gives three stars.

    Parameters
    ----------
    value : the text

    Examples
    --------
    >>> secret = Secret("abc123")
    >>> secret, f"{secret}", [secret]
    (Secret('***'), '***', [Secret('***')])
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, for the service that it is meant for."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written to files")


def secrets_path() -> Path:
    """Return where the file of secrets lies: EARMARK_SECRETS, or the user's folder for configuration."""
    from platformdirs import user_config_dir

    given = os.environ.get(FILE_VARIABLE)
    return Path(given) if given else Path(user_config_dir("earmark", appauthor=False)) / "secrets.toml"


def find_secret(service: str, name: str) -> Secret | None:
    """Look a secret up.

    Parameters
    ----------
    service, name : such as "lastfm" and "key": the variable EARMARK_LASTFM_KEY, else `key` in the table [lastfm] of the
        file of secrets

    Raises
    ------
    InputError
        If the file cannot be read, or others than its owner can read it.
    """
    value = os.environ.get(variable(service, name)) or setting(service, name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InputError(f"{secrets_path()}: [{service}] {name} is {type(value).__name__}, expected a text in quotes")
    return Secret(value)


def need_secret(service: str, name: str, *, why: str) -> Secret:
    """Look a secret up that there has to be.

    Parameters
    ----------
    service, name : see `find_secret`
    why : how to get one, in words

    Raises
    ------
    UsageError
        If there is none.
    """
    found = find_secret(service, name)
    if found is None:
        where = f'set {variable(service, name)}, or write {name} = "..." under [{service}] in {secrets_path()}'
        raise UsageError(f"{service} needs a {name.replace('_', ' ')}: {why}", hint=where)
    return found


def variable(service: str, name: str) -> str:
    """Return the variable of the environment that holds a secret.

    Examples
    --------
    >>> variable("soundcloud", "client_id")
    'EARMARK_SOUNDCLOUD_CLIENT_ID'
    """
    return f"EARMARK_{service}_{name}".upper()


def setting(service: str, name: str) -> Any:
    """Return what the file of secrets says under [service], None if nothing; see `find_secret` for errors."""
    path = secrets_path()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
                raise InputError(f"{path}: others can read it, and it holds secrets", hint=f"chmod 600 {path}")
            content = tomllib.load(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # its message may quote a secret
        raise InputError(f"{path}: is no TOML file") from None
    table = content.get(service, {})
    if not isinstance(table, dict):
        raise InputError(f"{path}: {service} is no table", hint=f"write [{service}] on a line of its own")
    return table.get(name)
