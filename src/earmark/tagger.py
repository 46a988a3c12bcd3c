"""From a file to its tags: decode once, cut into chunks, run the models, merge what they say.

Decoding and computing overlap: the calling thread decodes and cuts, a pool of threads (one per CPU) computes. Only a
few batches are under way at any time, so memory does not grow with the track.
"""

import heapq
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.audio.chunks import Chunk, ChunkPlan, Pad, stream_chunks
from earmark.audio.io import AudioInfo, AudioReader, Source, open_audio
from earmark.audio.sources import source_name
from earmark.errors import EarmarkError, InputError, UnknownNameError, UsageError
from earmark.metrics.calibration import Calibration
from earmark.models.card import ModelCard
from earmark.models.paths import ModelName
from earmark.models.weights import Progress
from earmark.parallel import cpu_count, map_ordered
from earmark.runtime import Network, open_models
from earmark.track_tags import ModelTaggram, TrackTags, from_taggrams
from earmark.vocabulary import union

PRESETS: dict[str, tuple[str, ...]] = {
    "standard": ("musicnn.pons_msd", "musicnn.pons_mtt"),
    "full": ("musicnn.pons_msd", "musicnn.pons_mtt", "musicnn.won_jamendo"),
}
MIN_SECONDS = 0.5  # less than this is a click, not music
SILENCE = 1e-4  # peak of a track that counts as silent: -80 dB, below the dither of 14 bits
FULL_SCALE = 100.0  # a float file may go beyond 1; beyond this (+40 dB) its samples are in other units
_BATCH_SAMPLES = 2 * 48000  # per batch on the CPU: what the network makes of it stays in the cache
_GPU_BATCH_SAMPLES = 64 * 48000
_MAX_HOP_SECONDS = 86400.0


@dataclass(frozen=True)
class TagFailure:
    """A file that could not be tagged.

    Parameters
    ----------
    path : the file, or the name that it was given
    error : why
    """

    path: str
    error: EarmarkError


@dataclass
class _Group:
    """Models that share one network: how to cut for them, and how much to run at once."""

    members: list[int]
    network: Network
    plan: ChunkPlan
    batch: int


@dataclass
class _Output:
    """What a group has given for one track so far."""

    starts: list[int] = field(default_factory=list)
    pending: list[Chunk] = field(default_factory=list)
    futures: deque["Future[list[tuple[NDArray[np.float32], NDArray[np.float32]]]]"] = field(default_factory=deque)
    scores: list[list[NDArray[np.float32]]] = field(default_factory=list)
    embedding_sums: list[NDArray[np.float64]] = field(default_factory=list)

    def collect(self, *, leave: int) -> None:
        """Take finished batches in order, waiting until at most `leave` are under way."""
        while len(self.futures) > leave:
            try:
                batch = self.futures.popleft().result()
            except CancelledError as error:
                raise UsageError("this Tagger was closed while it was working") from error
            for i, (scores, embedding) in enumerate(batch):
                if i == len(self.scores):
                    self.scores.append([])
                    self.embedding_sums.append(np.zeros(embedding.shape[1]))
                self.scores[i].append(scores)
                self.embedding_sums[i] += embedding.sum(axis=0, dtype=np.float64)


class Tagger:
    """Tags tracks; the models are loaded once.

    Parameters
    ----------
    model : one model; its tags are given as they are. A name, or a path: the folder of a run, a .safetensors file that
        `models.base.save` wrote, an exported .onnx file
    preset : "standard" (musicnn on the Million Song Dataset and on MagnaTagATune) or "full" (and on MTG-Jamendo), used
        unless `model` is given; the tags of the models are merged by category
    engine : "auto", "onnx" or "torch"
    device : "auto", "cpu", or a device of PyTorch such as "cuda"
    hop_seconds : distance between the starts of two chunks, rounded to the frames of the front end (16 ms for
        musicnn); as published (no overlap) unless given, seconds
    raw : with a preset, keep every model's own tags instead of merging synonyms
    pad : what fills a track shorter than one chunk: "repeat", "zeros", or "none" (an error)
    calibrated : make scores into probabilities, with what the cards of the models hold for it
    threads : threads that compute on the CPU; one per CPU unless given
    progress : called with the bytes done and the bytes in all while weights are fetched

    Raises
    ------
    UnknownNameError
        If the model or the preset is not known.
    AssetError
        If the weights cannot be had.
    UsageError
        If options do not go together, or a card holds no calibration and `calibrated` asks for it.

    Notes
    -----
    The embedding is the mean over chunks of each model's last layer before the tags (the card's `embedding`; for
    musicnn the 200 units of the dense layer); a preset returns those of its models one after the other.

    Examples
    --------
    >>> import earmark
    >>> with earmark.Tagger(model="musicnn.pons_mtt") as tagger:  # doctest: +SKIP
    ...     result = tagger.tag("song.mp3")
    """

    def __init__(
        self,
        model: ModelName | None = None,
        *,
        preset: str = "standard",
        engine: str = "auto",
        device: str = "auto",
        hop_seconds: float | None = None,
        raw: bool = False,
        pad: Pad = "repeat",
        calibrated: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        if preset not in PRESETS:
            raise UnknownNameError("preset", preset, PRESETS)
        if model is not None and preset != "standard":
            raise UsageError(f"model {model!r} and preset {preset!r} exclude each other", hint="give one of the two")
        if hop_seconds is not None and not 0 < hop_seconds <= _MAX_HOP_SECONDS:
            raise UsageError(f"hop_seconds={hop_seconds}", hint=f"more than 0 s, at most {_MAX_HOP_SECONDS:.0f} s")
        if threads is not None and threads < 1:
            raise UsageError(f"threads={threads}", hint="it must be at least 1")
        if pad not in get_args(Pad):
            raise UsageError(f"pad={pad!r}", hint=f"one of {', '.join(get_args(Pad))}")
        names = PRESETS[preset] if model is None else (model,)
        models = open_models(names, engine=engine, device=device, progress=progress)
        self.cards, self.engine, self.device = models.cards, models.engine, models.device
        self.name = preset if model is None else self.cards[0].name
        self.threads = (threads or cpu_count()) if self.device == "cpu" else 1
        self.pad = pad
        self.sample_rate = self.cards[0].sample_rate
        self.vocabulary = union(
            [card.get_vocabulary() for card in self.cards], merge_synonyms=model is None and not raw
        )
        self._base_rates = [card.get_base_rates() for card in self.cards]
        self._calibrations = [_calibration(card) if calibrated else None for card in self.cards]
        self._groups = []
        for members, network in models.networks:
            plan = _plan(self.cards[members[0]], hop_seconds)
            budget = _BATCH_SAMPLES if self.device == "cpu" else _GPU_BATCH_SAMPLES
            self._groups.append(_Group(members, network, plan, max(1, budget // plan.length)))
        self._lock = threading.Lock()
        self._pools: dict[int, ThreadPoolExecutor] = {}  # by process: the threads of a pool do not survive a fork
        self._is_closed = False

    def tag(
        self,
        source: Source,
        *,
        offset: float = 0.0,
        duration: float | None = None,
        on_block: Callable[[AudioInfo, NDArray[np.float32]], None] | None = None,
    ) -> TrackTags:
        """Tag one track.

        Parameters
        ----------
        source : a path, the bytes of a file, a binary file object, or "-" for stdin
        offset : seconds to skip
        duration : seconds to listen to at most; to the end unless given
        on_block : called with what the file says about itself and every block of its audio, shape (n,), mono, at
            `sample_rate`, in order: for what else there is to hear in one decode

        Raises
        ------
        InputError
            If the track is missing, damaged throughout, empty, silent, shorter than 0.5 s, or holds NaN.
        """
        with open_audio(source, sample_rate=self.sample_rate, offset=offset, duration=duration) as reader:
            watch = _Watch(reader, on_block)
            outputs = self._run(watch)
            seconds = watch.n_samples / self.sample_rate
            if watch.peak < SILENCE:
                raise self._silence(reader, seconds)
            whole = offset == 0 and duration is None
            end = offset + seconds
            return from_taggrams(
                self._parts(outputs, offset, end),
                self.vocabulary,
                path=reader.name,
                duration=end if whole else max(end, reader.info.duration or 0.0),
                model=self.name,
                warnings=(*reader.notes, *self._padding_notes(seconds), *self._gap_notes(seconds)),
            )

    def tag_many(
        self, sources: Iterable[Source], *, jobs: int | None = None, offset: float = 0.0, duration: float | None = None
    ) -> Iterator[TrackTags | TagFailure]:
        """Tag many tracks, several at a time; one that fails stops nothing.

        Parameters
        ----------
        sources : as `tag` takes them
        jobs : tracks that are open at the same time; one more than `threads` unless given
        offset, duration : of every track, see `tag`

        Yields
        ------
        for every source in order, its tags or why there are none
        """

        def work(source: Source) -> TrackTags | TagFailure:
            return tag_or_fail(self, source, offset=offset, duration=duration)

        return map_ordered(work, sources, jobs=self.threads + 1 if jobs is None else jobs)

    def embed(self, source: Source, *, offset: float = 0.0, duration: float | None = None) -> NDArray[np.float32]:
        """Return the embedding of one track, shape (D,); see `tag` for the parameters and errors."""
        return self.tag(source, offset=offset, duration=duration).embedding

    def check_thresholds(self) -> None:
        """Raise `UsageError` if a model has no thresholds, which `TrackTags.top(above_threshold=True)` needs."""
        for card in self.cards:
            if not card.thresholds:
                hint = "--min-score X keeps what is above one number for all tags"
                raise UsageError(f"the card of {card.name} holds no thresholds", hint=hint)

    def close(self) -> None:
        """Stop the threads; a closed tagger cannot be used again."""
        with self._lock:
            self._is_closed = True
            pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _compute(
        self, network: Network, batch: NDArray[np.float32]
    ) -> "Future[list[tuple[NDArray[np.float32], NDArray[np.float32]]]]":
        """Run a batch on one of this process's threads."""
        with self._lock:
            if self._is_closed:
                raise UsageError("this Tagger is closed", hint="make another one")
            pool = self._pools.get(os.getpid())
            if pool is None:
                pool = ThreadPoolExecutor(self.threads, thread_name_prefix="earmark-compute")
                self._pools[os.getpid()] = pool
            return pool.submit(network.run, batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, watch: "_Watch") -> list[_Output]:
        """Cut, compute, collect: all groups side by side on one decode."""
        outputs = [_Output() for _ in self._groups]
        copies = itertools.tee(watch.blocks(), len(self._groups))
        minimum = round(MIN_SECONDS * self.sample_rate)
        streams = [self._chunks(i, blocks, minimum, watch) for i, blocks in enumerate(copies)]
        for _, i, chunk in heapq.merge(*streams, key=lambda item: item[:2]):
            outputs[i].pending.append(chunk)
            if len(outputs[i].pending) == self._groups[i].batch:
                self._submit(i, outputs[i])
                outputs[i].collect(leave=2 * self.threads)
        for i, output in enumerate(outputs):
            if output.pending:
                self._submit(i, output)
        for output in outputs:
            output.collect(leave=0)
        return outputs

    def _chunks(
        self, i: int, blocks: Iterable[NDArray[np.float32]], minimum: int, watch: "_Watch"
    ) -> Iterator[tuple[int, int, Chunk]]:
        """Yield start, group and chunk; the error of a track that is too short says what was needed."""
        plan = self._groups[i].plan
        try:
            for chunk in stream_chunks(blocks, plan, pad=self.pad, min_samples=minimum):
                yield chunk.start, i, chunk
        except InputError as error:
            if not watch.ended or watch.n_samples >= plan.length:
                raise
            seconds = watch.n_samples / self.sample_rate
            needed = MIN_SECONDS if watch.n_samples < minimum else plan.length / self.sample_rate
            raise InputError(
                f"{watch.name}: {seconds:.2f} s of audio, {self.name!r} needs at least {needed:.2f} s",
                hint="pad with --pad repeat" if watch.n_samples >= minimum else "too short to tell anything from",
            ) from error

    def _submit(self, i: int, output: _Output) -> None:
        batch = np.stack([chunk.samples for chunk in output.pending])
        output.starts += [chunk.start for chunk in output.pending]
        output.pending.clear()
        output.futures.append(self._compute(self._groups[i].network, batch))

    def _parts(self, outputs: Sequence[_Output], offset: float, end: float) -> list[ModelTaggram]:
        """Return one taggram per model, in the order of `cards`."""
        parts: dict[int, ModelTaggram] = {}
        for one, output in zip(self._groups, outputs, strict=True):
            starts = np.array(output.starts) / self.sample_rate + offset
            times = np.stack([starts, np.minimum(starts + one.plan.length / self.sample_rate, end)], axis=1)
            for position, scores, total in zip(one.members, output.scores, output.embedding_sums, strict=True):
                parts[position] = ModelTaggram(
                    model=self.cards[position].name,
                    taggram=np.concatenate(scores),
                    times=times,
                    embedding=(total / len(starts)).astype(np.float32),
                    base_rates=self._base_rates[position],
                    thresholds=self.cards[position].thresholds or None,
                    calibration=self._calibrations[position],
                )
        return [parts[i] for i in range(len(self.cards))]

    def _padding_notes(self, seconds: float) -> list[str]:
        longest = max(one.plan.length for one in self._groups) / self.sample_rate
        if seconds >= longest:
            return []
        if self.pad == "zeros":
            return [f"{seconds:.2f} s of audio, filled with zeros to {longest:.2f} s as asked for"]
        why = "silence, which the model was not trained on, would change the scores"
        return [f"{seconds:.2f} s of audio, repeated to fill {longest:.2f} s: {why}"]

    def _silence(self, reader: AudioReader, seconds: float) -> InputError:
        """Say why nothing was heard."""
        if reader.peak >= SILENCE:
            return InputError(
                f"{reader.name}: the channels cancel each other in the mix to mono (peak {_decibels(reader.peak)})",
                hint="one channel is the other upside down; convert the file with one of them inverted",
            )
        return InputError(
            f"{reader.name}: silent: the highest peak in {seconds:.1f} s is {_decibels(reader.peak)}",
            hint="there is nothing to hear; check the file",
        )

    def _gap_notes(self, seconds: float) -> list[str]:
        plan = self._groups[0].plan
        if plan.hop <= plan.length or seconds * self.sample_rate <= plan.length:
            return []
        length, hop = plan.length / self.sample_rate, plan.hop / self.sample_rate
        return [f"heard {length:.2f} s of every {hop:.2f} s, as asked for; what lies between is not in the scores"]


class _Watch:
    """The blocks of a reader, and what is known of them once they went by."""

    def __init__(self, reader: AudioReader, on_block: Callable[[AudioInfo, NDArray[np.float32]], None] | None) -> None:
        self._on_block = on_block
        self.name = reader.name
        self.n_samples = 0
        self.peak = 0.0
        self.ended = False
        self._reader = reader

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks."""
        for block in self._reader.blocks():
            self.n_samples += block.size
            if block.size:
                self.peak = max(self.peak, float(block.max()), -float(block.min()))
            if self.peak > FULL_SCALE:
                raise InputError(
                    f"{self.name}: samples of up to {self.peak:.0f} where about 1 is full scale",
                    hint="a float file that was not scaled; write it anew with samples in [-1, 1]",
                )
            if self._on_block is not None:
                self._on_block(self._reader.info, block)
            yield block
        self.ended = True


class Listener(Protocol):
    """What tags one track; a `Tagger` does."""

    threads: int

    def tag(self, source: Any, *, offset: float = 0.0, duration: float | None = None) -> TrackTags:
        """Tag one track."""
        ...


def tag_or_fail(
    tagger: Listener, source: Source, *, offset: float = 0.0, duration: float | None = None
) -> TrackTags | TagFailure:
    """Tag one track, or return why it cannot be tagged; the parameters are those of `Tagger.tag`."""
    try:
        return tagger.tag(source, offset=offset, duration=duration)
    except EarmarkError as error:
        return TagFailure(source_name(source), error)
    except OSError as error:  # the disk, the network drive
        return TagFailure(source_name(source), InputError(f"{source_name(source)}: {error.strerror or error}"))
    except Exception as error:  # noqa: BLE001 (kept and reported: one file never stops a batch)
        what = f"{source_name(source)}: {type(error).__name__}: {error}"
        return TagFailure(
            source_name(source), EarmarkError(what, hint="a defect of earmark or of a decoder: please report it")
        )


def _calibration(card: ModelCard) -> Calibration:
    calibration = card.get_calibration()
    if calibration is None:
        hint = "leave it out; models that earmark train made may have one"
        raise UsageError(f"the card of {card.name} holds no calibration", hint=hint)
    return calibration


def _plan(card: ModelCard, hop_seconds: float | None) -> ChunkPlan:
    hop = card.hop_samples
    if hop_seconds is not None:
        hop = max(1, round(hop_seconds * card.sample_rate / card.grid_samples)) * card.grid_samples
    return ChunkPlan(card.chunk_samples, hop, card.context_samples)


def _decibels(peak: float) -> str:
    return f"{20 * np.log10(peak):.0f} dB" if peak > 0 else "0 (digital silence)"
