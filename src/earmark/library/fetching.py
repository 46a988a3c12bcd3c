"""Hear the audio of likes where a service lets it be fetched: once, and what was fetched is deleted."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from earmark.errors import EarmarkError
from earmark.files import replacing
from earmark.library.ears import Ears, side_address
from earmark.library.taste.listener import TasteTrack
from earmark.sources import jamendo, soundcloud
from earmark.sources.likes import Like, Likes

Fetch = Callable[[Like, Path], Path]
AT_ONCE = 16  # files that are fetched before they are heard


def hear_likes(likes: Likes, which: Sequence[int], ears: Ears) -> dict[int, TasteTrack]:
    """Hear likes whose audio the terms of the service, the licence, or a right that the user has, let be analysed.

    Parameters
    ----------
    likes : of a listener
    which : of them, by number
    ears : hears; what cannot be fetched or heard is noted in its `failures`

    Returns
    -------
    by number, the tracks that were heard
    """
    fetch = fetcher(likes.service)
    if fetch is None:
        return {}
    memory = Memory(likes.service)
    known = ears.aside([one for i in which if (one := memory.get(likes.likes[i].source_id))])
    missing = [likes.likes[i] for i in which if memory.get(likes.likes[i].source_id) not in known]
    if likes.service == "jamendo":
        missing = [like for like in missing if jamendo.may_be_analysed(like)]
    for start in range(0, len(missing), AT_ONCE):
        heard = _fetched(missing[start : start + AT_ONCE], fetch, ears)
        memory.keep({source_id: track.id for source_id, track in heard.items()})
        known |= {track.id: track for track in heard.values()}
    found: dict[int, TasteTrack] = {}
    for i in which:
        like = likes.likes[i]
        track = known.get(memory.get(like.source_id) or "")
        if track is not None:
            found[i] = replace(track, name=like.name, artist=like.artist, title=like.title, path="", url=like.url)
    return found


def fetcher(service: str) -> Fetch | None:
    """Return what fetches the audio of a service; None if it is not to be analysed."""
    if service == "jamendo":
        return jamendo.fetch_audio
    if service == "soundcloud" and soundcloud.audio_allowed():
        return soundcloud.fetch_audio
    return None


def _fetched(likes: Sequence[Like], fetch: Fetch, ears: Ears) -> dict[str, TasteTrack]:
    """Fetch and hear some likes; return the tracks by the service's ids."""
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        paths: dict[str, str] = {}
        for number, like in enumerate(likes):
            place = Path(folder) / str(number)
            place.mkdir()
            try:
                paths[like.source_id] = str(fetch(like, place))
            except EarmarkError as error:
                ears.failures.append((like.name, error))
        heard = ears.by_path(list(paths.values()))
        return {source_id: heard[path] for source_id, path in paths.items() if path in heard}


class Memory:
    """Which track of a service has which audio, kept beside the music that was heard.

    Parameters
    ----------
    service : such as "jamendo"
    """

    def __init__(self, service: str) -> None:
        self._path = Path(side_address()) / f"{service}.json"
        try:
            read = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            read = {}
        self._ids: dict[str, str] = read if isinstance(read, dict) else {}

    def get(self, source_id: str) -> str | None:
        """Return the content id of a track, None if it was not fetched yet."""
        found = self._ids.get(source_id)
        return found if isinstance(found, str) else None

    def keep(self, ids: Mapping[str, str]) -> None:
        """Remember which content ids the tracks of some ids of the service have."""
        self._ids |= ids
        with replacing(self._path) as file:
            file.write(json.dumps(self._ids).encode("utf-8"))
