"""What a service is told when it starts."""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library.store import default_address
from earmark.tagger import PRESETS

MIB = 1 << 20
DATA_VARIABLE, REDIS_VARIABLE = "EARMARK_SERVICE", "EARMARK_REDIS_URL"


def default_data() -> Path:
    """Return where a service keeps its tokens, jobs and uploads: EARMARK_SERVICE, or the user's folder for data."""
    from platformdirs import user_data_dir

    given = os.environ.get(DATA_VARIABLE)
    return Path(given) if given else Path(user_data_dir("earmark", appauthor=False)) / "service"


@dataclass(frozen=True)
class Settings:
    """What a service is told when it starts.

    Parameters
    ----------
    library : the catalogue that it serves: a folder, or the address of an object store
    music : folders of music, absolute and with links resolved; paths of requests have to lie in them
    data : folder for tokens, jobs and uploads
    host, port : where it listens
    preset : of the models that listen
    workers : files that are heard at a time
    most_upload : bytes of one upload
    most_seconds : of audio in one upload
    timeout : seconds until a request is given up
    rate : requests a minute of one client, on average; 0 for no limit
    redis_url : of a Redis for queue and cache; None for SQLite and memory
    may_write : whether clients may change files in the folders of music, and the user's own tags
    """

    library: str
    music: tuple[Path, ...]
    data: Path
    host: str = "127.0.0.1"
    port: int = 8337
    preset: str = "standard"
    workers: int = 2
    most_upload: int = 200 * MIB
    most_seconds: float = 4 * 3600.0
    timeout: float = 120.0
    rate: int = 600
    redis_url: str | None = None
    may_write: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it; else every request needs a token."""
        return _is_loopback(self.host)

    def hold(self, path: str | os.PathLike[str]) -> bool:
        """Whether a path, with its links resolved, lies in one of the folders of music; it need not be there."""
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(root) for root in self.music)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_settings(
    *,
    library: str | os.PathLike[str] | None = None,
    music: Sequence[str | os.PathLike[str]] = (),
    data: str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8337,
    preset: str = "standard",
    workers: int = 2,
    rate: int = 600,
    may_write: bool | None = None,
) -> Settings:
    """Check what a service is told, and fill in what it is not.

    Clients may write where only this machine can reach the service, unless `may_write` says otherwise.

    Raises
    ------
    InputError
        If a folder of music is not there, or the folder for data cannot be made.
    UsageError
        If a number is out of range.
    UnknownNameError
        If there is no such preset.
    """
    if not 0 <= port < 1 << 16:
        raise UsageError(f"port is {port}, expected 0 to 65535")
    if workers < 1:
        raise UsageError(f"workers is {workers}, expected 1 or more")
    if rate < 0:
        raise UsageError(f"rate is {rate}, expected 0 or more")
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    roots = []
    for one in music:
        root = Path(one).resolve()
        if not root.is_dir():
            raise InputError(f"{os.fspath(one)}: there is no such folder of music")
        roots.append(root)
    folder = Path(data) if data is not None else default_data()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    return Settings(
        library=os.fspath(library) if library is not None else default_address(),
        music=tuple(roots),
        data=folder.resolve(),
        host=host,
        port=port,
        preset=preset,
        workers=workers,
        rate=rate,
        redis_url=os.environ.get(REDIS_VARIABLE) or None,
        may_write=_is_loopback(host) if may_write is None else may_write,
    )


def inside(settings: Settings, path: str) -> Path:
    """Return a path, links resolved, that lies in one of the folders of music.

    Parameters
    ----------
    path : absolute, or relative to one of the folders

    Raises
    ------
    InputError
        If it lies elsewhere, or is not there: both are said in the same words.
    """
    refused = InputError(f"{path}: no such file in the folders of music of this service")
    if "\0" in path or not path:
        raise refused
    for root in settings.music:
        try:
            found = (root / path).resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        if found.is_relative_to(root):
            return found
    raise refused
