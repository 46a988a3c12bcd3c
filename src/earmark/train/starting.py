"""Begin with the weights of another model: which are taken, and which of them learn."""

from dataclasses import dataclass

from earmark.errors import UsageError
from earmark.models.base import TaggingModel, load
from earmark.models.weights import get_card
from earmark.train.options import StartOptions

HEADS = ("head.", "end.head.")


@dataclass(frozen=True)
class Taken:
    """What became of the weights of the model to start from.

    Parameters
    ----------
    model : its name
    taken : names of the arrays that were copied
    fresh : names of those that stay random: the last layer, unless the tags are the same
    """

    model: str
    taken: tuple[str, ...]
    fresh: tuple[str, ...]


def is_head(name: str) -> bool:
    """Say whether a parameter is one of the last layer, from the embedding to the tags.

    Examples
    --------
    >>> is_head("end.head.weight"), is_head("inner.head.bias"), is_head("end.dense.weight")
    (True, True, False)
    """
    while name.startswith("inner."):  # of a network behind windows
        name = name.removeprefix("inner.")
    return name.startswith(HEADS)


def start_from(model: TaggingModel, options: StartOptions, tags: tuple[str, ...]) -> Taken | None:
    """Copy the weights of another model into one, and keep from learning what is to stay.

    Parameters
    ----------
    model : with random weights; changed
    options : what to start from, and what is frozen
    tags : that the model is to learn

    Returns
    -------
    what was copied; None if the weights stay random

    Raises
    ------
    UsageError
        If the other model does not fit, or everything would be frozen.
    UnknownNameError, AssetError
        If it cannot be had.

    Notes
    -----
    The last layer is copied only where the tags are the same, in the same order.
    """
    taken = None if options.init is None else _copy(model, options.init, tags)
    if options.freeze == "encoder" and taken is None:
        raise UsageError("start.freeze is 'encoder', but its weights are random", hint="start.init names a model")
    if options.freeze == "encoder":
        _freeze_all_but_head(model)
    elif options.freeze == "frontend":
        if not any(parameter.requires_grad for parameter in model.frontend.parameters()):
            raise UsageError("start.freeze is 'frontend', but this front end learns nothing", hint="leave it out")
        for parameter in model.frontend.parameters():
            parameter.requires_grad_(False)
    return taken


def _copy(model: TaggingModel, init: str, tags: tuple[str, ...]) -> Taken:
    other, card = load(init), get_card(init)
    theirs, ours = other.state_dict(), model.state_dict()
    same_tags = card.tags == tags
    taken = {name: value for name, value in theirs.items() if name in ours and (same_tags or not is_head(name))}
    odd = [name for name, value in taken.items() if value.shape != ours[name].shape]
    missing = [name for name in ours if name not in theirs]
    if odd or missing:
        raise UsageError(
            f"the weights of {init!r} do not fit: {(odd or missing)[0]} differs",
            hint="leave the table [model] out: its options follow from the model",
        )
    model.load_state_dict(taken, strict=False)
    return Taken(card.name, tuple(taken), tuple(name for name in ours if name not in taken))


def _freeze_all_but_head(model: TaggingModel) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and is_head(name))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("this architecture has no last layer of its own", hint='start.freeze = "none"')


def set_training(model: TaggingModel, options: StartOptions) -> None:
    """Put a model into training mode; what is frozen stays as when it is used, statistics and dropout included.

    Parameters
    ----------
    model : changed
    options : what is frozen
    """
    model.train(options.freeze != "encoder")
    model.is_fast = options.freeze == "encoder"
    if options.freeze == "frontend":
        model.frontend.eval()
