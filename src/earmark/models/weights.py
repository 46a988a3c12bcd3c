"""Weights by name: fetched on first use, verified, converted once into the cache, and loaded from there.

In the cache (`EARMARK_CACHE`) lie `models/NAME.safetensors`: the arrays by the names of the PyTorch model, and in the
file's metadata the card and a digest of the arrays. A file there without a card is not loaded; a published model whose
copy is damaged, or was made by another version of the converter, is converted anew. Models that the user imports lie
beside the others.
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


def get_card(name: str) -> ModelCard:
    """Return the card of a published or an imported model.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    if _NAME.fullmatch(name) and is_local(name):
        return read_card(weights_path(name))
    raise UnknownNameError("model", name, (card.name for card in iter_cards()))


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
    """Read the card inside a safetensors file.

    Raises
    ------
    AssetError
        If the file is damaged or holds no card.
    """
    return _read(path, with_arrays=False)[1]


def read_weights(path: Path) -> tuple[Arrays, ModelCard]:
    """Read arrays and card from a safetensors file.

    Raises
    ------
    AssetError
        If the file is damaged, holds no card, or was converted by another version of earmark.
    """
    arrays, card, metadata = _read(path, with_arrays=True)
    if metadata.get("digest") != _digest(arrays) or metadata.get("converter") != _CONVERTER:
        raise AssetError(f"{path}: damaged, or written by another version of earmark", hint="import the model again")
    return arrays, card


def _read(path: Path, *, with_arrays: bool) -> tuple[Arrays, ModelCard, dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_arrays else ()
            arrays = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise AssetError(f"{path}: not a safetensors file: {error}", hint=f"delete {path} and try again") from error
    if "card" not in metadata:
        raise AssetError(f"{path}: the file holds no model card", hint="import it: earmark models import FILE")
    try:
        return arrays, ModelCard.from_json(metadata["card"]), metadata
    except InputError as error:
        raise AssetError(f"{path}: {error}", hint=f"delete {path} and try again") from error


def _digest(arrays: Arrays) -> str:
    """Return a checksum over names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_weights(path: Path, arrays: Arrays, card: ModelCard) -> None:
    """Write arrays and card to a safetensors file, atomically.

    Raises
    ------
    AssetError
        If the folder cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    metadata = {"card": card.to_json(), "digest": _digest(arrays), "converter": _CONVERTER}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata))
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise AssetError(
            f"{path}: cannot be written ({reason})",
            hint="set EARMARK_CACHE to a folder that can be written to and has space",
        ) from error


def pull(name: str, *, progress: Progress | None = None) -> Path:
    """Make sure that the converted weights of a model are in the cache.

    Parameters
    ----------
    name : name of a model
    progress : called with the bytes done and the bytes in all (None if unknown) while a file is fetched

    Returns
    -------
    path of the converted file

    Raises
    ------
    UnknownNameError
        If there is no such model.
    AssetError
        If no source of the weights can be reached (the message lists what was tried), or they cannot be stored.
    """
    card = get_card(name)
    path = weights_path(name)
    try:
        read_weights(path)
    except AssetError:
        if name not in PUBLISHED:
            raise
        write_weights(path, _converted(card, progress), card)
    return path


def load_weights(name: str, *, progress: Progress | None = None) -> tuple[Arrays, ModelCard]:
    """Return the arrays and the card of a model, fetched and converted on first use.

    Parameters
    ----------
    name : name of a model
    progress : called with the bytes done and the bytes in all (None if unknown) while a file is fetched

    Raises
    ------
    UnknownNameError
        If there is no such model.
    AssetError
        If no source of the weights can be reached; the message lists what was tried.

    Warns
    -----
    EarmarkWarning
        If the converted weights cannot be stored; they are used all the same.
    """
    card = get_card(name)
    path = weights_path(name)
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
