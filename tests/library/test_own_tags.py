"""Tags of the user's own: answers add up, every track gets a score, filters and searches know them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import InputError, UnknownNameError, UsageError
from earmark.library import own_tags
from earmark.library.answers import answers_of, read_answers
from earmark.library.columns import condition
from earmark.library.heads import load_head, save_head
from earmark.library.models import TAUGHT
from earmark.library.schema import TRACKS
from earmark.library.search import search
from earmark.library.store import Store

from .conftest import track_id, track_row

NAME = "for dinner"


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """Sixty tracks; the tag holds where the first value of the embedding is above a half."""
    return make_store(60)


def truth(store: Store) -> dict[str, bool]:
    return {
        track.title: bool(track.heard["standard"].embedding[0] > 0.5)  # type: ignore[index]
        for track in store.tracks(embeddings=True)
    }


def answers(store: Store, n: int) -> tuple[list[str], list[str]]:
    known = list(truth(store).items())[:n]
    return [title for title, is_so in known if is_so], [title for title, is_so in known if not is_so]


def test_a_tag_is_taught_applied_and_found(store: Store) -> None:
    yes, no = answers(store, 40)
    head = own_tags.teach_tag(store, NAME, yes=yes, no=no, category="mood")
    assert head.report.n_yes == len(yes)
    assert head.report.roc_auc is not None
    assert head.report.roc_auc.value > 0.8
    done = own_tags.apply_tag(store, NAME)
    assert done.n_yes + done.n_no + done.n_unsure == 60
    right = truth(store)
    scores = {track.title: track.heard[TAUGHT].scores[NAME] for track in store.tracks()}
    high = np.mean([scores[title] for title, is_so in right.items() if is_so])
    low = np.mean([scores[title] for title, is_so in right.items() if not is_so])
    assert high > low + 0.2
    assert store.count(condition(store, f"mood:'{NAME}' >= 0.5")) == sum(score >= 0.5 for score in scores.values())
    best = search(store, f'"{NAME}"', n=5)
    assert [match.track.title for match in best] == sorted(scores, key=lambda title: -scores[title])[:5]
    (own,) = own_tags.own_tags(store)
    assert (own.head.category, own.n_answers, own.is_applied) == ("mood", 40, True)


def test_answers_add_up_and_can_be_withdrawn(store: Store) -> None:
    yes, no = answers(store, 30)
    own_tags.teach_tag(store, NAME, yes=yes[:5], no=no[:5])
    head = own_tags.teach_tag(store, NAME, yes=yes[5:8], no=[yes[0]])  # one answer is changed
    assert (head.report.n_yes, head.report.n_no) == (7, 6)
    head = own_tags.teach_tag(store, NAME, forget=[yes[0]])
    assert (head.report.n_yes, head.report.n_no) == (7, 5)
    with pytest.raises(UsageError, match="both yes and no"):
        own_tags.teach_tag(store, NAME, yes=[yes[0]], no=[yes[0]])
    assert len(answers_of(store, NAME)) == 12


def test_what_is_added_later_gets_its_score(store: Store) -> None:
    yes, no = answers(store, 40)
    own_tags.teach_tag(store, NAME, yes=yes, no=no)
    own_tags.apply_tag(store, NAME)
    store.put(TRACKS, [track_row(60), track_row(61)])
    own_tags.refresh(store)
    assert all(TAUGHT in track.heard for track in store.tracks())


def test_answers_are_kept_before_they_suffice(store: Store) -> None:
    assert own_tags.keep_answers(store, NAME, no=["Title 1"]) is False
    assert own_tags.learn_tag(store, NAME) is None
    (state,) = own_tags.tag_states(store)
    assert (state.n_yes, state.n_no, state.missing_yes, state.missing_no) == (0, 1, 1, 0)
    assert (state.head, state.is_applied, state.is_enough) == (None, False, False)
    own_tags.keep_answers(store, NAME, yes=["Title 2"])
    head = own_tags.learn_tag(store, NAME)
    assert head is not None
    assert (head.report.n_yes, head.report.n_no) == (1, 1)
    assert own_tags.tag_states(store)[0].is_enough
    assert own_tags.keep_answers(store, NAME, forget=[track_id(2)]) is True  # nothing says any more which have it
    own_tags.remove_tag(store, NAME)
    assert own_tags.tag_states(store) == []


def test_what_was_answered_while_music_was_added_is_learned_then(store: Store) -> None:
    yes, no = answers(store, 30)
    own_tags.keep_answers(store, NAME, yes=yes[:3], no=no[:3])
    own_tags.keep_answers(store, "piano", yes=yes[:2], no=no[:2])
    own_tags.refresh(store)
    late, piano = own_tags.tag_states(store)
    assert (late.is_applied, piano.is_applied, piano.missing_yes) == (True, False, 3)
    assert all(TAUGHT in track.heard for track in store.tracks())
    first = late.head
    own_tags.refresh(store)  # nothing new: nothing is learned
    assert own_tags.tag_states(store)[0].head.created == first.created  # type: ignore[union-attr]
    assert own_tags._unlearned(store) == []


def test_a_tag_that_a_model_hears_keeps_its_category(store: Store) -> None:
    yes, no = answers(store, 10)
    assert own_tags.teach_tag(store, "calm", yes=yes, no=no).category == "mood"
    assert own_tags.teach_tag(store, "calm", category="other").category == "other"
    assert own_tags.teach_tag(store, "calm").category == "other"


def test_several_tags_stand_side_by_side_and_go_one_by_one(store: Store) -> None:
    yes, no = answers(store, 30)
    for name, one, other in ((NAME, yes, no), ("not so", no, yes)):
        own_tags.teach_tag(store, name, yes=one, no=other)
        own_tags.apply_tag(store, name)
    (track,) = store.tracks(ids=[track_id(0)])
    assert set(track.heard[TAUGHT].scores) == {NAME, "not so"}
    own_tags.remove_tag(store, NAME)
    (track,) = store.tracks(ids=[track_id(0)])
    assert set(track.heard[TAUGHT].scores) == {"not so"}
    assert answers_of(store, NAME) == []
    own_tags.remove_tag(store, "not so")
    assert TAUGHT not in {model.name for model in store.models()}
    with pytest.raises(UnknownNameError, match="no taught tag"):
        own_tags.apply_tag(store, NAME)


def test_tags_are_shared_as_files(store: Store, make_store: Callable[..., Store], tmp_path: Path) -> None:
    yes, no = answers(store, 30)
    head = own_tags.teach_tag(store, NAME, yes=yes, no=no)
    save_head(head, tmp_path / "a.tag.json")
    other = make_store(20, "other")
    assert own_tags.import_tag(other, tmp_path / "a.tag.json").name == NAME
    assert own_tags.apply_tag(other, NAME).n_yes >= 0
    with pytest.raises(UsageError, match="there is a tag"):
        own_tags.import_tag(other, tmp_path / "a.tag.json")
    own_tags.import_tag(other, tmp_path / "a.tag.json", force=True)
    assert load_head(tmp_path / "a.tag.json").name == NAME


def test_suggestions_are_tracks_without_an_answer(store: Store) -> None:
    yes, no = answers(store, 20)
    own_tags.teach_tag(store, NAME, yes=yes, no=no)
    found = own_tags.suggestions(store, NAME, n=6)
    assert len({track.id for track, _ in found}) == 6
    assert not {track.title for track, _ in found} & {*yes, *no}
    assert all(0 <= probability <= 1 for _, probability in found)


def test_a_table_of_answers(tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    table.write_text("path,answer\na.mp3,yes\nb.mp3,No\n/c.mp3,1\n")
    assert read_answers(table) == ([str(tmp_path / "a.mp3"), "/c.mp3"], [str(tmp_path / "b.mp3")])
    table.write_text("path,answer\na.mp3,perhaps\n")
    with pytest.raises(InputError, match="line 2: expected a path, and yes or no, not 'perhaps'"):
        read_answers(table)
    table.write_text("file,answer\n")
    with pytest.raises(InputError, match="no column path"):
        read_answers(table)
    with pytest.raises(InputError, match="No such file"):
        read_answers(tmp_path / "none.csv")


def test_what_cannot_be_taught_is_told(store: Store) -> None:
    with pytest.raises(InputError, match="no answers for"):
        own_tags.teach_tag(store, NAME)
    with pytest.raises(InputError, match="no track of the catalogue"):
        own_tags.teach_tag(store, NAME, yes=["nothing"])
    with pytest.raises(UsageError, match="cannot be the name"):
        own_tags.teach_tag(store, "a;b", yes=["Title 1"])
