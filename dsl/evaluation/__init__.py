"""Evaluation: how often a function's answers are right, with intervals, and what many of them cost.

`evaluate`, `compare`, `forecast`, `Report` and the like are names of `typefold` itself; those of their parts are here.
"""

from typefold.compiler.public import set_public_module
from typefold.evaluation.calibrate import calibrate
from typefold.evaluation.compare import Comparison, compare
from typefold.evaluation.cost import CallForecast, Forecast, LimitForecast, Misfit
from typefold.evaluation.fields import Confusion, FieldReport, NumberErrors, Overlap
from typefold.evaluation.forecasting import forecast
from typefold.evaluation.grading import Case, evaluate
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.reliability import Reliability, ReliabilityBin
from typefold.evaluation.report import EvaluatedRow, MetricFailed, Report

__all__ = [
    "CallForecast",
    "Case",
    "Comparison",
    "Confusion",
    "Estimate",
    "EvaluatedRow",
    "FieldReport",
    "Forecast",
    "LimitForecast",
    "MetricFailed",
    "Misfit",
    "NumberErrors",
    "Overlap",
    "Reliability",
    "ReliabilityBin",
    "Report",
    "calibrate",
    "compare",
    "evaluate",
    "forecast",
]

_FORECAST = (CallForecast, LimitForecast, Misfit)
_PARTS = (
    *_FORECAST,
    Confusion,
    EvaluatedRow,
    FieldReport,
    MetricFailed,
    NumberErrors,
    Overlap,
    Reliability,
    ReliabilityBin,
)
set_public_module(__name__, _PARTS)
