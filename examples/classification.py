"""Tickets sorted to the team that can help, with probabilities: how often right, and how far they can be believed.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/classification.py --rows 90

`Scored` gives the probability of each team in place of one team alone. So answers that are not sure enough can go to a
person: the last table says what each threshold would cost and bring. The tickets are made of sentences that people wrote,
by a seeded generator that knows which team each is for.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from typefold import Runtime, Scored, ask, example, prompt

Team = Literal["billing", "delivery", "technical"]

OPENINGS = ["Hello,", "Good morning.", "To whom it may concern:", "Hi there!", "I am writing for the second time."]
CLOSINGS = ["Please help.", "Kind regards, Jo", "Can you look into it?", "Thank you.", "I am quite annoyed by now."]
SENTENCES: dict[Team, list[str]] = {
    "billing": [
        "I was charged twice for the same month.",
        "The invoice shows a price that we never agreed on.",
        "My card was declined although there is money on the account.",
        "I returned the lamp in March and still wait for my refund.",
        "Please send me a receipt with our tax number on it.",
        "The discount code took nothing off the total.",
    ],
    "delivery": [
        "The parcel has been in the same depot for nine days.",
        "The courier left the box with a neighbour I do not know.",
        "Half of what I ordered was not in the package.",
        "The vase arrived in a hundred pieces.",
        "I moved house last week; can it still be sent to the new address?",
        "The tracking number you gave me does not exist.",
    ],
    "technical": [
        "The app closes as soon as I open the settings.",
        "I cannot log in since the last update.",
        "The lamp no longer connects to the wireless network.",
        "The screen stays black after I press the power button.",
        "Every time I export a report the website shows error 500.",
        "The sensor reports minus forty degrees in my kitchen.",
    ],
}


class Ticket(NamedTuple):
    text: str
    team: Team


class Judged(NamedTuple):
    team: Team
    answer: Scored[Team]

    @property
    def right(self) -> bool:
        return self.answer.value == self.team


def tickets(count: int, seed: int) -> list[Ticket]:
    """Tickets and whom they are for; the same seed writes the same ones."""
    rng = random.Random(seed)

    def ticket() -> Ticket:
        team = rng.choice(list(SENTENCES))
        return Ticket(f"{rng.choice(OPENINGS)} {rng.choice(SENTENCES[team])} {rng.choice(CLOSINGS)}", team)

    return [ticket() for _ in range(count)]


@prompt(
    examples=[
        example("delivery", ticket="Hi there! It has been two weeks and no parcel came. Thank you."),
        example("technical", ticket="Hello, the program freezes when I save a file. Please help."),
        example("billing", ticket="Good morning. You took 40 euros from my account and not 14. Kind regards, Jo"),
    ]
)
def route(ticket: str) -> Scored[Team]:
    """Which team is this ticket for?
    billing: money, invoices, refunds. delivery: parcels, couriers, addresses. technical: what does not work.

    {{ ticket }}"""
    return ask()


def confusion(judged: Sequence[Judged]) -> Table:
    counts = Counter((each.team, each.answer.value) for each in judged)
    table = Table("is for \\ was sent to", *SENTENCES, title="Confusion")
    for team in SENTENCES:
        table.add_row(team, *(str(counts[team, said]) for said in SENTENCES))
    return table


def calibration(judged: Sequence[Judged]) -> Table:
    table = Table("probability", "tickets", "said, on average", "right", title="Calibration")
    for low, high in [(0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)]:
        if found := [each for each in judged if low <= each.answer.probability < high]:
            said = sum(each.answer.probability for each in found) / len(found)
            right = sum(each.right for each in found) / len(found)
            table.add_row(f"{low:.1f} to {min(high, 1):.1f}", str(len(found)), f"{said:.2f}", f"{right:.2f}")
    return table


def thresholds(judged: Sequence[Judged]) -> Table:
    table = Table("at least", "sorted by the model", "right of these", title="Left to a person where not sure")
    for least in (0.0, 0.5, 0.7, 0.9):
        if kept := [each for each in judged if each.answer.probability >= least]:
            table.add_row(
                f"{least:.1f}", f"{len(kept) / len(judged):.0%}", f"{sum(e.right for e in kept) / len(kept):.0%}"
            )
    return table


def main(rows: int = 90) -> None:
    console = Console()
    batch = tickets(rows, seed=1)
    answers = route.map(ticket.text for ticket in batch)
    judged = [Judged(ticket.team, answer) for ticket, answer in zip(batch, answers, strict=True)]
    console.print(confusion(judged), calibration(judged), thresholds(judged), sep="\n")
    brier = sum(
        (p - (team == each.team)) ** 2 for each in judged for team, p in each.answer.probabilities.items()
    ) / len(judged)
    console.print(f"{sum(each.right for each in judged)} of {rows} right, Brier score {brier:.2f} (guessing: 0.67)")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
