"""FMA on small files in the published layout: subsets, targets, the tree, splits, faults, features, awkward cases."""

import csv
import gzip
import io
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.datasets import dataset_info, open_dataset
from earmark.datasets.fma import load_echonest, load_features, load_genres
from earmark.datasets.fma_faults import WRONG, clip_faults
from earmark.datasets.fma_tables import NEEDED, Genre, GenreTree, read_features, read_genres, read_lastfm, read_tracks
from earmark.errors import InputError, UsageError

MAKER = runpy.run_path(str(Path(__file__).parent / "makers" / "fma.py"))
COLUMNS = [*NEEDED, ("track", "title")]
HEADER = ",set,set,track,track,track\n,split,subset,genre_top,genres,genres_all\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    MAKER["make"](tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("subset", "ids"),
    [
        ("small", ["2", "10", "98565", "99134"]),
        ("medium", ["2", "3", "10", "98565", "99134"]),
        ("large", ["2", "3", "10", "20", "30", "40", "98565", "99134", "140449"]),
        ("full", ["2", "3", "10", "20", "30", "40", "98565", "99134", "140449"]),
    ],
)
def test_a_track_is_of_its_subset_and_of_all_larger_ones(subset: str, ids: list[str], root: Path) -> None:
    dataset = open_dataset("fma", root, subset=subset, targets="genres")
    assert [track.id for track in dataset] == ids


def test_one_top_genre_per_track_and_tracks_without_one_are_no_part(root: Path) -> None:
    dataset = open_dataset("fma", root, subset="large")
    assert dataset.task == "single_label"
    assert [track.id for track in dataset] == ["2", "3", "10", "40", "98565", "99134", "140449"]
    assert dataset.vocabulary.tags == ("Folk", "Hip-Hop", "Pop")
    assert set(dataset.vocabulary.categories) == {"genre"}
    assert dataset["2"].tags == ("Hip-Hop",)


def test_genres_by_name_with_equal_titles_apart(root: Path) -> None:
    given_ = open_dataset("fma", root, subset="large", targets="genres")
    above = open_dataset("fma", root, subset="large", targets="genres_all")
    top = open_dataset("fma", root, subset="large", targets="genres", level="top")
    assert given_["20"].tags == ("Experimental, Pop", "Singer (103)")
    assert above["20"].tags == ("Folk", "Pop", "Experimental, Pop", "Singer (103)")
    assert top["20"].tags == ("Pop", "Folk")
    assert given_["40"].tags == ("Singer (104)",), "9999 is not in the tree"
    assert top["40"].tags == ("Folk",)
    assert given_["30"].tags == ()
    assert top.vocabulary.tags == ("Folk", "Hip-Hop", "Pop")
    assert [f.detail for f in given_.faults if f.kind == "unknown_genre"] == ["not in genres.csv: 9999"]


def test_the_official_split_without_what_cannot_be_used(root: Path) -> None:
    dataset = open_dataset("fma", root, subset="large", targets="genres")
    assert dataset.split_names == ("official", "published")
    split = dataset.split()
    assert split.parts == {"train": ("2", "3", "20"), "validation": ("40", "98565"), "test": ("10",)}
    assert split.left_out["30"] == "no tag of the vocabulary"
    assert "no audio: cut from 139 s on, the track lasts 33.25 s" in split.left_out["99134"]
    assert split.left_out["140449"] == "in no part of the published split"
    published = dataset.split("published")
    assert published.parts == {"train": ("2", "3", "20", "30"), "validation": ("40", "98565"), "test": ("10", "99134")}


def test_faults_of_clips_and_of_full_tracks(root: Path) -> None:
    clips = open_dataset("fma", root, subset="large", targets="genres")
    assert {f.track: f.kind for f in clips.faults if f.kind != "unknown_genre"} == {
        "98565": "short",
        "99134": "empty",
        "140449": "suspect",
    }
    assert [f.track for f in clips.faults if f.is_fatal] == ["99134"]
    full = open_dataset("fma", root, subset="full", targets="genres")
    assert {f.track: f.kind for f in full.faults} == {
        "40": "unknown_genre",
        "98565": "wrong_duration",
        "99134": "wrong_duration",
    }
    assert "99134" in full.split()["test"], "the whole track can be heard"


def test_the_known_faults_fit_the_rule_by_which_clips_were_cut() -> None:
    for track, wrong in WRONG.items():
        left = wrong.real - (wrong.published // 2 - 15)
        assert abs(wrong.clip - min(max(left, 0.0), 30.0)) < 2.0, track
    empty = {fault.track for fault in clip_faults() if fault.is_fatal}
    assert {"99134", "108925", "133297"} < empty
    assert len(empty) == 15
    assert len({fault.track for fault in clip_faults()}) == len(clip_faults()) == 21 + 147


def test_durations_and_where_clips_come_from(root: Path) -> None:
    clips = open_dataset("fma", root, subset="large", targets="genres")
    assert (clips["3"].duration, clips["3"].origin) == (30.0, (103.0, 133.0))
    assert (clips["30"].duration, clips["30"].origin) == (20.0, (0.0, 20.0))
    assert (clips["40"].duration, clips["40"].origin) == (None, None)
    assert (clips["98565"].duration, clips["98565"].origin) == (1.6, None)
    assert clips["99134"].duration is None
    full = open_dataset("fma", root, subset="full", targets="genres")
    assert (full["3"].duration, full["3"].origin) == (237.0, None)
    assert full["99134"].duration == 33.25


def test_names_and_groups(root: Path) -> None:
    dataset = open_dataset("fma", root, subset="large", targets="genres")
    track = dataset["10"]
    assert (track.artist, track.album, track.title) == ("Kurt\nVile", "Constant", "Über alles")
    assert dict(track.groups) == {"artist": "6", "album": "6"}
    assert dict(dataset["40"].groups) == {"artist": "9"}
    assert dataset["3"].title == 'Electric "Ave"'


def test_audio_lies_in_the_folder_of_the_subset_of_a_larger_one_or_in_the_root(root: Path) -> None:
    def audio(subset: str) -> str:
        path = open_dataset("fma", root, subset=subset, targets="genres")["2"].audio
        return "" if path is None else path.relative_to(root).as_posix()

    assert audio("small") == "fma_small/000/000002.mp3"
    assert audio("large") == "fma_large/000/000002.mp3", "where it belongs, though it is not there"
    (root / "fma_small").rename(root / "fma_medium")
    assert audio("small") == "fma_medium/000/000002.mp3"
    assert audio("full") == "fma_full/000/000002.mp3"
    (root / "fma_medium" / "000").rename(root / "000")
    (root / "fma_medium").rmdir()
    assert audio("small") == audio("full") == "000/000002.mp3"
    assert open_dataset("fma", root, targets="genres")["98565"].audio == root / "098" / "098565.mp3"


def test_metadata_may_lie_in_the_root_gzipped(root: Path) -> None:
    whole = open_dataset("fma", root)
    for path in (root / "fma_metadata").iterdir():
        (root / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    shutil.rmtree(root / "fma_metadata")
    other = open_dataset("fma", root)
    assert other.tracks == whole.tracks
    assert len(load_features(root).ids) == 2
    (root / "genres.csv.gz").unlink()
    open_dataset("fma", root)  # top genres need no tree
    with pytest.raises(InputError, match=r"none of fma_metadata/genres\.csv, genres\.csv is there"):
        open_dataset("fma", root, targets="genres")


def test_tags_of_lastfm_with_weights(root: Path) -> None:
    dataset = open_dataset("fma", root, targets="lastfm", lastfm="lastfm.csv")
    assert dataset["2"].tags == ("hip-hop", "seen, live")
    assert dataset["2"].tag_weights == (100.0, 7.5)
    assert dataset["10"].tags == ("rock", "pop"), "the heaviest first"
    assert dataset["98565"].tag_weights == ()
    assert dataset.vocabulary.tags == ("hip-hop", "pop", "rock", "seen, live")
    assert dataset.vocabulary.categories == ("genre", "genre", "genre", "other")
    assert dataset.split().parts == {"train": ("2",), "validation": (), "test": ("10",)}
    lines = [{"track_id": int(id), "tag": tag, "count": float(n)} for id, tag, n in MAKER["LASTFM"]]
    (root / "tags.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    assert open_dataset("fma", root, targets="lastfm", lastfm="tags.jsonl").tracks == dataset.tracks
    absolute = str(root / "tags.jsonl")
    assert open_dataset("fma", root, targets="lastfm", lastfm=absolute).tracks == dataset.tracks


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        ("track_id,tag\n2,rock\n", "no column 'count'"),
        ("tag,count\nrock,2\n", "no column 'track_id'"),
        ("track_id,tag,count\nTR1,rock,2\n", "row 1: track_id is 'TR1'"),
        ("track_id\ttag\tcount\n1\trock\tmany\n", "row 1: count is 'many'"),
        ('{"track_id": 1, "tag": "a", "count": 1}\n{"track_id"', "row 2 is no JSON"),
        ('{"track_id": 1, "tag": "a", "count": 1}\n[1]', "row 2 is no JSON object"),
    ],
)
def test_what_is_no_table_of_tags(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_lastfm(io.StringIO(text, newline=""))


def test_tags_that_weigh_nothing_or_stand_there_twice() -> None:
    rows = "track_id\ttag\tweight\n2\trock\t3\n2\t rock\t5\n2\tpop\t0\n2\t\t9\n"
    assert read_lastfm(io.StringIO(rows)) == {2: {"rock": 5.0}}


def test_choices_that_do_not_go_together(root: Path) -> None:
    for options in ({"subset": "tiny"}, {"targets": "genre"}, {"level": "1"}):
        with pytest.raises(UsageError, match=f"^{next(iter(options))}='.*', expected one of "):
            open_dataset("fma", root, **options)
    with pytest.raises(UsageError, match="targets='lastfm' with lastfm=None"):
        open_dataset("fma", root, targets="lastfm")
    with pytest.raises(UsageError, match=r"targets='genres' with lastfm='t\.csv'"):
        open_dataset("fma", root, targets="genres", lastfm="t.csv")
    with pytest.raises(InputError, match=r"t\.csv: there is no such table"):
        open_dataset("fma", root, targets="lastfm", lastfm="t.csv")


def test_the_tree(root: Path) -> None:
    tree = load_genres(root)
    assert len(tree) == 6
    assert tree.roots == (10, 17, 21)
    assert tree.ancestors(104) == (103, 17)
    assert [tree.depth(id) for id in (17, 103, 104)] == [0, 1, 2]
    assert tree.root(104) == tree.root(17) == 17
    assert tree.children(17) == (103,)
    assert tree.names[103] == "Singer (103)"
    assert tree.names[76] == "Experimental, Pop"
    assert 9999 not in tree


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("1,,2,A,1\n", r"genre 1 'A' is below 2, which is not there"),
        ("1,,2,A,1\n2,,1,B,1\n", "is below itself"),
        ("1,,1,A,1\n", "is below itself"),
        ("1,,0,A,1\n1,,0,B,1\n", "genre_id '1' stands in line 2 already"),
        ("x,,0,A,1\n", "genre_id is 'x', expected a whole number"),
    ],
)
def test_what_is_no_tree(rows: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_genres(io.StringIO("genre_id,#tracks,parent,title,top_level\n" + rows))


@given(st.dictionaries(st.integers(1, 30), st.integers(0, 30), max_size=20))
def test_a_tree_is_refused_or_every_genre_has_a_root(parents: dict[int, int]) -> None:
    genres = {id: Genre(id, f"genre {id % 5}", parent or None) for id, parent in parents.items()}
    try:
        tree = GenreTree(genres)
    except InputError:
        return
    assert all(tree.root(id) in tree.roots for id in genres)
    assert all(tree.depth(id) == tree.depth(parent) + 1 for id, parent in parents.items() if parent)
    assert len(set(tree.names.values())) == len(tree)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "does not begin with 2 rows of header"),
        (",set\n", "does not begin with 2 rows of header"),
        (",set,set\n,split\n", "does not begin with 2 rows of header"),
        (",set,set,track\n,split,split,title\n", r"two columns are called set\.split"),
        (",set,set,track\n,split,subset,title\n", r"no column track\.genre_top, track\.genres, track\.genres_all"),
        (HEADER + "2,training,small,Pop,[10]\n", "line 3: 5 cells, the header has 6"),
        (HEADER + "2,training,tiny,Pop,[10],[10]\n", "line 3: subset is 'tiny'"),
        (HEADER + "x,training,small,Pop,[10],[10]\n", "line 3: track_id is 'x', expected a whole number"),
        (
            ",set,set,track,track,track,track\n,split,subset,genre_top,genres,genres_all,duration\n"
            "2,training,small,Pop,[10],[10],-5\n",
            "line 3: duration is '-5', expected seconds",
        ),
        (HEADER + "2,training,small,Pop,[10],[10]\n" * 2, "line 4: track 2 stands in line 3 already"),
        (HEADER + '2,training,small,Pop,"[10, x]",[10]\n', r"line 3: genres are '\[10, x\]', expected a list"),
        (HEADER + '2,training,small,Pop,[10],"__import__(1)"\n', r"genres are '__import__\(1\)', expected a list"),
    ],
)
def test_what_is_no_table_of_tracks(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_tracks(io.StringIO(text, newline=""))


def test_names_durations_and_the_row_of_the_index_may_be_missing() -> None:
    (row,) = read_tracks(io.StringIO(HEADER + '7,test,large,,"[ 1,2 ]",\n', newline=""))
    assert (row.id, row.part, row.genre_top, row.genres, row.genres_all) == (7, "test", "", (1, 2), ())
    assert (row.title, row.artist_id, row.duration) == ("", "", None)


def test_features(root: Path) -> None:
    features = load_features(root)
    assert features.ids == ("2", "3")
    assert features.columns == ("chroma.mean.01", "mfcc.mean.01", "mfcc.std.20")
    assert features.values.dtype == np.float32
    expected = np.array([[0.5, -163.77, 1e-3], [np.nan, -159.0, 2.0]], np.float32)
    np.testing.assert_array_equal(features.values, expected)


def test_numbers_of_echonest_without_the_names(root: Path) -> None:
    features = load_echonest(root)
    assert features.ids == ("2", "10")
    assert features.columns == ("echonest.audio_features.tempo", "echonest.temporal_features.000")
    expected = np.array([[165.9, 0.877], [114.3, np.nan]], np.float32)
    np.testing.assert_array_equal(features.values, expected)


def test_features_that_are_damaged(root: Path) -> None:
    path = root / "fma_metadata" / "features.csv"
    whole = path.read_text()
    path.write_text(whole[:-5])
    with pytest.raises(InputError, match=r"features\.csv: line 6: 3 cells, the header has 4"):
        load_features(root)
    path.write_text(whole.replace("1e-3", "much"))
    with pytest.raises(InputError, match=r"line 5: mfcc\.std\.20 is 'much', expected a number"):
        load_features(root)
    path.unlink()
    with pytest.raises(InputError, match=r"none of fma_metadata/features\.csv, features\.csv is there"):
        load_features(root)
    empty = read_features(io.StringIO("feature,a\nstatistics,b\nnumber,c\n"))
    assert empty.values.shape == (0, 1)


def test_remotes_have_the_published_checksums() -> None:
    remotes = {remote.file_name: remote for remote in dataset_info("fma").remotes}
    assert list(remotes) == ["fma_metadata.zip", "fma_small.zip", "fma_medium.zip", "fma_large.zip", "fma_full.zip"]
    assert all(remote.unpack and str(remote.checksum).startswith("sha1:") for remote in remotes.values())
    assert [remote.kind for remote in remotes.values()] == ["labels"] + 4 * ["audio"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=5))
def test_titles_may_hold_anything(titles: list[str]) -> None:
    """Quotes, separators and ends of lines in a cell come back as they were, but for spaces around."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([["", *names] for names in zip(*COLUMNS, strict=True)])
    writer.writerows([i, "test", "full", "", f"[{i}]", "[]", title] for i, title in enumerate(titles, start=1))
    file.seek(0)
    rows = read_tracks(file)
    assert [row.title for row in rows] == [title.strip() for title in titles]
    assert [row.genres for row in rows] == [(row.id,) for row in rows]
