"""Evaluation: how often a function's answers are right, with intervals.

`evaluate`, `compare`, `Report` and the like are names of `typefold` itself; those of their parts are here.
"""

from typefold.compiler.public import set_public_module
from typefold.evaluation.calibrate import calibrate
from typefold.evaluation.compare import Comparison, compare
from typefold.evaluation.fields import Confusion, FieldReport, NumberErrors, Overlap
from typefold.evaluation.grading import Case, evaluate
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.reliability import Reliability, ReliabilityBin
from typefold.evaluation.report import EvaluatedRow, MetricFailed, Report

__all__ = [
    "Case",
    "Comparison",
    "Confusion",
    "Estimate",
    "EvaluatedRow",
    "FieldReport",
    "MetricFailed",
    "NumberErrors",
    "Overlap",
    "Reliability",
    "ReliabilityBin",
    "Report",
    "calibrate",
    "compare",
    "evaluate",
]

_PARTS = (Confusion, EvaluatedRow, FieldReport, MetricFailed, NumberErrors, Overlap, Reliability, ReliabilityBin)
set_public_module(__name__, _PARTS)
