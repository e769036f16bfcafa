"""The calls that were sent, to be asserted on and shown.

A call is one `SentPrompt`, with all of its requests: retries, reasoning and the steps of `Scored` belong to it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typefold.compiler import Message
from typefold.decisions.distributions import ChoiceSource
from typefold.execution.call import Call, ReasoningSource
from typefold.prompts.spec import PromptSpec
from typefold.runtime import Request

_SHOWN = 10
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """One call of a prompt function, as it was sent.

    Attributes:
        function: The function's name (`generate` for a runtime's own method).
        row: The index of the row, or `None`.
        arguments: The arguments of the call by name, defaults filled in; empty for `generate`.
        prompt: The messages of its first request, or the raw prompt.
        requests: All requests of the call, as the engine received them.

    Example:
        >>> from typefold import ask, prompt
        >>> from typefold.testing import FakeEngine
        >>> @prompt
        ... def capital(country: str) -> str:
        ...     return ask(f"What is the capital of {country}?")
        >>> with FakeEngine() as fake:
        ...     _ = capital("Peru")
        >>> [sent] = fake.prompts
        >>> sent.arguments, "capital of Peru" in sent
        ({'country': 'Peru'}, True)
    """

    function: str
    row: int | None
    arguments: Mapping[str, object]
    prompt: tuple[Message, ...] | str
    requests: tuple[Request, ...]

    @property
    def text(self) -> str:
        """The texts of all messages, one below the other."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(message.shown for message in self.prompt)

    def __contains__(self, text: str) -> bool:
        return text in self.text

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r:.60}" for name, value in self.arguments.items())
        where = "" if self.row is None else f", row {self.row}"
        turns = [("raw", self.prompt)] if isinstance(self.prompt, str) else [(m.role, m.shown) for m in self.prompt]
        lines = [f"  {role}: {_clipped(content)}" for role, content in turns]
        return "\n".join([f"{self.function}({shown}){where}", *lines])


def caller(request: Request) -> Call[Any] | None:
    """Return the call that a request belongs to, if a prompt made it."""
    source: Any = request.source
    if isinstance(source, ChoiceSource):
        source = source.source
    if isinstance(source, ReasoningSource):
        return source.call
    return source if isinstance(source, Call) else None  # pyright: ignore[reportUnknownVariableType]  # of any type


def by_call(requests: Iterable[Request]) -> list[SentPrompt]:
    """Return the calls that requests belong to, in the order of their first ones."""
    groups: dict[int, list[Request]] = {}
    for request in requests:
        groups.setdefault(id(caller(request) or request), []).append(request)
    return [_sent(group) for group in groups.values()]


def asked_by(request: Request, spec: PromptSpec) -> bool:
    """Return whether a prompt function made a request, with any options; a method, for the same instance."""
    call = caller(request)
    if call is None or call.definition is not spec.definition:
        return False
    first = call.arguments[0][: len(spec.bound)]
    return len(first) == len(spec.bound) and all(map(operator.is_, first, spec.bound))


def has_name(name: str) -> Callable[[Request], bool]:
    """Return a test of requests by the name of their function."""
    return lambda request: request.function == name


def listed(prompts: Sequence[SentPrompt]) -> str:
    """Return calls as lines for a message."""
    if not prompts:
        return "Nothing was sent."
    rest = len(prompts) - _SHOWN
    lines = "\n".join(f"  {line}" for each in prompts[:_SHOWN] for line in str(each).splitlines())
    return f"What was sent:\n{lines}" + (f"\n  and {rest} more" if rest > 0 else "")


def _sent(requests: Sequence[Request]) -> SentPrompt:
    first = requests[0]
    call = caller(first)
    arguments: Mapping[str, object] = {}
    if call is not None and call.definition is not None:
        arguments = call.definition.bind(*call.arguments)
    return SentPrompt(first.function, first.row, arguments, first.prompt, tuple(requests))


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 4]} ..."
