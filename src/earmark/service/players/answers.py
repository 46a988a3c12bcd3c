"""Answers in the envelope of the Subsonic API, as JSON and as XML: the same values in both.

References
----------
https://opensubsonic.netlify.app/docs/responses/subsonic-response/,
https://www.subsonic.org/pages/api.jsp (the XML: plain values are attributes, others elements)
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from earmark._version import __version__
from earmark.service.players.failures import GENERIC, Failure, worded

API_VERSION = "1.16.1"
FORMATS = ("json", "xml")
TEXT = "value"
"""Name of the value that stands between the tags of an element in XML."""
HEADERS = {
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
}  # players in browsers have their own address
_NAMESPACE = "http://subsonic.org/restapi"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def format_of(text: str | None) -> str:
    """Return the format that a player wants.

    Raises
    ------
    Failure
        If there is no such format.
    """
    if text is None or text == "":
        return "xml"
    if text not in FORMATS:
        raise Failure(GENERIC, f"f is {text[:40]!r}, expected json or xml")
    return text


def answer(body: Mapping[str, Any], format: str) -> Response:
    """Return an answer that went well.

    Parameters
    ----------
    body : what stands in the envelope
    format : "json" or "xml"
    """
    return _written({**_envelope("ok"), **body}, format, 200)


def refusal(failure: Failure, format: str) -> Response:
    """Return an answer that says what went wrong."""
    error = {"code": failure.code, "message": worded(failure)}
    return _written({**_envelope("failed"), "error": error}, format, failure.status)


def _envelope(status: str) -> dict[str, Any]:
    return {
        "status": status, "version": API_VERSION, "type": "earmark", "serverVersion": __version__, "openSubsonic": True,
    }  # fmt: skip


def _written(content: Mapping[str, Any], format: str, status: int) -> Response:
    if format == "json":
        text = json.dumps({"subsonic-response": content}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = _SURROGATES.sub("\ufffd", text).encode()
        return Response(data, status_code=status, media_type="application/json", headers=HEADERS)
    return Response(to_xml(content), status_code=status, media_type="application/xml", headers=HEADERS)


def to_xml(content: Mapping[str, Any]) -> bytes:
    """Write an envelope as XML.

    Examples
    --------
    >>> to_xml({"status": "ok", "genres": {"genre": [{"songCount": 2, "value": "R&B"}]}}).decode()[-85:]
    'status="ok"><genres><genre songCount="2">R&amp;B</genre></genres></subsonic-response>'
    """
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _element(parts, "subsonic-response", {"xmlns": _NAMESPACE, **content})
    return "".join(parts).encode()


def _element(parts: list[str], name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        parts.append(f"<{name}>{escape(_text(value))}</{name}>")
        return
    plain = {key: one for key, one in value.items() if not isinstance(one, Mapping | list) and key != TEXT}
    parts.append(f"<{name}{''.join(f' {key}={quoteattr(_text(one))}' for key, one in plain.items())}")
    rest = [(key, one) for key, one in value.items() if isinstance(one, Mapping | list) and one != []]
    if not rest and TEXT not in value:
        parts.append("/>")
        return
    parts.append(">")
    if TEXT in value:
        parts.append(escape(_text(value[TEXT])))
    for key, one in rest:
        for single in one if isinstance(one, list) else [one]:
            _element(parts, key, single)
    parts.append(f"</{name}>")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NOT_XML.sub("\ufffd", str(value))
