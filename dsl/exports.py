"""The public names of typefold, each where it is defined. The package takes them from here when one is asked for."""

from typefold.compiler import (
    DecodeError,
    Grammar,
    JsonFormat,
    Matching,
    Message,
    OneOf,
    OutputType,
    TemplateError,
    UnsupportedType,
    output_type,
)
from typefold.compiler.public import set_public_module
from typefold.decisions.calibration import Calibration, StaleCalibration
from typefold.errors import BatchError, EngineLoadError, NoRuntime, PromptUsageError
from typefold.evaluation.calibrate import calibrate
from typefold.evaluation.compare import Comparison, compare
from typefold.evaluation.cost import Forecast
from typefold.evaluation.forecasting import Forecasting, forecast
from typefold.evaluation.grading import Case, Evaluate, evaluate
from typefold.evaluation.intervals import Estimate
from typefold.evaluation.report import Report
from typefold.execution.streaming import AsyncStream, Stream
from typefold.graphs.deferred import Deferred, apply_deferred
from typefold.graphs.gather import Gather, gather, gather_deferred
from typefold.graphs.graph import Node
from typefold.messages import RawPrompt, ask, assistant, image, raw, system, user
from typefold.optimization.optimized_prompts import OptimizedPrompts, StalePrompts, optimized
from typefold.optimization.optimizer import Optimization, Optimize, optimize
from typefold.options import Options
from typefold.programs.cascade import AsyncCascade, Cascade, CascadeCounts, cascade, cascade_spec
from typefold.programs.run import Run, run
from typefold.programs.threshold import calibrated_threshold
from typefold.programs.voting import Best, Votes, best_of, majority
from typefold.prompts import AsyncPrompt, AsyncSamples, Prompt, Samples, is_prompt
from typefold.prompts.base_prompt import ask_deferred
from typefold.prompts.definition import Example, example
from typefold.prompts.prompt import prompt
from typefold.prompts.spec import prompt_by_name, prompt_by_value
from typefold.prompts.tools import Tools
from typefold.prompts.version import Version
from typefold.response_types import (
    ABSTAINED,
    Abstained,
    Decisions,
    Logged,
    Reasoned,
    Scored,
    ToolCall,
    failed,
    succeeded,
)
from typefold.runtime import (
    Adapter,
    BadInput,
    Cancelled,
    EngineFailed,
    FinishReason,
    InputFailed,
    Invalid,
    PromptError,
    PromptTooLong,
    Refused,
    Statistics,
    TimedOut,
    TokenLogprob,
    Truncated,
)
from typefold.runtime.journal import Journal, JournalError
from typefold.runtime.ownership import UsedAfterFork
from typefold.runtimes.current import configure, current
from typefold.runtimes.demo_model import demo_model
from typefold.runtimes.history import HistoryEntry
from typefold.runtimes.runtime import Runtime
from typefold.tables.columns import Indexed
from typefold.tables.frames import to_frame

__all__ = [
    "ABSTAINED",
    "Abstained",
    "Adapter",
    "AsyncCascade",
    "AsyncPrompt",
    "AsyncSamples",
    "AsyncStream",
    "BadInput",
    "BatchError",
    "Best",
    "Calibration",
    "Cancelled",
    "Cascade",
    "CascadeCounts",
    "Case",
    "Comparison",
    "Decisions",
    "DecodeError",
    "Deferred",
    "EngineFailed",
    "EngineLoadError",
    "Estimate",
    "Example",
    "FinishReason",
    "Forecast",
    "Grammar",
    "HistoryEntry",
    "InputFailed",
    "Invalid",
    "Journal",
    "JournalError",
    "JsonFormat",
    "Logged",
    "Matching",
    "Message",
    "NoRuntime",
    "OneOf",
    "Optimization",
    "OptimizedPrompts",
    "OutputType",
    "Prompt",
    "PromptError",
    "PromptTooLong",
    "PromptUsageError",
    "Reasoned",
    "Refused",
    "Report",
    "Runtime",
    "Samples",
    "Scored",
    "StaleCalibration",
    "StalePrompts",
    "Statistics",
    "Stream",
    "TemplateError",
    "TimedOut",
    "TokenLogprob",
    "ToolCall",
    "Tools",
    "Truncated",
    "UnsupportedType",
    "UsedAfterFork",
    "Version",
    "Votes",
    "ask",
    "assistant",
    "best_of",
    "calibrate",
    "calibrated_threshold",
    "cascade",
    "compare",
    "configure",
    "current",
    "demo_model",
    "evaluate",
    "example",
    "failed",
    "forecast",
    "gather",
    "image",
    "is_prompt",
    "majority",
    "optimize",
    "optimized",
    "output_type",
    "prompt",
    "raw",
    "run",
    "succeeded",
    "system",
    "to_frame",
    "user",
]

# Pickles name these: a pickle may name the package and no module inside of it.
_IN_PICKLES = (
    *(Evaluate, Forecasting, Gather, Indexed, Node, Optimize, Options, RawPrompt, Run),
    *(apply_deferred, ask_deferred, cascade_spec, gather_deferred, prompt_by_name, prompt_by_value),
)
set_public_module("typefold", [*(globals()[name] for name in __all__), *_IN_PICKLES])
