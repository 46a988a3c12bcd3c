"""Runs and checkpoints, of the user's own or of anybody: checked, and added to the models that can be named."""

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AssetError, EarmarkWarning, UnknownNameError, UsageError
from earmark.models.card import PUBLISHED, ModelCard
from earmark.models.convert import convert
from earmark.models.graphs import PUBLISHED_SIZES, check_weights
from earmark.models.paths import WEIGHTS, is_graph, model_file
from earmark.models.readers import read_arrays
from earmark.models.weights import Arrays, has_card, is_local, read_weights, weights_path, write_weights
from earmark.vocabulary import from_tags, get_vocabulary, vocabulary_names

# Clips in the training split that a vocabulary's counts are of: Won's models leave out clips without tags, as the
# counts do.
_N_TRAIN = {card.vocabulary: card.n_train for card in PUBLISHED.values() if ".won_" in card.name}
_DATASET_WORDS = {"mtt": {"mtt", "mtat", "magnatagatune"}, "msd": {"msd"}, "jamendo": {"jamendo"}}


def import_checkpoint(
    file: str | os.PathLike[str],
    *,
    architecture: str,
    name: str | None = None,
    vocabulary: str | None = None,
    tags: tuple[str, ...] | None = None,
    licence: str = "",
    force: bool = False,
) -> ModelCard:
    """Add a checkpoint of a known architecture to the models that can be named.

    Parameters
    ----------
    file : a published checkpoint (.pth, .h5, .safetensors, ...)
    architecture : architecture that it was made with, such as "fcn"; of a family with several forms ("musicnn" and
        "musicnn_won") the one that the file fits is taken
    name : name to give it; "ARCHITECTURE.STEM" unless given
    vocabulary : published vocabulary that its outputs follow, such as "jamendo"; without it and `tags`, the data set
        that the path names is believed, with a warning
    tags : the tag names, in the order of the outputs, instead of `vocabulary`
    licence : of the weights
    force : replace an imported model of that name

    Returns
    -------
    the card of the new model

    Raises
    ------
    UsageError
        If the tags cannot be told, or the name is taken.
    AssetError
        If the file is not a checkpoint of that architecture.

    Warns
    -----
    EarmarkWarning
        If the vocabulary was told from the path.
    """
    if architecture not in _architectures():
        raise UnknownNameError("architecture", architecture, _architectures())
    new_name = name or f"{architecture}.{_as_name(Path(file).stem)}"
    _check_free(new_name, force=force)
    arrays, architecture = _convert_as(read_arrays(file), architecture)
    if vocabulary is None and tags is None:
        vocabulary = _vocabulary_of(Path(file), len(_head_weight(arrays)))
    chosen = _tags(len(_head_weight(arrays)), vocabulary, tags)
    n_parameters = sum(a.size for key, a in arrays.items() if not key.endswith(("running_mean", "running_var")))
    card = replace(
        next(card for card in PUBLISHED.values() if card.architecture == architecture),
        name=new_name,
        vocabulary=vocabulary or new_name,
        tags=chosen,
        n_parameters=n_parameters,
        options=_options(architecture, arrays, len(chosen)),
        n_features=_head_weight(arrays).shape[1],
        dataset="",
        split="",
        n_train=_N_TRAIN.get(vocabulary or "", 0),
        scores={},
        licence=licence,
        home="",
        notes=f"imported from {Path(file).name}",
        assets=(),
    )
    write_weights(weights_path(new_name), dict(arrays), card)
    return card


def is_run(file: str | os.PathLike[str]) -> bool:
    """Say whether a path is that of a run, or of a file with a card, which `import_run` takes.

    Raises
    ------
    AssetError
        If it is a run that has no weights yet, or a damaged .safetensors file.
    UsageError
        If it is an exported graph, which cannot be imported.
    """
    path = Path(file)
    if is_graph(path):
        raise UsageError(f"{path}: an exported graph", hint=f"import what it is of, or use it as it is: --model {path}")
    if path.is_dir():
        return bool(model_file(path))
    return path.suffix.lower() == WEIGHTS and path.is_file() and has_card(path)


def import_run(
    run: str | os.PathLike[str], *, name: str | None = None, licence: str = "", force: bool = False
) -> ModelCard:
    """Add the model of a run to those that can be named: a copy, which later epochs of the run do not change.

    Parameters
    ----------
    run : the folder of a run, or a .safetensors file that `models.base.save` wrote
    name : name to give it; that of the run unless given
    licence : of the weights; what the run's card says unless given
    force : replace an imported model of that name

    Returns
    -------
    the card of the new model

    Raises
    ------
    UsageError
        If the name is taken, or could not be one.
    AssetError
        If there is no such run, it has no weights yet, or the file is damaged.
    """
    arrays, card = read_weights(model_file(run))
    new_name = name or _as_name(card.name)
    _check_free(new_name, force=force)
    path = weights_path(new_name)
    if card.architecture in _architectures() and PUBLISHED_SIZES.keys() >= card.options.keys():
        check_weights(arrays, card.architecture, card.options)
    card = replace(card, name=new_name, licence=licence or card.licence)
    write_weights(path, arrays, card, is_converted=False)
    return card


def _as_name(text: str) -> str:
    return re.sub("[^A-Za-z0-9._-]", "-", text)


def _check_free(name: str, *, force: bool) -> None:
    if name in PUBLISHED or (is_local(name) and not force):
        hint = "choose another with --name" + ("" if name in PUBLISHED else ", or replace it with --force")
        raise UsageError(f"there is a model {name!r} already", hint=hint)


def _convert_as(source: Arrays, architecture: str) -> tuple[dict[str, NDArray[np.float32]], str]:
    """Convert an unknown file as an architecture, or as another form of it that the file fits; say which."""
    try:
        return _fitting(source, architecture), architecture
    except AssetError as error:
        fitting = [other for other in _architectures() if _fits(source, other)]
        for other in fitting:
            if other.split("_")[0] == architecture.split("_")[0]:
                return _fitting(source, other), other
        hint = f"it fits {fitting[0]!r}: --architecture {fitting[0]}" if fitting else error.hint
        raise AssetError(error.message, hint=hint) from error


def _vocabulary_of(path: Path, n_tags: int) -> str | None:
    """Tell the vocabulary from the names of a file and its folders, such as models/mtat/fcn/best_model.pth."""
    words = set(re.split("[^a-z0-9]+", str(path.absolute()).lower()))
    found = [name for name, words_of in _DATASET_WORDS.items() if words & words_of]
    if len(found) != 1 or len(get_vocabulary(found[0]).tags) != n_tags:
        return None
    message = f"took the tags of {found[0]!r}, for the path says so; --vocabulary or --tags to say otherwise"
    warnings.warn(message, EarmarkWarning, stacklevel=3)
    return found[0]


def _fits(source: Arrays, architecture: str) -> bool:
    try:
        _fitting(source, architecture)
    except AssetError:
        return False
    return True


def _architectures() -> list[str]:
    return sorted({card.architecture for card in PUBLISHED.values()})


def _fitting(source: Arrays, architecture: str) -> dict[str, NDArray[np.float32]]:
    arrays = convert(source, architecture)
    n_tags = len(_head_weight(arrays))
    check_weights(arrays, architecture, _options(architecture, arrays, n_tags))
    return arrays


def _head_weight(arrays: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the weight of the last layer, shape (K, D)."""
    return next(arrays[key] for key in ("end.head.weight", "head.weight") if key in arrays)


def _options(architecture: str, arrays: Mapping[str, NDArray[np.float32]], n_tags: int) -> dict[str, int]:
    """Read the sizes of a network off its weights."""
    options = {"n_tags": n_tags}
    if architecture in ("musicnn", "musicnn_won"):
        options |= {"n_mid": len(arrays["mid.0.conv.bias"]), "n_units": len(arrays["end.dense.bias"])}
    elif architecture == "vgg":
        options["n_filters"] = len(arrays["blocks.0.conv.bias"])
    return options


def _tags(n_tags: int, vocabulary: str | None, tags: tuple[str, ...] | None) -> tuple[str, ...]:
    if (vocabulary is None) == (tags is None):
        raise UsageError(
            "say which tags the outputs stand for",
            hint=f"--vocabulary {'|'.join(vocabulary_names())}, or --tags FILE with one tag per line",
        )
    chosen = get_vocabulary(vocabulary).tags if vocabulary is not None else from_tags("own", tags or ()).tags
    if len(chosen) != n_tags:
        raise UsageError(f"the checkpoint has {n_tags} outputs, the vocabulary {len(chosen)} tags")
    return chosen
