"""What is known to be wrong with files of FMA.

The published durations of 21 tracks are wrong, so their clips were cut in the wrong place, some behind the end. Other
clips of `fma_large` were reported not to open with ffmpeg and librosa, though they are as published.
"""

from typing import NamedTuple

from earmark.datasets.base import Fault

DURATIONS = "M. Defferrard, mdeff/fma issue 8"
CLIPS = "mdeff/fma wiki: excerpts shorter than 30 s"
UNOPENED = "K. Choi, mdeff/fma issue 49"


class Wrong(NamedTuple):
    """A duration as published, as it is, and how long the clip is; seconds."""

    published: int
    real: float
    clip: float


WRONG = {
    1486: Wrong(90, 14.39, 0.0),
    5574: Wrong(563, 30.46, 0.0),
    65753: Wrong(242, 9.74, 0.0),
    80391: Wrong(600, 67.84, 0.0),
    98558: Wrong(216, 87.67, 0.0),
    98559: Wrong(193, 58.80, 0.0),
    98560: Wrong(341, 86.13, 0.0),
    98565: Wrong(158, 65.31, 1.6),
    98566: Wrong(148, 63.63, 6.2),
    98567: Wrong(191, 79.39, 0.5),
    98568: Wrong(249, 114.55, 6.6),
    98569: Wrong(184, 77.37, 1.5),
    98571: Wrong(139, 50.81, 0.0),
    99134: Wrong(308, 33.25, 0.0),
    105247: Wrong(123, 18.91, 0.0),
    108924: Wrong(187, 105.38, 27.4),
    108925: Wrong(151, 7.44, 0.0),
    126981: Wrong(216, 17.45, 0.0),
    127336: Wrong(275, 13.27, 0.0),
    133297: Wrong(600, 113.58, 0.0),
    143992: Wrong(211, 26.23, 0.0),
}
"""Track to its durations."""

_HARD = """
2624 3284 8669 10116 11583 12838 13529 14116 14180 20814 22554 23429 23430 23431 25173 25174 25175 25176 25180 29345
29346 29352 29356 33411 33413 33414 33417 33418 33419 33425 35725 39363 41745 42986 43753 50594 50782 53668 54569 54582
61480 61822 63422 63997 72656 72980 73510 80553 82699 84503 84504 84522 84524 86656 86659 86661 86664 87057 90244 90245
90247 90248 90250 90252 90253 90442 90445 91206 92479 94052 94234 95253 96203 96207 96210 98105 98562 101265 101272
101275 102241 102243 102247 102249 102289 106409 106412 106415 106628 108920 109266 110236 115610 117441 127928 129207
129800 130328 130748 130751 131545 133641 133647 134887 140449 140450 140451 140452 140453 140454 140455 140456 140457
140458 140459 140460 140461 140462 140463 140464 140465 140466 140467 140468 140469 140470 140471 140472 142614 144518
144619 145056 146056 147419 147424 148786 148787 148788 148789 148790 148791 148792 148793 148794 148795 151920 155051
"""


def clip_faults() -> list[Fault]:
    """Return what is wrong with clips of 30 s: no audio in them, too little, or not to be opened by every decoder."""
    found = []
    for track, wrong in WRONG.items():
        where = f"cut from {wrong.published // 2 - 15} s on, the track lasts {wrong.real:g} s"
        if wrong.clip:
            found.append(Fault(str(track), "short", f"{wrong.clip:g} s: {where}", CLIPS))
        else:
            found.append(Fault(str(track), "empty", f"no audio: {where}", CLIPS))
    detail = "reported not to open with ffmpeg and librosa of 2020"
    return found + [Fault(track, "suspect", detail, UNOPENED) for track in _HARD.split()]


def full_faults() -> list[Fault]:
    """Return what is wrong with the full tracks: their published durations."""
    return [
        Fault(str(track), "wrong_duration", f"published {wrong.published} s, really {wrong.real:g} s", DURATIONS)
        for track, wrong in WRONG.items()
    ]
