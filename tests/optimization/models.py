"""Prompts that sort mails, and a model that is right only where its prompt shows it enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from typing_extensions import override

from typefold import Scored, ask, prompt
from typefold.compiler import Message
from typefold.evaluation import Case
from typefold.runtime import Request
from typefold.runtime.engine import Completion
from typefold.runtime.engines.scripted import ScriptedEngine

Kind = Literal["bill", "other"]


@prompt
def sort(mail: str) -> Kind:
    return ask(f"Kind? {mail}")


@prompt
async def sort_later(mail: str) -> Kind:
    return ask(f"Kind? {mail}")


@prompt
def sort_surely(mail: str) -> Scored[Kind]:
    return ask(f"Kind? {mail}")


def messages(request: Request) -> Sequence[Message]:
    assert not isinstance(request.prompt, str)
    return request.prompt


def mails(count: int, first: int = 0) -> list[Case[str, Kind]]:
    """Mails that are bills where their number is odd."""
    return [Case(f"Mail {number}", "bill" if number % 2 else "other") for number in range(first, first + count)]


def is_odd(text: str) -> bool:
    return text.rstrip(".!?\n ")[-1] in "13579"


def needs_both_kinds(request: Request) -> str:
    """Right once both answers were shown, else always `bill`."""
    asked = messages(request)
    shown = {each.content for each in asked if each.role == "assistant"}
    return "bill" if shown != {"bill", "other"} or is_odd(asked[-1].content) else "other"


class WatchedEngine(ScriptedEngine):
    """Keeps the requests that it is asked, and answers none before there are as many as it `holds`."""

    def __init__(self, answers: Callable[[Request], str], holds: int = 0) -> None:
        super().__init__(answers=answers, max_num_seqs=256)
        self.asked: list[Request] = []
        self._holds = holds

    @override
    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        self.asked.append(request)
        super().add(key, request, token_ids, max_tokens)

    @override
    def step(self) -> Sequence[Completion]:
        return super().step() if len(self.asked) >= self._holds else ()
