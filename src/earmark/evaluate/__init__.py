"""Honest evaluation: a report with intervals, floors, leaks and mistakes; and whether one model is better than another.

`evaluate(WHAT)` returns a `Report`, `write_report` writes it, `store` puts its thresholds into the
card of the model, and `compare` puts several models side by side.
"""

from earmark.evaluate.comparing import Comparison, compare
from earmark.evaluate.evaluating import evaluate
from earmark.evaluate.report import Report
from earmark.evaluate.storing import store
from earmark.evaluate.writing import write_report

__all__ = ["Comparison", "Report", "compare", "evaluate", "store", "write_report"]
