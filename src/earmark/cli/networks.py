"""Loading a network for commands that look into it."""

from typing import TYPE_CHECKING

from earmark.cli import output
from earmark.errors import MissingExtraError

if TYPE_CHECKING:
    from earmark.models.base import TaggingModel


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
