"""What a listener likes, as plain data, whichever service told it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Like:
    """One track that a listener likes, or listens to.

    Parameters
    ----------
    artist, title, album : as the service writes them, "" where it does not say
    duration : seconds, None where it is not known
    isrc, mb_recording_id : identifiers of the recording, "" where there is none
    tags : what the service, or those who use it, call it; weights in (0, 1]
    weight : how much it counts beside the others, such as a number of listens; above 0
    url : its page, to link to
    licence : of the audio, such as "https://creativecommons.org/licenses/by/3.0/", "" where it is not known
    source_id : how the service knows it
    """

    artist: str
    title: str
    album: str = ""
    duration: float | None = None
    isrc: str = ""
    mb_recording_id: str = ""
    tags: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    url: str = ""
    licence: str = ""
    source_id: str = ""

    @property
    def name(self) -> str:
        """Artist and title."""
        return f"{self.artist} – {self.title}" if self.artist else self.title or self.source_id

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        names = ("artist", "title", "album", "duration", "isrc", "mb_recording_id", "weight", "url", "licence",
                 "source_id")  # fmt: skip
        return {**{name: getattr(self, name) for name in names}, "tags": dict(self.tags)}


def like_from_dict(plain: Mapping[str, Any]) -> Like:
    """Make a like from what `Like.to_dict` gave."""
    return Like(**plain)


@dataclass(frozen=True)
class Likes:
    """All that a service tells of one listener.

    Parameters
    ----------
    listener : name, as it is shown
    service : "listenbrainz", "lastfm", "soundcloud", "jamendo", or "csv"
    likes : the most liked, or newest, first
    url : the listener's page
    attribution : what has to be shown with the likes, such as "Likes from SoundCloud"
    notice : what the listener or the reader has to know, such as that the likes are public; "" if nothing
    mixable : whether the service's terms let its data be mixed with other services'
    n_unusable : entries that had neither title nor identifier, or were no tracks
    """

    listener: str
    service: str
    likes: tuple[Like, ...]
    url: str = ""
    attribution: str = ""
    notice: str = ""
    mixable: bool = True
    n_unusable: int = 0
