"""earmark listens to music and tells you what is in it.

import earmark

result = earmark.tag("song.mp3")
for tag in result.top(5):
    print(tag.tag, tag.category, tag.score)
"""

from typing import TYPE_CHECKING, Any

from earmark._version import __version__

if TYPE_CHECKING:
    from earmark.library.facade import Library
    from earmark.one_call import embed, tag
    from earmark.tagger import PRESETS, TagFailure, Tagger
    from earmark.track_tags import Tag, TrackTags

__all__ = ["PRESETS", "Library", "Tag", "TagFailure", "Tagger", "TrackTags", "__version__", "embed", "tag"]

_HOMES = {
    "Library": "earmark.library.facade",
    "PRESETS": "earmark.tagger",
    "Tag": "earmark.track_tags",
    "TagFailure": "earmark.tagger",
    "Tagger": "earmark.tagger",
    "TrackTags": "earmark.track_tags",
    "embed": "earmark.one_call",
    "tag": "earmark.one_call",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import earmark` is quick."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'earmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, also those that were not used yet."""
    return sorted(__all__)
