"""What the commands that listen to many files share: finding them, a progress bar, a list of failures."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from earmark._version import __version__
from earmark.batch import STDIN, Journal, find_audio, tag_batch
from earmark.cli import output
from earmark.models.weights import fingerprint
from earmark.progress import ProgressBar, clock_text
from earmark.tagger import TagFailure, Tagger

if TYPE_CHECKING:
    from earmark.audio.chunks import Pad
    from earmark.track_tags import TrackTags


class Batch:
    """One run over many files.

    Parameters
    ----------
    arguments : as `find_audio` takes them
    quiet : no progress and no summary
    """

    def __init__(self, arguments: Sequence[str], *, quiet: bool) -> None:
        self.paths = find_audio(arguments)
        self.quiet = quiet
        self.failures: list[TagFailure] = []
        self.bar = ProgressBar("tagging", enabled=False if quiet or len(self.paths) < 2 else None)
        self._settings: dict[str, object] = {}
        self._models: dict[str, str] = {}  # names in results -> as they were given
        self._n_done = self._n_known = 0
        self._n_bytes = self._n_bytes_done = 0
        self._seconds = 0.0

    def tagger(
        self,
        model: str | None,
        *,
        preset: str,
        engine: str,
        device: str,
        hop_seconds: float | None = None,
        raw: bool = False,
        pad: "Pad" = "repeat",
        calibrated: bool = False,
    ) -> Tagger:
        """Load the models; the parameters are those of `Tagger`."""
        with output.download_progress(quiet=self.quiet) as progress:
            tagger = Tagger(
                model, preset=preset, engine=engine, device=device, hop_seconds=hop_seconds, raw=raw, pad=pad,
                calibrated=calibrated, progress=progress,
            )  # fmt: skip
        self._settings = {
            "earmark": __version__, "model": tagger.name, "engine": tagger.engine, "hop_seconds": hop_seconds,
            "raw": raw, "pad": pad, "calibrated": calibrated,
        }  # fmt: skip
        self._models = {card.name: model or card.name for card in tagger.cards}
        return tagger

    def run(
        self,
        tagger: Tagger,
        *,
        jobs: int | None = None,
        offset: float = 0.0,
        duration: float | None = None,
        resume: str | None = None,
        redo: Collection[str] = (),
    ) -> Iterator[tuple[str, "TrackTags"]]:
        """Tag the files; yield path and result of those that succeed, note the others."""
        settings = self._settings | {"offset": offset, "duration": duration}
        if resume is not None:
            settings |= {f"weights of {name}": fingerprint(model) for name, model in self._models.items()}
        self._n_bytes = sum(_size(path) for path in self.paths)
        with ExitStack() as stack:
            stack.enter_context(self.bar)
            self.bar.restart()
            journal = None if resume is None else stack.enter_context(Journal(resume, settings))
            outcomes = tag_batch(
                tagger, self.paths, jobs=jobs, offset=offset, duration=duration, journal=journal, redo=redo
            )
            self._show()
            for path, outcome in zip(self.paths, outcomes, strict=True):
                self._count(path, outcome)
                if not isinstance(outcome, TagFailure):
                    yield path, outcome
                self._show()

    @contextmanager
    def resumable(self, resume: str | None) -> Iterator[None]:
        """When a block that goes through `run` is interrupted, say how it goes on."""
        try:
            yield
        except KeyboardInterrupt:
            self.bar.clear()
            if resume is not None:
                output.note(f"{self._n_done} of {len(self.paths)} files done; the same command goes on from here")
            raise

    def _count(self, path: str, outcome: "TrackTags | TagFailure") -> None:
        self._n_done += 1
        if isinstance(outcome, TagFailure):
            self.failures.append(outcome)
        elif not len(outcome.taggram):  # out of the journal: no work, which would spoil the time left
            self._n_bytes -= _size(path)
            self._n_known += 1
            return
        else:
            self._seconds += outcome.duration
            for text in outcome.warnings:
                with self.bar.hidden():
                    output.warn(f"{outcome.path}: {text}")
        self._n_bytes_done += _size(path)

    def _show(self) -> None:
        note = f"{self._n_done}/{len(self.paths)} files"
        if self.failures:
            note += f", {len(self.failures)} failed"
        if self._seconds:
            note += f"  {self._seconds / max(self.bar.elapsed, 1e-3):,.0f}× real time"
        self.bar.update(self._n_bytes_done / max(self._n_bytes, 1), note)

    def finish(self) -> int:
        """List the failures; return the exit status."""
        n, n_failed = len(self.paths), len(self.failures)
        if self.bar.enabled:
            rate = f", {self._seconds / max(self.bar.elapsed, 1e-3):,.0f}× real time" if self._seconds else ""
            known = f" ({self._n_known} of them before)" if self._n_known else ""
            elapsed = self.bar.elapsed
            time = clock_text(elapsed) if elapsed >= 10 else f"{elapsed:.1f} s"
            output.note(f"{n - n_failed} of {n} files tagged{known} in {time}{rate}")
        if n == 1 and n_failed:
            output.error(self.failures[0].error)
        elif n_failed:
            output.note(f"{n_failed} of {n} files failed:")
            for failure in self.failures:
                output.error(failure.error)
        return 1 if n_failed else 0


def _size(path: str) -> int:
    try:
        return 0 if path == STDIN else Path(path).stat().st_size
    except OSError:
        return 0
