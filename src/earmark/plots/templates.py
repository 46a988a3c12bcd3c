"""Pages that need no network: parts that come with the package, and values put into them."""

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources


def page_part(name: str) -> str:
    """Return a part of a page, such as "map/page.html"."""
    return resources.files("earmark.data").joinpath(name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """Return the hash by which a content security policy knows a style or a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def filled(template: str, values: Mapping[str, str]) -> str:
    """Put values where their names stand in double braces; what is put in is not looked at again.

    Examples
    --------
    >>> filled("<p>{{a}}</p>", {"a": "{{b}}"})
    '<p>{{b}}</p>'
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], template)
