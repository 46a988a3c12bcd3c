"""Put thresholds and calibration into the card of a model, so that whoever uses it decides as the report did."""

from dataclasses import replace
from pathlib import Path

from earmark.errors import InputError
from earmark.evaluate.report import Report
from earmark.evaluate.sources import BEST
from earmark.models.weights import read_weights, write_weights


def store(report: Report, model: str | Path) -> Path:
    """Write the thresholds and the calibration of a report into the card of a file of weights.

    Parameters
    ----------
    report : an evaluation of that model
    model : the folder of a run, or a .safetensors file

    Returns
    -------
    the file, which was replaced; the weights in it are as they were

    Raises
    ------
    InputError
        If there is nothing to store, it is of other tags, or the file cannot be written.
    """
    path = Path(model) / BEST if Path(model).is_dir() else Path(model)
    if path.suffix != ".safetensors" or not path.is_file():
        raise InputError(f"{model}: has no weights whose card could be written", hint="a run, or a .safetensors file")
    if report.thresholds is None:
        raise InputError("there are no thresholds to store", hint="they are chosen on the validation part")
    arrays, card = read_weights(path)
    tags = report.predictions.tags
    if set(card.tags) != set(tags):
        raise InputError(f"{path}: the model has other tags than the report", hint="evaluate without --common-tags")
    place = {tag: k for k, tag in enumerate(tags)}
    order = [place[tag] for tag in card.tags]
    calibration = {}
    if report.calibration is not None:
        fitted = report.calibration
        calibration = replace(fitted, tags=card.tags, scale=fitted.scale[order], offset=fitted.offset[order]).to_dict()
    thresholds = tuple(report.thresholds[k] for k in order)
    write_weights(path, arrays, replace(card, thresholds=thresholds, calibration=calibration),
                  is_converted=False)  # fmt: skip
    return path
