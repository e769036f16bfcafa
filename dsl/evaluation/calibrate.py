"""`calibrate`: a temperature for each choice of a prompt function, from labelled rows.

A temperature bends all probabilities of a choice in one way (Guo et al. 2017, arXiv:1706.04599): it is the one under which the labels are
likeliest. A weak prior, as much as a row says, keeps it finite where every row is right.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from typefold.compiler import OutputType
from typefold.compiler.guards import class_of, is_dict
from typefold.decisions.calibration import Calibration, digest_of, tempered
from typefold.decisions.scored_codec import places_in, relative
from typefold.errors import PromptUsageError
from typefold.evaluation.fields import choice_in
from typefold.evaluation.grading import Case, graded_answers, labelled_jobs
from typefold.prompts.base_prompt import BasePrompt, spec_of
from typefold.response_types import Decisions, Logged, Reasoned, Scored

A = TypeVar("A")

Choices: TypeAlias = list[tuple[Mapping[Any, float], Any]]  # the probabilities of a row's choices, and the right one

_RANGE = (math.log(0.05), math.log(20.0))  # of a temperature's logarithm
_GOLDEN = (math.sqrt(5) - 1) / 2


def calibrate(
    function: BasePrompt[Callable[[A], Any]],
    rows: Iterable[A] | Iterable[Case[A, Any]],
    /,
    expected: Iterable[Any] | None = None,
) -> Calibration:
    """Fit a calibration of a prompt function that returns `Scored`, `Decisions`, or a type with `Scored` parts.

    The rows should be none that the calibration is later judged by. A hundred fit a temperature well, thousands are not needed.

    Args:
        function: The prompt function, of one argument.
        rows: Its arguments, one for each row; any iterable, or a column. Or `Case`s, which hold the labels too.
        expected: The right answers, in the order of the rows: `T` for `Scored[T]`, the model for `Decisions[Model]`.

    Returns:
        The calibration: `save` it to a file, and give it or the file to `function.using(calibration=...)`.

    Raises:
        PromptUsageError: The function returns no probabilities, a label is missing or no value of the type, or no row has an answer.

    Example:
        >>> from typefold import Runtime, Scored, ask, calibrate, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> @prompt
        ... def is_bill(mail: str) -> Scored[bool]:
        ...     return ask(f"Is this a bill? {mail}")
        >>> mails, right = ["You owe $5.", "Hello!", "Pay now.", "Lunch?"], [True, False, False, False]
        >>> with Runtime(ScriptedEngine(answers=lambda request: "true" if "$" in str(request.prompt) else "false")):
        ...     found = calibrate(is_bill, mails, [True, False, False, True])
        ...     before = is_bill("Pay now.")
        ...     after = is_bill.using(calibration=found)("Pay now.")
        >>> found.temperatures[""] > 1, before.probability > after.probability
        (True, True)
    """
    if not isinstance(cast("object", function), BasePrompt):
        raise PromptUsageError(f"calibrate: the first argument is a prompt function, not {function!r:.80}")
    spec = spec_of(function.using(calibration=None))
    _, compiled = spec.under(None)
    texts = compiled.strategy.choices(compiled.kind)
    if not texts:
        raise PromptUsageError(
            f"calibrate({spec.name}): its type has no probabilities; return Scored, Decisions, or a type with Scored in it"
        )
    plain = cast("Callable[..., Any]", function.using(calibration=None))
    jobs = labelled_jobs(plain, rows, expected)
    found = defaultdict[str, Choices](list)
    for job, answer in zip(jobs, graded_answers(plain, jobs), strict=True):
        if answer is not None:
            for path, scored, label in _labelled(answer, job.expected, compiled.kind):
                found[path].append((scored.probabilities, label))
    if not found:
        raise PromptUsageError(f"calibrate({spec.name}): none of the {len(jobs):,} rows has an answer")
    temperatures = {path: temperature_of(choices) for path, choices in found.items()}
    return Calibration(
        temperatures=temperatures, type_digest=digest_of(texts), version=spec.version().digest, rows=len(jobs)
    )


def temperature_of(choices: Sequence[tuple[Mapping[Any, float], Any]]) -> float:
    """Return the temperature under which labels are likeliest, of each row's probabilities by choice and its right choice."""
    rows = [(chances, label) for chances, label in choices if len(chances) > 1 and label in chances]

    def loss(logarithm: float) -> float:
        logs = (math.log(max(tempered(chances, math.exp(logarithm))[label], 1e-300)) for chances, label in rows)
        return logarithm**2 / 2 - math.fsum(logs)

    low, high = _RANGE
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-4:  # of one minimum, by golden section
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return round(math.exp((low + high) / 2), 4)


def _labelled(answer: Any, expected: Any, kind: OutputType[Any]) -> Iterable[tuple[str, Scored[Any], Any]]:
    """Yield the choices of an answer: path, probabilities, and the right choice."""
    if class_of(answer) in (Logged, Reasoned):
        answer = answer.value
    if class_of(answer) is Scored:
        yield "", answer, choice_in(expected)
    elif class_of(answer) is Decisions:
        for name, scored in answer.fields.items():
            yield name, scored, choice_in(expected[name] if is_dict(expected) else getattr(expected, name))
    else:
        right = defaultdict[str, list[Any]](list)
        for mark, *_ in reversed(places_in(kind, expected, kind.encode(expected))):
            right[mark.path].append(mark.scored.value)
        for mark, *_ in places_in(kind, answer, kind.encode(answer)):
            if right[mark.path]:  # a list may be longer than its label
                yield relative(kind, mark.path), mark.scored, right[mark.path].pop()
