"""Probabilities of labels before and after calibration, on texts that the calibration has not seen.

    python -m benchmarks.calibrated [--model PATH] [--process] [--tune 400] [--rows 2000] [--json FILE]

Two labelled tasks of `benchmarks.labelled`: messages to a shop and their department, questions and their topic. The judged rows have
the wordings of `benchmarks.held_wordings`. A temperature, without and with biases, is fitted twice: on other rows with those wordings, as
a user does who labels a sample of the rows at hand, and on rows with the wordings of `benchmarks.labelled`, none of which is among those
that are judged: a sample of another source. The figures are the share of right answers, and the expected calibration error (ten bins),
Brier's score and the log loss of the stated probabilities, before and after. The aim is an error of 0.04 at most, after.
"""

import argparse
import json
import math
import os
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from benchmarks.labelled import Meaning, make_meanings
from benchmarks.labelled_texts import Part
from benchmarks.tables import Rows, show
from typefold import Calibration, Runtime, Scored, ask, calibrate, demo_model, example, prompt
from typefold.evaluation.reliability import reliability


def meanings(kind: str, count: int, part: Part, seed: int) -> list[Meaning]:
    """Texts of one kind, no two alike."""
    return list(islice((each for each in make_meanings(1_000_000, seed, part) if each.topic == kind), count))


def shown(kind: str) -> list[Meaning]:
    """Two texts of each label, to be shown as examples; the seed is nobody else's."""
    found: dict[str, list[Meaning]] = {}
    for each in meanings(kind, 100, "tune", 3):
        found.setdefault(each.label, []).append(each)
    return [each for turn in zip(*(some[:2] for some in found.values()), strict=True) for each in turn]


@prompt(examples=[example(each.label, text=each.text) for each in shown("message to a shop")])
def department(text: str) -> Scored[Literal["billing", "delivery", "technical", "account"]]:
    """This is a message to a shop. Which department is it for: billing, delivery, technical or account?

    {{ text }}"""
    return ask()


@prompt(examples=[example(each.label, text=each.text) for each in shown("question")])
def topic(text: str) -> Scored[Literal["sports", "health", "travel", "money"]]:
    """Which topic is this question about: sports, health, travel or money?

    {{ text }}"""
    return ask()


TASKS: dict[str, Any] = {"message to a shop": department, "question": topic}


def measure(kind: str, tune: int, rows: int) -> Rows:
    function = TASKS[kind]
    held = meanings(kind, rows, "held", 2)
    judged = {each.text for each in held}
    alike = [each for each in meanings(kind, rows + tune, "held", 4) if each.text not in judged][:tune]
    others = meanings(kind, tune, "tune", 1)
    assert len(alike) == tune and not judged & {each.text for each in others}
    fitted = {"as they are": Calibration(temperatures={"": 1.0})} | {
        f"calibrated on {name}{', with biases' if biases else ''}": calibrate(
            function, [each.text for each in known], [each.label for each in known], biases=biases
        )
        for name, known in (("rows alike", alike), ("other wordings", others))
        for biases in (False, True)
    }
    answers: list[Scored[str]] = function.map([each.text for each in held])
    found = fitted["calibrated on rows alike, with biases"]
    [again] = function.using(calibration=found).map([held[0].text])
    wanted = found.applied("", answers[0].probabilities)  # in bfloat16 another batch moves the last digits
    assert all(abs(again.probabilities[each] - value) < 0.05 for each, value in wanted.items()), (again, wanted)

    def row(name: str, calibration: Calibration) -> dict[str, Any]:
        stated = [calibration.applied("", each.probabilities) for each in answers]
        given = [max(each, key=each.__getitem__) for each in stated]
        rows = [(p, case.label, answer) for p, case, answer in zip(stated, held, given, strict=True)]
        judged = reliability(rows)
        assert judged is not None
        error = judged.expected_error
        return {
            "task": kind,
            "probabilities": name,
            "rows": len(held),
            "accuracy": round(sum(answer == label for _, label, answer in rows) / len(rows), 3),
            "expected error": f"{error:.3f} [{error.low:.3f}, {error.high:.3f}]",
            "Brier": f"{judged.brier}",
            "log loss": round(sum(-math.log(p[label]) for p, label, _ in rows) / len(rows), 3),
            "temperature": calibration.temperatures[""],
            "biases": " ".join(f"{each:+.2f}" for each in calibration.biases.get("", ())),
        }

    return [row(name, calibration) for name, calibration in fitted.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or a name; the demo model by default")
    parser.add_argument("--process", action="store_true", help="the engine in a process of its own")
    parser.add_argument("--tune", type=int, default=400)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--engine", type=json.loads, default={}, help="options for vllm.LLM, as JSON")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    if arguments.process:  # else in the way that suits the device
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    with Runtime(arguments.model or str(demo_model()), max_model_len=1024, **arguments.engine):
        tables = [row for kind in TASKS for row in measure(kind, arguments.tune, arguments.rows)]
    show({"stated probabilities on wordings held out": tables}, arguments.json)


if __name__ == "__main__":
    main()
