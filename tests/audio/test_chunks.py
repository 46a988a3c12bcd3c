import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.chunks import ChunkPlan, stream_chunks
from earmark.errors import InputError, UsageError

plans = st.builds(
    ChunkPlan,
    length=st.integers(1, 40),
    hop=st.integers(1, 60),
    context=st.tuples(st.integers(0, 50), st.integers(0, 50)),
)


def track(n: int) -> np.ndarray:
    return np.arange(1, n + 1, dtype=np.float32)


def expected(samples: np.ndarray, plan: ChunkPlan, pad: str = "repeat") -> list[tuple[int, np.ndarray]]:
    """The definition, with the whole track in memory."""
    n = len(samples)
    if n < plan.length:
        filler = np.tile(samples, plan.length)[n : plan.length] if pad == "repeat" else np.zeros(plan.length - n)
        samples = np.concatenate([samples, filler]).astype(np.float32)
        n = plan.length
    padded = np.pad(samples, plan.context, mode="reflect")
    starts = [k * plan.hop for k in range(n) if k * plan.hop + plan.length <= n]
    if starts[-1] + plan.length < n:
        starts.append(n - plan.length)
    return [(start, padded[start : start + plan.window]) for start in starts]


@given(n=st.integers(1, 200), plan=plans, pad=st.sampled_from(["repeat", "zeros"]), data=st.data())
def test_chunks_equal_slices_of_the_padded_track_whatever_the_blocks(n, plan, pad, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=12)))
    samples = track(n)
    chunks = list(stream_chunks(np.split(samples, cuts), plan, pad=pad))

    wanted = expected(samples, plan, pad)
    assert [chunk.start for chunk in chunks] == [start for start, _ in wanted] == plan.starts(n)
    for chunk, (_, window) in zip(chunks, wanted, strict=True):
        assert chunk.samples.dtype == np.float32
        np.testing.assert_array_equal(chunk.samples, window)


@given(n=st.integers(1, 120), plan=plans)
def test_blocks_of_one_sample_and_one_block_agree(n, plan):
    samples = track(n)
    whole = list(stream_chunks([samples], plan))
    single = list(stream_chunks(samples[:, None], plan))
    assert [c.start for c in whole] == [c.start for c in single]
    for one, other in zip(whole, single, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


@given(n=st.integers(1, 200), plan=plans)
def test_without_gaps_every_sample_is_covered(n, plan):
    covered = np.zeros(max(n, plan.length), dtype=bool)
    for start in plan.starts(n):
        covered[start : start + plan.length] = True
    assert covered[-1]
    assert covered.all() or plan.hop > plan.length


def test_a_divisible_track_gets_no_extra_chunk():
    plan = ChunkPlan(5, 5, (2, 2))
    assert [c.start for c in stream_chunks([track(15)], plan)] == [0, 5, 10]
    assert [c.start for c in stream_chunks([track(16)], plan)] == [0, 5, 10, 11]
    assert [c.start for c in stream_chunks([track(5)], plan)] == [0]


def test_a_divisible_track_without_right_context_is_not_doubled_at_its_end():
    assert [c.start for c in stream_chunks([track(10), track(5)], ChunkPlan(5, 5))] == [0, 5, 10]


def test_hop_beyond_length_leaves_gaps_but_ends_at_the_end():
    chunks = list(stream_chunks(itertools.repeat(track(1), 23), ChunkPlan(2, 10)))
    assert [c.start for c in chunks] == [0, 10, 20, 21]


def test_context_larger_than_the_track():
    (chunk,) = stream_chunks([track(3)], ChunkPlan(3, 3, (7, 5)))
    np.testing.assert_array_equal(chunk.samples, np.pad(track(3), (7, 5), mode="reflect"))


def test_one_sample_track():
    (chunk,) = stream_chunks([np.array([0.5], dtype=np.float32)], ChunkPlan(1, 1, (2, 3)))
    np.testing.assert_array_equal(chunk.samples, np.full(6, 0.5, dtype=np.float32))


def test_short_tracks_are_padded_as_asked():
    plan = ChunkPlan(7, 7)
    (repeated,) = stream_chunks([track(3)], plan)
    np.testing.assert_array_equal(repeated.samples, [1, 2, 3, 1, 2, 3, 1])
    (zeros,) = stream_chunks([track(3)], plan, pad="zeros")
    np.testing.assert_array_equal(zeros.samples, [1, 2, 3, 0, 0, 0, 0])
    with pytest.raises(InputError, match="3 samples, a chunk has 7"):
        list(stream_chunks([track(3)], plan, pad="none"))


@pytest.mark.parametrize("blocks", [[], [np.zeros(0, dtype=np.float32)] * 3])
@pytest.mark.parametrize("pad", ["repeat", "zeros", "none"])
def test_no_samples_is_an_error(blocks, pad):
    with pytest.raises(InputError, match="no samples"):
        list(stream_chunks(blocks, ChunkPlan(4, 4), pad=pad))


def test_fewer_than_min_samples_is_an_error():
    with pytest.raises(InputError, match="3 samples, needed 4"):
        list(stream_chunks([track(3)], ChunkPlan(8, 8), min_samples=4))
    assert len(list(stream_chunks([track(4)], ChunkPlan(8, 8), min_samples=4))) == 1


def test_stereo_blocks_are_refused():
    with pytest.raises(InputError, match=r"shape \(2, 8\)"):
        list(stream_chunks([np.zeros((2, 8), dtype=np.float32)], ChunkPlan(4, 4)))


@pytest.mark.parametrize("options", [(0, 1, (0, 0)), (1, 0, (0, 0)), (1, 1, (-1, 0)), (1, 1, (0, -1))])
def test_impossible_plans_are_refused(options):
    with pytest.raises(UsageError, match="samples every"):
        ChunkPlan(*options)


def test_an_unknown_pad_is_refused_at_once():
    with pytest.raises(UsageError, match="pad='mirror'"):
        stream_chunks([], ChunkPlan(1, 1), pad="mirror")


def test_chunks_own_their_memory():
    first, second = stream_chunks([track(8)], ChunkPlan(6, 2))
    first.samples[:] = 0
    np.testing.assert_array_equal(second.samples, track(8)[2:])


def test_memory_is_bounded_and_chunks_come_early():
    """Blocks are freed while later ones arrive, and a chunk is out as soon as its context is there."""
    import weakref

    held: list[weakref.ref[np.ndarray]] = []
    most = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal most
        for _ in range(300):
            block = np.zeros(100, dtype=np.float32)
            held.append(weakref.ref(block))
            yield block
            del block
            most = max(most, sum(ref() is not None for ref in held))

    for chunk in stream_chunks(blocks(), ChunkPlan(1000, 700, (200, 300))):
        assert len(held) * 100 < chunk.start + 1300 + 200
    assert most <= (200 + 1000 + 300 + 700) // 100 + 2
