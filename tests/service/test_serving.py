"""Listening: a free port, a port that is taken, addresses that are none."""

import os
import socket
from pathlib import Path

import pytest

from earmark.errors import EarmarkError, InputError
from earmark.service.serving import address_of, listen, serve
from earmark.service.settings import make_settings


def test_a_free_port_is_found() -> None:
    with listen("127.0.0.1", 0) as listener:
        where = address_of("127.0.0.1", listener)
        assert where == f"http://127.0.0.1:{listener.getsockname()[1]}"
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass


def test_addresses_of_ipv6_stand_in_brackets() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert address_of("::1", listener).startswith("http://[::1]:")


def test_a_port_in_use_is_an_error_in_words() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is in use") as caught:
            listen("127.0.0.1", port)
    assert caught.value.hint is not None
    assert "--port 0" in caught.value.hint
    listen("127.0.0.1", port).close()  # free again at once


@pytest.mark.parametrize("host", ["no such host", "256.1.1.1", "192.0.2.1", "a" * 100, "é\ud800"])
def test_addresses_that_are_none(host: str) -> None:
    with pytest.raises(InputError, match="is no address of this machine"):
        listen(host, 0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="an ordinary user is needed")
def test_ports_of_the_system() -> None:
    with pytest.raises(InputError, match=r"may not be used|is in use"):
        listen("127.0.0.1", 80)


def test_a_catalogue_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = make_settings(library=tmp_path / "file", data=tmp_path / "data", port=0)
    with pytest.raises(EarmarkError, match="file"):
        serve(settings, on_ready=lambda where: pytest.fail(f"it listens at {where}"))
