"""Floors: classic models that cost a minute, and that a network has to beat.

`FLOORS` names them: prior, logistic regression, SVM, nearest neighbours. `floor_data(dataset, split)` decodes what a
split names; `run_floor(name, data)` learns from its training part and returns what the floor says of the others, ready
to be evaluated beside a network. None needs PyTorch; all but `prior` need the extras [features] and [train].
"""

from earmark.floors import logistic, neighbours, prior, svm
from earmark.floors.base import FLOORS, Floor
from earmark.floors.caching import track_features
from earmark.floors.running import floor_data, run_floor
from earmark.floors.statistics import TrackStatistics

__all__ = [
    "FLOORS",
    "Floor",
    "TrackStatistics",
    "floor_data",
    "logistic",
    "neighbours",
    "prior",
    "run_floor",
    "svm",
    "track_features",
]
