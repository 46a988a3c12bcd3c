"""The root: help, version, errors, exit status. None of it needs weights."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from earmark._version import __version__
from earmark.cli.app import explain_defect, split_debug

Cli = Callable[..., Any]
COMMANDS = ("tag", "taggram", "embed", "models", "convert", "demo")


def test_help_names_every_command(cli: Cli) -> None:
    answer = cli("--help")
    assert answer.status == 0
    assert all(f"\n  {name} " in answer.out for name in COMMANDS)
    assert cli().out == answer.out


@pytest.mark.parametrize("name", [*COMMANDS, "models list", "models pull", "models import", "models export"])
def test_every_command_has_help(cli: Cli, name: str) -> None:
    answer = cli(*name.split(), "--help")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: earmark {name} ")


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"earmark {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from earmark.cli.app import run; run(['--help']);"
        "print({'numpy', 'onnxruntime', 'soundfile', 'torch'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


@pytest.mark.parametrize("arguments", [["tga"], ["tag"], ["tag", "--tpo", "x"], ["--verbose"], ["models", "lst"]])
def test_usage_errors_exit_2_with_a_hint(cli: Cli, arguments: list[str]) -> None:
    answer = cli(*arguments)
    assert (answer.status, answer.out) == (2, "")
    first, second = answer.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: earmark ")


def test_debug_may_stand_anywhere() -> None:
    assert split_debug(["tag", "--debug", "x"]) == (["tag", "x"], True)
    assert split_debug(["tag", "--", "--debug"]) == (["tag", "--", "--debug"], False)


def test_a_defect_is_reported_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["earmark", "tag"])
    explain_defect(TypeError, TypeError("oops"), None)
    assert capsys.readouterr().err.startswith(
        "error: a defect of earmark: TypeError: oops\nhint: run it again with --debug"
    )
    monkeypatch.setattr(sys, "argv", ["earmark", "tag", "--debug"])
    explain_defect(TypeError, TypeError("oops"), None)
    assert capsys.readouterr().err == "TypeError: oops\n"
