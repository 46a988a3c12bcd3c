"""Train a model: one visible loop (`earmark.train.loop`), and what it works with.

A run is a folder: `run.toml` (every value that was given), `provenance.json`, `checkpoint.pt` (all that going on
takes), `best.safetensors` (the weights that were best on the validation part, with their card), `predictions` (what
they say of the validation and the test part), `history.jsonl` (a line per epoch), `results.json` (the test part, judged
once, at the end).

What is random in a step follows from the seed and the number of the step: crops, augmentation, mixtures and dropout. A
run that was killed goes on from its last epoch and ends with the same weights, bit for bit on one CPU.
"""

from earmark.train.loop import train
from earmark.train.options import RunOptions, StageOptions, StartOptions, schema
from earmark.train.run import Epoch

__all__ = ["Epoch", "RunOptions", "StageOptions", "StartOptions", "schema", "train"]
