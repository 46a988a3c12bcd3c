"""How good scores are: validate, then one function per metric, then evaluate all of them.

Definitions
-----------
ROC-AUC, `roc_auc`: the chance that an item with a tag scores above one without it, ties half. PR-AUC, `pr_auc`: average
precision, the mean of the precision at each item with the tag, no interpolation. F1, precision, recall: of yes and no,
at thresholds chosen on the validation part (`best_thresholds`). `precision_at_k`: right tags among an item's k best.
`accuracy`, `macro_recall`, `confusion_matrix`, `cross_entropy`: of items with one class each. `log_loss`,
`calibration_error`, `reliability`: of scores as probabilities; `fit_calibration` makes them so. `bootstrap`,
`paired_bootstrap`: intervals, and whether one model is better than another.

Conventions
-----------
Targets come first, scores second, both (n_items, n_tags), items and tags in the same order; targets are 0 or 1, scores
any finite numbers, one per track: chunks are averaged first. Where scikit-learn has the metric, values are equal to its
own, ties included. "macro" is the mean over tags, "micro" takes all pairs of item and tag together. A tag that no item
has says nothing of a model: it is left out of means, never counted as zero, and named by `evaluate`. For ROC-AUC, a tag
that every item has is left out too.
"""

from earmark.metrics.calibration import (
    Calibration,
    Reliability,
    calibration_error,
    fit_calibration,
    log_loss,
    log_loss_per_tag,
    prevalence,
    reliability,
)
from earmark.metrics.checks import validate
from earmark.metrics.decisions import (
    Decisions,
    best_thresholds,
    compare,
    decide,
    f1,
    precision,
    precision_at_k,
    recall,
)
from earmark.metrics.evaluation import Evaluation, evaluate
from earmark.metrics.intervals import Bootstrap, Interval
from earmark.metrics.ranking import pr_auc, pr_auc_per_tag, roc_auc, roc_auc_per_tag
from earmark.metrics.resampling import bootstrap, paired_bootstrap
from earmark.metrics.single_label import accuracy, confusion_matrix, cross_entropy, macro_recall

__all__ = [
    "Bootstrap",
    "Calibration",
    "Decisions",
    "Evaluation",
    "Interval",
    "Reliability",
    "accuracy",
    "best_thresholds",
    "bootstrap",
    "calibration_error",
    "compare",
    "confusion_matrix",
    "cross_entropy",
    "decide",
    "evaluate",
    "f1",
    "fit_calibration",
    "log_loss",
    "log_loss_per_tag",
    "macro_recall",
    "paired_bootstrap",
    "pr_auc",
    "pr_auc_per_tag",
    "precision",
    "precision_at_k",
    "prevalence",
    "recall",
    "reliability",
    "roc_auc",
    "roc_auc_per_tag",
    "validate",
]
