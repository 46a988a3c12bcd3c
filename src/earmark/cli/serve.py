"""`earmark serve`: the service, and the tokens and passwords that its clients show."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options, output
from earmark.cli.catalogue import Address
from earmark.errors import MissingExtraError

if TYPE_CHECKING:
    from earmark.service.players.passwords import Passwords
    from earmark.service.tokens import Tokens

Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 for other machines, which need a token then.")
]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes a free one.")]
Music = Annotated[
    list[Path] | None,
    typer.Option("--music", metavar="FOLDER", help="Music whose files may be asked for; may be given several times."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="For tokens, jobs and uploads; EARMARK_SERVICE, or your own, unless "
                 "given."),
]  # fmt: skip
Workers = Annotated[int, typer.Option(metavar="N", min=1, help="Files that are heard at a time.")]
NJobs = Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="Jobs at a time.")]
Rate = Annotated[int, typer.Option(metavar="N", min=0, help="Requests a minute of one client; 0 for no limit.")]
MayWrite = Annotated[
    bool | None,
    typer.Option("--may-write/--read-only", help="Whether clients may change files in the folders of music, and own "
                 "tags; unless given, they may where only this machine reaches the service.", show_default=False),
]  # fmt: skip
AccessLog = Annotated[bool, typer.Option("--access-log", help="Log every request on stderr, without its query.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what for.")]
Player = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is; the user in the player.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines.")]

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
token = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
password = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(token, name="token", help="Tokens: what clients on other machines show.")
app.add_typer(password, name="password", help="App passwords, for players that take no API key.")


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="serve", help="The service: everything over HTTP, for browsers, players and programs.")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8337,
    music: Music = None,
    address: Address = None,
    data: Data = None,
    workers: Workers = 2,
    preset: options.Preset = "standard",
    rate: Rate = 600,
    may_write: MayWrite = None,
    access_log: AccessLog = False,
) -> None:
    """Answer over HTTP what the other commands answer here; Ctrl-C stops.

    The address is printed when it listens; /docs there shows what can be asked. On 127.0.0.1 only this machine reaches
    it. On any other address every request needs a token: earmark serve token add NAME. Connections are not encrypted:
    on a network that others use, put a proxy with TLS before it.
    """
    if context.invoked_subcommand is not None:
        return
    from earmark.service.settings import make_settings

    settings = make_settings(
        library=address, music=music or (), data=data, host=host, port=port, workers=workers, preset=preset, rate=rate,
        may_write=may_write,
    )  # fmt: skip
    try:
        from earmark.service.serving import serve as run
    except ImportError as error:
        raise _missing(error) from error

    if not settings.is_local and not _tokens(settings.data).list():
        output.note(
            f"no request is answered on {host} without a token, and there is none: earmark serve token add NAME"
        )

    def tell(where: str) -> None:
        sys.stdout.write(f"{where}\n")
        sys.stdout.flush()

    run(settings, on_ready=tell, access_log=access_log)


@app.command("worker")
def worker(
    music: Music = None,
    address: Address = None,
    data: Data = None,
    workers: Workers = 2,
    preset: options.Preset = "standard",
    jobs: NJobs = 2,
) -> None:
    """Do the jobs of a service from a process of its own, or from another machine; Ctrl-C stops.

    It takes the same --music, --library and --data as the service. Workers on several machines share a Redis
    (EARMARK_REDIS_URL), a catalogue that all reach, and the folders of music under the same paths.
    """
    from earmark.service.settings import make_settings

    settings = make_settings(library=address, music=music or (), data=data, workers=workers, preset=preset)
    try:
        from earmark.service.jobs.worker import work
    except ImportError as error:
        raise _missing(error) from error
    work(settings, on_ready=lambda table: output.note(f"waiting for jobs in {table}"), n_workers=jobs)


@token.command("add")
def add(name: Name, data: Data = None) -> None:
    """Make a token, and show it: this once, as only a hash of it is kept.

    Clients send it in a header: Authorization: Bearer TOKEN.
    """
    made = _tokens(_folder(data)).add(name)
    sys.stdout.write(f"{made}\n")
    output.note("keep it now: it is not shown again")


@token.command("list")
def list_tokens(data: Data = None, as_json: Json = False) -> None:
    """List the tokens by name; they themselves are not kept."""
    for one in _tokens(_folder(data)).list():
        line = json.dumps({"name": one.name, "created": one.created}) if as_json else f"{one.name}\t{one.created}"
        sys.stdout.write(f"{line}\n")


@token.command("remove")
def remove(name: Name, data: Data = None) -> None:
    """Let a token be none, from the next request on."""
    _tokens(_folder(data)).remove(name)
    output.note(f"the token {name} is none any more")


@password.command("add")
def add_password(name: Player, data: Data = None) -> None:
    """Make an app password for a player that takes no API key, and show it: this once.

    In the player, NAME is the user. Players that take an API key need none of this: earmark serve token add NAME.
    """
    made = _passwords(_folder(data)).add(name)
    sys.stdout.write(f"{made}\n")
    output.note("keep it now: it is not shown again")


@password.command("list")
def list_passwords(data: Data = None, as_json: Json = False) -> None:
    """List who has an app password."""
    for name in _passwords(_folder(data)).names():
        sys.stdout.write((json.dumps({"name": name}) if as_json else name) + "\n")


@password.command("remove")
def remove_password(name: Player, data: Data = None) -> None:
    """Let an app password be none, from the next request on."""
    _passwords(_folder(data)).remove(name)
    output.note(f"the password of {name} is none any more")


def _passwords(folder: Path) -> "Passwords":
    try:
        from earmark.service.players.passwords import Passwords
    except ImportError as error:
        raise _missing(error) from error
    return Passwords(folder)


def _folder(data: Path | None) -> Path:
    from earmark.service.settings import make_settings

    return make_settings(data=data).data


def _tokens(folder: Path) -> "Tokens":
    from earmark.service.tokens import Tokens

    return Tokens(folder)


def _missing(error: ImportError) -> ImportError:
    """Say which extra is missing, unless that was said already."""
    ours = (error.name or "").partition(".")[0] == "earmark" or isinstance(error, MissingExtraError)
    return error if ours else MissingExtraError("the service", "serve")
