"""The cost of an evaluation beside `.map`: microseconds a row, on an engine that answers at once.

    python -m benchmarks.evaluation [ROWS]
    python -m benchmarks.evaluation --tickets

CPU time of this process, the least of five rounds in which both take turns: a busy machine changes neither much. The aim is 50 us a row.
With `--tickets` the demo model (or TYPEFOLD_MODEL) sorts the held tickets that were labelled by hand, with and without examples: the
figures of `docs/guides/evaluation.md`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from benchmarks.labelled_texts import Category, load
from typefold import Runtime, Scored, ask, compare, demo_model, evaluate, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

ROUNDS = 5
Kind = Literal["bill", "other"]


class Card(BaseModel):
    kind: Kind
    stars: int


@prompt(temperature=0)
def label(mail: str) -> Kind:
    return ask(f"Which kind is this? {mail}")


@prompt
def score(mail: str) -> Scored[Kind]:
    return ask(f"How sure are you? {mail}")


@prompt(temperature=0)
def card(mail: str) -> Card:
    return ask(f"Fill in the card of {mail}")


@prompt
def sort(text: str) -> Scored[Category]:
    return ask(f"Which kind of support ticket is this?\n\n{text}")


def tickets() -> None:
    """Compare the prompt with itself and an example of each category, short ones of the part for tuning."""
    shown = {each.labels.category: each for each in reversed(load("tickets", part="tune")) if len(each.text) < 200}
    with_examples = sort.with_examples(*(sort.example(each.labels.category, each.text) for each in shown.values()))
    held = load("tickets", part="held")
    with Runtime(os.environ.get("TYPEFOLD_MODEL") or str(demo_model()), max_model_len=4096):
        found = compare(sort, with_examples, [each.text for each in held], [each.labels.category for each in held])
    print(found, found.before, found.after, sep="\n\n")


def spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main(rows: int) -> None:
    mails = [f"mail {number}" for number in range(rows)]
    kinds: list[Kind] = ["bill" if number % 3 else "other" for number in range(rows)]
    cards = [Card(kind=kind, stars=number % 5) for number, kind in enumerate(kinds)]

    def equal(expected: Kind, got: Kind) -> bool:
        return expected == got

    works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "labels": (lambda: label.map(mails), lambda: evaluate(label, mails, kinds)),
        "labels, and the report as text": (lambda: label.map(mails), lambda: str(evaluate(label, mails, kinds))),
        "labels, with a metric": (lambda: label.map(mails), lambda: evaluate(label, mails, kinds, metric=equal)),
        "probabilities, as text": (lambda: score.map(mails), lambda: str(evaluate(score, mails, kinds))),
        "objects, as text": (lambda: card.map(mails), lambda: str(evaluate(card, mails, cards))),
    }
    answers = ScriptedEngine(
        answers=lambda request: '{"kind": "bill", "stars": 3}' if "card" in str(request.prompt) else "bill"
    )
    with Runtime(answers):
        for name, (plain, evaluated) in works.items():
            pairs = [(spent(plain), spent(evaluated)) for _ in range(ROUNDS)]
            mapped, whole = (min(each) for each in zip(*pairs, strict=True))
            print(
                f"{name:32} .map {mapped / rows * 1e6:6.1f} us a row, evaluate + {(whole - mapped) / rows * 1e6:5.1f}"
            )


if __name__ == "__main__":
    if sys.argv[1:] == ["--tickets"]:
        tickets()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
