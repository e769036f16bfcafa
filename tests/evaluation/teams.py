"""Prompts that sort tickets by team, for tests of calibration: the choice alone, by field, and in the items of a list."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from typefold import Decisions, Scored, ask, prompt

Team = Literal["billing", "support", "sales"]


@dataclass
class Ticket:
    team: Scored[Team]
    urgent: bool


class Line(BaseModel):
    team: Scored[Team]
    note: str = ""


@prompt
def team(ticket: str) -> Scored[Team]:
    return ask(ticket)


@prompt
def decide(ticket: str) -> Decisions[Ticket]:
    return ask(ticket)


@prompt
def lines(ticket: str) -> list[Line]:
    return ask(ticket)
