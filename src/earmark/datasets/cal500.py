"""CAL500: 502 songs, each annotated by at least three listeners with 174 tags of instrument, voice, genre, mood, use.

A song carries a tag if at least two listeners and four in five of them say so ("hard"). The soft labels are the
agreement: positive minus negative votes by the number of listeners, not below 0. They are the weights of the tags.

Splits
------
artist                earmark's, 12:1:3, no artist in two parts, tags in balance
fold-1 ... fold-10    earmark's ten folds, no artist in two

Nobody published a split; papers drew their own ten folds. There are 500 artists or so: most have one song.

References
----------
Turnbull, D., Barrington, L., Torres, D. and Lanckriet, G. "Towards musical query-by-semantic-description using the
CAL500 data set", SIGIR 2007; "Semantic annotation and retrieval of music and sound effects", IEEE TASLP 2008.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.datasets.base import Dataset, DatasetInfo, Remote, Track, check_choice, count_tags
from earmark.datasets.calab import choose, read_matrix, read_names, split_name
from earmark.datasets.folding import Makers, own_folds
from earmark.datasets.reading import group_keys, inside, locate, name_key, open_text
from earmark.datasets.splitting import split_by_group

N_FOLDS = 10
ANNOTATIONS = ("hard", "soft")
AUDIO = ("mp3", "CAL500_32kps", "audio")

INFO = DatasetInfo(
    name="cal500",
    title="CAL500: Computer Audition Lab 500",
    description="502 songs of western popular music, annotated by paid listeners with 174 tags of six categories.",
    n_tracks=502,
    hours=None,
    licence="labels: for nonprofit education and research, with the notice of UC San Diego; audio: commercial",
    home="http://calab1.ucsd.edu/~datasets/cal500/",
    how_to_get="fetch CAL500_noAudioFeatures.tar.gz from its home and unpack it",
    citation="Turnbull, D., Barrington, L., Torres, D. and Lanckriet, G. Towards musical query-by-semantic-description "
    "using the CAL500 data set. SIGIR 2007.",
    options={
        "vocabulary": "all (174 tags), or a number of the most frequent tags",
        "annotations": "hard (what listeners agree on), or soft (every tag with a positive weight)",
    },
    layout=(
        "songNames.txt          502 names, artist-title",
        "vocab.txt              174 tags",
        "hardAnnotations.txt    502 rows of 174 times 0 or 1, by commas",
        "softAnnotations.txt    502 rows of 174 weights (needed for soft; may be absent otherwise)",
        "mp3/<name>.mp3         audio (may be absent; also in CAL500_32kps/ or audio/)",
        "All the text files may also lie in CAL500_noAudioFeatures/.",
    ),
    remotes=(
        Remote(
            "CAL500_noAudioFeatures.tar.gz",
            "http://calab1.ucsd.edu/~datasets/cal500/cal500data/CAL500_noAudioFeatures.tar.gz",
            unpack=True,
        ),
    ),
    no_download="The songs are commercial recordings, so earmark fetches the labels alone; the audio must be yours.",
)


def load(root: Path, *, vocabulary: str | int = "all", annotations: str = "hard") -> Dataset:
    """Read songs, tags and both matrices.

    Parameters
    ----------
    root : holds the text files; see `INFO.layout`
    vocabulary : "all" or a number of tags
    annotations : "hard" or "soft"
    """
    check_choice("annotations", annotations, ANNOTATIONS)
    base = _locate(root, "songNames.txt").parent
    with open_text(_locate(root, "songNames.txt")) as file:
        songs = read_names(file)
    with open_text(_locate(root, "vocab.txt")) as file:
        tags = read_names(file)
    soft = None
    if annotations == "soft" or any((base / f"softAnnotations.txt{end}").is_file() for end in ("", ".gz")):
        with open_text(_locate(root, "softAnnotations.txt")) as file:
            soft = read_matrix(file, len(songs), len(tags))
    if annotations == "soft" and soft is not None:
        held = soft
    else:
        with open_text(_locate(root, "hardAnnotations.txt")) as file:
            held = read_matrix(file, len(songs), len(tags), binary=True)
    tracks = tuple(_tracks(root, songs, tags, held, soft))
    makers: Makers = {"artist": lambda: split_by_group(tracks, by="artist", name="artist")}
    makers |= own_folds(tracks, N_FOLDS, "no artist is in two", by="artist")
    options = {"vocabulary": vocabulary, "annotations": annotations}
    return Dataset(
        INFO, root, options, tracks, choose("cal500", tags, count_tags(tracks), vocabulary), split_makers=makers
    )


def _locate(root: Path, name: str) -> Path:
    return locate(INFO, root, name, f"CAL500_noAudioFeatures/{name}")


def _tracks(
    root: Path,
    songs: Sequence[str],
    tags: Sequence[str],
    held: Sequence[Sequence[float]],
    soft: Sequence[Sequence[float]] | None,
) -> Iterator[Track]:
    folder = next((root / name for name in AUDIO if (root / name).is_dir()), root / AUDIO[0])
    for i, song in enumerate(songs):
        own = [k for k, value in enumerate(held[i]) if value]
        artist, title = split_name(song)
        yield Track(
            song,
            folder / inside(f"{song}.mp3", "the name of a song"),
            tuple(tags[k] for k in own),
            artist=artist,
            title=title,
            groups=group_keys(artist=name_key(artist)),
            tag_weights=() if soft is None else tuple(soft[i][k] for k in own),
        )
