"""The page of requests: everything that can be asked, nothing from elsewhere."""

import re
from html.parser import HTMLParser

from fastapi.testclient import TestClient

from earmark.service.routes.docs import page


class Reader(HTMLParser):
    """Checks that what is opened is closed, and keeps what is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_operation_is_there(still: TestClient) -> None:
    answer = still.get("/docs")
    reader = Reader()
    reader.feed(answer.text)
    assert reader.open == []
    assert reader.loaded == ["/openapi.json"]
    assert "<script" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    document = still.get("/openapi.json").json()
    n = sum(len(operations) for operations in document["paths"].values())
    assert answer.text.count("<details>") == n >= 12
    for path in document["paths"]:
        assert f"<code>{path}</code>" in answer.text
    assert re.search(r"<code>limit</code></td><td>query</td><td>integer, 1 to 500, 50 unless given", answer.text)


def test_what_stands_in_a_document_is_text() -> None:
    operation = {"summary": "<b>x</b>", "parameters": [{"name": "<i>", "in": "query", "schema": {"type": "string"}}]}
    text = page({"info": {"title": "<t>", "version": "1"}, "paths": {"/<p>": {"get": operation}}})
    assert "<b>x" not in text
    assert "<i>" not in text
    assert "<t>" not in text
    assert "&lt;p&gt;" in text
