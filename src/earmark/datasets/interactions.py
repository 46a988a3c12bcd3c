"""Who listened to what, how often: the Taste Profile of the Echo Nest, HetRec's Last.fm, and tables like them.

`Interactions` holds counts by user, as a sparse matrix in rows: users and items by their names, and three arrays of
numbers. A pair of user and item that stands in a file several times counts as the sum.

The Taste Profile subset, `train_triplets.txt`, has 48,373,586 rows of 1,019,318 users and 384,546 songs. Files are read
in blocks, without a Python loop over the rows: a million a second, and 1.6 GB of memory for all of it.

References
----------
McFee, B., Bertin-Mahieux, T., Ellis, D. P. W. and Lanckriet, G. "The Million Song Dataset Challenge", WWW 2012.
Cantador, I., Brusilovsky, P. and Kuflik, T. "Second workshop on information heterogeneity and fusion in recommender
systems (HetRec 2011)", RecSys 2011.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.errors import InputError
from earmark.files import replacing

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

BLOCK_BYTES = 1 << 24
LARGEST = 2**31 - 1  # of a count
SLICE_ROWS = 1 << 20  # sorted at a time
HETREC_HEADER = ("userID", "artistID", "weight")
_TAB, _LINE_END = 9, 10


@dataclass(frozen=True, eq=False)
class Interactions:
    """Counts by user and item.

    Parameters
    ----------
    users, items : names, each once
    starts : shape (n_users + 1,); the entries of user i are starts[i] to starts[i + 1]
    columns : shape (n,), the item of each entry, rising within a user
    counts : shape (n,), at least 1

    Raises
    ------
    InputError
        If the arrays do not fit each other.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    starts: Longs
    columns: Ints
    counts: Ints

    def __post_init__(self) -> None:
        n, lengths = len(self.columns), np.diff(self.starts)
        fits = len(self.starts) == len(self.users) + 1 and len(self.counts) == n
        if not fits or self.starts[0] != 0 or self.starts[-1] != n or (lengths < 0).any():
            raise InputError("the arrays of a table of interactions do not fit each other")
        if n and (self.columns.min() < 0 or self.columns.max() >= len(self.items) or self.counts.min() < 1):
            raise InputError("a table of interactions names an item that it does not have, or a count below 1")
        for names in (self.users, self.items):
            if len(set(names)) != len(names):
                raise InputError("a table of interactions has a user or an item twice")

    def __len__(self) -> int:
        """Return the number of pairs of a user and an item."""
        return len(self.columns)

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(self.items)

    def of_user(self, user: int) -> tuple[Ints, Ints]:
        """Return the items of a user and how often each was played.

        Parameters
        ----------
        user : index, from 0

        Returns
        -------
        two arrays of shape (n,)
        """
        if not 0 <= user < self.n_users:
            raise InputError(f"there is no user {user} among {self.n_users}")
        part = slice(self.starts[user], self.starts[user + 1])
        return self.columns[part], self.counts[part]

    @property
    def rows(self) -> Ints:
        """The user of every entry, shape (n,)."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.starts))

    @property
    def items_per_user(self) -> Longs:
        """How many items each user played, shape (n_users,)."""
        return np.diff(self.starts)

    @property
    def users_per_item(self) -> Longs:
        """How many users played each item, shape (n_items,)."""
        return np.bincount(self.columns, minlength=self.n_items).astype(np.int64)

    @property
    def user_totals(self) -> Longs:
        """The plays of each user, shape (n_users,)."""
        sums = np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])
        totals: Longs = sums[self.starts[1:]] - sums[self.starts[:-1]]
        return totals

    @property
    def item_totals(self) -> Longs:
        """The plays of each item, shape (n_items,)."""
        return np.bincount(self.columns, weights=self.counts, minlength=self.n_items).astype(np.int64)

    def filter(self, *, min_users: int = 1, min_items: int = 1) -> "Interactions":
        """Keep items that enough users played, and users who played enough items, until both hold.

        Parameters
        ----------
        min_users : of an item
        min_items : of a user
        """
        rows = self.rows
        entries = np.ones(len(self), np.bool_)
        while True:
            keep_users = np.bincount(rows[entries], minlength=self.n_users) >= max(min_items, 1)
            entries &= keep_users[rows]
            keep_items = np.bincount(self.columns[entries], minlength=self.n_items) >= max(min_users, 1)
            kept = entries & keep_items[self.columns]
            if kept.sum() == entries.sum():
                return self._kept(keep_users, keep_items, kept, rows)
            entries = kept

    def without(self, items: Collection[str]) -> "Interactions":
        """Leave out items, and users who played nothing else."""
        drop = set(items)
        keep = np.array([name not in drop for name in self.items], np.bool_)
        return self._of_items(keep)

    def renamed(self, names: Mapping[str, str]) -> "Interactions":
        """Give items other names; those without one are left out, those of one name become one.

        Parameters
        ----------
        names : present name of an item to its new one, such as song ids to track ids
        """
        part = self.without([name for name in self.items if name not in names])
        numbers = _Numbers()
        new = np.array([numbers[names[name]] for name in part.items], np.int32)
        return _assemble(part.users, tuple(numbers), part.rows, new[part.columns], part.counts)

    def _of_items(self, keep: NDArray[np.bool_]) -> "Interactions":
        entries, rows = keep[self.columns], self.rows
        users = np.bincount(rows[entries], minlength=self.n_users) > 0
        return self._kept(users, keep, entries, rows)

    def _kept(
        self, users: NDArray[np.bool_], items: NDArray[np.bool_], entries: NDArray[np.bool_], rows: Ints
    ) -> "Interactions":
        place = np.cumsum(items) - 1
        lengths = np.bincount(rows[entries], minlength=self.n_users)[users]
        return Interactions(
            tuple(name for name, kept in zip(self.users, users, strict=True) if kept),
            tuple(name for name, kept in zip(self.items, items, strict=True) if kept),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            place[self.columns[entries]].astype(np.int32),
            self.counts[entries],
        )

    def save(self, path: Path) -> None:
        """Write an .npz file, which holds numbers alone."""
        with replacing(path) as file:
            np.savez(
                file,
                users=_packed(self.users),
                items=_packed(self.items),
                starts=self.starts,
                columns=self.columns,
                counts=self.counts,
            )

    @classmethod
    def load(cls, path: Path) -> "Interactions":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If it is missing, damaged or something else.
        """
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                users, items = _unpacked(file["users"]), _unpacked(file["items"])
                starts, columns, counts = file["starts"], file["columns"], file["counts"]
            if (starts.dtype, columns.dtype, counts.dtype) != (np.int64, np.int32, np.int32):
                raise ValueError("arrays of other types")
            return cls(users, items, starts, columns, counts)
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no such file") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: no table of interactions, or a damaged one: {error}") from error


def load_triplets(path: Path) -> Interactions:
    """Read `train_triplets.txt`, plain, gzipped, or in the zip archive that it is published in.

    Raises
    ------
    InputError
        If it cannot be read, its compression is damaged, or a row is malformed; the message names the line.
    """
    with open_bytes(path) as file:
        return read_triplets(file)


def load_hetrec(path: Path) -> Interactions:
    """Read `user_artists.dat` of HetRec 2011, plain or gzipped."""
    with open_bytes(path) as file:
        return read_hetrec(file)


def read_triplets(file: BinaryIO) -> Interactions:
    r"""Read rows of user, item and count, separated by tabs, without a header.

    Examples
    --------
    >>> table = read_triplets(io.BytesIO(b"ann\tsong\t2\nbob\tsong\t1\nann\tsong\t3\n"))
    >>> table.users, table.counts.tolist()
    (('ann', 'bob'), [5, 1])
    """
    return _read(file, first_line=1)


def read_hetrec(file: BinaryIO) -> Interactions:
    """Read `user_artists.dat` of HetRec 2011: a header, then user, artist and weight, separated by tabs."""
    header = file.readline().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split()
    if tuple(header) != HETREC_HEADER:
        raise InputError(f"line 1: {' '.join(header)[:80]!r}, expected the header {' '.join(HETREC_HEADER)!r}")
    return _read(file, first_line=2)


def read_hetrec_artists(file: BinaryIO) -> dict[str, str]:
    """Read `artists.dat` of HetRec 2011: a header, then id, name, and two addresses; id to name."""
    names = {}
    for number, line in enumerate(file, start=1):
        cells = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
        if number == 1 and cells[:2] != ["id", "name"]:
            raise InputError(f"line 1: {line[:80]!r}, expected a header that begins with id and name")
        if number > 1 and len(cells) >= 2:
            names[cells[0]] = cells[1]
    return names


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file, the content of a gzipped one, or the one member of a zip archive.

    Raises
    ------
    InputError
        If it cannot be read, or its compression is damaged; also when that shows only while reading.
    """
    try:
        with path.open("rb") as raw:
            start = raw.read(4)
            raw.seek(0)
            if start.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield io.BufferedReader(unpacked, 1 << 20)
            elif start == b"PK\x03\x04":
                with zipfile.ZipFile(raw) as archive:
                    members = [
                        m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX")
                    ]
                    if len(members) != 1:
                        raise InputError(f"the archive holds {len(members)} files, expected one")
                    with archive.open(members[0]) as member:
                        yield member  # type: ignore[misc]
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path}: the compressed file is damaged or cut off: {error}", hint="get it again") from error
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


class _Numbers(dict[Any, int]):
    """Numbers what it is asked for, in the order of first appearance."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def _read(file: BinaryIO, *, first_line: int) -> Interactions:
    users, items = _Numbers(), _Numbers()
    parts: tuple[list[Ints], list[Ints], list[Ints]] = ([], [], [])
    for block, line in _blocks(file, first_line):
        separators = np.frombuffer(block, np.uint8)
        separators = separators[separators <= _LINE_END]  # other control characters have no place in a name
        if len(separators) % 3 or (separators.reshape(-1, 3) != (_TAB, _TAB, _LINE_END)).any():
            _complain(block, line)
        cells = block.replace(b"\n", b"\t").split(b"\t")
        n = len(separators) // 3
        try:
            counts = np.fromiter(map(int, cells[2 : 3 * n : 3]), np.int64, n)
        except (ValueError, OverflowError):
            _complain(block, line)
        for place, numbers in enumerate((users, items)):
            parts[place].append(np.fromiter(map(numbers.__getitem__, cells[place : 3 * n : 3]), np.int32, n))
        if counts.min() < 1 or counts.max() > LARGEST or b"" in users or b"" in items:
            _complain(block, line)
        parts[2].append(counts.astype(np.int32))
    if not users:
        raise InputError("there is no row in it", hint="get it again")
    try:
        names = [tuple(name.decode() for name in numbers) for numbers in (users, items)]
    except UnicodeDecodeError as error:
        raise InputError(f"a user or an item is no UTF-8: {error.object[:40]!r}") from error
    users.clear()
    items.clear()
    arrays = []
    for listed in parts:
        arrays.append(np.concatenate(listed))
        listed.clear()
    return _assemble(names[0], names[1], *arrays)


def _blocks(file: BinaryIO, line: int) -> Iterator[tuple[bytes, int]]:
    """Yield whole lines, some megabytes of them at a time, and the number of the first."""
    rest, first = b"", True
    while True:
        data = file.read(BLOCK_BYTES)
        block = rest + data
        if first:
            block, first = block.removeprefix(b"\xef\xbb\xbf"), False
        if data:
            end = block.rfind(b"\n") + 1
            block, rest = block[:end], block[end:]
        elif not block.endswith(b"\n"):
            block += b"\n"
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        lines = block.rstrip(b"\n")
        rest = block[len(lines) + 1 :] + rest  # empty lines: nothing at the end of the file, else malformed
        if lines:
            yield lines + b"\n", line
            line += lines.count(b"\n") + 1
        if not data:
            return


def _complain(block: bytes, line: int) -> None:
    """Raise an error that names the first malformed row of a block."""
    for number, text in enumerate(block.split(b"\n")[:-1], start=line):
        cells = text.split(b"\t")
        shown = repr(text[:80].decode("utf-8", "replace"))
        if len(cells) != 3 or not cells[0] or not cells[1] or min(text) < _TAB:
            raise InputError(f"line {number}: {shown}, expected a user, an item and a count, separated by tabs")
        if not cells[2].isdigit() or len(cells[2]) > 100 or not 1 <= int(cells[2]) <= LARGEST:
            raise InputError(f"line {number}: {shown}, the count is not a whole number from 1 to {LARGEST}")
    raise InputError(f"lines {line} and following are no rows of user, item and count")


def _assemble(users: Sequence[str], items: Sequence[str], rows: Ints, columns: Ints, counts: Ints) -> Interactions:
    """Order entries by user, then item, and add up those of one pair; `columns` and `counts` are written over."""
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        rows, columns, counts = rows[order], columns[order], counts[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(users)))]).astype(np.int64)
    lengths = np.zeros(len(users), np.int64)
    first = n = 0
    while first < len(users):
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + SLICE_ROWS, side="right")) - 1)
        part = slice(starts[first], starts[last])
        keys = rows[part].astype(np.int64) * len(items) + columns[part]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        begins = np.flatnonzero(np.diff(keys, prepend=-1))
        sums = np.add.reduceat(counts[part][order].astype(np.int64), begins) if len(begins) else np.empty(0, np.int64)
        if len(sums) and sums.max() > LARGEST:
            raise InputError(f"a user played an item {sums.max()} times, more than {LARGEST}")
        keys = keys[begins]
        columns[n : n + len(keys)] = keys % max(len(items), 1)  # at or before what was read
        counts[n : n + len(keys)] = sums
        lengths[first:last] = np.bincount(keys // max(len(items), 1) - first, minlength=last - first)
        first, n = last, n + len(keys)
    if n < len(columns):
        columns, counts = columns[:n].copy(), counts[:n].copy()
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Interactions(tuple(users), tuple(items), starts, columns, counts)


def _packed(names: Sequence[str]) -> NDArray[np.uint8]:
    """Lay names out as bytes, one per line."""
    for name in names:
        if "\n" in name:
            raise InputError(f"a user or an item is called {name!r}, which cannot be saved")
    return np.frombuffer("".join(f"{name}\n" for name in names).encode(), np.uint8)


def _unpacked(data: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(data.tobytes().decode().split("\n")[:-1])
