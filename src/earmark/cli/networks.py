"""Loading a network for commands that look into it."""

import importlib.util
from typing import TYPE_CHECKING

from earmark.cli import output
from earmark.errors import MissingExtraError

if TYPE_CHECKING:
    from earmark.models.base import TaggingModel


def check_extra(what: str, *modules: str) -> None:
    """Say that the extra [explain] is missing, if one of its modules is, before anything is computed.

    Parameters
    ----------
    what : needs them, such as "comparing networks"

    Raises
    ------
    MissingExtraError
        If one of the modules is not installed.
    """
    if not all(_is_installed(name) for name in modules):
        raise MissingExtraError(what, "explain")


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # it is being kept from being imported
        return False


def load_network(model: str, *, quiet: bool) -> "TaggingModel":
    """Open a model that can be asked for its layers and gradients; its weights are fetched first, with a bar.

    Raises
    ------
    UnknownNameError, AssetError
        If there is no such model, or its weights cannot be had.
    UsageError
        If it is an exported ONNX file.
    MissingExtraError
        If PyTorch is not installed.
    """
    try:
        from earmark.explain.opening import open_model
    except ImportError as error:
        raise MissingExtraError("looking into a network", "explain") from error
    from earmark.models.paths import is_path
    from earmark.models.weights import pull

    if not is_path(model):
        with output.download_progress(quiet=quiet) as fetched:
            pull(model, progress=fetched)
    return open_model(model)
