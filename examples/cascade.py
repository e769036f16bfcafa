"""Reviews sorted by a short question first, and by a longer one with examples where that is in doubt.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/cascade.py --rows 200

The first function gives probabilities. A threshold for them is calibrated on labelled reviews, with a guarantee; the second
function gets the reviews below it. Here both ask one model; with `--large` the second asks another, in an engine of its own. The
reviews are made of sentences that people wrote, by a seeded generator that knows what each is.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Literal, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from typefold import Runtime, Scored, ask, calibrated_threshold, cascade, current, example, prompt

Verdict = Literal["good", "bad"]

THINGS = ["kettle", "lamp", "tent", "keyboard", "backpack", "radio", "chair", "bicycle pump"]
OPENINGS = ["I bought this {thing} in May.", "A {thing} for my mother.", "My third {thing} from this shop."]
SENTENCES: dict[Verdict, list[str]] = {
    "good": [
        "It does what it should and looks lovely on the shelf.",
        "I would buy it again tomorrow.",
        "After half a year it still works like new.",
        "Worth every penny, and it came a day early.",
        "My friends all want one now.",
    ],
    "bad": [
        "It broke on the second day and nobody answered my letters.",
        "I want my money back.",
        "The handle came off in my hand.",
        "It smells of burnt plastic and gets far too hot.",
        "Cheaply made, and the picture has nothing to do with it.",
    ],
}


class Review(NamedTuple):
    text: str
    verdict: Verdict


def reviews(count: int, seed: int) -> list[Review]:
    """Reviews with what they are; the same seed writes the same ones."""
    rng = random.Random(seed)

    def review() -> Review:
        verdict = rng.choice(list(SENTENCES))
        first, second = rng.sample(SENTENCES[verdict], 2)
        return Review(f"{rng.choice(OPENINGS).format(thing=rng.choice(THINGS))} {first} {second}", verdict)

    return [review() for _ in range(count)]


@prompt
def quick(review: str) -> Scored[Verdict]:
    return ask(f"Is this review good or bad?\n\n{review}")


@prompt(
    temperature=0,
    examples=[
        example("bad", review="The lid does not close, and the paint comes off. A waste of money."),
        example("good", review="A pleasure to use. I gave a second one to my sister."),
        example("bad", review="It stopped working after a week. Never again."),
        example("good", review="Light, quick and quiet. I am very happy with it."),
    ],
)
def careful(review: str) -> Verdict:
    return ask(f"Is the writer of this review content (good) or not (bad)?\n\n{review}")


def line(name: str, held: Sequence[Review], ask_all: Callable[[list[str]], list[Verdict]]) -> list[str]:
    """A function over the reviews: its share of right answers, and the tokens that were read."""
    before = current().stats.prompt_tokens
    answers = ask_all([each.text for each in held])
    right = sum(answer == each.verdict for answer, each in zip(answers, held, strict=True))
    tokens = current().stats.prompt_tokens - before
    return [name, f"{right / len(held):.0%}", f"{tokens:,}"]


def main(rows: int = 200, target: float = 0.9, large: str | None = None) -> None:
    console = Console()
    labelled, held = reviews(rows, seed=1), reviews(rows, seed=2)
    with ExitStack() as stack:
        second = careful
        if large is not None:
            other = Runtime(large, max_model_len=2048, deduplicate=False)
            stack.callback(other.close)
            second = careful.using(runtime=other)
        answers = quick.map(each.text for each in labelled)
        verdicts: list[Verdict] = [each.verdict for each in labelled]
        threshold = calibrated_threshold(zip(answers, verdicts, strict=True), target=target)
        both = cascade(quick, second, doubt=threshold)
        table = Table("", "right", "tokens read here", title=f"{rows} reviews")
        table.add_row(*line("first", held, lambda texts: [each.value for each in quick.map(texts)]))
        table.add_row(*line("second", held, second.map))
        table.add_row(*line("cascade", held, both.map))
        console.print(table)
        console.print(f"{both.counts.share:.0%} of the reviews went on, those of a probability below {threshold:.3f}")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    # The model that TYPEFOLD_MODEL names. No line of the table shall be answered by what the lines before have asked.
    with Runtime(max_model_len=2048, deduplicate=False):
        typer.run(main)
