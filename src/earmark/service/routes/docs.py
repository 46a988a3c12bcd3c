"""The page of requests: made from the OpenAPI document, without scripts, so that it needs no network."""

import html
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary b { font-family: ui-monospace, monospace; margin-right: .5rem }
summary span { opacity: .75; margin-left: .5rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid var(--line) }
code, pre { font-family: ui-monospace, monospace; font-size: .85rem; background: var(--soft); border-radius: .25rem }
code { padding: .1rem .25rem } pre { padding: .5rem; overflow-x: auto }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """Answer requests for the page.

    Parameters
    ----------
    document : returns the OpenAPI document
    """
    routes = APIRouter()

    @routes.get("/docs", include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return HTMLResponse(page(document()), headers={"Content-Security-Policy": _POLICY})

    return routes


def page(document: Mapping[str, Any]) -> str:
    """Write an OpenAPI document as a page.

    Parameters
    ----------
    document : as FastAPI makes it
    """
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            group = (operation.get("tags") or ["others"])[0]
            groups.setdefault(group, []).append("".join(_operation(document, method, path, operation)))
    parts = [f"<h2>{html.escape(name)}</h2>{''.join(lines)}" for name, lines in groups.items()]
    title = html.escape(f"{info['title']} {info['version']}")
    about = html.escape(info.get("description", ""))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>{title}</h1><p>{about}</p><p>For programs: <a href="/openapi.json">/openapi.json</a></p>'
        f"{''.join(parts)}</body></html>"
    )


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    summary = html.escape(operation.get("summary", ""))
    yield f"<details><summary><b>{method.upper()}</b><code>{html.escape(path)}</code><span>{summary}</span></summary>"
    yield f"<p>{html.escape(operation.get('description', ''))}</p>"
    rows = [_row(one["name"], one["in"], one, one.get("schema", {})) for one in operation.get("parameters", ())]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(document, content.get("schema", {}))
        needed = schema.get("required", ())
        for name, one in schema.get("properties", {}).items():
            rows.append(_row(name, kind, one | {"required": name in needed}, one))
    if rows:
        yield "<table><tr><th>name</th><th>in</th><th>takes</th><th>is</th></tr>" + "".join(rows) + "</table>"
    yield f"<pre>{html.escape(_example(method, path, operation))}</pre>"
    answers = [
        f"<tr><td><code>{html.escape(str(status))}</code></td><td>{html.escape(answer.get('description', ''))}</td>"
        f"<td>{_fields(document, answer)}</td></tr>"
        for status, answer in operation.get("responses", {}).items()
    ]
    yield f"<table><tr><th>status</th><th></th><th>answer</th></tr>{''.join(answers)}</table></details>"


def _row(name: str, place: str, one: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    takes = _kind(schema) + ("" if one.get("required") else f", {json.dumps(schema.get('default'))} unless given")
    about = one.get("description") or schema.get("description") or ""
    cells = (f"<code>{html.escape(name)}</code>", html.escape(place), html.escape(takes), html.escape(about))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _kind(schema: Mapping[str, Any]) -> str:
    """Say in a word or two what a schema takes."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return " or ".join(json.dumps(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = str(schema.get("type") or schema.get("$ref", "").rpartition("/")[2] or "anything")
    low, high = schema.get("minimum"), schema.get("maximum")
    return f"{kind}, {low} to {high}" if low is not None and high is not None else kind


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document.get("components", {}).get("schemas", {}).get(name, schema)
    return found


def _fields(document: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    content = answer.get("content", {})
    schema = _resolved(document, content.get("application/json", {}).get("schema", {}))
    names = ", ".join(f"<code>{html.escape(name)}</code>" for name in schema.get("properties", {}))
    return names or html.escape(", ".join(content))


def _example(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """Write a call of curl."""
    needed = [one["name"] for one in operation.get("parameters", ()) if one.get("required") and one["in"] == "query"]
    query = "?" + "&".join(f"{name}=..." for name in needed) if needed else ""
    content = operation.get("requestBody", {}).get("content", {})
    body = ""
    if "multipart/form-data" in content:
        body = " -F file=@song.mp3"
    elif content:
        body = " --json '{...}'"
    verb = "" if method == "get" or (method == "post" and body) else f" -X {method.upper()}"
    return f"curl{verb}{body} '{{address}}{path}{query}'".replace("{address}", "http://127.0.0.1:8337")
