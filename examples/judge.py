"""A model as judge: many votes on which of two answers is better, in both orders, and what the majority of them is worth.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/judge.py --rows 16 --votes 5

One vote of a model is noisy, and models favour a place: the answer that stands first, say. So each pair is shown both ways
round, each way gets several sampled votes, and `majority` counts them. Of each pair it is known which answer is right, so
the table can tell how good the judge is, and how much the votes help.
"""

import random
from typing import Literal, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, example, majority, prompt

Place = Literal["first", "second"]
Verdict = Literal["right", "wrong"]

CAPITALS = {"Peru": "Lima", "Norway": "Oslo", "Japan": "Tokyo", "Kenya": "Nairobi", "Italy": "Rome", "Cuba": "Havana"}


class Pair(NamedTuple):
    """A question with two answers."""

    question: str
    right: str
    wrong: str


def pairs(count: int, seed: int) -> list[Pair]:
    """Questions, each with an answer that is right and one that is not; the same seed asks the same ones."""
    rng = random.Random(seed)

    def pair() -> Pair:
        if rng.random() < 0.6:
            country, other = rng.sample(list(CAPITALS), k=2)
            texts = [f"The capital of {country} is {CAPITALS[each]}." for each in (country, other)]
            return Pair(f"What is the capital of {country}?", *texts)
        one, two = rng.randrange(2, 10), rng.randrange(2, 10)
        texts = [f"{one} times {two} is {product}." for product in (one * two, one * two + rng.randrange(1, 9))]
        return Pair(f"What is {one} times {two}?", *texts)

    return [pair() for _ in range(count)]


@prompt(
    temperature=1.0,
    examples=[
        example("second", question="What colour is snow?", first="Snow is green.", second="Snow is white."),
        example("first", question="How many legs has a cat?", first="A cat has four legs.", second="It has six."),
    ],
)
def better(question: str, first: str, second: str) -> Place:
    """Which answer is right, the first or the second?

    Question: {{ question }}
    First: {{ first }}
    Second: {{ second }}"""
    return ask()


def verdict(place: Place, *, right: Place) -> Verdict:
    """What a vote for a place means, where the right answer stands at another or at the same."""
    return "right" if place == right else "wrong"


def main(rows: int = 16, votes: int = 5) -> None:
    console = Console()
    batch = pairs(rows, seed=4)
    shown = [(pair.question, pair.right, pair.wrong) for pair in batch]
    swapped = [(pair.question, pair.wrong, pair.right) for pair in batch]
    drawn = better.sample(votes).starmap([*shown, *swapped])  # every vote a row of one batch

    table = Table("question", "for the right one", "the majority says", "agreement", title=f"{2 * votes} votes each")
    single = won = tied = 0
    for pair, one_way, other_way in zip(batch, drawn[:rows], drawn[rows:], strict=True):
        verdicts = [verdict(place, right="first") for place in one_way]
        verdicts += [verdict(place, right="second") for place in other_way]
        vote = majority(verdicts)
        is_tied = vote.share == 0.5
        single += verdicts.count("right")
        tied += is_tied
        won += vote.winner == "right" and not is_tied
        said = "undecided" if is_tied else pair.right if vote.winner == "right" else pair.wrong
        table.add_row(pair.question, f"{verdicts.count('right')} of {vote.total}", said, f"{vote.share:.0%}")
    console.print(table)

    places = [place for each in drawn for place in each]
    console.print(
        f"A single vote is right in {single / len(places):.0%}. The majority is right in {won} of {rows} pairs, "
        f"undecided in {tied}. The judge says 'first' in {places.count('first') / len(places):.0%} of the votes "
        f"(50% would be fair)."
    )


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048, seed=2):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
