"""Tags by any of their names."""

from collections.abc import Sequence

from earmark.errors import UnknownNameError
from earmark.vocabulary import display_name, merged_name


def position_of(tag: str, tags: Sequence[str]) -> int:
    """Return where a tag stands in a list, by its name, in another spelling, or by a synonym.

    Raises
    ------
    UnknownNameError
        If it is not there.

    Examples
    --------
    >>> position_of("hip hop", ("rock", "Hip-Hop")), position_of("female vocals", ("rock", "woman"))
    (1, 1)
    """
    for same in (str, display_name, merged_name):
        wanted = same(tag)
        found = [i for i, known in enumerate(tags) if same(known) == wanted]
        if found:
            return found[0]
    raise UnknownNameError("tag", tag, tags)
