"""What players read: which fields each of them looks at, and what has to be written otherwise for it.

Everything else about names of fields stands in `earmark.tagfile.fields`. A profile is a set of defaults, and what an
option says counts more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from earmark.errors import UnknownNameError
from earmark.tagfile.choosing import KeyNotation


@dataclass(frozen=True)
class Profile:
    """How to write for a player.

    Parameters
    ----------
    name : of the player
    fields : that are written unless others are asked for
    joined : fields whose values stand in one text, with "; " between them, where the player does not read several.
        Vorbis comments always stay apart: every player gets them joined, or as several, by itself
    names : that a field is written to instead of the first one of `earmark.tagfile.fields`, by field and family
    key_notation : unless another is asked for
    reads : what the player looks at, in a sentence
    source : where that is documented
    """

    name: str
    fields: tuple[str, ...]
    joined: frozenset[str] = frozenset()
    names: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict, hash=False)
    key_notation: KeyNotation = "initial"
    reads: str = ""
    source: str = ""


_VORBIS_KEY = {"key": {"vorbis": ("KEY",)}}
STANDARD = Profile(
    "standard",
    ("genre", "mood"),
    reads="the fields of the tag standards and of MusicBrainz Picard's mapping",
    source="https://picard-docs.musicbrainz.org/en/appendices/tag_mapping.html",
)
PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        STANDARD,
        Profile(
            "picard",
            ("genre", "mood", "bpm", "key"),
            names=_VORBIS_KEY,
            reads="several genres and moods; ID3 TMOO (TXXX:MOOD in ID3v2.3), TBPM, TKEY; in Vorbis comments the key "
            "is KEY",
            source="https://picard-docs.musicbrainz.org/en/appendices/tag_mapping.html",
        ),
        Profile(
            "navidrome",
            ("genre", "mood", "bpm", "key"),
            names={**_VORBIS_KEY, "grouping": {"id3": ("GRP1",)}},
            reads="several genres and moods, split at ; / and , ; TMOO or MOOD, TBPM, TKEY, GRP1 (TIT1 is a work); in "
            "Vorbis comments the key is KEY",
            source="https://github.com/navidrome/navidrome/blob/master/resources/mappings.yaml",
        ),
        Profile(
            "rekordbox",
            ("genre", "bpm", "key", "comment"),
            joined=frozenset(("genre", "grouping")),
            reads="one genre, the tempo, the key as F#m, and one comment; no mood, which goes into the comment as "
            "[MOOD: Dark; Sad], for playlists whose rule is 'comment contains'",
            source="https://github.com/WB2024/Essentia-to-Metadata/pull/6, "
            "https://github.com/Marekkon5/onetagger/issues/439",
        ),
        Profile(
            "plex",
            ("genre",),
            joined=frozenset(("genre", "mood", "grouping")),
            reads="genres, if the library's option Genres is 'Embedded tags': one text, split at ; . Its moods come "
            "from its own service, not from files",
            source="https://github.com/seanap/Audiobooks.bundle/issues/45",
        ),
        Profile(
            "musicbee",
            ("genre", "mood", "bpm"),
            reads="several genres and moods, shown with ; between them; TMOO and TXXX:MOOD, which it writes itself",
            source="https://github.com/Zeugma440/atldotnet/issues/108, "
            "https://github.com/MusicPlayerDaemon/MPD/issues/940",
        ),
    )
}

_BLOCK = re.compile(r"\s*\[MOOD:[^\]\n]*\]", re.IGNORECASE)


def get_profile(name: str) -> Profile:
    """Return a profile.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    """
    if name not in PROFILES:
        raise UnknownNameError("profile", name, PROFILES)
    return PROFILES[name]


def with_mood_block(comment: str, moods: Sequence[str]) -> str:
    """Put moods into a comment, in the place of those that stand there; the rest of it stays.

    Parameters
    ----------
    comment : as it is
    moods : to be there; without any, the block goes

    Examples
    --------
    >>> with_mood_block("bought 2019", ["Dark", "Sad"])
    'bought 2019 [MOOD: Dark; Sad]'
    >>> with_mood_block("[MOOD: Dark] bought 2019", ["Happy"])
    '[MOOD: Happy] bought 2019'
    """
    names = [name for mood in moods if (name := re.sub(r"[\[\];\s]+", " ", mood).strip())]
    block = f"[MOOD: {'; '.join(names)}]" if names else ""
    found = _BLOCK.search(comment)
    if found is None:
        return f"{comment} {block}" if comment and block else comment or block
    before, after = comment[: found.start()], _BLOCK.sub("", comment[found.end() :])
    if not block:
        return (before + after).lstrip() if not before else before + after
    space = comment[found.start() : comment.index("[", found.start())]
    return f"{before}{space}{block}{after}"
