"""Who a track is, whatever its file is called and whatever its tags say: a hash of the encoded audio stream."""

import hashlib
import os
from collections.abc import Callable

from earmark.audio.identity.chunks import (
    ASF_HEADER,
    aiff_layout,
    asf_layout,
    au_layout,
    caf_layout,
    dsd_layout,
    wave_layout,
)
from earmark.audio.identity.flac import flac_layout
from earmark.audio.identity.matroska import matroska_layout
from earmark.audio.identity.mp4 import mp4_layout
from earmark.audio.identity.ogg_packets import ogg_layout
from earmark.audio.identity.plain import front, past_zeros, plain_layout
from earmark.audio.identity.view import Layout, View, viewing
from earmark.errors import InputError

SCHEME = 1  # counts up whenever the same file would get another id
_DIGITS = 32
_LAYOUTS: dict[str, Callable[[View, int], Layout]] = {
    "flac": flac_layout,
    "ogg": ogg_layout,
    "wave": wave_layout,
    "aiff": aiff_layout,
    "mp4": mp4_layout,
    "matroska": matroska_layout,
    "asf": asf_layout,
    "dsd": dsd_layout,
    "caf": caf_layout,
    "au": au_layout,
    "plain": plain_layout,
}
_MAGICS = {
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"riff": "wave",
    b"\x1aE\xdf\xa3": "matroska",
    ASF_HEADER: "asf",
    b"DSD ": "dsd",
    b"caff": "caf",
    b".snd": "au",
    b"dns.": "au",
}
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"pnot")
_FORMS = {b"WAVE": "wave", b"AIFF": "aiff", b"AIFC": "aiff", b"DSD ": "dsd"}


def content_id(path: str | os.PathLike[str]) -> str:
    """Return the identity of the audio in a file, the same wherever the file lies and however it is tagged.

    It is a hash of the encoded stream, so two encodings of one recording differ. No edit of tags, pictures, padding or
    chapters changes it, nor the moves inside the file that such edits bring along. One other packet or sample changes
    it, as do the sample rate, the number of channels and a gain that is written into the stream.

    Parameters
    ----------
    path : of a file

    Returns
    -------
    32 hexadecimal digits

    Raises
    ------
    InputError
        If the file cannot be read, or holds nothing but tags.

    Notes
    -----
    The first 128 bits of SHA-256, which current processors compute themselves. What is hashed: of mp3 and other streams
    without a container, of APE, WavPack, Musepack, TTA and of what is not known, all bytes between the tags at both
    ends (an mp3's Xing or LAME frame belongs to them); of FLAC, STREAMINFO and the frames; of Ogg, the packets without
    the comments; of WAV, AIFF and the like, format and samples; of MP4, the packets of the sound tracks by the index;
    of Matroska and WebM, the blocks of the sound tracks; of ASF, stream properties and data. A file that is damaged or
    cut off has the id of what there is of it. Whoever lets others write meanwhile compares size and time of the file
    before and after.
    """
    with viewing(path) as view:
        digest = _hash(view, find_layout(view))
    if digest is None:
        raise InputError(f"{os.fsdecode(path)}: holds no audio, only tags or a header")
    return digest


def find_kind(view: View) -> tuple[str, int]:
    """Say what container a file is by its content, and where it begins behind tags that stand in front, in bytes.

    Returns
    -------
    one of "flac", "ogg", "wave", "aiff", "mp4", "matroska", "asf", "dsd", "caf", "au"; "plain" for all others
    """
    begin = front(view)
    for position in (begin, past_zeros(view, begin)):
        head = view.at(position, 16)
        if head[4:8] in _BOXES:
            return "mp4", position
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"FRM8"):
            form = head[12:16] if head[:4] == b"FRM8" else head[8:12]
            return _FORMS.get(form, "plain"), position
        for magic, kind in _MAGICS.items():
            if head.startswith(magic):
                return kind, position
    return "plain", begin


def find_layout(view: View) -> Layout:
    """Find the audio in a file; all bytes between the tags where its container cannot be read."""
    kind, begin = find_kind(view)
    layout = _LAYOUTS[kind](view, begin)
    if kind in ("ogg", "matroska", "mp4") and not layout.n_bytes and not layout.facts:
        return plain_layout(view, begin)
    return layout


def _hash(view: View, layout: Layout) -> str | None:
    """Hash what a layout names; None if that is nothing."""
    is_read = layout.kind in ("ogg", "matroska") and layout.facts
    if not layout.n_bytes and not is_read:
        return None
    digest = hashlib.sha256(f"earmark content id {SCHEME} {layout.kind}\n".encode())
    for fact in layout.facts:
        digest.update(len(fact).to_bytes(4, "big"))
        digest.update(fact)
    for begin, end in layout.stretches:
        for block in view.blocks(begin, end):
            digest.update(block)
    return digest.hexdigest()[:_DIGITS]
