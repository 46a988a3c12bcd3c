"""Tables that fit: the most telling form for the room there is, and no number lost before it has to be."""

import pytest

from earmark.evaluate import compare, evaluate
from earmark.evaluate.blocks import Table, Text, table_width
from earmark.evaluate.sections import scores_table


def forms(make, n: int, width: int | None, *, name: str = "model") -> tuple[Table, Text]:
    made = [make(seed=0, skill=1.0 + i, model=f"{name} {i}") for i in range(n)]
    table, text = compare(made, mean=True, resamples=5).blocks(width=width)[:2]
    assert isinstance(table, Table)
    assert isinstance(text, Text)
    return table, text


def test_with_room_there_are_intervals(make) -> None:
    table, text = forms(make, 3, None)
    assert table.columns == ("", "model 0", "model 1", "model 2", "mean ± deviation")
    assert all("[" in cell for row in table.rows[1:] for cell in row[1:-1])
    assert [row[0] for row in table.rows if "lower is better" in row[0]] == [
        "log loss (lower is better)",
        "calibration error (lower is better)",
    ]
    assert "95 % intervals from 5 resamples" in text.text
    assert table_width(table) > 80


@pytest.mark.parametrize("n", [2, 3, 4])
def test_without_room_intervals_are_left_out_and_that_is_said(make, n) -> None:
    table, text = forms(make, n, 80)
    assert table_width(table) <= 80
    assert table.columns[1] == "model 0"
    assert not any("[" in cell for row in table.rows for cell in row)
    assert any(cell.endswith(" *") for row in table.rows for cell in row)
    assert "Lower is better of log loss and calibration error. Intervals are left out" in text.text


def test_many_entries_are_rows_or_a_row_per_value(make) -> None:
    table, _ = forms(make, 6, None)
    assert [row[0] for row in table.rows] == [*(f"model {i}" for i in range(6)), "mean ± deviation"]
    narrow, text = forms(make, 6, 80, name="a model with a name")
    assert table_width(narrow) <= 90
    assert [row[1] for row in narrow.rows[:7]] == [*(f"a model with a name {i}" for i in range(6)), "mean ± deviation"]
    assert "[" in narrow.rows[0][2]
    assert "95 % intervals" in text.text


def test_width_is_that_of_letters_on_a_terminal() -> None:
    assert table_width(Table(("", "b"), (("音楽", "1"), ("e\u0301", "22")))) == 4 + 2 + 2


def test_scores_beside_floors_keep_to_the_terminal(make) -> None:
    shared = {"artist": (True,) * 40 + (False,) * 80}
    report = evaluate(make(shared=shared), validation=make(seed=1), resamples=5, mistakes=0)
    wide, narrow, least = (scores_table(report, width=width) for width in (None, 100, 80))
    assert scores_table(report, width=table_width(wide)) == wide
    assert all(table_width(table) <= width for table, width in ((narrow, 100), (least, 80)))
    assert ["[" in cell for cell in narrow.rows[0]] == [False, True, False, False]
    assert not any("[" in cell for row in least.rows for cell in row)
    assert [row[1] for row in least.rows] == [row[1].partition(" [")[0] for row in wide.rows]
