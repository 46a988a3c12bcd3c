"""CAL10K (Swat10k): 10,870 songs of 4,597 artists with tags of Pandora's experts, 153 of genre and 475 of acoustics.

It is published in two forms. "pandora" is the original: a table of songs, and a table of tags that names their songs.
"corrected" is that of Vaizman et al. 2014: tags of at least 30 songs, in five folds, songs by name and without artist.

Splits
------
artist               earmark's, 12:1:3, no artist in two parts, tags in balance; of the original
fold-1 ... fold-5    the published folds of the corrected labels

References
----------
Tingle, D., Kim, Y. E. and Turnbull, D. "Exploring automatic music annotation with acoustically-objective tags",
MIR 2010.
Vaizman, Y., McFee, B. and Lanckriet, G. "Codebook-based audio feature representation for music information retrieval",
IEEE/ACM TASLP 2014.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from earmark.datasets.base import Dataset, DatasetInfo, Remote, Split, Track, check_choice, count_tags, covering
from earmark.datasets.calab import choose, read_song_tags, read_songs, read_tag_songs
from earmark.datasets.folding import Makers
from earmark.datasets.reading import check_root, group_keys, leads_out, list_folder, locate, name_key, open_text
from earmark.datasets.splitting import split_by_group
from earmark.errors import InputError

ANNOTATIONS = ("auto", "pandora", "corrected")
SONGS, TAGS = "songList.tab", "PandoraTagSong.tab"
N_FOLDS = 5

INFO = DatasetInfo(
    name="cal10k",
    title="CAL10K (Swat10k)",
    description="Popular songs with 2 to 25 tags each that experts of Pandora gave: 153 of genre, 475 of acoustics.",
    n_tracks=10_870,
    hours=None,
    licence="labels: for research, gathered from Pandora's website; audio: commercial",
    home="http://calab1.ucsd.edu/~datasets/cal10k/",
    how_to_get="ask the lab for songList.tab and PandoraTagSong.tab, or fetch the corrected labels in five folds",
    citation="Tingle, D., Kim, Y. E. and Turnbull, D. Exploring automatic music annotation with "
    "acoustically-objective tags. ACM MIR 2010, 55-62.",
    options={
        "vocabulary": "all, or a number of the most frequent tags",
        "annotations": "pandora (songList.tab, PandoraTagSong.tab), corrected (the folds), or auto: which is there, "
        "the first if both are",
    },
    layout=(
        "songList.tab          number, artist, title, file",
        "PandoraTagSong.tab    tag, then number and weight of every song that carries it",
        "audio/<file>          audio (may be absent)",
        "fold_1_train.tab, fold_1_test.tab ... fold_5_test.tab    in place of the tables: song and tag, corrected",
    ),
    remotes=(
        Remote(
            "cal10k_tagsFrom30SongsOrMore_5folds.zip",
            "http://acsweb.ucsd.edu/~yvaizman/metadata/cal10k_tagsFrom30SongsOrMore_5folds.zip",
            unpack=True,
        ),
    ),
    no_download="The songs are commercial recordings; their audio must be yours. Only labels can be fetched.",
)


def load(root: Path, *, vocabulary: str | int = "all", annotations: str = "auto") -> Dataset:
    """Read the tables, or the folds.

    Parameters
    ----------
    root : holds the files; see `INFO.layout`
    vocabulary : "all" or a number of tags
    annotations : "pandora", "corrected" or "auto"
    """
    check_choice("annotations", annotations, ANNOTATIONS)
    if annotations == "auto":
        name = locate(INFO, root, SONGS, _fold_file(1, "train")).name
        annotations = "pandora" if name.startswith(SONGS) else "corrected"
    tracks, tags, makers = _pandora(root) if annotations == "pandora" else _corrected(root)
    return Dataset(
        INFO,
        root,
        {"vocabulary": vocabulary, "annotations": annotations},
        tracks,
        choose("cal10k", tags, count_tags(tracks), vocabulary),
        split_makers=makers,
    )


def _pandora(root: Path) -> tuple[tuple[Track, ...], list[str], Makers]:
    with open_text(locate(INFO, root, SONGS)) as file:
        songs = read_songs(file)
    with open_text(locate(INFO, root, TAGS)) as file:
        carriers = read_tag_songs(file, songs)
    held: dict[str, dict[str, float]] = {song: {} for song in songs}
    for tag, pairs in carriers.items():
        for song, weight in pairs:
            held[song][tag] = weight
    tracks = tuple(
        Track(
            song,
            None if leads_out(file_name) else root / "audio" / file_name,
            tuple(held[song]),
            artist=artist,
            title=title,
            groups=group_keys(artist=name_key(artist)),
            tag_weights=tuple(held[song].values()),
        )
        for song, (artist, title, file_name) in songs.items()
    )
    return tracks, list(carriers), {"artist": lambda: split_by_group(tracks, by="artist", name="artist")}


def _corrected(root: Path) -> tuple[tuple[Track, ...], list[str], Makers]:
    check_root(INFO, root)
    held: dict[str, list[str]] = {}
    parts: dict[int, dict[str, list[str]]] = {}
    for fold in _folds_there(root):
        parts[fold] = {}
        for part in ("train", "test"):
            path = locate(INFO, root, _fold_file(fold, part))
            with open_text(path) as file:
                songs = read_song_tags(file)
            twice = next((song for song in songs if any(song in listed for listed in parts[fold].values())), None)
            if twice is not None:
                raise InputError(f"{path}: {twice!r} is in the training part of this fold already")
            parts[fold][part] = list(songs)
            for song, tags in songs.items():
                held[song] = list(dict.fromkeys([*held.get(song, ()), *tags]))
    tracks = tuple(Track(song, None, tuple(tags)) for song, tags in held.items())
    makers = {f"fold-{fold}": _maker(fold, listed, tracks) for fold, listed in parts.items()}
    return tracks, sorted({tag for tags in held.values() for tag in tags}), makers


def _folds_there(root: Path) -> list[int]:
    """Return the numbers of the folds that have a file; the first must."""
    names = {path.name.removesuffix(".gz") for path in list_folder(root)}
    return [n for n in range(1, N_FOLDS + 1) if _fold_file(n, "train") in names] or [1]


def _fold_file(fold: int, part: str) -> str:
    return f"fold_{fold}_{part}.tab"


def _maker(fold: int, listed: Mapping[str, Sequence[str]], tracks: Sequence[Track]) -> Callable[[], Split]:
    whose = f"test on fold {fold}, train on the others (Vaizman et al. 2014)"
    return lambda: covering(f"fold-{fold}", whose, listed, tracks, otherwise="in no file of this fold")
