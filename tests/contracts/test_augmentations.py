"""The contract of every registered augmentation."""

import inspect
from collections.abc import Mapping

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from earmark.audio.augment import AUGMENTATIONS, Augment, Augmentation, generator_of  # noqa: E402
from earmark.errors import InputError, UnknownNameError, UsageError  # noqa: E402
from earmark.registry import parameters_of  # noqa: E402

NAMES = list(AUGMENTATIONS)
RATE = 8000
# Options at which something is sure to be heard; a low-pass of up to 4000 Hz does not go with this rate.
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "high_low_pass": {"low_low_pass_hz": 1000.0, "high_low_pass_hz": 2000.0},
    "low_pass": {"low_hz": 1000.0, "high_hz": 2000.0},
    "noise": {"low_snr_db": 0.0, "high_snr_db": 20.0},
    "pitch": {"low_semitones": -2.0, "high_semitones": 5.0, "whole": False},
}


def make(name: str, **options: object) -> Augment:
    return Augment({name: {**OPTIONS.get(name, {}), "probability": 1.0, **options}}, sample_rate=RATE)


def one(name: str) -> Augmentation:
    factory = AUGMENTATIONS[name]
    rate = {"sample_rate": RATE} if "sample_rate" in inspect.signature(factory).parameters else {}
    return factory(**OPTIONS.get(name, {}), probability=1.0, **rate)


def example(name: str, n: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    shape = (n, 40, 60) if one(name).takes == "spectrogram" else (n, 6001)
    return 0.1 * torch.randn(shape, generator=generator)


def run(augment: Augment, x: torch.Tensor, seed: int = 5, step: int = 11) -> torch.Tensor:
    """Return what comes out of the one door that changes something."""
    return augment.waveform(x, seed, step) if x.ndim == 2 else augment.spectrogram(x, seed, step)


@pytest.mark.parametrize("name", NAMES)
def test_shape_type_and_input_stay_and_something_changes(name: str) -> None:
    x = example(name)
    before = x.clone()
    y = run(make(name), x)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert torch.isfinite(y).all()
    assert torch.equal(x, before)
    assert ((y - x).flatten(1).abs().amax(dim=1) > 1e-4).sum() >= 2
    assert not y.requires_grad


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_come_back_as_they_were(name: str, dtype: torch.dtype) -> None:
    x = example(name).to(dtype)
    y = run(make(name), x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, run(make(name), x.float()).to(dtype))


@pytest.mark.parametrize("name", NAMES)
def test_probability_zero_is_the_identity(name: str) -> None:
    x = example(name)
    for step in range(3):
        assert torch.equal(run(make(name, probability=0.0), x, step=step), x)


@pytest.mark.parametrize("name", NAMES)
def test_probability_is_the_share_of_items(name: str) -> None:
    augmentation = one(name)
    augmentation.probability = 0.3
    touched = augmentation.draw(np.random.default_rng(2), 4000, tuple(example(name).shape[1:]))["touched"]
    assert abs(touched.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 4000)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_for_the_same_seed_and_step_only(name: str) -> None:
    x = example(name, 6)
    first = run(make(name, probability=0.5), x)
    assert torch.equal(run(make(name, probability=0.5), x), first)
    others = [run(make(name, probability=0.5), x, step=step) for step in range(12, 16)]
    assert not all(torch.equal(other, first) for other in others)
    others = [run(make(name, probability=0.5), x, seed=seed) for seed in range(6, 10)]
    assert not all(torch.equal(other, first) for other in others)


@pytest.mark.parametrize("name", NAMES)
def test_an_item_does_not_depend_on_its_batch_mates(name: str) -> None:
    x, augmentation = example(name, 4), one(name)
    parameters = augmentation.draw(np.random.default_rng(3), 4, tuple(x.shape[1:]))
    assert {len(values) for values in parameters.values()} == {4}
    together = augmentation.apply(x, parameters)
    for i in range(4):
        alone = augmentation.apply(x[i : i + 1], {key: values[i : i + 1] for key, values in parameters.items()})
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_items_that_are_not_touched_stay_bit_by_bit(name: str) -> None:
    x, augmentation = example(name, 4), one(name)
    parameters = augmentation.draw(np.random.default_rng(3), 4, tuple(x.shape[1:]))
    everything = augmentation.apply(x, parameters)
    some = augmentation.apply(x, {**parameters, "touched": np.array([True, False, True, False])})
    assert torch.equal(some[1::2], x[1::2])
    torch.testing.assert_close(some[::2], everything[::2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_silence(name: str) -> None:
    x = torch.zeros_like(example(name, 1))
    assert torch.equal(run(make(name), x).abs(), x)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name: str) -> None:
    x = example(name)
    plain = run(make(name), x)
    with torch.autocast("cpu", torch.bfloat16):
        y = run(make(name), x)
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(y, plain)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_pass(name: str) -> None:
    x = example(name).requires_grad_()
    run(make(name), x).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad.flatten(1).abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_acts_through_its_door_only(name: str) -> None:
    augment = make(name)
    waveform, picture = torch.ones(2, 6001), torch.rand(2, 40, 60)
    takes = one(name).takes
    assert (augment.waveform(waveform, 0, 0) is waveform) == (takes == "spectrogram")
    assert (augment.spectrogram(picture, 0, 0) is picture) == (takes == "waveform")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_another_batch_are_an_error(name: str) -> None:
    x, augmentation = example(name, 2), one(name)
    parameters = augmentation.draw(np.random.default_rng(0), 3, tuple(x.shape[1:]))
    with pytest.raises(InputError, match="parameters of 3 items for a batch of 2"):
        augmentation.apply(x, parameters)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_default_and_a_plain_type(name: str) -> None:
    parameters = parameters_of(AUGMENTATIONS[name].__init__)
    assert parameters
    assert all(parameter.takes for parameter in parameters)
    assert set(inspect.signature(AUGMENTATIONS[name]).parameters) - {p.name for p in parameters} <= {"sample_rate"}
    with pytest.raises(UsageError, match=r"probability=1\.5"):
        make(name, probability=1.5)
    with pytest.raises(UsageError, match="expected a number"):
        make(name, probability="often")
    with pytest.raises(UsageError, match="takes no option 'probabilty'") as caught:
        make(name, probabilty=1.0)
    assert caught.value.hint == "did you mean 'probability'?"


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_and_nobody_waits_for_it(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    x = example(name)
    there = x.cuda()
    run(make(name), there)  # the first call makes plans
    torch.cuda.set_sync_debug_mode("error")
    try:
        y = run(make(name), there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    tolerance = 0.05 if name in ("pitch", "tempo") else 1e-4  # phases of what is next to silent are up to rounding
    assert (y.cpu() - run(make(name), x)).square().mean().sqrt() < tolerance * x.square().mean().sqrt()


def test_unknown_names_and_bad_recipes() -> None:
    with pytest.raises(UnknownNameError, match="there is no augmentation 'gian'") as caught:
        Augment({"gian": {}}, sample_rate=RATE)
    assert caught.value.hint == "did you mean 'gain'?"
    with pytest.raises(UsageError, match="takes no option 'sample_rate'"):
        Augment({"delay": {"sample_rate": 16000}}, sample_rate=RATE)
    with pytest.raises(UsageError, match="augmentation 'gain' has options 3"):
        Augment({"gain": 3}, sample_rate=RATE)  # type: ignore[dict-item]


def test_wrong_shapes_seeds_and_steps() -> None:
    augment = Augment({"gain": {}, "spec_augment": {}}, sample_rate=RATE)
    with pytest.raises(InputError, match=r"waveforms of shape \(2, 3, 4\)"):
        augment.waveform(torch.zeros(2, 3, 4), 0, 0)
    with pytest.raises(InputError, match=r"pictures of shape \(2, 3\)"):
        augment.spectrogram(torch.zeros(2, 3), 0, 0)
    with pytest.raises(UsageError, match="step=-1"):
        augment.waveform(torch.zeros(2, 3), 0, -1)
    with pytest.raises(UsageError, match=r"seed=0\.5"):
        augment.waveform(torch.zeros(2, 3), 0.5, 0)  # type: ignore[arg-type]


def test_the_order_is_that_of_the_recipe_and_draws_do_not_depend_on_it() -> None:
    x = example("delay")
    mask, delay = {"probability": 1.0, "share": 0.9}, {"probability": 1.0}
    forth = Augment({"time_mask": mask, "delay": delay}, sample_rate=RATE)
    back = Augment({"delay": delay, "time_mask": mask}, sample_rate=RATE)
    assert (list(forth), list(back), len(back)) == (["time_mask", "delay"], ["delay", "time_mask"], 2)
    masking = Augment({"time_mask": mask}, sample_rate=RATE)
    delaying = Augment({"delay": delay}, sample_rate=RATE)
    assert torch.equal(run(forth, x), run(delaying, run(masking, x)))
    assert torch.equal(run(back, x), run(masking, run(delaying, x)))
    assert not torch.allclose(run(forth, x), run(back, x))
    assert run(Augment({}, sample_rate=RATE), x) is x


def test_no_two_draw_the_same() -> None:
    first = {generator_of(name, seed, step).random() for name in NAMES for seed in range(3) for step in range(3)}
    assert len(first) == 9 * len(NAMES)
    assert generator_of("gain", 1, 2).random() == generator_of("gain", 1, 2).random()
