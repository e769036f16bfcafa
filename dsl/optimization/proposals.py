"""Instructions: those that a prompt has, and proposals for better ones, which a model makes of mistakes."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from returns.result import Result, Success

from typefold.compiler import Message
from typefold.compiler.contained import describe_exception
from typefold.evaluation.report import unwrapped
from typefold.messages import RawPrompt, ask
from typefold.programs.run import run
from typefold.prompts.base_prompt import spec_if_prompt
from typefold.prompts.definition import Definition
from typefold.prompts.prompt import prompt

logger = logging.getLogger(__name__)

SHOWN = 4
"""Mistakes that a proposal is made of."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row that a prompt had a part in and that came out wrong.

    Attributes:
        input: The prompt's arguments, as text.
        answer: The prompt's answer, as text.
        expected: The right answer of the row, as text.
    """

    input: str
    answer: str
    expected: str


Proposer: TypeAlias = Callable[[str, str, list[Mistake]], str]
"""A function of a prompt's signature, its instructions and mistakes that returns other instructions; a prompt may be one."""


_Asked: TypeAlias = tuple[Callable[..., Any], str, str, list[Mistake]]


@functools.cache
def default_proposer() -> Proposer:
    """Return the prompt that proposes instructions where the caller gives no other; it is made when it is needed."""

    @prompt(temperature=1.0, max_tokens=256)
    def propose_instructions(signature: str, instructions: str, mistakes: list[Mistake]) -> str:
        cases = "\n\n".join(f"Input: {each.input}\nAnswer: {each.answer}\nRight: {each.expected}" for each in mistakes)
        return ask(
            f"These instructions were given for the function {signature}:\n\n{instructions or '(none)'}\n\n"
            f"With them, these answers were wrong:\n\n{cases}\n\n"
            f"Write better instructions, which would have led to the right answers. Be short and general: say what each answer "
            f"means and how to choose, and quote none of the inputs. Write the instructions and nothing else."
        )

    return propose_instructions


def own_instructions(definition: Definition, calls: Sequence[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> str:
    """Return the text that other instructions would replace, as far as it is the same for these calls of a prompt.

    It is the system message, or what the docstring says before its first parameter; nothing where there is neither.
    """
    asked: list[tuple[Message, ...] | RawPrompt] = []
    for args, kwargs in calls:
        with suppress(Exception):  # a row that the body can't ask for
            asked.append(definition.messages(args, kwargs))
    first = [each[0] for each in asked if not isinstance(each, RawPrompt)]
    if not first or len(first) < len(asked):
        return ""
    if all(each.role == "system" and each.content == first[0].content for each in first):
        return first[0].content
    if definition.template is None or any(each.role == "system" for each in first):
        return ""
    head = re.split(r"\{[{%#]", inspect.getdoc(definition.function) or "", maxsplit=1)[0]
    own = head[: head.rfind("\n") + 1].rstrip()
    return own if all(each.content.startswith(own) for each in first) else ""


def proposals(
    proposer: Proposer,
    asked: Sequence[tuple[Definition, str, Sequence[Mistake]]],
    seed: int,
    watched: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> list[str]:
    """Return instructions for prompts, proposed in one batch; a proposal that failed is an empty text.

    Each of `asked` is a prompt, its instructions and its mistakes. A proposer that is a prompt has a seed of its own each time;
    `watched` wraps a function so that its tokens are counted.
    """
    draw = random.Random(f"{seed} proposals")
    rows: list[_Asked] = []
    for number, (definition, own, mistakes) in enumerate(asked):
        each: Any = proposer
        if spec_if_prompt(proposer) is not None:
            each = each.using(seed=seed + number)
        shown = draw.sample(list(mistakes), min(SHOWN, len(mistakes)))
        rows.append((watched(each), f"{definition.name}{definition.signature_as_written}", own, shown))
    ended: list[Result[Any, Exception]] = run.safe(_proposed, rows, key=lambda row: row[1:])
    texts = [unwrapped(each.unwrap()) if isinstance(each, Success) else each.failure() for each in ended]
    bad = [each for each in texts if not isinstance(each, str)]
    if bad:
        said = (
            describe_exception(bad[0])
            if isinstance(bad[0], Exception)
            else f"it returned {bad[0]!r:.80}, which is no text"
        )
        logger.warning("%d of %d proposals failed; the first: %s", len(bad), len(texts), said)
    return [each.strip() if isinstance(each, str) else "" for each in texts]


def _proposed(row: _Asked) -> Any:
    proposer, signature, own, mistakes = row
    return proposer(signature, own, mistakes)
