"""typefold: typed prompt functions for offline vLLM.

A prompt function's body is a message, its return annotation the form of the answer. Calls are collected into one
continuous batch and give parsed, typed values.
"""

from typefold.async_prompt import AsyncPrompt
from typefold.compiler import (
    DecodeError,
    Grammar,
    Matching,
    OneOf,
    OutputType,
    TemplateError,
    UnsupportedType,
    WireFormat,
    output_type,
)
from typefold.deferred import Deferred
from typefold.definition import Example, example
from typefold.demo_model import demo_model
from typefold.errors import BatchError, EngineLoadError, NoRuntime, PromptUsageError
from typefold.frames import to_frame
from typefold.gather import gather
from typefold.images import image
from typefold.messages import Message, ask, assistant, raw, system, user
from typefold.program import run
from typefold.prompt import Prompt, prompt
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
from typefold.runtime.forks import UsedAfterFork
from typefold.runtime.journal import Journal, JournalError
from typefold.runtimes import Runtime
from typefold.samples import AsyncSamples, Samples
from typefold.selection import configure, current
from typefold.special import Logged, Reasoned, Scored
from typefold.streams import AsyncStream, Stream
from typefold.tools import ToolCall, Tools
from typefold.voting import Best, Votes, best_of, majority

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "AsyncPrompt",
    "AsyncSamples",
    "AsyncStream",
    "BadInput",
    "BatchError",
    "Best",
    "Cancelled",
    "DecodeError",
    "Deferred",
    "EngineFailed",
    "EngineLoadError",
    "Example",
    "FinishReason",
    "Grammar",
    "InputFailed",
    "Invalid",
    "Journal",
    "JournalError",
    "Logged",
    "Matching",
    "Message",
    "NoRuntime",
    "OneOf",
    "OutputType",
    "Prompt",
    "PromptError",
    "PromptTooLong",
    "PromptUsageError",
    "Reasoned",
    "Refused",
    "Runtime",
    "Samples",
    "Scored",
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
    "Votes",
    "WireFormat",
    "ask",
    "assistant",
    "best_of",
    "configure",
    "current",
    "demo_model",
    "example",
    "gather",
    "image",
    "majority",
    "output_type",
    "prompt",
    "raw",
    "run",
    "system",
    "to_frame",
    "user",
]
