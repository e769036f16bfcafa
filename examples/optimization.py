"""Tickets sorted better than before: a search for examples, judged by tickets that it did not see.

TYPEFOLD_MODEL=$(typefold demo-model) python -m examples.optimization

The tickets are those of `classification.py`, and the prompt is as one writes it first. All candidates of a round are one batch.
The file `search.db` is a journal: a search that was killed goes on where it was. What is found goes to `route.json`, to be read and
committed, and is applied with `optimized`. On two CPU cores it takes three minutes. With the demo model 0.58 of the tickets that it
did not see come right, where it was 0.45.
"""

from pathlib import Path

import typer
from rich.console import Console

from examples.classification import Team, tickets
from typefold import Case, Runtime, ask, optimize, optimized, prompt
from typefold.optimization import Round


@prompt(temperature=0)
def route(ticket: str) -> Team:
    """Which team is this ticket for?

    {{ ticket }}"""
    return ask()


def cases(count: int, seed: int) -> list[Case[str, Team]]:
    """Different tickets, with the team that each is for."""
    drawn: dict[str, Case[str, Team]] = {each.text: Case(each.text, each.team) for each in tickets(4 * count, seed)}
    return list(drawn.values())[:count]


def main(rows: int = 336, budget: int = 1224, output: Path = Path("route.json")) -> None:
    console = Console()
    labelled = cases(rows, seed=5)
    train, held = labelled[: rows // 3], labelled[rows // 3 :]

    def show(ended: Round) -> None:
        console.print(str(ended))

    found = optimize(route, train, validation=held, budget=budget, candidates=32, on_round=show)
    console.print(found)
    found.save(output)
    better = optimized(route, output)
    console.print(better("Hello, my card was charged although I cancelled the order. Thank you."))


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048, journal="search.db"):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
