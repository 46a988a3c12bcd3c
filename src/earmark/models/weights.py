"""Weights by name or path: fetched on first use, verified, converted once into the cache, and loaded from there.

In the cache (`EARMARK_CACHE`) lie `models/NAME.safetensors`: the arrays by the names of the PyTorch model, and in the
file's metadata the card and a digest of the arrays. A file there without a card is not loaded; a published model whose
copy is damaged, or was made by another version of the converter, is converted anew. Models that the user imports lie
beside the others.

Wherever a name is taken, a path is too: see `earmark.models.paths`. A name that exists goes before a folder that is
called the same; write `./NAME` for that.
"""

import hashlib
import os
import re
import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from earmark.assets import cache_dir, fetch_first
from earmark.errors import AssetError, EarmarkWarning, InputError, UnknownNameError, UsageError
from earmark.models.card import PUBLISHED, ModelCard
from earmark.models.convert import convert
from earmark.models.graphs import check_weights
from earmark.models.paths import ModelName, card_of_graph, is_graph, is_path, model_file, open_graph
from earmark.models.readers import read_arrays, read_wheel_bundle

Arrays = dict[str, NDArray[np.generic]]
Progress = Callable[[int, int | None], None]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_CONVERTER = "1"  # raised whenever `convert` gives other arrays than before


def weights_path(name: str) -> Path:
    """Return where the converted weights of a model lie, or will lie.

    Raises
    ------
    UsageError
        If `name` could not be the name of a model.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a model", hint="letters, digits, '.', '-' and '_', at most 100 of them"
        )
    return cache_dir() / "models" / f"{name}.safetensors"


def is_local(name: str) -> bool:
    """Say whether the converted weights of a model are in the cache."""
    return weights_path(name).is_file()


def path_of(model: ModelName) -> Path | None:
    """Return the file of a model that is given by path; None for a name.

    Raises
    ------
    AssetError
        If there is no model at that path.
    """
    is_name = isinstance(model, str) and (model in PUBLISHED or bool(_NAME.fullmatch(model) and is_local(model)))
    return model_file(model) if not is_name and is_path(model) else None


def file_stamp(model: ModelName) -> tuple[str | int, ...]:
    """Return what changes when the file of a model that is given by path does; nothing for a name."""
    file = path_of(model)
    return () if file is None else (str(file.resolve()), file.stat().st_mtime_ns, file.stat().st_size)


def get_card(model: ModelName) -> ModelCard:
    """Return the card of a model: published, imported, or given by path.

    Raises
    ------
    UnknownNameError
        If there is no model of that name.
    AssetError
        If there is none at that path, or the file is damaged.
    """
    file = path_of(model)
    if file is not None:
        return read_card(file)
    name = str(model)
    if name in PUBLISHED:
        return PUBLISHED[name]
    if _NAME.fullmatch(name) and is_local(name):
        return read_card(weights_path(name))
    raise UnknownNameError("model", name, (card.name for card in iter_cards()))


def fingerprint(model: ModelName) -> str:
    """Return what tells the weights of a model, which are on this machine, from others: 12 hexadecimal digits.

    Raises
    ------
    AssetError
        If the file is damaged, or there is none.
    """
    file = path_of(model)
    if file is not None and is_graph(file):
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:12]
    return _read(file or weights_path(str(model)), with_arrays=False)[2].get("digest", "")[:12]


def iter_cards() -> Iterator[ModelCard]:
    """Yield the cards of all published models, then of the imported ones."""
    yield from PUBLISHED.values()
    for path in sorted((cache_dir() / "models").glob("*.safetensors")):
        if path.stem in PUBLISHED:
            continue
        try:
            yield read_card(path)
        except AssetError as error:
            warnings.warn(f"left out: {error}", EarmarkWarning, stacklevel=2)


def read_card(path: Path) -> ModelCard:
    """Read the card inside a safetensors file or an exported ONNX file.

    Raises
    ------
    AssetError
        If the file is damaged or holds no card.
    """
    return card_of_graph(open_graph(path), path) if is_graph(path) else _read(path, with_arrays=False)[1]


def has_card(path: Path) -> bool:
    """Say whether a safetensors file holds a card.

    Raises
    ------
    AssetError
        If it is no such file, or damaged.
    """
    return "card" in _open(path, with_arrays=False)[1]


def read_weights(path: Path) -> tuple[Arrays, ModelCard]:
    """Read arrays and card from a safetensors file.

    Raises
    ------
    AssetError
        If the file is damaged, holds no card, or was converted by another version of earmark.
    """
    arrays, card, metadata = _read(path, with_arrays=True)
    if metadata.get("digest") != _digest(arrays):
        raise AssetError(f"{path}: damaged: the weights are not those that were written", hint=_remedy(path))
    if metadata.get("converter", _CONVERTER) != _CONVERTER:
        raise AssetError(f"{path}: converted by another version of earmark", hint="import the model again")
    return arrays, card


def _remedy(path: Path) -> str:
    """Say what to do about a damaged file."""
    if path.parent == cache_dir() / "models":
        return f"delete {path} and try again" if path.stem in PUBLISHED else "import the model again, with --force"
    return "copy it from where it is whole, or train again"


def _read(path: Path, *, with_arrays: bool) -> tuple[Arrays, ModelCard, dict[str, str]]:
    arrays, metadata = _open(path, with_arrays=with_arrays)
    if "card" not in metadata:
        raise AssetError(f"{path}: the file holds no model card", hint="import it: earmark models import FILE")
    try:
        return arrays, ModelCard.from_json(metadata["card"]), metadata
    except InputError as error:
        raise AssetError(f"{path}: {error}", hint=_remedy(path)) from error


def _open(path: Path, *, with_arrays: bool) -> tuple[Arrays, dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys() if with_arrays else ()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise AssetError(f"{path}: not a safetensors file: {error}", hint=_remedy(path)) from error


def _digest(arrays: Arrays) -> str:
    """Return a checksum over names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_weights(path: Path, arrays: Arrays, card: ModelCard, *, is_converted: bool = True) -> None:
    """Write arrays and card to a safetensors file, atomically.

    Parameters
    ----------
    path : of the file
    arrays : by the names of the PyTorch model
    card : of the model
    is_converted : whether the arrays come from the converter, so that those of another version of it are not used

    Raises
    ------
    AssetError
        If the folder cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    metadata = {"card": card.to_json(), "digest": _digest(arrays)} | ({"converter": _CONVERTER} if is_converted else {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata))
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        is_kept = path.parent == cache_dir() / "models"
        where = "set EARMARK_CACHE to a folder" if is_kept else "name a folder"
        raise AssetError(
            f"{path}: cannot be written ({reason})", hint=f"{where} that can be written to and has space"
        ) from error


def pull(model: ModelName, *, progress: Progress | None = None) -> Path:
    """Make sure that the weights of a model are on this machine and whole; those of a published one in the cache.

    Parameters
    ----------
    model : name or path of a model
    progress : called with the bytes done and the bytes in all (None if unknown) while a file is fetched

    Returns
    -------
    path of the file

    Raises
    ------
    UnknownNameError
        If there is no such model.
    AssetError
        If no source of the weights can be reached (the message lists what was tried), or they cannot be stored.
    """
    card, file = get_card(model), path_of(model)
    if file is not None:
        if not is_graph(file):
            read_weights(file)
        return file
    name = str(model)
    path = weights_path(name)
    try:
        read_weights(path)
    except AssetError:
        if name not in PUBLISHED:
            raise
        write_weights(path, _converted(card, progress), card)
    return path


def load_weights(model: ModelName, *, progress: Progress | None = None) -> tuple[Arrays, ModelCard]:
    """Return the arrays and the card of a model, fetched and converted on first use.

    Parameters
    ----------
    model : name of a model; or the path of the folder of a run, or of a file that `models.base.save` wrote
    progress : called with the bytes done and the bytes in all (None if unknown) while a file is fetched

    Raises
    ------
    UnknownNameError
        If there is no such model.
    UsageError
        If the path is that of an exported ONNX file: its weights are part of the graph.
    AssetError
        If no source of the weights can be reached, the message lists what was tried; or there is no whole model at the
        path.

    Warns
    -----
    EarmarkWarning
        If the converted weights cannot be stored; they are used all the same.
    """
    file = path_of(model)
    if file is not None and is_graph(file):
        hint = "earmark tag and taggram take it as it is; here name what it was exported from"
        raise UsageError(f"{file}: an exported graph, whose weights cannot be taken out of it", hint=hint)
    if file is not None:
        return read_weights(file)
    name = str(model)
    card, path = get_card(name), weights_path(name)
    try:
        return read_weights(path)[0], card
    except AssetError:
        if name not in PUBLISHED:
            raise
    arrays = _converted(card, progress)
    try:
        write_weights(path, arrays, card)
    except AssetError as error:
        warnings.warn(f"{error}; the weights will be converted again next time", EarmarkWarning, stacklevel=2)
    return arrays, card


def _converted(card: ModelCard, progress: Progress | None) -> Arrays:
    """Fetch the published weights of a model and convert them."""
    asset, source = fetch_first(card.assets, progress=progress)
    is_wheel = asset.file_name.endswith(".whl")
    arrays = convert(
        read_wheel_bundle(source, _wheel_folder(card)) if is_wheel else read_arrays(source), card.architecture
    )
    check_weights(arrays, card.architecture, card.options)
    return dict(arrays)


def _wheel_folder(card: ModelCard) -> str:
    """Folder of a model's checkpoint inside the musicnn package."""
    return f"{card.vocabulary.upper()}_{card.architecture}"
