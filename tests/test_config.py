"""Run files: tables are constructors, keys their arguments, and what nobody takes is an error with a suggestion."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.config import Section, build_table, check_config, override, provenance, read_config, to_toml
from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.registry import Registry, check_options

SHAPES = Registry[Any]("shape")


@SHAPES.register("circle")
def circle(*, radius: float = 1.0, n_tags: int = 0) -> tuple[str, float, int]:
    return "circle", radius, n_tags


@SHAPES.register("square")
def square(*, side: float = 1.0) -> tuple[str, float]:
    return "square", side


def run(*, seed: int = 0, name: str = "") -> tuple[int, str]:
    return seed, name


SCHEMA = {
    "run": Section(run),
    "shape": Section(SHAPES, required=True, reserved=("n_tags",)),
    "other": Section(SHAPES, default="square"),
    "none": Section(SHAPES),
}


def test_tables_become_what_they_stand_for() -> None:
    config = {"run": {"seed": 3, "name": "first"}, "shape": {"name": "circle", "radius": 2.0}}
    check_config(config, SCHEMA)
    assert build_table(config, "run", SCHEMA) == (3, "first")
    assert build_table(config, "shape", SCHEMA, n_tags=5) == ("circle", 2.0, 5)
    assert build_table(config, "other", SCHEMA) == ("square", 1.0)
    assert build_table(config, "none", SCHEMA) is None
    assert config["shape"] == {"name": "circle", "radius": 2.0}, "building changes nothing"


@pytest.mark.parametrize(
    ("config", "problem", "hint"),
    [
        ({"shapes": {}, "shape": {"name": "circle"}}, r"no table \[shapes\]", "did you mean [shape]?"),
        ({"run": {}}, r"the table \[shape\] is missing", ""),
        ({"shape": {"name": "circle", "radios": 1}}, "takes no option 'radios'", "did you mean 'radius'?"),
        ({"shape": {"name": "circle", "n_tags": 1}}, "sets 'n_tags'", "leave it out"),
        ({"shape": {"name": "circle"}, "none": {"side": 1}}, r"\[none\] does not say which shape", "circle, square"),
        ({"shape": {"name": "circle"}, "run": {"sead": 1}}, "takes no option 'sead'", "did you mean 'seed'?"),
    ],
)
def test_what_nobody_takes_is_an_error_with_a_suggestion(config: Any, problem: str, hint: str) -> None:
    with pytest.raises(UsageError, match=problem) as error:
        check_config(config, SCHEMA)
    assert hint in (error.value.hint or "")


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="no shape 'cirle'") as error:
        check_config({"shape": {"name": "cirle"}}, SCHEMA)
    assert "circle" in (error.value.hint or "")


def test_values_are_overridden_and_the_config_stays() -> None:
    config = {"shape": {"name": "circle", "radius": 1.0}}
    changed = override(config, ["shape.radius=2", "run.name=a b", 'run.seed = "7"', "other.sides=[1, 2]"])
    assert changed["shape"] == {"name": "circle", "radius": 2}
    assert changed["run"] == {"name": "a b", "seed": "7"}
    assert changed["other"] == {"sides": [1, 2]}
    assert config == {"shape": {"name": "circle", "radius": 1.0}}
    for wrong in ("radius=2", "shape.radius", ".=1", "shape.=1"):
        with pytest.raises(UsageError, match="sets nothing"):
            override(config, [wrong])


def test_files_that_are_no_configs(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    for content, problem in ((b"seed = 1\n", "'seed' stands in no table"), (b"[a\n", "no TOML"), (b"\xff", "no TOML")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=problem):
            read_config(path)
    with pytest.raises(InputError, match=r"gone\.toml: cannot be read"):
        read_config(tmp_path / "gone.toml")


keys = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
plain = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=True),
    st.text(st.characters(exclude_categories=["Cs"])),
)
tables = st.dictionaries(keys, st.one_of(plain, st.lists(plain, max_size=3), st.dictionaries(keys, plain, max_size=2)))


@given(st.dictionaries(keys, tables, max_size=4))
def test_what_is_written_is_read_again(config: dict[str, Any]) -> None:
    import tomllib

    assert tomllib.loads(to_toml(config)) == config


def test_provenance_names_versions_and_commit() -> None:
    record = provenance()
    assert set(record) == {"earmark", "python", "platform", "packages", "commit"}
    assert record["packages"]["numpy"]
    assert record["commit"] is None or len(record["commit"].rstrip("+")) == 40


def test_the_hint_names_options_and_not_what_collects_them() -> None:
    def takes_all(side: int, *args: int, **kwargs: int) -> None: ...

    with pytest.raises(UsageError, match="takes no option 'xyz'") as caught:
        check_options("square", takes_all, {"xyz": 1})
    assert caught.value.hint == "it takes: side"
