"""Records of a run for TensorBoard."""

from pathlib import Path
from typing import Protocol

from torch import Tensor

from earmark.errors import MissingExtraError
from earmark.predictions import Predictions
from earmark.train.run import Epoch, Run


class Recorder(Protocol):
    """Who is told how a run goes."""

    def step(self, run: Run, loss: Tensor, norm: Tensor | None) -> None:
        """Learn of a step: gradients are there, the weights are still the old ones."""
        ...

    def epoch(self, run: Run, epoch: Epoch, predictions: Predictions) -> None:
        """Learn of an epoch, with the weights that were judged."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def open_recorder(folder: Path) -> Recorder:
    """Open the records of a run.

    Parameters
    ----------
    folder : of the run; they lie in `tensorboard` there

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.
    """
    raise MissingExtraError("records for TensorBoard", "train")
