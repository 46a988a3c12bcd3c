"""A convolutional recurrent network on the raw waveform.

References
----------
Cutajar, M. "Automatic music tagging using convolutional neural networks", MSc project, University of Edinburgh, 2017.
Choi, K. et al. "Convolutional recurrent neural networks for music classification", ICASSP 2017.
Lee, J. et al. "Sample-level deep convolutional neural networks for music auto-tagging using raw waveforms", SMC 2017.
"""

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from earmark.audio.frontends import Raw
from earmark.errors import InputError
from earmark.models.base import ARCHITECTURES, TaggingModel
from earmark.models.raw_layers import ConvUnit, MapPooling, check_choice, make_pool
from earmark.models.raw_plans import CLIP_SAMPLES

# Width and stride of the first filter, width of the others; then channels and pooling of the blocks.
_FRONTS: dict[str, tuple[int, int, tuple[tuple[int, int], ...]]] = {
    "strided": (16, 4, ((64, 4), (128, 4), (128, 8), (128, 8))),
    "sample_level": (3, 3, ((64, 3), (64, 3), (64, 3), (128, 3), (128, 3), (128, 3), (128, 3), (128, 3))),
}


@ARCHITECTURES.register("raw_crnn")
class RawCrnn(TaggingModel):
    """CRNN after Choi et al. 2017, on the waveform: convolutions to about one step a second, then GRU layers.

    Parameters
    ----------
    n_tags : number of tags
    front : "strided" (first filter of 16 samples, four blocks, a step each 1.02 s) or "sample_level" (filters three
        samples wide, eight blocks, a step each 1.23 s)
    n_units : of each GRU layer
    n_recurrent : number of GRU layers
    chunk_samples : usual length of the input at 16 kHz, samples; any other is taken that gives a step
    pooling : "max" or "stochastic"

    Notes
    -----
    Cutajar's study planned such networks and left them open, so there is no published layer list. From Choi's CRNN come
    the dropout (0.1 behind each block, 0.3 before the head), ELU, the two GRU layers of 32 and the last step as
    embedding; from the study's networks the clip of 29.124 s and the widths of the convolutions.
    """

    def __init__(
        self,
        *,
        n_tags: int = 50,
        front: Literal["strided", "sample_level"] = "strided",
        n_units: int = 32,
        n_recurrent: int = 2,
        chunk_samples: int = CLIP_SAMPLES,
        pooling: MapPooling = "max",
    ) -> None:
        super().__init__()
        check_choice("front", front, _FRONTS)
        first, width, blocks = _FRONTS[front]
        self.frontend = Raw(sample_rate=16000)
        self.sample_rate, self.chunk_samples = 16000, chunk_samples
        self.n_tags, self.n_features, self.embedding_layer = n_tags, n_units, "recurrent"
        names = (f"block{i}" for i in range(1, len(blocks) + 1))
        self.layer_names = ("strided", *names, "recurrent", "logits")
        self.strided = ConvUnit(1, blocks[0][0], width=first, stride=first, padding="valid")
        self.blocks = nn.ModuleList()
        n_in, self.step_samples = blocks[0][0], first
        for n_out, pool in blocks:
            unit = ConvUnit(n_in, n_out, width=width)
            self.blocks.append(nn.Sequential(unit, make_pool(pooling, pool), nn.Dropout(0.1)))
            n_in, self.step_samples = n_out, self.step_samples * pool
        self.recurrent = nn.GRU(n_in, n_units, num_layers=n_recurrent, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(n_units, n_tags)

    def stages(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield strided, block1 ... (B, C, T), recurrent (B, D), logits (B, K)."""
        n_samples = spectrogram.shape[-1]
        if n_samples < self.step_samples:
            raise InputError(f"a waveform of {n_samples} samples is shorter than one step of {self.step_samples}")
        x = self.strided(spectrogram)
        yield "strided", x
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            yield f"block{i}", x
        steps, _ = self.recurrent(x.transpose(1, 2))  # (B, T, D)
        last = steps[:, -1]
        yield "recurrent", last
        yield "logits", self.head(self.dropout(last))
