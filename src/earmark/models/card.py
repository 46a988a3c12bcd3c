"""Model cards: what every set of weights is, where it comes from, and what using it takes. No torch here.

A card goes wherever weights go: into the converted file in the cache, into an exported graph, into results. The names
are "architecture.origin_dataset".
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.assets import Asset, PackageSource, UrlSource
from earmark.errors import InputError, UnknownNameError
from earmark.metrics.calibration import Calibration
from earmark.vocabulary import Vocabulary, from_tags, get_vocabulary

Activation = Literal["sigmoid", "softmax"]

_PONS_TEXT = "Pons, J. and Serra, X. musicnn: pre-trained convolutional neural networks for music audio tagging. 2019."
_WON_TEXT = "Won, M. et al. Evaluation of CNN-based automatic music tagging models. SMC 2020."
_CHOI_TEXT = "Choi, K. et al. Convolutional recurrent neural networks for music classification. ICASSP 2017."


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything that using a set of weights takes.

    Parameters
    ----------
    name : "architecture.origin_dataset", such as "musicnn.pons_msd"
    architecture : name in the registry of architectures
    options : keyword options of the architecture
    sample_rate : Hz
    chunk_samples : length of the chunk that the model takes, samples
    hop_samples : published distance between the starts of two chunks, samples
    grid_samples : the distance between chunks is a multiple of this, samples
    context_samples : true samples that a chunk needs before and after it
    frontend : name in the registry of front ends
    vocabulary : name of a published vocabulary, or of a list of the user's own
    tags : K tag names, in the order of the outputs
    n_parameters : trained numbers
    embedding : stage that is returned as the embedding
    n_features : size D of the embedding
    dataset, split : what it was trained on
    n_train : clips in the training split, for base rates; 0 if not known
    scores : as published, such as {"roc_auc": 0.9067, "pr_auc": 0.3831}
    licence : of the weights
    paper : citation
    home : where the weights are published
    notes : deviations and warnings
    assets : files that hold the weights, in the order in which they are tried
    activation : how logits become scores: "sigmoid", every tag by itself, or "softmax", one class out of K
    base_rates : share of the training clips that has each tag, K numbers; empty where only the vocabulary may know
    thresholds : scores of a track from which on it has the tag, K numbers chosen on the validation part, infinity for
        never; empty if none were chosen
    calibration : what makes scores of a track into probabilities, as `metrics.Calibration.to_dict` gives it; empty if
        nothing was fitted

    Raises
    ------
    InputError
        If the activation is not known, or `base_rates`, `thresholds` or `calibration` are not those of K tags.
    """

    name: str
    architecture: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sample_rate: int
    chunk_samples: int
    hop_samples: int
    grid_samples: int = 1
    context_samples: tuple[int, int] = (0, 0)
    frontend: str
    vocabulary: str
    tags: tuple[str, ...]
    n_parameters: int
    embedding: str
    n_features: int
    dataset: str = ""
    split: str = ""
    n_train: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    licence: str = ""
    paper: str = ""
    home: str = ""
    notes: str = ""
    assets: tuple[Asset, ...] = ()
    activation: Activation = "sigmoid"
    base_rates: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.activation not in get_args(Activation):
            raise InputError(f"activation is {self.activation!r}, expected 'sigmoid' or 'softmax'")
        for name, values in (("base_rates", self.base_rates), ("thresholds", self.thresholds)):
            if values and len(values) != len(self.tags):
                raise InputError(f"{len(values)} {name} for {len(self.tags)} tags")
        if not all(0 <= rate <= 1 for rate in self.base_rates) or not all(t > -math.inf for t in self.thresholds):
            raise InputError("base_rates are shares from 0 to 1, thresholds numbers")
        calibration = self.get_calibration()
        if calibration is not None and calibration.tags != self.tags:
            raise InputError(f"the calibration of {self.name!r} is of other tags than the model")

    @property
    def chunk_seconds(self) -> float:
        """Length of a chunk in seconds."""
        return self.chunk_samples / self.sample_rate

    def get_vocabulary(self) -> Vocabulary:
        """Return the vocabulary with its categories and counts."""
        try:
            published = get_vocabulary(self.vocabulary)
        except UnknownNameError:
            return from_tags(self.vocabulary, self.tags)
        return published if published.tags == self.tags else from_tags(self.vocabulary, self.tags)

    def get_base_rates(self) -> NDArray[np.float64] | None:
        """Return how often each tag holds in the training data, shape (K,), in [0, 1]; None if that is not known."""
        if self.base_rates:
            return np.array(self.base_rates, np.float64)
        vocabulary = self.get_vocabulary()
        counts = vocabulary.counts.get("train", ())
        # Fewer clips than the vocabulary counts for one of its tags: trained on a part of that data set.
        return vocabulary.base_rates(self.n_train) if counts and self.n_train >= max(counts) else None

    def get_calibration(self) -> Calibration | None:
        """Return what makes scores into probabilities; None if nothing was fitted."""
        return Calibration.from_dict(self.calibration) if self.calibration else None

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain values, without the download sources; a threshold that is never reached is None."""
        plain = asdict(self)
        del plain["assets"]
        for name in ("options", "scores", "calibration"):
            plain[name] = dict(plain[name])
        for name in ("tags", "context_samples", "base_rates"):
            plain[name] = list(plain[name])
        plain["thresholds"] = [one if math.isfinite(one) else None for one in self.thresholds]
        return plain

    def to_json(self) -> str:
        """Return the card as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read a card from JSON.

        Raises
        ------
        InputError
            If `text` is no card.
        """
        try:
            plain = json.loads(text)
            known = {f.name for f in fields(cls)}
            plain = {name: value for name, value in plain.items() if name in known}
            plain["tags"], plain["context_samples"] = tuple(plain["tags"]), tuple(plain["context_samples"])
            plain["base_rates"] = tuple(plain.get("base_rates", ()))
            plain["thresholds"] = tuple(math.inf if one is None else one for one in plain.get("thresholds", ()))
            return cls(**plain)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"not a model card: {error}") from error


def _pons(kind: str, dataset: str, scores: tuple[float, float], sha256: str) -> ModelCard:
    """Card of one of the four models that the musicnn package holds."""
    is_mtt = dataset == "mtt"
    published = f"{'MTT' if is_mtt else 'MSD'}_{kind}"
    url = "https://raw.githubusercontent.com/Quint-e/musicnn_keras/master/musicnn_keras/keras_checkpoints"
    keras = Asset(f"pons_{published}.h5", sha256, (UrlSource(f"{url}/{published}.h5"),))
    wheel = Asset(
        "musicnn-0.1.0-py3-none-any.whl",
        "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
        (PackageSource("musicnn", "0.1.0"),),
    )
    return ModelCard(
        name=f"{kind}.pons_{dataset}",
        architecture=kind,
        sample_rate=16000,
        chunk_samples=187 * 256,
        hop_samples=187 * 256,
        grid_samples=256,
        context_samples=(256, 0),
        frontend="musicnn",
        vocabulary=dataset,
        tags=get_vocabulary(dataset).tags,
        n_parameters=787159 if kind == "musicnn" else 605748,
        embedding="penultimate" if kind == "musicnn" else "flat",
        n_features=200 if kind == "musicnn" else 256,
        dataset="MagnaTagATune" if is_mtt else "Million Song Dataset, Last.fm tags",
        split="12:1:3 by folder, clips without tags included" if is_mtt else "201,680 / 11,774 / 28,435",
        n_train=18706 if is_mtt else 201680,
        scores={"roc_auc": scores[0], "pr_auc": scores[1]},
        licence="ISC",
        paper=_PONS_TEXT,
        home="https://github.com/jordipons/musicnn",
        notes="The mel spectrogram spans the whole track: chunks take true samples from their left neighbour.",
        assets=(keras, wheel),
    )


_WON_DATASETS = {
    "mtt": ("mtat", "MagnaTagATune", "15,247 / 1,529 / 4,332, clips without tags left out", 15247),
    "msd": ("msd", "Million Song Dataset, Last.fm tags", "201,680 / 11,774 / 28,435", 201680),
    "jamendo": ("jamendo", "MTG-Jamendo, top 50 tags", "split 0: 32,136 / 10,888 / 11,356", 32136),
}
_WON_SIZES = {  # architecture, chunk (samples), parameters, embedding, its size
    "musicnn": ("musicnn_won", 48000, 784300, "penultimate", 200),
    "fcn": ("fcn", 464000, 447732, "pooled", 64),
    "crnn": ("crnn", 464000, 394100, "recurrent", 32),
}


def _won(kind: str, dataset: str, scores: tuple[float, float], sha256: str) -> ModelCard:
    """Card of one of the models of Won et al. 2020."""
    folder, title, split, n_train = _WON_DATASETS[dataset]
    architecture, chunk, n_parameters, embedding, n_features = _WON_SIZES[kind]
    urls = tuple(
        UrlSource(f"https://raw.githubusercontent.com/{home}/master/models/{folder}/{kind}/best_model.pth")
        for home in ("minzwon/sota-music-tagging-models", "philtgun/music-tagging-benchmark")
    )
    return ModelCard(
        name=f"{kind}.won_{dataset}",
        architecture=architecture,
        sample_rate=16000,
        chunk_samples=chunk,
        hop_samples=chunk,
        frontend="won",
        vocabulary=dataset,
        tags=get_vocabulary(dataset).tags,
        n_parameters=n_parameters,
        embedding=embedding,
        n_features=n_features,
        dataset=title,
        split=split,
        n_train=n_train,
        scores={"roc_auc": scores[0], "pr_auc": scores[1]},
        licence="MIT",
        paper=_WON_TEXT,
        home="https://github.com/minzwon/sota-music-tagging-models",
        notes="Published scores are means over 16 chunks spread over the clip; here the chunks tile the track.",
        assets=(Asset(f"won_{folder}_{kind}.pth", sha256, urls),),
    )


def _choi() -> ModelCard:
    """Card of the CRNN of Choi et al. 2017."""
    url = "https://raw.githubusercontent.com/keunwoochoi/music-auto_tagging-keras/master/data"
    asset = Asset(
        "choi_crnn_theano.h5",
        "783d8198417fd5d6ceee551dea5ec3e7f0210ec743af4819172b5c943044081c",
        (UrlSource(f"{url}/music_tagger_crnn_weights_theano.h5"),),
    )
    return ModelCard(
        name="crnn.choi_msd",
        architecture="crnn_choi",
        sample_rate=12000,
        chunk_samples=1365 * 256,
        hop_samples=1365 * 256,
        frontend="choi",
        vocabulary="msd",
        tags=get_vocabulary("msd").tags,
        n_parameters=396786,
        embedding="recurrent2",
        n_features=32,
        dataset="Million Song Dataset, Last.fm tags",
        split="as published by the authors",
        n_train=201680,
        scores={"roc_auc": 0.8662},
        licence="MIT",
        paper=_CHOI_TEXT,
        home="https://github.com/keunwoochoi/music-auto_tagging-keras",
        notes="Kept for comparison: it depends on the exact position of the 29.12 s that it hears. The published code "
        "takes the centre of the clip.",
        assets=(asset,),
    )


PUBLISHED: Mapping[str, ModelCard] = {
    card.name: card
    for card in (
        _pons("musicnn", "mtt", (0.9067, 0.3831), "1a66a2e58e862e894c088bd7789b05874becf994f275c54d9575dab83fab4ebe"),
        _pons("musicnn", "msd", (0.8802, 0.2891), "412a832c8527a813e084ba6f2cc7d068ecbbf1b68bda8c1de2e7de0d1f5fe7d1"),
        _pons("vgg", "mtt", (0.9030, 0.3823), "52093b533665403c182b3e9cb552ccf09cb90d8c0c7e9d531159c2369b53b548"),
        _pons("vgg", "msd", (0.8768, 0.2819), "1ec4ee44cbba8c3132c08826f57e84e8b4fc32baddbba65a0bc0670b14f902e8"),
        _won("musicnn", "mtt", (0.9106, 0.4493), "0a7ac8aa3daab3a1c59cae16a771b0bfa4064ac94502ebc990a5c32a2771e189"),
        _won(
            "musicnn", "jamendo", (0.8226, 0.2713), "66280f4859376377c47f64313c7ac889a3201fdb06a01bf6e94ac6e619081bb5"
        ),
        _won("fcn", "mtt", (0.9005, 0.4295), "3bfc67e43f3e180194ab5993c947ffbf44b1a23dcdf42c374b1ced9d4d4de72e"),
        _won("fcn", "msd", (0.8744, 0.2970), "6012aa7eecf864a8081faedca56af054521e8dfb9c5c98659a3dd5d3e1e66f21"),
        _won("fcn", "jamendo", (0.8255, 0.2801), "7bce08a66dbc70d096b0a330f44b4cacd9aa25519b83489fbb98f2164a194e2b"),
        _won("crnn", "msd", (0.8499, 0.2469), "ebb99855ed0c83f38845db9cfb383dd6fc70938bc58701dcb66e18af9ee7fbea"),
        _won("crnn", "jamendo", (0.7978, 0.2358), "0a558989c0793f488cb677d188464c91f47c007f7c70473230e55537ca598215"),
        _choi(),
    )
}
