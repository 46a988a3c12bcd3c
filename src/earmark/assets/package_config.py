"""Which package indexes the user has configured, for pip and for uv: read from the places that both document."""

import configparser
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import site_config_path

from earmark.assets.download import Network, TransferError

PYPI = "https://pypi.org/simple"


@dataclass(frozen=True)
class IndexConfig:
    """Where packages come from.

    Parameters
    ----------
    indexes : base URLs, the main one first
    find_links : folders, or URLs of pages, that hold files of any package
    network : how to connect
    """

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]
    network: Network


def index_config(environ: Mapping[str, str] | None = None) -> IndexConfig:
    """Return the package indexes of pip's and uv's configuration; PyPI if neither names a main one.

    Parameters
    ----------
    environ : environment variables; those of this process by default

    Raises
    ------
    TransferError
        If a configuration file cannot be parsed.
    """
    environ = os.environ if environ is None else environ
    pip, uv = _pip_settings(environ), _uv_settings(environ)
    links = pip.get("find-links", "").split() + uv.get("find-links", "").split()
    indexes: list[str] = []
    if not _is_true(pip.get("no-index", "")):
        main = pip.get("index-url", "").split() + uv.get("index-url", "").split()
        extra = pip.get("extra-index-url", "").split() + uv.get("extra-index-url", "").split()
        indexes = (main or [PYPI]) + extra
    network = Network(
        ca_file=pip.get("cert") or environ.get("SSL_CERT_FILE"),
        proxy=pip.get("proxy") or None,
        trusted_hosts=frozenset(pip.get("trusted-host", "").lower().split()),
        use_netrc=True,
    )
    return IndexConfig(tuple(dict.fromkeys(indexes)), tuple(dict.fromkeys(links)), network)


def _is_true(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on", "y", "t")


# pip: the files of machine, user and environment in this order, then the variables; the later wins.


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings by name; sections "global" and "download"."""
    settings: dict[str, str] = {}
    parsers = [_parsed(path) for path in _pip_files(environ)]
    for section in ("global", "download"):
        for parser in parsers:
            if parser.has_section(section):
                settings |= {_normalized(key): value for key, value in parser.items(section)}
    for key, value in environ.items():
        if key.upper().startswith("PIP_") and value:
            settings[_normalized(key[4:])] = value
    return settings


def _normalized(key: str) -> str:
    return key.lower().replace("_", "-").removeprefix("--")


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"), str(path))
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise TransferError(f"{path} cannot be read ({error})") from error
    return parser


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """List pip's configuration files that exist."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path.home()
    if sys.platform == "win32":
        machine = [Path(environ.get("ProgramData", "C:\\ProgramData")) / "pip" / "pip.ini"]
        user = [home / "pip" / "pip.ini", Path(environ.get("APPDATA", home)) / "pip" / "pip.ini"]
        site = Path(sys.prefix) / "pip.ini"
    else:
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        machine = [*(Path(folder) / "pip" / "pip.conf" for folder in folders if folder), Path("/etc/pip.conf")]
        user = [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
        if sys.platform == "darwin":
            machine.insert(0, Path("/Library/Application Support/pip/pip.conf"))
            user.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
        site = Path(sys.prefix) / "pip.conf"
    files = [*machine, *([] if chosen and Path(chosen).exists() else user), site]
    return [path for path in [*files, *([Path(chosen)] if chosen else [])] if path.is_file()]


# uv: uv.toml of machine and user, then the variables.


def _uv_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return uv's settings under the names that pip gives them."""
    settings: dict[str, str] = {}
    if not _is_true(environ.get("UV_NO_CONFIG", "")):
        for path in _uv_files(environ):
            try:
                settings |= _uv_table(tomllib.loads(path.read_text(encoding="utf-8")))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
                raise TransferError(f"{path} cannot be read ({error})") from error
    main = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")
    if main:
        settings["index-url"] = _without_name(main)
    extra = f"{environ.get('UV_INDEX', '')} {environ.get('UV_EXTRA_INDEX_URL', '')}".split()
    if extra:
        settings["extra-index-url"] = " ".join(map(_without_name, extra))
    if environ.get("UV_FIND_LINKS"):
        settings["find-links"] = environ["UV_FIND_LINKS"].replace(",", " ")
    return settings


def _uv_files(environ: Mapping[str, str]) -> list[Path]:
    """List uv's configuration files that exist."""
    if environ.get("UV_CONFIG_FILE"):
        return [Path(environ["UV_CONFIG_FILE"])]
    if sys.platform == "win32":
        folders = [site_config_path("uv", appauthor=False), Path(environ.get("APPDATA", Path.home())) / "uv"]
    else:
        config = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        folders = [Path("/etc/uv"), Path("/etc/xdg/uv"), config / "uv"]
    return [folder / "uv.toml" for folder in folders if (folder / "uv.toml").is_file()]


def _uv_table(table: Mapping[str, Any]) -> dict[str, str]:
    """Translate a uv.toml."""
    settings: dict[str, str] = {}
    main: list[str] = []
    extra = [str(url) for url in table.get("extra-index-url", ())]
    for index in table.get("index", ()):
        (main if index.get("default") else extra).append(str(index.get("url", "")))
    main += [str(table["index-url"])] if "index-url" in table else []
    for key, values in (("index-url", main[:1]), ("extra-index-url", extra), ("find-links", table.get("find-links"))):
        if values:
            settings[key] = " ".join(map(str, values))
    return settings


def _without_name(index: str) -> str:
    """Leave off the name that uv allows in front of an address: "name=https://..."."""
    name, equals, url = index.partition("=")
    return url if equals and "/" not in name else index
