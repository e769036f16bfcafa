"""typefold: typed prompt functions for offline vLLM.

A prompt function's body is a message, its return annotation the form of the answer. Calls are collected into one
continuous batch and give parsed, typed values.
"""

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
from typefold.definition import Example, example
from typefold.demo_model import demo_model
from typefold.errors import BatchError, NoRuntime, PromptUsageError
from typefold.messages import Message, ask, assistant, raw, system, user
from typefold.program import run
from typefold.prompt import AsyncPrompt, Prompt, prompt
from typefold.runtime import (
    BadInput,
    Cancelled,
    EngineFailed,
    InputFailed,
    Invalid,
    PromptError,
    PromptTooLong,
    Refused,
    Statistics,
    TimedOut,
    Truncated,
)
from typefold.runtimes import Runtime, configure, current

__version__ = "0.1.0"

__all__ = [
    "AsyncPrompt",
    "BadInput",
    "BatchError",
    "Cancelled",
    "DecodeError",
    "EngineFailed",
    "Example",
    "Grammar",
    "InputFailed",
    "Invalid",
    "Matching",
    "Message",
    "NoRuntime",
    "OneOf",
    "OutputType",
    "Prompt",
    "PromptError",
    "PromptTooLong",
    "PromptUsageError",
    "Refused",
    "Runtime",
    "Statistics",
    "TemplateError",
    "TimedOut",
    "Truncated",
    "UnsupportedType",
    "WireFormat",
    "ask",
    "assistant",
    "configure",
    "current",
    "demo_model",
    "example",
    "output_type",
    "prompt",
    "raw",
    "run",
    "system",
    "user",
]
