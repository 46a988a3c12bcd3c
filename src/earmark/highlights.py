"""Which of a track's tags are worth a look: what the command line shows unless told otherwise."""

from earmark.track_tags import Tag, TrackTags
from earmark.vocabulary import CATEGORIES

MIN_SCORE, MIN_LIFT = 0.05, 1.0
RARE_MIN_SCORE, RARE_MIN_LIFT = 0.02, 1.5  # of tags that are rarely given: moods and eras
UNKNOWN_LIFT_SCORE = 0.1  # asked of tags whose base rate is not known
FALLBACK = 3


def highlights(result: TrackTags, *, per_category: int = 5) -> list[Tag]:
    """Choose the tags that tell something about a track, by category and then by score.

    Parameters
    ----------
    result : a tagged track
    per_category : at most so many in each

    Notes
    -----
    A tag is chosen when its score is at least 0.05 and above its rate in the training data (lift above 1), or at least
    0.02 and 1.5 times that rate: moods and eras were rarely given, so their scores are low. Where the rate is not
    known, its score has to be at least 0.1. A tag that reaches a threshold of its own is chosen whatever its lift. If
    there is none, the three best scores stand in.
    """
    chosen = []
    for tags in result.by_category().values():
        chosen += [tag for tag in tags if _tells(tag)][:per_category]
    return chosen or by_category(result.top(FALLBACK))


def by_category(tags: list[Tag]) -> list[Tag]:
    """Put tags in the order of categories, each category best first."""
    return sorted(tags, key=lambda tag: (CATEGORIES.index(tag.category), -tag.score))


def _tells(tag: Tag) -> bool:
    if tag.is_above_threshold:
        return True
    if tag.lift is None:
        return tag.score >= UNKNOWN_LIFT_SCORE
    is_usual = tag.score >= MIN_SCORE and tag.lift > MIN_LIFT
    return is_usual or (tag.score >= RARE_MIN_SCORE and tag.lift >= RARE_MIN_LIFT)


def scores_between(result: TrackTags, start: float, end: float) -> dict[str, float]:
    """Average the taggram over a part of a track.

    Parameters
    ----------
    result : a tagged track
    start, end : seconds

    Returns
    -------
    tag to its mean over the chunks whose centre lies in that part; empty if there is none
    """
    inside = (result.centres >= start) & (result.centres < end)
    if not inside.any():
        return {}
    return dict(zip(result.vocabulary, result.taggram[inside].mean(axis=0).tolist(), strict=True))
