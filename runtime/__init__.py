"""The runtime: requests in, outcomes out, through one continuous batch of an engine.

It knows requests and constraints, no prompt functions and no Python types.
"""

from typefold.compiler.public import set_public_module
from typefold.runtime.engine import (
    Completion,
    Delta,
    Engine,
    EngineFacts,
    EngineGone,
    EngineInfo,
    EngineRefusal,
    Thinking,
)
from typefold.runtime.errors import (
    BadInput,
    Cancelled,
    EngineFailed,
    InputFailed,
    Invalid,
    PromptError,
    PromptTooLong,
    Refused,
    TimedOut,
    Truncated,
)
from typefold.runtime.request import Adapter, FinishReason, Outcome, Request, TokenLogprob
from typefold.runtime.scheduling.scheduler import Scheduler
from typefold.runtime.statistics import Statistics

__all__ = [
    "Adapter",
    "BadInput",
    "Cancelled",
    "Completion",
    "Delta",
    "Engine",
    "EngineFacts",
    "EngineFailed",
    "EngineGone",
    "EngineInfo",
    "EngineRefusal",
    "FinishReason",
    "InputFailed",
    "Invalid",
    "Outcome",
    "PromptError",
    "PromptTooLong",
    "Refused",
    "Request",
    "Scheduler",
    "Statistics",
    "Thinking",
    "TimedOut",
    "TokenLogprob",
    "Truncated",
]

set_public_module(__name__, [globals()[name] for name in __all__])
