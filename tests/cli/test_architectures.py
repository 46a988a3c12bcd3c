"""`earmark models list --architectures` and `earmark models architecture`."""

import json
import shutil
import subprocess
import sys
from os import terminal_size

import pytest

from earmark.cli import architectures
from earmark.models.architectures import read_architectures

from .conftest import Cli


def test_the_list_has_a_line_for_each(cli: Cli) -> None:
    lines = [line.split("\t") for line in cli("models", "list", "--architectures").out.splitlines()]
    assert sorted(line[0] for line in lines) == sorted(read_architectures())
    assert {len(line) for line in lines} == {10}
    rows = {line[0]: line[1:] for line in lines}
    assert rows["musicnn"][:8] == ["musicnn", "mel", "787159", "1.3986", "2.3520", "2.9920", "16000", "200"]
    assert rows["crnn"][4] == "whole"
    assert rows["crnn"][-1].endswith("SMC 2020.")
    names = [line[0] for line in lines]
    assert names.index("dm8") + 1 == names.index("dm16")
    assert cli("models", "--architectures").out.splitlines()[0].split("\t") == lines[0]


def test_the_list_as_json(cli: Cli) -> None:
    answer = cli("models", "list", "--architectures", "--json", "--min-seconds", 2.5)
    found = {one["name"]: one for one in map(json.loads, answer.out.splitlines())}
    assert {"dm16", "mlp_waveform"} <= set(found)
    assert "fcn" not in found
    assert found["dm16"]["field_samples"] == 30704
    assert found["dm16"]["field_stage"] == "layer7"
    assert not found["dm16"]["field_is_whole_chunk"]
    assert found["dm16"]["n_macs"] == sum(stage["n_macs"] for stage in found["dm16"]["stages"])
    nothing = cli("models", "--architectures", "--min-seconds", 0.4)
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "no architecture hears 0.4 s at once\n")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130, 200])
def test_tables_fit_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: terminal_size((width, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = cli("models", "list", "--architectures").out.splitlines()
    assert len(lines) == 1 + len(read_architectures())
    assert max(map(len, lines)) <= width
    shown = [name for name, least in architectures.COLUMNS.items() if width >= least]
    assert lines[0].split() == shown
    table = cli("models", "architecture", "cnn_attention").out.partition("\n\n")[2].splitlines()
    assert max(map(len, table)) <= max(width, 50)
    assert table[0].split() == [name for name, least in architectures.STAGE_COLUMNS.items() if width >= least]


def test_an_architecture_is_shown(cli: Cli) -> None:
    answer = cli("models", "architecture", "fcn")
    assert answer.status == 0
    assert "sees:        whole chunk (block5)" in answer.out
    assert "2.04 s of it do not reach the tags" in answer.out
    assert "weights:     fcn.won_mtt, fcn.won_msd, fcn.won_jamendo" in answer.out
    assert "n_tags=50  (a whole number)" in answer.out
    (stage,) = [line.split() for line in answer.out.splitlines() if line.startswith("block2")]
    assert stage[:6] == ["block2", "128", "x", "24", "x", "113"]
    plain = json.loads(cli("models", "architecture", "musicnn", "--json").out)
    assert (plain["name"], plain["field_seconds"]) == ("musicnn", 2.352)


def test_mistakes_are_told(cli: Cli) -> None:
    answer = cli("models", "architecture", "fnc")
    assert (answer.status, answer.out) == (2, "")
    assert "there is no architecture 'fnc'" in answer.err


def test_other_options_are_measured(cli: Cli) -> None:
    pytest.importorskip("torch")
    answer = cli("models", "architecture", "short_chunk_res", "--set", "n_channels=32", "--json")
    plain = json.loads(answer.out)
    assert plain["n_parameters"] == 765_108
    assert plain["n_macs"] / 1e9 == pytest.approx(0.18, abs=0.005)  # published count of this width
    wrong = cli("models", "architecture", "short_chunk_res", "--set", "n_channel=32")
    assert (wrong.status, wrong.out) == (2, "")
    assert "did you mean 'n_channels'?" in wrong.err


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from earmark.cli.app import run\n"
        "sys.exit(run(['models', 'list', '--architectures']) or run(['models', 'architecture', 'dm16']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "layer7" in done.stdout
    code = code.replace("'dm16'", "'dm16', '--set', 'n_tags=10'")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "earmark[torch]" in done.stderr
