"""A run as a TOML file: each table is a registry name plus that constructor's keyword arguments.

    [model]
    name = "short_chunk_res"
    width = 32

builds `ARCHITECTURES.build("short_chunk_res", width=32)`. The signature is the schema: a table or key that nobody
takes is an error with a suggestion, before any work begins. Values are overridden by "model.width=64". What a run was
made of, with versions and commit, is recorded by `provenance`.
"""

import copy
import importlib.metadata
import json
import platform
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from earmark._version import __version__
from earmark.errors import InputError, UsageError
from earmark.registry import Registry, check_options, check_values

Table = dict[str, Any]
Config = dict[str, Table]
RECORDED = ("numpy", "torch", "lightning-fabric", "soundfile", "soxr", "scipy", "onnxruntime", "scikit-learn")
"""Packages whose versions can change the numbers of a run."""


@dataclass(frozen=True)
class Section:
    """What a table may hold.

    Parameters
    ----------
    target : a registry, whose name stands in the key "name"; or one constructor, which has no name
    default : name of the registry that is taken where the table says none; None if it has to
    required : whether the table has to be there
    reserved : parameters of the constructor that the run fills in itself, such as n_tags
    several : whether the table holds any number of names of the registry, each with a table of its options
    """

    target: Registry[Any] | Callable[..., Any]
    default: str | None = None
    required: bool = False
    reserved: tuple[str, ...] = ()
    several: bool = False


Schema = Mapping[str, Section]


def read_config(path: Path) -> Config:
    """Read a run file.

    Raises
    ------
    InputError
        If it cannot be read or is no TOML of tables.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no TOML: {error}") from error
    loose = next((key for key, value in content.items() if not isinstance(value, dict)), None)
    if loose is not None:
        raise InputError(f"{path}: {loose!r} stands in no table", hint="begin a table, such as [run], above it")
    return content


def override(config: Config, assignments: Iterable[str]) -> Config:
    """Return a config with values replaced.

    Parameters
    ----------
    config : stays as it is
    assignments : such as "optimizer.lr=0.01", or "augment.gain.low_db=-6" for a table in a table; the value is read
        as TOML, and as text where that fails

    Raises
    ------
    UsageError
        If an assignment has another form.

    Examples
    --------
    >>> override({"model": {"name": "fcn"}}, ["model.width=32", "data.root=my music"])
    {'model': {'name': 'fcn', 'width': 32}, 'data': {'root': 'my music'}}
    """
    changed = copy.deepcopy(config)
    for assignment in assignments:
        place, sign, text = assignment.partition("=")
        *tables, key = (part.strip() for part in place.split("."))
        if not (sign and tables and key and all(tables)):
            raise UsageError(f"{assignment!r} sets nothing", hint="say TABLE.KEY=VALUE, such as optimizer.lr=0.001")
        inner: Table = changed
        for table in tables:
            inner = inner.setdefault(table, {})
            if not isinstance(inner, dict):
                raise UsageError(f"{assignment!r}: {table!r} is no table")
        inner[key] = _value(text.strip())
    return changed


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def check_config(config: Config, schema: Schema) -> None:
    """Raise `UsageError` for every table and key that the schema does not know, and for tables that are missing."""
    for name in config:
        if name not in schema:
            close = get_close_matches(name, schema, n=1)
            hint = f"did you mean [{close[0]}]?" if close else f"tables: {', '.join(schema)}"
            raise UsageError(f"there is no table [{name}]", hint=hint)
    for name, section in schema.items():
        if section.required and name not in config:
            raise UsageError(f"the table [{name}] is missing")
        _check_table(name, config.get(name, {}), section)


def _check_table(name: str, table: Table, section: Section) -> None:
    if section.several:
        for inner, own in table.items():
            if not isinstance(own, dict):
                raise UsageError(f"[{name}] sets {inner!r} to {own!r}", hint=f"begin a table: [{name}.{inner}]")
            _check_table(f"{name}.{inner}", {"name": inner} | own, replace(section, several=False))
        return
    if isinstance(section.target, Registry):
        chosen: str | None = table.get("name", section.default)
        if chosen is None:
            if not table:
                return
            known = ", ".join(section.target)
            raise UsageError(f"[{name}] does not say which {section.target.kind}", hint=f"name = one of: {known}")
        factory = section.target[chosen]
    else:
        factory = section.target
    options = {key: value for key, value in table.items() if not (key == "name" and factory is not section.target)}
    taken = next((key for key in options if key in section.reserved), None)
    if taken is not None:
        raise UsageError(f"[{name}] sets {taken!r}, which follows from the rest of the run", hint="leave it out")
    check_options(f"[{name}]", factory, options)
    check_values(f"[{name}]", factory, options)


def build_table(config: Config, name: str, schema: Schema, **given: Any) -> Any:
    """Build what a table stands for.

    Parameters
    ----------
    config : checked
    name : of the table
    schema : of the run
    given : what the run fills in itself; only what the constructor takes is passed

    Returns
    -------
    what the constructor made; None if the table is missing and has no default
    """
    section, table = schema[name], dict(config.get(name, {}))
    if section.several:
        raise UsageError(f"[{name}] holds several tables; each is built on its own")
    with naming_table(name):
        if not isinstance(section.target, Registry):
            return section.target(**table, **given)
        chosen = table.pop("name", section.default)
        return None if chosen is None else section.target.build(chosen, **table, **given)


@contextmanager
def naming_table(name: str) -> Iterator[None]:
    """Say of a wrong value in which table it stands.

    Parameters
    ----------
    name : of the table

    Examples
    --------
    >>> with naming_table("optimizer"):
    ...     raise UsageError("lr=-1")
    Traceback (most recent call last):
    earmark.errors.UsageError: [optimizer]: lr=-1
    """
    try:
        yield
    except UsageError as error:
        if error.message.startswith(f"[{name}]") or f"{name}." in error.message:
            raise
        raise UsageError(f"[{name}]: {error.message}", hint=error.hint) from error


def to_toml(config: Config) -> str:
    """Write a config as TOML, as `read_config` reads it.

    Examples
    --------
    >>> print(to_toml({"run": {"seed": 0, "name": "a", "tags": ["x", "y"], "lr": 1e-05}}), end="")
    [run]
    seed = 0
    name = "a"
    tags = ["x", "y"]
    lr = 1e-05
    """
    lines = []
    for name, table in config.items():
        inner = {key: value for key, value in table.items() if isinstance(value, dict)}
        plain = {key: value for key, value in table.items() if key not in inner}
        if plain or not inner:
            lines += [f"[{name}]", *(f"{_toml_key(key)} = {_toml_value(value)}" for key, value in plain.items()), ""]
        for key, options in inner.items():
            lines.append(f"[{name}.{_toml_key(key)}]")
            lines += [*(f"{_toml_key(option)} = {_toml_value(value)}" for option, value in options.items()), ""]
    return "\n".join(lines[:-1]) + "\n" if lines else ""


def _toml_key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml_key(key)} = {_toml_value(inner)}' for key, inner in value.items())}}}"
    raise UsageError(f"{value!r} cannot be written as TOML")


def provenance() -> dict[str, Any]:
    """Say what a run is made with: versions, machine, and the commit where there is one.

    Returns
    -------
    plain values: earmark, python, platform, packages, and commit (with "+" behind it if files were changed) or None
    """
    packages = {}
    for name in RECORDED:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "earmark": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the checkout that this code runs from, if it does."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        head = _git(here, "rev-parse", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
