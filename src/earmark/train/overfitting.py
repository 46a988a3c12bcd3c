"""The check before a long run: can the network learn one batch by heart?"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from earmark.errors import InputError
from earmark.train.feeding import drawn, steps
from earmark.train.run import Run

CHECK_STEPS, CHECK_ITEMS, CHECK_FALL = 40, 8, 0.7


def check_that_it_learns(run: Run) -> None:
    """Let the network learn one small batch by heart, then undo that; a set-up that cannot do it is broken.

    Parameters
    ----------
    run : before its first step; its network ends as it was

    Raises
    ------
    InputError
        If the loss does not fall below `CHECK_FALL` of what it was.
    """
    with _undone(run):
        losses = _losses(run)
    end = float(np.mean(losses[-5:]))
    if not end < CHECK_FALL * losses[0]:
        raise InputError(
            f"the network does not learn one batch by heart: the loss went from {losses[0]:.3g} to {end:.3g} in "
            f"{CHECK_STEPS} steps",
            hint="is the audio silent, are the labels right? run.overfit_check = false leaves this check out",
        )


def _losses(run: Run) -> list[float]:
    data = run.data
    crops = data.crops("train", run.model.chunk_samples, seed=run.options.seed)
    pieces = next(iter(steps(crops, drawn(data.targets("train"), run.options, 0), run.options)))
    indices = np.concatenate([piece.indices for piece in pieces])[:CHECK_ITEMS]
    waveform = np.concatenate([piece.crops for piece in pieces])[:CHECK_ITEMS]
    heard = run.fabric.to_device(torch.from_numpy(waveform))
    wanted = run.fabric.to_device(torch.from_numpy(data.targets("train")[indices]).float())
    learning = [parameter for parameter in run.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=1e-3)
    run.model.train()
    losses: list[Tensor] = []
    for _ in range(CHECK_STEPS):
        with run.fabric.autocast():
            logits = run.model(heard)
        loss = run.loss(logits.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    found: list[float] = torch.stack(losses).tolist()
    return found


@contextmanager
def _undone(run: Run) -> Iterator[None]:
    torch.manual_seed(run.options.seed)
    before = {name: value.detach().clone() for name, value in run.model.state_dict().items()}
    try:
        yield
    finally:
        run.model.load_state_dict(before)
        run.optimizer.zero_grad()
