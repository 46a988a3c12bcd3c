"""Tags in music files."""

from earmark.tagfile.reading import FileTags, read_tags

__all__ = ["FileTags", "read_tags"]
