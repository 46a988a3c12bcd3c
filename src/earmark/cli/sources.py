"""`earmark sources`: the services that tell what somebody likes: keys, logins, and what is kept of their answers."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from earmark.cli import output
from earmark.cli.output import counted, printable


class ServiceChoice(StrEnum):
    """The services."""

    LISTENBRAINZ = "listenbrainz"
    LASTFM = "lastfm"
    SOUNDCLOUD = "soundcloud"
    JAMENDO = "jamendo"


class LoginChoice(StrEnum):
    """The services that one can log in to."""

    SOUNDCLOUD = "soundcloud"


@dataclass(frozen=True)
class Needs:
    """What a service wants before it answers.

    Parameters
    ----------
    keys : names of what the file of secrets or the environment has to hold
    optional : names of what it may hold
    how : how to get them, in words
    """

    keys: tuple[str, ...]
    optional: tuple[str, ...]
    how: str


NEEDS = {
    ServiceChoice.LISTENBRAINZ: Needs((), ("token",), "nothing; a token for more: https://listenbrainz.org/settings/"),
    ServiceChoice.LASTFM: Needs(("key",), (), "a key, free: https://www.last.fm/api/account/create"),
    ServiceChoice.SOUNDCLOUD: Needs(
        ("client_id", "client_secret"),
        (),
        "an app's key, of a paid Artist Pro account: https://soundcloud.com/you/apps",
    ),
    ServiceChoice.JAMENDO: Needs(("client_id",), (), "a client id, free: https://devportal.jamendo.com/"),
}

Json = Annotated[bool, typer.Option("--json", help="JSON lines: one object per service.")]
Login = Annotated[LoginChoice, typer.Argument(metavar="SERVICE", help="soundcloud.")]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65535, help="Of this machine, for the browser to come back to; 8765 "
                 "unless given, 0 is a free one."),
]  # fmt: skip
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only show the address to open.")]
Service = Annotated[
    ServiceChoice, typer.Argument(metavar="SERVICE", help="listenbrainz, lastfm, soundcloud or jamendo.")
]
User = Annotated[str | None, typer.Argument(metavar="USER", help="Whose likes; of everybody unless given.")]

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="sources", help="Services that tell likes: keys, logins, and what is kept.")


@app.callback(invoke_without_command=True)
def sources(context: typer.Context, as_json: Json = False) -> None:
    """List the services that tell what somebody likes. This works offline.

    Each with what it needs, whether that is there (keys themselves are not shown), and how many of its answers are kept
    until when. In a pipe the columns are separated by tabs: service, key, login, answers kept, until, what it needs.
    """
    if context.invoked_subcommand is not None:
        return
    rows = [_status(service) for service in ServiceChoice]
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    cells = [_cells(row) for row in rows]
    if not sys.stdout.isatty():
        for line in cells:
            sys.stdout.write("\t".join(map(printable, line)) + "\n")
        return
    from earmark.sources.secrets import secrets_path

    _print_table([("service", "key", "login", "kept", "until", "needs"), *cells])
    output.note(f"keys stand in {secrets_path()}, or in the environment (EARMARK_LASTFM_KEY ...)")


@app.command("login")
def login(service: Login, port: Port = None, no_browser: NoBrowser = False) -> None:
    """Log in to a service in the browser, for one's own likes that others do not see.

    http://127.0.0.1:PORT/callback has to stand as the redirect URI of your app on the service's page. The tokens are
    kept in a file that only you can read, beside the keys.
    """
    from earmark.sources import soundcloud_login

    def show(address: str) -> None:
        output.note(f"log in to SoundCloud at this address:\n{address}")

    soundcloud_login.login(
        show, port=soundcloud_login.PORT if port is None else port, open_browser=not no_browser
    )  # fmt: skip
    output.note(f"logged in to {service.value}; your likes are now {service.value}:me")


@app.command("logout")
def logout(service: Login) -> None:
    """Delete the tokens of a login, and what is kept of your own likes."""
    from earmark.sources import soundcloud_login

    gone = soundcloud_login.logout()
    output.note(f"logged out of {service.value}" if gone else f"there was no login to {service.value}")


@app.command("forget")
def forget(service: Service, user: User = None) -> None:
    """Delete the answers of a service that are kept, of one user or all."""
    from earmark.sources import jamendo, soundcloud
    from earmark.sources.cache import DAY, Cache

    if service == ServiceChoice.SOUNDCLOUD:
        gone = soundcloud.forget(user)
    elif service == ServiceChoice.JAMENDO:
        gone = jamendo.forget(user)
    else:
        gone = Cache(service.value, DAY).forget(None if user is None else user.strip().casefold())
    whose = "" if user is None else f" of {user}"
    output.note(f"{counted(gone, 'answer')} of {service.value}{whose} deleted")


def _status(service: ServiceChoice) -> dict[str, Any]:
    """Say as plain data what a service needs and has."""
    from earmark.sources.secrets import find_secret, variable
    from earmark.sources.soundcloud_login import has_login

    needs = NEEDS[service]
    keys = [
        {
            "name": name,
            "variable": variable(service.value, name),
            "required": name in needs.keys,
            "set": find_secret(service.value, name) is not None,
        }
        for name in (*needs.keys, *needs.optional)
    ]
    return {
        "service": service.value,
        "keys": keys,
        "ready": all(key["set"] for key in keys if key["required"]),
        "login": has_login() if service == ServiceChoice.SOUNDCLOUD else None,
        "needs": needs.how,
        **_kept(service.value),
    }


def _kept(service: str) -> dict[str, Any]:
    """Count the answers that are kept, and say when the last of them expires (seconds since 1970)."""
    from earmark.sources.cache import DAY, Cache

    cache = Cache(service, DAY)
    cache.sweep()
    ends = []
    for path in cache.folder.glob("*/*.json"):
        try:
            ends.append(float(json.loads(path.read_text(encoding="utf-8"))["until"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {"n_kept": len(ends), "kept_until": max(ends, default=None)}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    keys, required = row["keys"], [key for key in row["keys"] if key["required"]]
    if required:
        missing = [key["name"] for key in required if not key["set"]]
        key = "set" if not missing else f"no {', '.join(missing)}"
    else:
        key = "set" if any(one["set"] for one in keys) else "not needed"
    login = "-" if row["login"] is None else "yes" if row["login"] else "no"
    until = row["kept_until"]
    ends = "" if until is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(until))
    return row["service"], key, login, str(row["n_kept"]), ends, row["needs"]


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print cells in columns; the last one goes as far as it needs."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, row[-1]]).rstrip() + "\n")
