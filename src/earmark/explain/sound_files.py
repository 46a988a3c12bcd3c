"""The sounds of a song's report as files to listen to, all at one loudness."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from earmark.audio.io import write
from earmark.audio.sources import reason
from earmark.errors import InputError
from earmark.explain.auralize import Sound
from earmark.explain.report import SongReport


def write_sounds(folder: str | os.PathLike[str], report: SongReport) -> tuple[Path, ...]:
    """Write every sound of a report as a WAV file, such as "jazz timbral 125.wav"; files of these names are replaced.

    Parameters
    ----------
    folder : made if it is not there
    report : from `earmark.explain.report.explain_song`

    Returns
    -------
    where they are, in the order of the report

    Raises
    ------
    InputError
        If the folder cannot be made, or a file not be written.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: cannot be created: {reason(error)}") from None
    written = []
    for name, sound in sounds_of(report):
        path = target / f"{plain_name(name)}.wav"
        write(path, sound.waveform, sound.sample_rate)
        written.append(path)
    return tuple(written)


def sounds_of(report: SongReport) -> Iterator[tuple[str, Sound]]:
    """Yield every sound of a report, and what it is called."""
    for tag in report.explained:
        parts = {"moment": tag.sound, "marked": tag.marked.only, "without": tag.marked.without}
        yield from ((f"{tag.tag} {name}", sound) for name, sound in parts.items() if sound is not None)
        for layer in tag.layers:
            if layer.inversion is not None:
                yield f"{tag.tag} {layer.layer} inverted", layer.inversion.sound
            for one in layer.channels:
                name = f"{tag.tag} {layer.layer} {one.channel}"
                if one.sound is not None:
                    yield name, one.sound
                if one.excerpts is not None:
                    yield f"{name} excerpts", one.excerpts.sound


def plain_name(text: str) -> str:
    """Return a text as a name that every file system takes.

    Examples
    --------
    >>> plain_name("r&b/soul cnn3 12")
    'r&b_soul cnn3 12'
    """
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", text).strip(" .") or "_"
