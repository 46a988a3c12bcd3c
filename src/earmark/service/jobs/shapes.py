"""The shapes of requests and answers about jobs, as OpenAPI tells them."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from earmark.service.errors import Problem
from earmark.service.jobs.job import State

MOST_TEXT, MOST_PATHS, MOST_LISTED = 2000, 100, 200
Text = Annotated[str, StringConstraints(min_length=1, max_length=MOST_TEXT)]
Name = Annotated[str, StringConstraints(max_length=100)]
Identity = Annotated[str, Path(max_length=64, description="The id of a job.")]


class Parameters(BaseModel):
    """Parameters of a job; what it does not take is an error."""

    model_config = ConfigDict(extra="forbid")


class Add(Parameters):
    """Hear what is new or changed in folders, and add it to the catalogue."""

    paths: list[Text] = Field(
        default=[], max_length=MOST_PATHS, description="Folders or files in the folders of music; all of these if none."
    )
    model: Name | None = Field(default=None, description="One model, its tags as they are.")
    preset: Name | None = Field(default=None, description="Models and merging: `standard` or `full`.")
    whole: bool = Field(default=False, description="Listen to every chunk; else to one of every 12 s.")
    retry_failed: bool = Field(default=False, description="Try files again that failed, and have not changed since.")


class Chosen(Parameters):
    """How a file is tagged, and which tags are given."""

    model: Name | None = Field(default=None, description="One model, its tags as they are.")
    preset: Name | None = Field(default=None, description="Models and merging: `standard` or `full`.")
    n: int | None = Field(default=None, ge=0, le=1000, description="So many tags, best first; all if left out.")
    min_score: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False, description="Leave out tags below.")
    taggram: bool = Field(default=False, description="Give the scores of every chunk, too.")
    similar: int | None = Field(
        default=None, ge=1, le=50, description="Find so many tracks of the catalogue that sound like it, too."
    )


class Tag(Chosen):
    """Tag a file in the folders of music. To have one tagged that is sent: `POST /v1/jobs/upload`."""

    path: Text = Field(description="Absolute, or relative to a folder of music.")


class Compatibility(Parameters):
    """Compare two listeners, and hear first what was not heard yet."""

    a: Text = Field(description="A filter of the catalogue, SERVICE:USER, or a folder or playlist of the service.")
    b: Text
    by: Literal["auto", "audio", "tags"] = "auto"
    limit: int = Field(default=1000, ge=1, le=5000, description="How many likes to ask a service for.")
    seed: int = Field(default=0, ge=0, lt=2**63)


class AddJob(Parameters):
    """Add folders to the catalogue."""

    kind: Literal["add"]
    parameters: Add = Add()


class TagJob(Parameters):
    """Tag a file."""

    kind: Literal["tag"]
    parameters: Tag


class CompatibilityJob(Parameters):
    """Compare two listeners."""

    kind: Literal["compatibility"]
    parameters: Compatibility


NewJob = Annotated[AddJob | TagJob | CompatibilityJob, Field(discriminator="kind")]


class ProgressFacts(BaseModel):
    """How far a job is."""

    done: float = Field(description="Files, or seconds of audio, or likes.")
    total: float | None = Field(description="null as long as it is not known.")
    text: str


class JobFacts(BaseModel):
    """A job."""

    id: str
    kind: str
    parameters: dict[str, Any]
    state: State
    progress: ProgressFacts
    cancelling: bool = Field(description="It runs, and ends after the file that it is at.")
    attempts: int = Field(description="How often a worker took it.")
    error: Problem | None = Field(description="Why it failed, or is tried again.")
    result: Any = Field(default=None, description="What came of it; not in lists.")
    created: float = Field(description="Seconds since 1970, as are all times of a job.")
    started: float | None
    finished: float | None
    next_try: float = Field(description="When it may be taken, or taken again.")
    beat_at: float | None = Field(description="When its worker was heard of last.")
    version: int = Field(description="Counts its changes.")


class JobPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobFacts]
    counts: dict[str, int] = Field(description="Of all jobs, by state.")
    next: str | None = Field(description="The cursor of the next page.")
