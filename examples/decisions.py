"""Two decisions about each ticket, with probabilities: how often right, how far they can be believed, when to abstain.

TYPEFOLD_MODEL=$(typefold demo-model) python -m examples.decisions --rows 90

`Decisions` asks two questions about each ticket, its team and whether the writer is annoyed, and gives the probability of each choice. A
calibration is fitted on tickets of its own, and tickets that are not sure enough are left to a person: the last table says what
each threshold would cost and bring. The tickets are those of `classification.py`, by a seeded generator that knows what is right of each;
labels are checked before anything is asked.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from examples.classification import CLOSINGS, OPENINGS, SENTENCES, Team
from typefold import ABSTAINED, Calibration, Decisions, Runtime, Scored, ask, calibrate, evaluate, example, prompt
from typefold.evaluation import Confusion

ANGRY = ["I am quite annoyed by now.", "This is a disgrace!", "I have had enough of this."]
CALM = [each for each in CLOSINGS if each not in ANGRY]


class Routing(BaseModel):
    team: Scored[Team]
    annoyed: Scored[bool]


def routing(team: Team, *, annoyed: bool) -> Routing:
    return Routing(team=Scored.of(team), annoyed=Scored.of(annoyed))


class Ticket(NamedTuple):
    text: str
    label: Routing


def tickets(count: int, seed: int) -> list[Ticket]:
    """Tickets and what is right of them; the same seed writes the same ones."""
    rng = random.Random(seed)

    def ticket() -> Ticket:
        team, annoyed = rng.choice(list(SENTENCES)), rng.random() < 0.4
        closing = rng.choice(ANGRY if annoyed else CALM)
        return Ticket(f"{rng.choice(OPENINGS)} {rng.choice(SENTENCES[team])} {closing}", routing(team, annoyed=annoyed))

    return [ticket() for _ in range(count)]


@prompt(
    examples=[
        example(
            routing("delivery", annoyed=True),
            ticket="Hi there! It has been two weeks and no parcel came. I am furious.",
        ),
        example(
            routing("technical", annoyed=False), ticket="Hello, the program freezes when I save a file. Please help."
        ),
        example(
            routing("billing", annoyed=False),
            ticket="Good morning. You took 40 euros from my account and not 14. Kind regards, Jo",
        ),
    ]
)
def route(ticket: str) -> Decisions[Routing]:
    """Which team is this ticket for, and is its writer annoyed?
    billing: money, invoices, refunds. delivery: parcels, couriers, addresses. technical: what does not work.

    {{ ticket }}"""
    return ask()


def confusion(counted: Confusion) -> Table:
    table = Table("is for \\ was sent to", *SENTENCES, title="Confusion")
    for team in SENTENCES:
        table.add_row(team, *(str(counted.counts.get((team, said), 0)) for said in SENTENCES))
    return table


def believed(batch: Sequence[Ticket], answers: Sequence[Scored[Team]]) -> Table:
    """Stated probabilities against the share of right answers."""
    table = Table("probability", "tickets", "said, on average", "right", title="Calibration")
    for low, high in [(0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)]:
        found = [
            (answer.probability, answer.value == ticket.label.team.value)
            for ticket, answer in zip(batch, answers, strict=True)
            if low <= answer.probability < high
        ]
        if found:
            said, right = (sum(part) / len(found) for part in zip(*found, strict=True))
            table.add_row(f"{low:.1f} to {min(high, 1):.1f}", str(len(found)), f"{said:.2f}", f"{right:.2f}")
    return table


def thresholds(batch: Sequence[Ticket], answers: Sequence[Scored[Team]]) -> Table:
    """The share that each threshold decides, and how much of that is right; the rest abstains."""
    table = Table("at least", "sorted by the model", "right of these", title="Left to a person where not sure")
    for least in (0.0, 0.5, 0.7, 0.9):
        decided = [
            (answer.decide(abstain_below=least), ticket.label.team.value)
            for ticket, answer in zip(batch, answers, strict=True)
        ]
        kept = [(team, right) for team, right in decided if team is not ABSTAINED]
        if kept:
            good = sum(team == right for team, right in kept) / len(kept)
            table.add_row(f"{least:.1f}", f"{len(kept) / len(batch):.0%}", f"{good:.0%}")
    return table


def fitted(rows: int) -> Calibration:
    """A temperature for each question, from tickets that nothing is judged by."""
    known = tickets(rows, seed=2)
    return calibrate(route, [each.text for each in known], [each.label for each in known])


def main(rows: int = 90) -> None:
    console = Console()
    batch = tickets(rows, seed=1)
    texts, labels = [each.text for each in batch], [each.label for each in batch]
    calibration = fitted(rows)
    bent = route.using(calibration=calibration)
    report = evaluate(bent, texts, labels)
    teams = report.fields["team"]
    answers = [row.answer.value.team for row in report.rows]
    if teams.confusion is not None:
        console.print(confusion(teams.confusion))
    console.print(believed(batch, answers), thresholds(batch, answers), sep="\n")
    warmth = ", ".join(f"{name} {temperature:.2f}" for name, temperature in calibration.temperatures.items())
    console.print(f"Temperatures: {warmth}")
    console.print(f"{round(teams.accuracy * rows)} of {rows} right, annoyed: {report.fields['annoyed'].accuracy}")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
