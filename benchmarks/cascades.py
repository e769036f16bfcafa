"""A cascade of two engines against each of them alone: how often right, rows and tokens a second, and the rows that went on.

    python -m benchmarks.cascades --model DIR [--large DIR] [--rows 400] [--target 0.9] [--memory 0.45] [--json FILE]
    python -m benchmarks.cascades --model DIR [--large DIR] --sleep
    python -m benchmarks.cascades --model DIR --answers FILE

The task is that of `examples/classification.py`: tickets for one of three teams, written by a seeded generator. The first function
asks in few words and gives probabilities (`Scored`); the second has a description of the teams and worked examples, and, with
`--large`, another model. A threshold is calibrated on `--rows` tickets, and all three sides answer as many others.

On a GPU each engine gets the share `--memory` of the card; on a CPU 512 MiB of cache. The second engine of a program always has a
process of its own. With `--sleep` (CUDA, ROCm or XPU) both have most of the card and take turns: one sleeps while the other answers,
so the cascade is two passes. `--answers` writes the probabilities of the first function for three labelled tasks of
`benchmarks/data`, and whether its answers are right.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.overhead import has_gpu, show
from examples.classification import Team, Ticket, tickets
from typefold import Runtime, Scored, ask, calibrated_threshold, cascade, example, prompt

DATA = Path(__file__).parent / "data"
CONTEXT = 2048


@prompt
def quick(ticket: str) -> Scored[Team]:
    return ask(f"Which team is this ticket for, billing, delivery or technical?\n\n{ticket}")


@prompt(
    temperature=0,
    examples=[
        example("delivery", ticket="Hi there! It has been two weeks and no parcel came. Thank you."),
        example("technical", ticket="Hello, the program freezes when I save a file. Please help."),
        example("billing", ticket="Good morning. You took 40 euros from my account and not 14. Kind regards, Jo"),
        example("technical", ticket="The lamp flickers and the sensor shows nothing."),
        example("delivery", ticket="The courier never rang, and the box is gone."),
        example("billing", ticket="The invoice is wrong and I want my money back."),
    ],
)
def careful(ticket: str) -> Team:
    return ask(
        f"Which team is this ticket for?\nbilling: money, invoices, refunds. delivery: parcels, couriers, addresses. "
        f"technical: what does not work.\n\n{ticket}"
    )


@dataclass
class Side:
    """One side's figures, over the rows that nothing was calibrated with."""

    side: str
    right: float
    seconds: float
    rows_per_second: float
    went_on: float


def timed(
    side: str, held: Sequence[Ticket], ask_all: Callable[[list[str]], Sequence[Any]], went_on: Callable[[], float]
) -> Side:
    """Ask for all tickets, each behind a mark of the side: no side finds the tickets of another in the prefix cache."""
    texts, teams = [f"({side[:3]}) {each.text}" for each in held], [each.team for each in held]
    began = time.perf_counter()
    answers = ask_all(texts)
    seconds = time.perf_counter() - began
    right = sum(getattr(given, "value", given) == team for given, team in zip(answers, teams, strict=True))
    return Side(
        side, round(right / len(teams), 3), round(seconds, 2), round(len(teams) / seconds, 1), round(went_on(), 3)
    )


def calibrated(answers: Sequence[Scored[Team]], labelled: Sequence[Ticket], target: float) -> float:
    teams: list[Team] = [each.team for each in labelled]
    return calibrated_threshold(zip(answers, teams, strict=True), target=target)


def engine_options(memory: float) -> dict[str, Any]:
    return {"gpu_memory_utilization": memory} if has_gpu() else {"kv_cache_memory_bytes": 1 << 29}


def together(model: str, other: str, rows: int, target: float, memory: float) -> list[Side]:
    """Both engines at once, in two processes."""
    options = engine_options(memory)
    calibrating, held = tickets(rows, seed=2), tickets(rows, seed=3)
    began = time.perf_counter()
    with (
        Runtime(other, max_model_len=CONTEXT, deduplicate=False, **options) as large,
        Runtime(model, max_model_len=CONTEXT, deduplicate=False, **options),
    ):
        warm = [each.text for each in tickets(8, seed=1)]
        quick.map(warm)
        careful.using(runtime=large).map(warm)
        print(f"both engines were there after {time.perf_counter() - began:.0f} s")
        threshold = calibrated(quick.map(each.text for each in calibrating), calibrating, target)
        print(f"threshold {threshold:.3f} for {target:.0%} of {rows} tickets")
        second = careful.using(runtime=large)
        both = cascade(quick, second, doubt=threshold)
        return [
            timed("first", held, quick.map, lambda: 0.0),
            timed("second", held, second.map, lambda: 1.0),
            timed("cascade", held, both.map, lambda: both.counts.share),
        ]


def in_turns(model: str, other: str, rows: int, target: float, memory: float) -> list[Side]:
    """One engine at a time on the card, by vLLM's sleep mode: the weights of the other wait in the host's memory."""
    from vllm import LLM

    given: dict[str, Any] = {"max_model_len": CONTEXT, "enable_sleep_mode": True, "gpu_memory_utilization": memory}
    calibrating, held = tickets(rows, seed=2), tickets(rows, seed=3)
    small = LLM(model, **given)
    small.sleep(level=1)
    large = LLM(other, **given)
    with Runtime(small, deduplicate=False) as first, Runtime(large, deduplicate=False) as last:
        asked, second = quick.using(runtime=first), careful.using(runtime=last)

        def turn(sleeper: Any, waking: Any) -> float:
            began = time.perf_counter()
            sleeper.sleep(level=1)
            waking.wake_up()
            return time.perf_counter() - began

        print(f"the turns take {turn(large, small):.2f} s", end=" ")
        threshold = calibrated(asked.map(each.text for each in calibrating), calibrating, target)
        alone = timed("first", held, asked.map, lambda: 0.0)
        doubtful: list[int] = []

        def passes(texts: list[str]) -> list[Any]:
            found: list[Any] = [*asked.map(texts)]
            doubtful.extend(row for row, each in enumerate(found) if each.probability < threshold)
            print(f"and {turn(small, large):.2f} s; threshold {threshold:.3f}")
            for row, value in zip(doubtful, second.map(texts[row] for row in doubtful), strict=True):
                found[row] = value
            return found

        both = timed("cascade, a turn included", held, passes, lambda: len(doubtful) / rows)
        return [alone, timed("second", held, second.map, lambda: 1.0), both]


@prompt
def category(
    text: str,
) -> Scored[Literal["billing", "delivery", "defect", "return", "account", "technical", "order", "other"]]:
    return ask(f"What is this message to a shop about?\n\n{text}")


@prompt
def refund(text: str) -> Scored[bool]:
    return ask(f"Does the writer of this message want money back?\n\n{text}")


def save_answers(model: str, path: Path) -> None:
    """Write the probabilities of the first function, and whether it is right, for three tasks."""
    found: dict[str, list[tuple[float, bool]]] = {}

    def keep(task: str, answers: Sequence[Scored[Any]], labels: Sequence[Any]) -> None:
        found[task] = [
            (round(each.probability, 4), each.value == label) for each, label in zip(answers, labels, strict=True)
        ]

    with Runtime(model, max_model_len=CONTEXT, **engine_options(0.9)):
        made = tickets(300, seed=4)
        written = [json.loads(line) for line in (DATA / "tickets.jsonl").read_text().splitlines()]
        texts, labels = [each["text"] for each in written], [each["labels"] for each in written]
        keep("teams", careful_scored.map(each.text for each in made), [each.team for each in made])
        keep("categories", category.map(texts), [each["category"] for each in labels])
        keep("refunds", refund.map(texts), [each["wants_refund"] for each in labels])
    path.write_text(json.dumps({"model": Path(model).name, "answers": found}, separators=(",", ":")) + "\n")
    for task, rows in found.items():
        print(f"{task}: {sum(right for _, right in rows)} of {len(rows)} right")


@prompt(examples=[example("delivery", ticket="Hi there! It has been two weeks and no parcel came. Thank you.")])
def careful_scored(ticket: str) -> Scored[Team]:
    return ask(f"Which team is this ticket for?\n\n{ticket}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--large")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--target", type=float, default=0.9)
    parser.add_argument("--memory", type=float)
    parser.add_argument("--sleep", action="store_true")
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.answers:
        save_answers(given.model, given.answers)
        return
    side_of = in_turns if given.sleep else together
    memory = given.memory or (0.85 if given.sleep else 0.45)
    sides = side_of(given.model, given.large or given.model, given.rows, given.target, memory)
    show(
        f"{given.rows} tickets, {Path(given.model).name} and {Path(given.large or given.model).name}",
        [asdict(each) for each in sides],
    )
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in sides], indent=2) + "\n")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    main()
