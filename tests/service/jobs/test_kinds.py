"""What jobs do, with a catalogue: adding, tagging, comparing; nothing outside the folders of music."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.audio.identity import content_id
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library import adding
from earmark.library.facade import Library
from earmark.library.store import Store
from earmark.library.vectors import search_vector
from earmark.service.jobs import kinds, tagging
from earmark.service.jobs.job import Job, new_id
from earmark.service.jobs.kinds import Doing
from earmark.service.jobs.shapes import Add, Compatibility, Tag
from earmark.service.jobs.uploads import Uploads
from earmark.service.jobs.watching import Stopped, Watch
from earmark.service.settings import Settings, make_settings
from earmark.service.state import Service
from earmark.track_tags import TrackTags

from ...library.conftest import MODEL, track_id, track_row


@pytest.fixture
def service(tmp_path: Path, music: Path) -> Service:
    """Over an empty catalogue."""
    for i in range(4):
        (music / f"{i}.wav").write_bytes(b"music %d" % i)
    return Service(make_settings(library=tmp_path / "empty", music=[music], data=tmp_path / "data", workers=1))


@pytest.fixture
def do(service: Service) -> Doing:
    return Doing(service, Uploads(service.settings.data, most_bytes=1000))


def job(kind: str, **parameters: Any) -> Job:
    return Job(new_id(), kind, parameters, 0.0)


def watch() -> Watch:
    return Watch(threading.Event())


def test_adding_and_adding_again(do: Doing, service: Service, heard: Path, music: Path) -> None:
    (music / "bad.wav").write_bytes(b"bad")
    seen = watch()
    done = do(job("add"), seen)
    assert (done["n_files"], done["n_heard"], done["n_failed"], done["seconds"]) == (5, 4, 1, 240.0)
    assert done["failures"] == [{"file": str(music / "bad.wav"), "error": f"{music}/bad.wav: no audio", "hint": "none"}]
    assert (seen.progress.done, seen.progress.total) == (5, 5)
    assert seen.progress.text == "5 of 5 files, 1 could not be heard"
    again = do(job("add", paths=["."]), watch())
    assert (again["n_heard"], again["n_known"], again["n_known_failures"]) == (0, 4, 1)
    assert len(heard.read_text().splitlines()) == 4
    assert len(Library(service.settings.library)) == 4
    json.dumps(again, allow_nan=False)


def test_adding_stops_between_files_and_keeps_what_was_heard(
    do: Doing, service: Service, heard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch()
    report = seen.report

    def stop_after_two(done: float, total: float | None = None, text: str = "") -> None:
        if done == 2:
            seen.stop("cancelled")
        report(done, total, text)

    monkeypatch.setattr(seen, "report", stop_after_two)
    with pytest.raises(Stopped, match="cancelled"):
        do(job("add"), seen)
    assert len(Library(service.settings.library)) == 2
    rest = do(job("add"), watch())
    assert (rest["n_heard"], rest["n_known"]) == (2, 2)
    assert len(heard.read_text().splitlines()) <= 5  # one may have been under way


def test_a_catalogue_that_another_process_writes_to_is_not_waited_for(do: Doing, service: Service, heard: Path) -> None:
    with service.library().store.writing(), pytest.raises(UsageError, match="another process is writing"):
        do(job("add"), watch())


def test_links_that_lead_out_are_not_followed(do: Doing, music: Path, tmp_path: Path, heard: Path) -> None:
    (tmp_path / "private.wav").write_bytes(b"music of others")
    (music / "link.wav").symlink_to(tmp_path / "private.wav")
    with pytest.raises(InputError, match="outside the folders of music") as caught:
        do(job("add"), watch())
    assert caught.value.hint is not None
    assert "--music" in caught.value.hint
    assert not heard.exists()


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        (Add(paths=["../empty"]), InputError, "no such file"),
        (Add(paths=["/etc"]), InputError, "no such file"),
        (Add(paths=["a\0b"]), InputError, "no such file"),
        (Add(model="no.model"), UnknownNameError, "there is no model"),
        (Add(model="/tmp/weights.onnx"), UnknownNameError, "there is no model"),
        (Add(preset="huge"), UnknownNameError, "there is no preset"),
        (Tag(path="."), InputError, "is a folder"),
        (Tag(path="/etc/passwd"), InputError, "no such file"),
        (Tag(path="0.wav", model="no.model"), UnknownNameError, "there is no model"),
        (Compatibility(a="/etc", b="bpm > 1"), Exception, "etc"),
        (Compatibility(a="lastfm:../x", b="bpm > 1"), UsageError, "whose likes"),
    ],
)
def test_what_is_refused_before_there_is_a_job(
    service: Service, parameters: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        kinds.check(service, "any", parameters)


def test_without_a_folder_of_music_there_is_nothing_to_add(service: Service) -> None:
    bare = Service(replace(service.settings, music=()))
    with pytest.raises(UsageError, match="no folder of music"):
        kinds.check(bare, "add", Add())


def test_paths_are_looked_at_again_when_the_job_is_done(do: Doing, music: Path, heard: Path) -> None:
    """Between asking and doing a file may have become a link."""
    with pytest.raises(InputError, match="no such file"):
        do(job("add", paths=["/etc"]), watch())
    with pytest.raises(InputError, match="no such file"):
        do(job("tag", path="../secret.wav"), watch())


def test_a_kind_of_a_newer_version(do: Doing) -> None:
    with pytest.raises(UsageError, match="does no jobs of the kind 'fly'"):
        do(job("fly"), watch())


def test_comparing(library_address: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Found:
        def to_dict(self) -> dict[str, Any]:
            return {"score": 80}

    def compare(self: Library, a: str, b: str, **options: Any) -> Found:
        options["on_likes"](3, 10)
        options["on_progress"](adding.AddProgress(1, 2, 10, 20, 0, 5.0))
        told.extend([a, b, options["by"], options["limit"], options["seed"]])
        return Found()

    monkeypatch.setattr(Library, "compatibility", compare)
    over = Service(replace(service.settings, library=library_address))
    do, seen = Doing(over, Uploads(over.settings.data, most_bytes=1000)), watch()
    assert do(job("compatibility", a="bpm < 340", b="listenbrainz:anna", seed=3), seen) == {"score": 80}
    assert told == ["bpm < 340", "listenbrainz:anna", "auto", 1000, 3]
    assert seen.progress.text == "1 of 2 files were heard"
    seen.stop("cancelled")
    with pytest.raises(Stopped):
        do(job("compatibility", a="bpm < 340", b="bpm > 340"), seen)


# Tagging, in its process ----------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process load a stand-in for the models."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(tagging, "SERVICE", "stub_tagging:tagger")


def noise(path: Path, seconds: float = 3.0) -> Path:
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, int(seconds * 16000)).astype(np.float32)
    soundfile.write(path, samples, 16000, format="WAV")
    return path


def test_tagging_a_file(do: Doing, music: Path, stand_in: None) -> None:
    noise(music / "noise.wav")
    seen = watch()
    found = do(job("tag", path="noise.wav", n=1), seen)
    assert (found["path"], found["duration"]) == ("noise.wav", 3.0)
    assert [tag["tag"] for tag in found["tags"]] == ["piano"]
    assert "similar" not in found
    assert (seen.progress.text, seen.progress.total) == ("noise.wav", 3.0)


def test_tagging_what_was_sent(do: Doing, tmp_path: Path, stand_in: None) -> None:
    one = job("tag", upload="from a phone.wav")
    with noise(tmp_path / "x.wav").open("rb") as file:
        do.uploads.keep(one.id, file)
    assert do(one, watch())["path"] == "from a phone.wav"
    do.uploads.path(one.id).write_bytes(b"no audio")
    with pytest.raises(InputError, match=r"^from a phone\.wav: ") as caught:
        do(one, watch())
    assert str(tmp_path) not in caught.value.message
    with pytest.raises(InputError, match="not kept any more"):
        do(job("tag", upload="gone.wav"), watch())


@pytest.fixture
def over(service: Service, library_address: str, monkeypatch: pytest.MonkeyPatch) -> Doing:
    """Jobs over twelve made-up tracks, which the stand-in has heard, too."""
    monkeypatch.setattr(kinds, "describe", lambda model, *, preset: MODEL)
    one = Service(replace(service.settings, library=library_address))
    return Doing(one, Uploads(one.settings.data, most_bytes=200_000))


def test_what_sounds_like_a_file_that_is_not_in_the_catalogue(
    over: Doing, music: Path, stand_in: None, library_address: str
) -> None:
    noise(music / "noise.wav")
    found = over(job("tag", path="noise.wav", n=0, similar=4), watch())
    assert (found["tags"], found["track"], found["notes"]) == ([], None, [])
    like = search_vector(np.arange(8, dtype=np.float32), MODEL.parts)
    tracks = list(Library(library_address).list(embeddings=True))
    expected = {one.id: float(search_vector(one.heard["standard"].embedding, MODEL.parts) @ like) for one in tracks}  # type: ignore[arg-type]
    best = sorted(expected, key=lambda one: -expected[one])[:4]
    assert [one["id"] for one in found["similar"]] == best
    assert [one["similarity"] for one in found["similar"]] == pytest.approx([expected[one] for one in best])
    assert found["similar"][0]["title"].startswith("Title ")
    json.dumps(found, allow_nan=False)


def test_the_same_recording_is_told_and_left_out(
    over: Doing, music: Path, stand_in: None, library_address: str, tmp_path: Path
) -> None:
    identity = content_id(noise(tmp_path / "phone.wav"))
    row = track_row(20, folder=str(music)) | {"id": identity}
    Store(library_address).put("tracks", [row])
    one = job("tag", upload="from a phone.wav", similar=50)
    with (tmp_path / "phone.wav").open("rb") as file:
        over.uploads.keep(one.id, file)
    found = over(one, watch())
    assert found["track"] == identity
    assert len(found["similar"]) == 12
    assert identity not in {match["id"] for match in found["similar"]}


def test_why_nothing_can_be_similar(
    service: Service, over: Doing, library_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = np.zeros((0, 0), np.float32)
    heard = TrackTags("a", 3.0, (), none, none, np.arange(8, dtype=np.float32), "standard", ("a", "b"))
    ears = tagging.Ears(None, "standard", 60.0)

    def ask(service: Service) -> Any:
        found = kinds.find_similar(service, heard, track_id(3), ears, 3)
        assert found["similar"] == []
        return found["notes"], found["track"]

    assert ask(service) == (["there is no track in the catalogue yet that could be similar"], None)
    monkeypatch.setattr(kinds, "describe", lambda model, *, preset: replace(MODEL, version="2"))
    words = "the catalogue was heard by another version of standard: nothing can be compared"
    assert ask(over.service) == ([words], track_id(3))
    monkeypatch.setattr(kinds, "describe", lambda model, *, preset: MODEL)
    monkeypatch.setattr(kinds, "similar_to_heard", fail)
    assert ask(over.service) == (["similar tracks could not be looked for: the disk is gone"], track_id(3))
    store = Store(library_address)
    store.keep_model(replace(MODEL, name="other"))
    store.delete("models", ["standard"])
    words = "the catalogue was heard by other, not by standard: nothing can be compared"
    assert ask(over.service) == ([words], track_id(3))


def fail(*given: Any, **options: Any) -> None:
    raise InputError("the disk is gone")


def test_more_audio_than_is_taken(do: Doing, music: Path, stand_in: None) -> None:
    noise(music / "long.wav", 30.0)
    short = Service(replace(do.service.settings, most_seconds=20.0))
    with pytest.raises(Exception, match="of audio, which is not taken here"):
        Doing(short, do.uploads)(job("tag", path="long.wav"), watch())


def test_a_process_is_ended_when_the_job_is_cancelled(
    do: Doing, music: Path, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_STUB_SECONDS", "60")
    noise(music / "noise.wav")
    seen = watch()
    threading.Timer(0.3, seen.stop, ["cancelled"]).start()
    with pytest.raises(InputError, match="interrupted"):
        do(job("tag", path="noise.wav"), seen)
    assert seen.reason == "cancelled"


@pytest.mark.shared
def test_tagging_with_the_published_weights(published_weights: None, settings: Settings, music: Path) -> None:
    rate = 16000
    t = np.arange(4 * rate) / rate
    soundfile.write(music / "tone.wav", (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), rate)
    found = kinds.tag(Service(settings), Tag(path="tone.wav", n=3), music / "tone.wav", "tone.wav", watch())
    assert (found["path"], found["duration"], found["model"], len(found["tags"])) == ("tone.wav", 4.0, "standard", 3)
