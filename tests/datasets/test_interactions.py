"""Tables of interactions: against a plain count, awkward files, filters, saving, real listening counts."""

import gzip
import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.datasets import interactions
from earmark.datasets.interactions import (
    LARGEST,
    Interactions,
    load_hetrec,
    load_triplets,
    open_bytes,
    read_hetrec,
    read_hetrec_artists,
    read_triplets,
)
from earmark.errors import InputError

Row = tuple[str, str, int]
names = st.text(st.characters(min_codepoint=33, exclude_categories=("Cs", "Cc")), min_size=1, max_size=4)
rows_of = st.lists(st.tuples(st.sampled_from("abcdé"), st.sampled_from("vwxyz—"), st.integers(1, 99)), min_size=1)


def read(text: str | bytes) -> Interactions:
    return read_triplets(io.BytesIO(text.encode() if isinstance(text, str) else text))


def table(rows: list[Row]) -> Interactions:
    return read("".join(f"{user}\t{item}\t{count}\n" for user, item, count in rows))


def counted(made: Interactions) -> dict[tuple[str, str], int]:
    found = {}
    for i, user in enumerate(made.users):
        for item, count in zip(*made.of_user(i), strict=True):
            assert (user, made.items[item]) not in found
            found[user, made.items[item]] = int(count)
    return found


def sums(rows: list[Row]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for user, item, count in rows:
        found[user, item] += count
    return dict(found)


@given(rows_of, st.integers(1, 60), st.integers(1, 5))
def test_equals_a_plain_count(rows: list[Row], block: int, part: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interactions, "BLOCK_BYTES", block)
        patch.setattr(interactions, "SLICE_ROWS", part)
        made = table(rows)
    assert counted(made) == sums(rows)
    assert made.users == tuple(dict.fromkeys(user for user, _, _ in rows))
    assert made.items == tuple(dict.fromkeys(item for _, item, _ in rows))
    assert len(made) == len(sums(rows))
    assert (made.starts.dtype, made.columns.dtype, made.counts.dtype) == (np.int64, np.int32, np.int32)
    for i in range(made.n_users):
        assert (np.diff(made.of_user(i)[0]) > 0).all(), "items rise"


@given(st.lists(st.tuples(names, names, st.integers(1, LARGEST)), min_size=1, unique_by=lambda row: row[:2]))
def test_any_names(rows: list[Row]) -> None:
    assert counted(table(rows)) == sums(rows)


@given(rows_of)
def test_totals(rows: list[Row]) -> None:
    made, expected = table(rows), sums(rows)
    for i, user in enumerate(made.users):
        own = [count for (name, _), count in expected.items() if name == user]
        assert (made.items_per_user[i], made.user_totals[i]) == (len(own), sum(own))
    for k, item in enumerate(made.items):
        own = [count for (_, name), count in expected.items() if name == item]
        assert (made.users_per_item[k], made.item_totals[k]) == (len(own), sum(own))


@given(rows_of, st.integers(0, 3), st.integers(0, 3))
def test_filter_leaves_the_largest_part_that_holds(rows: list[Row], min_users: int, min_items: int) -> None:
    kept = set(sums(rows))
    while True:
        users, items = Counter(user for user, _ in kept), Counter(item for _, item in kept)
        smaller = {(u, i) for u, i in kept if users[u] >= min_items and items[i] >= min_users}
        if smaller == kept:
            break
        kept = smaller
    made = table(rows).filter(min_users=min_users, min_items=min_items)
    assert counted(made) == {pair: count for pair, count in sums(rows).items() if pair in kept}
    assert set(made.users) == {user for user, _ in kept}
    assert set(made.items) == {item for _, item in kept}


@given(rows_of, st.sets(st.sampled_from("vwxyz—")))
def test_without(rows: list[Row], items: set[str]) -> None:
    made = table(rows).without(items)
    assert counted(made) == {pair: count for pair, count in sums(rows).items() if pair[1] not in items}
    assert not items & set(made.items)
    assert (made.items_per_user > 0).all()


@given(rows_of, st.dictionaries(st.sampled_from("vwxyz—"), st.sampled_from("pq")))
def test_renamed(rows: list[Row], new: dict[str, str]) -> None:
    expected = sums([(user, new[item], count) for user, item, count in rows if item in new])
    made = table(rows)
    assert counted(made.renamed(new)) == expected
    assert counted(made) == sums(rows), "left as it was"


@pytest.mark.parametrize(
    "text", ["ann\tsöng\t2\nbob\tsöng\t1", "ann\tsöng\t2\r\nbob\tsöng\t1\r\n", "\ufeffann\tsöng\t2\nbob\tsöng\t1\n\n\n"]
)
def test_line_ends_and_byte_order_marks(text: str) -> None:
    assert counted(read(text)) == {("ann", "söng"): 2, ("bob", "söng"): 1}


def test_carriage_returns_between_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for block in range(1, 12):
        monkeypatch.setattr(interactions, "BLOCK_BYTES", block)
        assert counted(read("ann\tx\t2\r\nbob\tx\t1\r\n")) == {("ann", "x"): 2, ("bob", "x"): 1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a\tb", "expected a user, an item and a count"),
        ("a\tb\t1\t2", "expected a user, an item and a count"),
        ("a b 1", "expected a user, an item and a count"),
        ("\tb\t1", "expected a user, an item and a count"),
        ("a\t\t1", "expected a user, an item and a count"),
        ("", "expected a user, an item and a count"),
        ("a\tb\t0", "not a whole number from 1"),
        ("a\tb\t-1", "not a whole number from 1"),
        ("a\tb\t1.5", "not a whole number from 1"),
        ("a\tb\t", "not a whole number from 1"),
        ("a\tb\tmany", "not a whole number from 1"),
        ("a\tb\t2147483648", "not a whole number from 1"),
        ("a\tb\t99999999999999999999999", "not a whole number from 1"),
        ("a\tb\t" + "9" * 6000, "not a whole number from 1"),
    ],
)
@pytest.mark.parametrize("block", [10, 1 << 20])
def test_malformed_rows_are_named(line: str, words: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "BLOCK_BYTES", block)
    with pytest.raises(InputError, match=f"line 4: .*{words}"):
        read(f"u\ti\t1\nu\tj\t1\nv\ti\t3\n{line}\nv\tj\t1\n")


def test_two_wrong_rows_that_make_up_for_each_other() -> None:
    with pytest.raises(InputError, match=r"line 1: 'a.tb'"):
        read("a\tb\nc\td\t1\t2\n")


def test_other_bytes() -> None:
    with pytest.raises(InputError, match="line 1"):
        read(b"a\0\tb\t1\n")
    with pytest.raises(InputError, match="no UTF-8"):
        read(b"a\xff\tb\t1\n")
    for empty in (b"", b"\n\n", b"\xef\xbb\xbf"):
        with pytest.raises(InputError, match="no row"):
            read(empty)


def test_sums_that_are_too_large() -> None:
    with pytest.raises(InputError, match="times, more than"):
        table([("a", "b", LARGEST), ("a", "b", 1)])


def test_published_forms(tmp_path: Path) -> None:
    text = b"ann\tsong\t2\nbob\tsong\t1\n"
    plain, zipped, packed = (tmp_path / f"train_triplets.txt{end}" for end in ("", ".gz", ".zip"))
    plain.write_bytes(text)
    zipped.write_bytes(gzip.compress(text))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_triplets.txt", text)
        archive.writestr("__MACOSX/._train_triplets.txt", b"x")
    for path in (plain, zipped, packed):
        assert counted(load_triplets(path)) == {("ann", "song"): 2, ("bob", "song"): 1}


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "triplets.gz"
    text = "".join(f"user{i}\tsong{i * 7919 % 1000}\t{i % 9 + 1}\n" for i in range(5000)).encode()
    whole = gzip.compress(text)
    for damaged in (whole[: len(whole) // 2], whole[:-4], whole[:200] + b"\xff\xff" + whole[202:], whole[:5]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"triplets.gz: the compressed file is damaged"):
            load_triplets(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", text)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(InputError, match=r"triplets.gz: the compressed file is damaged"):
        load_triplets(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", text)
        archive.writestr("b", text)
    with pytest.raises(InputError, match=r"triplets.gz: the archive holds 2 files, expected one"):
        load_triplets(path)
    path.write_bytes(b"a\tb\t0\n")
    with pytest.raises(InputError, match=r"triplets.gz: line 1"):
        load_triplets(path)
    path.unlink()
    with pytest.raises(InputError, match=r"triplets.gz: cannot be read"):
        load_triplets(path)


def test_saving(tmp_path: Path) -> None:
    made = table([("ann", "söng", 3), ("bob", "x", 1), ("ann", "x", 2)])
    made.save(tmp_path / "a.npz")
    back = Interactions.load(tmp_path / "a.npz")
    assert (back.users, back.items) == (made.users, made.items)
    assert counted(back) == counted(made)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert all(array.dtype.kind in "iu" for array in file.values())


def test_saved_files_that_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match=r"a.npz: there is no such file"):
        Interactions.load(path)
    table([("ann", "song", 3), ("bob", "x", 1)]).save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"x" * 50, whole[: len(whole) // 2], whole[:100] + b"\x07" * 40 + whole[140:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a.npz: no table of interactions"):
            Interactions.load(path)
    good = {"users": b"a\nb\n", "items": b"x\n", "starts": [0, 1, 1], "columns": [0], "counts": [1]}
    wrongs: list[dict[str, Any]] = [
        {"starts": [0, 1]},
        {"starts": [1, 0, 1]},
        {"columns": [1]},
        {"columns": [-1]},
        {"counts": [0]},
        {"users": b"a\na\n"},
        {},
    ]
    for wrong in wrongs:
        arrays = {
            key: np.frombuffer(value, np.uint8)
            if isinstance(value, bytes)
            else np.array(value, np.int64 if key == "starts" else np.int32)
            for key, value in (good | wrong).items()
        }
        if not wrong:
            del arrays["counts"]
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=r"a.npz: no table of interactions"):
            Interactions.load(path)


def test_names_that_cannot_be_saved(tmp_path: Path) -> None:
    made = table([("ann", "x", 1)]).renamed({"x": "two\nlines"})
    with pytest.raises(InputError, match="cannot be saved"):
        made.save(tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_users_that_are_not_there() -> None:
    made = table([("ann", "x", 1)])
    for user in (-1, 1):
        with pytest.raises(InputError, match="no user"):
            made.of_user(user)


def test_nothing_is_left() -> None:
    empty = table([("ann", "x", 1)]).without(["x"])
    assert (len(empty), empty.n_users, empty.n_items) == (0, 0, 0)
    assert empty.user_totals.tolist() == empty.item_totals.tolist() == []
    assert len(empty.filter(min_users=2).renamed({})) == 0


def test_hetrec_needs_its_header() -> None:
    with pytest.raises(InputError, match=r"line 1: .*expected the header"):
        read_hetrec(io.BytesIO(b"2\t51\t13883\n"))
    made = read_hetrec(io.BytesIO(b"\xef\xbb\xbfuserID\tartistID\tweight\r\n2\t51\t13883\r\n"))
    assert counted(made) == {("2", "51"): 13883}
    with pytest.raises(InputError, match="line 3"):
        read_hetrec(io.BytesIO(b"userID\tartistID\tweight\n2\t51\t13883\n2\t51\n"))
    with pytest.raises(InputError, match="line 1"):
        read_hetrec_artists(io.BytesIO(b"1\tABBA\n"))


@pytest.mark.shared
def test_real_listening_counts(shared: Path) -> None:
    folder = shared / "datasets" / "lastfm2k"
    made = load_hetrec(folder / "user_artists.dat.gz")
    assert (len(made), made.n_users, made.n_items) == (92_834, 1_892, 17_632)
    lines = gzip.decompress((folder / "user_artists.dat.gz").read_bytes()).decode().splitlines()[1:]
    assert counted(made) == {(u, i): int(n) for u, i, n in (line.split("\t") for line in lines)}
    assert made.user_totals.sum() == sum(int(line.rsplit("\t", 1)[1]) for line in lines)
    with open_bytes(folder / "artists.dat.gz") as file:
        artists = read_hetrec_artists(file)
    assert artists[made.items[0]] == "Duran Duran"
    assert set(made.items) <= artists.keys()
    core = made.filter(min_users=20, min_items=20)
    assert core.users_per_item.min() >= 20
    assert core.items_per_user.min() >= 20
