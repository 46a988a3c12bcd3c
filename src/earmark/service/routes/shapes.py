"""The shapes of requests and answers, as OpenAPI tells them."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from earmark.service.errors import Problem

MOST_FOUND = 500
MOST_TEXT = 2000
Text = Annotated[str, StringConstraints(max_length=MOST_TEXT)]
Filter = Annotated[
    str | None,
    Query(max_length=MOST_TEXT, description="Such as `genre:jazz and not voice:female and bpm < 100`."),
]
Count = Annotated[int, Query(ge=1, le=MOST_FOUND, description="How many.")]
Tags = Annotated[
    int | None,
    Query(ge=0, le=1000, description="How many tags of each model to give with a track, best first; all if left out."),
]
FewTags = Annotated[int, Query(ge=0, le=1000, description="How many tags of each model to give with a track.")]
TrackName = Annotated[
    str,
    Query(max_length=MOST_TEXT, description="An id, a title, `artist - title`, or a file in the folders of music."),
]
Model = Annotated[
    str | None,
    Query(min_length=1, max_length=100, description="One model, its tags as they are; `GET /v1/models` lists them."),
]
Preset = Annotated[Literal["standard", "full"] | None, Query(description="Models and merging.")]


class Body(BaseModel):
    """A request in JSON; what it does not take is an error."""

    model_config = ConfigDict(extra="forbid")


class HeardBy(BaseModel):
    """What a model, or a preset, heard in a track."""

    listened: str | None = Field(description='"whole", or such as "3 of every 12 s".')
    tags: dict[str, float] = Field(description="Scores in [0, 1] by tag, best first.")


class Track(BaseModel):
    """A track of the catalogue."""

    id: str = Field(description="Identity of the audio: 32 hexadecimal digits, the same for all copies.")
    duration: float = Field(description="Seconds.")
    artist: str
    title: str
    album: str
    album_artist: str
    genres: list[str]
    year: int | None
    track_number: int | None
    isrc: str
    mb_recording_id: str
    container: str
    sample_rate: int | None
    n_channels: int | None
    bit_rate: int | None
    bpm: float | None
    bpm_confidence: float | None
    key: str | None
    key_confidence: float | None
    paths: list[str] = Field(description="Of its files.")
    heard: dict[str, HeardBy] = Field(description="By model or preset.")


class TrackPage(BaseModel):
    """Some tracks of the catalogue, in the order of their ids."""

    tracks: list[Track]
    total: int = Field(description="How many tracks fit the filter.")
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class Match(Track):
    """A track that was found."""

    similarity: float = Field(description="By sound: 1 for the same. By tags: relevance in [0, 1].")


class Matches(BaseModel):
    """Tracks that were found, best first."""

    matches: list[Match]
    notes: list[str] = Field(default=[], description="What was understood otherwise than it was written.")


class Tracks(BaseModel):
    """Tracks in order."""

    tracks: list[Track]


class Tag(BaseModel):
    """A tag of audio that was heard."""

    tag: str
    category: str
    score: float = Field(description="In [0, 1].")
    lift: float | None = Field(description="Score over the rate of the tag in the training data.")
    peak: float
    peak_time: float = Field(description="Seconds.")
    threshold: float | None = None
    scores_by_model: dict[str, float] | None = None


class Array(BaseModel):
    """Numbers, bit by bit: little-endian, in C order."""

    dtype: str = Field(description='"<f4" or "<f8".')
    shape: list[int]
    base64: str


class Heard(BaseModel):
    """What was heard in a file."""

    path: str = Field(description="The name of the file, as it was sent.")
    duration: float = Field(description="Seconds.")
    model: str
    models: list[str]
    version: str
    tags: list[Tag]
    warnings: list[str]
    times: Array | None = Field(default=None, description="Start and end of each chunk, seconds.")
    taggram: Array | None = Field(default=None, description="Scores of each chunk, in the order of `tags`.")


class Embedding(BaseModel):
    """Where a file lies among others by its sound."""

    path: str
    duration: float
    model: str
    models: list[str]
    version: str
    embedding: list[float] | Array
    warnings: list[str]


class MapOfTracks(BaseModel):
    """A place on a plane for every track, alike near alike; all lists but `group_names` are in the same order."""

    method: str | None = Field(description="`umap`, or `pca` for a few tracks; null if there is no track.")
    points: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        description="x and y in [0, 1], on one scale."
    )
    ids: list[str]
    titles: list[str]
    artists: list[str]
    genres: list[str] = Field(description="The first one of the file's own; empty where there is none.")
    top_tags: list[list[str]] = Field(description="The three with the highest scores, best first.")
    groups: list[int] = Field(description="Places in `group_names`.")
    group_names: list[str] = Field(description="Tags that set a group apart, the largest group first.")


class Waveform(BaseModel):
    """How loud a track is along the way."""

    duration: float = Field(description="Seconds, as it was decoded.")
    peaks: list[float] = Field(description="The highest absolute sample of each of so many equal slices, in [0, 1].")


class PathBody(Body):
    """A file in the folders of music."""

    path: Text = Field(description="In a folder of music of the service: relative to it, or absolute.")


class PlaylistBody(Body):
    """What a playlist is to be like."""

    seeds: list[Text] = Field(default=[], max_length=100, description="Tracks to start from.")
    length: int | None = Field(default=None, ge=1, le=MOST_FOUND, description="Songs; 25 unless minutes are given.")
    minutes: float | None = Field(default=None, gt=0, le=10_000, allow_inf_nan=False)
    moods: list[Text] = Field(default=[], max_length=10, description='Such as "calm:0.2 -> energetic:0.8".')
    filter: Text | None = None
    no_repeat_artist: int | None = Field(default=None, ge=0, le=1000)
    route: Literal["around", "through"] = "around"
    variety: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    random_seed: int = Field(default=0, ge=0, lt=2**63)
    model: str | None = Field(default=None, min_length=1, max_length=100)


class CompatibilityBody(Body):
    """Whose taste is compared, and how."""

    a: Text = Field(description="A filter of the catalogue, SERVICE:USER, or a folder or playlist of the service.")
    b: Text
    by: Literal["auto", "audio", "tags"] = "auto"
    limit: int = Field(default=1000, ge=1, le=5000, description="How many likes to ask a service for.")
    seed: int = Field(default=0, ge=0, lt=2**63)


class Likeness(BaseModel):
    """How well two listeners' taste agrees, and why; the command line gives the same with `--json`."""

    model_config = ConfigDict(extra="allow")

    score: float = Field(description="Of how many of 100 pairs of listeners are further apart.")
    low: float
    high: float
    way: str


class WriteBody(Body):
    """What is to be written into files."""

    tracks: list[Text] = Field(min_length=1, max_length=MOST_FOUND, description="Ids.")
    profile: str = Field(default="standard", max_length=50, description="Of a player; see `GET /v1/write/profiles`.")
    fields: list[Text] | None = Field(
        default=None, min_length=1, max_length=20, description="Such as `genre`, `mood`; those of the profile if null."
    )
    count: int = Field(default=2, ge=1, le=20, description="Values per field, at most.")
    force: bool = Field(default=False, description="Replace values that somebody else wrote, too.")
    apply: bool = Field(default=False, description="Do it; else it is only told what would change.")


class Change(BaseModel):
    """A field of a file that changes."""

    field: str = Field(description="What it means, such as `genre`; or `EARMARK_...`, which is earmark's own.")
    names: list[str] = Field(description="What it is called in the tags of this file.")
    before: list[str]
    after: list[str] = Field(description="Empty if the field is taken away.")


class WrittenFile(BaseModel):
    """What becomes, or became, of a file."""

    path: str | None = Field(description="null if no file of the track is known.")
    track: str
    status: Literal["proposed", "written", "same", "done", "failed"]
    changes: list[Change]
    kept: list[str] = Field(description="Fields with somebody else's values, which stay.")
    problem: Problem | None = Field(description="Why it failed.")


class Written(BaseModel):
    """What becomes, or became, of files."""

    files: list[WrittenFile]
    run: str | None = Field(description="By which it can be undone; null if nothing was written.")
    left: list[str] = Field(description="Tracks that there was no time for.")


class ProfileFacts(BaseModel):
    """How to write for a player."""

    name: str
    fields: list[str]
    key_notation: str
    reads: str = Field(description="What the player looks at, in a sentence.")


class Profiles(BaseModel):
    """The players that can be written for."""

    profiles: list[ProfileFacts]
    fields: list[str] = Field(description="All that can be written.")
    may_write: bool = Field(description="Whether clients may write here.")


class WriteRun(BaseModel):
    """A run that wrote into files."""

    run: str
    begun: str
    n_files: int
    n_undone: int
    is_running: bool


class WriteRuns(BaseModel):
    """Runs that wrote into files, the newest first."""

    runs: list[WriteRun]


class UndoBody(Body):
    """Which run is to be undone."""

    run: str | None = Field(
        default=None, pattern=r"^[0-9]{8}-[0-9]{6}-[0-9]{6}-[0-9a-f]{4}$", description="The last one if null."
    )


class UndoneFile(BaseModel):
    """What became of a file of a run."""

    path: str
    is_restored: bool
    reason: str = Field(description="Why it was left alone.")


class UndoneFiles(BaseModel):
    """What became of the files of a run, the one that was written last first."""

    run: str
    files: list[UndoneFile]


class AnswersBody(Body):
    """Which tracks have a tag, and which do not."""

    tag: str = Field(min_length=1, max_length=100)
    category: Literal["genre", "mood", "instrument", "voice", "era", "other"] | None = Field(
        default=None, description="As before, as a model has it that hears a tag of that name, or other, if null."
    )
    yes: list[Text] = Field(default=[], max_length=200, description="Tracks that have it.")
    no: list[Text] = Field(default=[], max_length=200, description="Tracks that do not.")
    forget: list[Text] = Field(default=[], max_length=200, description="Tracks whose answer is withdrawn.")
    apply: bool | None = Field(
        default=None, description="Give the tag to every track now; null does it if nothing is missing."
    )


class Missing(BaseModel):
    """Answers that are missing until a tag is worth giving to every track."""

    yes: int
    no: int


class OwnTag(BaseModel):
    """A tag of the user's own."""

    tag: str
    category: str
    n_yes: int = Field(description="Tracks that are known to have it.")
    n_no: int
    missing: Missing
    is_taught: bool = Field(description="Whether something was learned from the answers.")
    is_applied: bool = Field(description="Whether tracks have scores of it, under `taught`.")
    n_tracks: int | None = Field(description="How many tracks have it now; null if they have no scores of it.")
    threshold: float | None = Field(description="Score from which on a track has it.")
    low: float | None = Field(description="Up to this score the answer is no.")
    high: float | None = Field(description="From this score on it is yes; between the two, unsure.")
    model: str | None
    created: str | None
    report: dict[str, Any] | None = Field(
        description="How good it is on answers that were held back: `roc_auc`, `right`, `verdict`, `warnings`."
    )
    answer: bool | None = Field(default=None, description="About the track that was asked for.")


class OwnTags(BaseModel):
    """The tags of the user's own, by name."""

    tags: list[OwnTag]


class Taught(OwnTag):
    """What came of answers."""

    notes: list[str] = Field(description="For people: what is missing, or what has to wait.")


class Answer(BaseModel):
    """What was answered about a track."""

    track: str
    name: str = Field(description="Artist and title; empty if the track is not in the catalogue any more.")
    answer: bool
    at: str
    doubtful: bool = Field(description="It may be wrong: learned from all other answers, the tag says otherwise.")


class AnsweredTag(OwnTag):
    """A tag of the user's own, with its answers."""

    answers: list[Answer] = Field(description="The first one first; warnings of the report number them so, from 1.")


class Suggestion(Track):
    """A track to answer about."""

    probability: float = Field(description="That it has the tag.")


class Suggestions(BaseModel):
    """Tracks whose answer would help a tag most, best first."""

    suggestions: list[Suggestion]


class ModelFacts(BaseModel):
    """What there is to know of a model; more stands in it than is listed here."""

    model_config = ConfigDict(extra="allow")

    name: str
    tags: list[str]
    licence: str
    local: bool = Field(description="Whether its weights are on this machine.")


class Models(BaseModel):
    """The models that can hear, and those that have heard the catalogue."""

    models: list[ModelFacts]
    presets: dict[str, list[str]]
    preset: str = Field(description="That hears unless another is asked for.")
    library: list[str] = Field(description="The models that have heard the catalogue, the first one first.")


class Health(BaseModel):
    """How the service is."""

    status: str
