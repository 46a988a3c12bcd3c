"""The map of the catalogue as a page, drawn when somebody looks at it and kept until the catalogue changes."""

import threading
import warnings
from collections import OrderedDict

from earmark.errors import EarmarkWarning
from earmark.library.charting import chart
from earmark.plots.map_page import map_page
from earmark.service.state import Service

MOST_KEPT = 4
"""Maps, of several filters."""


class Charts:
    """Draws maps.

    Parameters
    ----------
    service : whose catalogue
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._drawing = threading.Lock()  # one at a time: it takes both cores and much memory

    def page(self, key: str, filter: str | None) -> bytes:
        """Return a map as a page.

        Parameters
        ----------
        key : changes when the map may: with the catalogue and the filter
        filter : which tracks; all if None

        Raises
        ------
        InputError
            If there is nothing to be drawn.
        """
        with self._drawing:
            if (page := self._kept.get(key)) is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", EarmarkWarning)
                    data = chart(self.service.library().store, groups=True, filter=filter, heading="Your music")
                page = self._kept[key] = map_page(data, links="served").encode()
                if len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return page
