"""earmark listens to music and tells you what is in it."""

from earmark._version import __version__

__all__ = ["__version__"]
