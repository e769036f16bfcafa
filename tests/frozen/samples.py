"""Of each kind of object that users pickle, one: what `pickles/` holds, made anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from returns.result import Failure, Success

import typefold
from typefold import (
    Adapter,
    BadInput,
    BatchError,
    Cancelled,
    DecodeError,
    EngineFailed,
    EngineLoadError,
    FinishReason,
    InputFailed,
    Invalid,
    JournalError,
    Logged,
    NoRuntime,
    PromptError,
    PromptTooLong,
    PromptUsageError,
    Reasoned,
    Refused,
    Scored,
    Statistics,
    TemplateError,
    TimedOut,
    TokenLogprob,
    ToolCall,
    Truncated,
    UnsupportedType,
    UsedAfterFork,
    ask,
    best_of,
    example,
    gather,
    majority,
    output_type,
    prompt,
    raw,
    system,
    user,
)
from typefold.compiler import TEXT, Image, SchemaError
from typefold.runtime import EngineGone, EngineRefusal, Outcome, Request
from typefold.runtime.journal import JournalInUse, ModelIdentity, Record, Summary
from typefold.testing import NotRecorded, ScriptError

__all__ = ["PICKLED"]


@dataclass(frozen=True)
class Shop:
    """An instance that goes along with its method."""

    name: str

    @prompt
    def greet(self, customer: str) -> str:
        return ask(f"{self.name} greets {customer}.")


@prompt(temperature=0.5, examples=[example(3, text="three")])
def number(text: str) -> int:
    return ask(f"A number for {text}")


@prompt
async def later(text: str) -> bool:
    return ask(f"Is {text} so?")


raised = number.using(temperature=1.5, max_tokens=7)


def add(a: int, b: int = 1) -> int:
    return a + b


_SENT = (system("Be brief."), user("Zürich \U0001f30d?"))
_FACTS: dict[str, Any] = {"function": "number", "row": 3, "prompt": _SENT, "text": "x"}
_INVALID = Invalid(**_FACTS, check="validator", detail="too old", errors=({"type": "value_error", "loc": ("age",)},))
_LOGPROBS = ((TokenLogprob(7, -0.5, b"4"), TokenLogprob(8, -1.5, b"\xff")),)
_REFUSED = UnsupportedType("return[0]", dict[int, Literal["a"]], "has no form", function="number")
_WHEN = "2026-01-02T03:04:05"

PICKLED: Mapping[str, Callable[[], object]] = {
    # Errors of rows, each with all of its fields, and results that hold them.
    "PromptError": lambda: PromptError(**_FACTS),
    "BadInput": lambda: BadInput(**_FACTS, reason="no template"),
    "InputFailed": lambda: InputFailed(**_FACTS, input="hero", cause=_INVALID),
    "PromptTooLong": lambda: PromptTooLong(**_FACTS, prompt_tokens=90, max_model_len=64, needed=2),
    "Truncated": lambda: Truncated(**_FACTS, max_tokens=5, needed=9, room=20),
    "Refused": lambda: Refused(**_FACTS, reason="no such grammar"),
    "Invalid": lambda: _INVALID,
    "EngineFailed": lambda: EngineFailed(**_FACTS, reason="out of memory", todo="lower it"),
    "TimedOut": lambda: TimedOut(**_FACTS, timeout=2.5),
    "Cancelled": lambda: Cancelled(**_FACTS),
    "results": lambda: [Success(4), Failure(_INVALID), Failure(Cancelled(row=1))],
    # Errors of programs.
    "BatchError": lambda: BatchError([Success(1), Failure(_INVALID)], [4, 5], 0),
    "DecodeError": lambda: DecodeError("[1, 1]", "unique items", "two are equal", [{"type": "x"}]),
    "EngineGone": lambda: EngineGone("its process died"),
    "EngineLoadError": lambda: EngineLoadError("org/model", "out of memory"),
    "EngineRefusal": lambda: EngineRefusal("no such grammar"),
    "JournalError": lambda: JournalError("run.db", "the disk is full"),
    "JournalInUse": lambda: JournalInUse(Path("run.db"), "another process writes to it"),
    "NoRuntime": lambda: NoRuntime(["a", "b"], "c"),
    "NotRecorded": lambda: NotRecorded("nothing like it"),
    "PromptUsageError": lambda: PromptUsageError("no such option"),
    "SchemaError": lambda: SchemaError("no such keyword"),
    "ScriptError": lambda: ScriptError("no answer is left"),
    "TemplateError": lambda: TemplateError("there is no filter"),
    "UnsupportedType": lambda: _REFUSED,
    "UsedAfterFork": lambda: UsedAfterFork("the runtime", 7),
    # Prompts, and what is made of them.
    "prompt": lambda: number,
    "prompt-with-options": lambda: raised,
    "prompt-with-examples": lambda: number.with_examples(example(4, text="four")),
    "prompt-safe": lambda: number.safe,
    "prompt-method": lambda: Shop("Ann's").greet,
    "async-prompt": lambda: later,
    "async-prompt-safe": lambda: later.safe,
    "samples": lambda: raised.sample(3),
    "samples-safe": lambda: raised.sample(3).safe,
    "async-samples": lambda: later.sample(2),
    "async-samples-safe": lambda: later.sample(2).safe,
    "deferred": lambda: number.defer("a"),
    "deferred-then": lambda: number.defer("a").then(str),
    "deferred-gathered": lambda: gather.defer([number.defer("a"), number.defer("b")]),
    "functions": lambda: [typefold.run, typefold.gather, prompt, ask, majority, best_of, output_type],
    # Messages.
    "messages": lambda: [*_SENT, user("Is this ", Image(b"...", "png", 64, 48), " a cat?")],
    "raw": lambda: raw("Once upon"),
    "example": lambda: example("Paris", country="France"),
    # Values.
    "Scored": lambda: Scored(value="keep", probabilities={"keep": 0.75, "drop": 0.25}),
    "Reasoned": lambda: Reasoned(value=4, reasoning="Two and two."),
    "Logged": lambda: Logged(
        value=4,
        text="4",
        finish_reason=FinishReason.STOP,
        token_ids=(7, 2),
        logprobs=_LOGPROBS,
        prompt_tokens=9,
        cached_tokens=4,
        attempts=2,
    ),
    "Votes": lambda: majority([1, 2, 1, Failure(_INVALID)]),
    "Best": lambda: best_of([1, 3, 2], float),
    "ToolCall": lambda: ToolCall.of(add, 2),
    "results-of-a-frame": lambda: getattr(typefold, "Indexed")([1, 2], ["first", "second"]),  # noqa: B009  # not public
    # Requests, outcomes, and what is known of them.
    "Request": lambda: Request(prompt=_SENT, constraint=TEXT, sampling={"seed": 7}, row=3, place=b"here"),
    "Outcome": lambda: Outcome(
        text="4",
        finish_reason=FinishReason.LENGTH,
        prompt_tokens=9,
        output_tokens=2,
        cached_tokens=4,
        token_ids=(7, 2),
        logprobs=_LOGPROBS,
    ),
    "Constraint": lambda: output_type(list[Annotated[str, "a name"] | bool]).constraint,
    "Explanation": lambda: number.explain(),
    "Statistics": Statistics,
    "Adapter": lambda: Adapter("legal", "adapters/legal"),
    "ModelIdentity": lambda: ModelIdentity("org/model", b"digest"),
    "Record": lambda: Record(
        id=1,
        finished=_WHEN,
        function="number",
        row=3,
        attempt=1,
        model="org/model",
        prompt="Once",
        constraint_kind="text",
        sampling={"seed": 7},
        text="4",
        finish_reason="stop",
        prompt_tokens=9,
        output_tokens=2,
        cached_tokens=4,
    ),
    "Summary": lambda: Summary("number", "org/model", 3, 27, 6, _WHEN, _WHEN),
}
"""Each kind by the name of its file; a function makes it."""
