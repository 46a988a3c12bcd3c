"""How well two listeners' taste agrees, and why.

`comparing.compare` is the main path: `listener` says what a listener is, `features` makes numbers of tracks,
`distance` compares two sets of them, `references` draws the pairs of listeners that the distance is held against, and
`explaining` says what it rests on.
"""

from earmark.library.taste.comparing import Compatibility, compare
from earmark.library.taste.listener import Listener, TasteTrack

__all__ = ["Compatibility", "Listener", "TasteTrack", "compare"]
