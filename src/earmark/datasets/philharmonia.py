"""Sound samples of the Philharmonia Orchestra: single notes and phrases of one instrument each.

The labels are the names of the files, instrument_note_length_dynamic_articulation, such as
double-bass_A1_phrase_forte_arco-legato; the note is empty where the instrument has none. The instrument is the only
tag, spelt as in the name; title and recording say the rest. The folders do not matter.

Splits
------
track      earmark's, 12:1:3: all samples of one pitch of one instrument are in one part. They differ in length, dynamic
           and articulation only, so a split over samples would test on notes that it has trained on. Every instrument
           has one player and one room, in all parts: an accuracy tells them apart as well. An instrument with one
           sample can only be in one part.
fold-1 ... fold-5    five stratified folds of the same groups, one to test on, the others to train on

References
----------
https://philharmonia.co.uk/resources/sound-samples/
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from earmark.audio.io import AUDIO_SUFFIXES
from earmark.datasets.base import Dataset, DatasetInfo, Fault, Remote, Track, check_choice
from earmark.datasets.folding import own_folds
from earmark.datasets.reading import check_root, group_keys, how_to_get
from earmark.datasets.splitting import split_by_group
from earmark.errors import InputError
from earmark.files import walk_files
from earmark.vocabulary import Vocabulary

INFO = DatasetInfo(
    name="philharmonia",
    title="Philharmonia Orchestra sound samples",
    description="About 14,000 notes and phrases of the instruments of an orchestra, guitar, mandolin, banjo and "
    "percussion, in many dynamics and articulations.",
    n_tracks=14_000,
    hours=None,
    licence="free to use in any music; not to be sold or passed on as samples or as a sampler instrument",
    home="https://philharmonia.co.uk/resources/sound-samples/",
    how_to_get="fetch all-samples.zip, unpack it, and unpack every zip file of an instrument in it",
    citation="Philharmonia Orchestra. Sound samples. https://philharmonia.co.uk/resources/sound-samples/",
    options={"instruments": "all, or pitched: those with notes, which leaves percussion out"},
    layout=("**/<instrument>_<note>_<length>_<dynamic>_<articulation>.mp3 (or another audio format)",),
    remotes=(
        Remote(
            "all-samples.zip",
            "https://philharmonia-assets.s3-eu-west-1.amazonaws.com/uploads/2020/02/12112005/all-samples.zip",
            kind="audio",
            unpack=True,
            inner="*.zip",
        ),
    ),
)

BROKEN = (
    "viola_D6_05_piano_arco-normal",
    "saxophone_Fs3_15_fortissimo_normal",
    "guitar_Gs4_very-long_forte_normal",
    "bass-clarinet_Gs3_025_piano_normal",
)
N_FOLDS = 5
LENGTHS = {"025": "0.25 s", "05": "0.5 s", "1": "1 s", "15": "1.5 s"}
_NAME = re.compile(r"(?P<instrument>[^_]+)_(?P<note>[A-G]s?\d)?_(?P<length>[^_]*)_(?P<dynamic>[^_]*)_(?P<how>[^_]*)")


@dataclass(frozen=True)
class Sample:
    """What the name of a file says.

    Parameters
    ----------
    instrument : such as "double-bass"
    note : such as "As3", where s is sharp; empty for an instrument without pitch
    length : "025", "05", "1", "15" (of a second, or seconds), "long", "very-long" or "phrase"
    dynamic : such as "mezzo-forte"
    articulation : such as "arco-legato"
    """

    instrument: str
    note: str
    length: str
    dynamic: str
    articulation: str

    @property
    def title(self) -> str:
        """What is played, for people: "A#3 phrase, mezzo-forte, arco-legato"."""
        what = " ".join(filter(None, (self.note.replace("s", "#"), LENGTHS.get(self.length, self.length))))
        return ", ".join(filter(None, (what, self.dynamic, self.articulation)))


def load(root: Path, *, instruments: str = "all") -> Dataset:
    """Read the names of the files, in whatever folders they lie.

    Parameters
    ----------
    root : holds the files; see `INFO.layout`
    instruments : "all", or "pitched" for those of which a sample has a note

    Raises
    ------
    InputError
        If there is none.
    UsageError
        If `instruments` is neither.
    """
    check_choice("instruments", instruments, ("all", "pitched"))
    check_root(INFO, root)
    found = {path: sample for path, sample in _walk(root) if sample is not None}
    if instruments == "pitched":
        pitched = {sample.instrument for sample in found.values() if sample.note}
        found = {path: sample for path, sample in found.items() if sample.instrument in pitched}
    if not found:
        raise InputError(
            f"{root}: no file is called like cello_A3_phrase_forte_legato.mp3", hint=how_to_get(INFO, root)
        )
    names = sorted({sample.instrument for sample in found.values()})
    tracks = tuple(sorted(_tracks(found), key=lambda track: track.id))
    return Dataset(
        INFO,
        root,
        {"instruments": instruments},
        tracks,
        Vocabulary("philharmonia", tuple(names), ("instrument",) * len(names)),
        "single_label",
        {
            "track": lambda: split_by_group(tracks, by="track", name="track"),
            **own_folds(tracks, N_FOLDS, "an instrument's samples of one pitch in one fold", by="track"),
        },
        tuple(
            Fault(id, "unreadable", "the published mp3 is damaged", "github.com/hugofloresgarcia/philharmonia-dataset")
            for id in BROKEN
            if id in {track.id for track in tracks}
        ),
    )


def parse_name(stem: str) -> Sample | None:
    """Read the name of a file without its ending; None if it is not built like those of the samples.

    Examples
    --------
    >>> parse_name("oboe_As4_15_forte_normal").title
    'A#4 1.5 s, forte, normal'
    """
    found = _NAME.fullmatch(stem)
    if found is None:
        return None
    return Sample(found["instrument"], found["note"] or "", found["length"], found["dynamic"], found["how"])


def _walk(root: Path) -> Iterator[tuple[Path, Sample | None]]:
    for path in map(Path, walk_files(str(root))):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            yield path, parse_name(path.stem)


def _tracks(found: Mapping[Path, Sample]) -> Iterator[Track]:
    for path, sample in found.items():
        pitch = f"{sample.instrument}_{sample.note}" if sample.note else ""
        yield Track(path.stem, path, (sample.instrument,), title=sample.title, groups=group_keys(track=pitch))
