"""Read streams that stand one behind the other in a file as one: joined mp3 files, chained Ogg."""

from collections.abc import Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

from earmark.audio.decode import Decoder

Samples = NDArray[np.float32]


class JoinedDecoder:
    """A decoder that goes on with what follows when the first one has come to its end.

    What follows is brought to the rate and the number of channels of the first. Every attribute but `trouble` is the
    first decoder's; see `earmark.audio.decode.Decoder`.

    Parameters
    ----------
    first : closed with this one
    """

    def __init__(self, first: Decoder) -> None:
        self._first = first
        self._current: Decoder = first
        self.sample_rate = first.sample_rate
        self.n_channels = first.n_channels
        self.container = first.container
        self.codec = first.codec
        self.announced = first.announced
        self.tolerance = first.tolerance
        self.trouble: str | None = None

    def blocks(self, start: int, n_block: int) -> Iterator[Samples]:
        """Yield the sample frames from `start` on; see `Decoder`."""
        position = start
        for block in self._first.blocks(start, n_block):
            position += len(block)
            yield block
        if start and position == start and self.announced is None:  # somewhere in what follows, or past the end
            position = self._first.count(n_block)
        while True:
            self.trouble = self.trouble or self._current.trouble
            following = self._current.following()
            if following is None:
                self.trouble = self.trouble or self._current.trouble
                return
            if self._current is not self._first:
                self._current.close()
            self._current = following
            for block in self._fitted(following, n_block):
                position += len(block)
                if position > start:
                    yield block[max(start - position + len(block), 0) :]

    def following(self) -> None:
        """Say that nothing follows: it has all been read."""

    def count(self, n_block: int) -> int:
        """Count the sample frames of the first stream; see `Decoder`."""
        return self._first.count(n_block)

    def _fitted(self, decoder: Decoder, n_block: int) -> Iterator[Samples]:
        """Yield the whole of `decoder` at the first one's rate, with its number of channels."""
        stream = None
        if decoder.sample_rate != self.sample_rate:
            stream = soxr.ResampleStream(
                decoder.sample_rate, self.sample_rate, self.n_channels, dtype="float32", quality="HQ"
            )
        for block in decoder.blocks(0, n_block):
            fitted = self._with_channels(block)
            yield fitted if stream is None else stream.resample_chunk(fitted)
        if stream is not None:
            yield stream.resample_chunk(np.zeros((0, self.n_channels), dtype=np.float32), last=True)

    def _with_channels(self, block: Samples) -> Samples:
        if block.shape[1] == self.n_channels:
            return np.ascontiguousarray(block)
        mean = block.mean(axis=1, keepdims=True, dtype=np.float32)
        return np.repeat(mean, self.n_channels, axis=1)

    def close(self) -> None:
        """Release the decoders, not the file under them."""
        self._current.close()
        self._first.close()
