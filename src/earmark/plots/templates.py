"""Pages that need no network: parts that come with the package, and values put into them."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from importlib import resources


def page_part(name: str) -> str:
    """Return a part of a page, such as "map/page.html"."""
    return resources.files("earmark.data").joinpath(name).read_text(encoding="utf-8")


def self_contained(
    title: str, body: str, *, style: str, allowed: str, script: str = "", data: Mapping[str, str] | None = None
) -> str:
    """Put a page around a body.

    Parameters
    ----------
    title : plain text
    body, style, script : HTML, CSS and JavaScript; the policy of the page allows this style and this script alone
    allowed : what it may fetch besides, as directives of a content security policy, such as "media-src 'self'"
    data : what the script finds in the `data-` attributes of the page, plain text by name
    """
    policy = f"default-src 'none'; style-src '{digest(style)}' 'unsafe-hashes'; style-src-attr 'unsafe-inline'; "
    policy += f"script-src '{digest(script)}'; " if script else ""
    policy += f"{allowed}; base-uri 'none'; form-action 'none'"
    return filled(
        page_part("page.html"),
        {
            "policy": html.escape(policy),
            "title": html.escape(title),
            "style": style,
            "attributes": "".join(f' data-{name}="{html.escape(text)}"' for name, text in (data or {}).items()),
            "body": body,
            "end": f"<script>{script}</script>\n" if script else "",
        },
    )


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
