"""`calibrate`: a temperature for each choice of a prompt function, from labelled rows, and biases if they are asked for.

A temperature bends all probabilities of a choice in one way (Guo et al. 2017, arXiv:1706.04599): it is the one under which the labels are
likeliest. Biases undo a prompt's leaning to some choices (Zhao et al. 2021, arXiv:2102.09690); they are fitted together with the
temperature. A weak prior keeps all of it finite: where every row is right, and for a choice that no row has.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeAlias, TypeVar, cast

from typefold.compiler import OutputType
from typefold.compiler.guards import class_of, is_dict
from typefold.decisions.calibration import LEAST, Calibration, digest_of, tempered
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
_UNTIL = {"gtol": 1e-3, "ftol": 1e-12, "maxiter": 500}  # of a fit with biases: the greatest slope, in rows, at its end


def calibrate(
    function: BasePrompt[Callable[[A], Any]],
    rows: Iterable[A] | Iterable[Case[A, Any]],
    /,
    expected: Iterable[Any] | None = None,
    *,
    biases: bool = False,
) -> Calibration:
    """Fit a calibration of a prompt function that returns `Scored`, `Decisions`, or a type with `Scored` parts.

    The rows should be none that the calibration is later judged by. A hundred fit a temperature well, thousands are not needed.

    A temperature changes no value, since it keeps the order of the choices. Biases also lift choices that the prompt makes too rare
    and lower those that it leans to, so values change: that of `Scored` and the fields of `Decisions` become the choices that are
    likeliest with the biases. Ask for them if the answers lean to some choices, as those of small models and of prompts with
    examples do, if the rows have the labels as often as the rows to come, and if there are about a hundred for each choice. A
    `Scored` part of an object gets the probabilities, and its value stays the choice that was written.

    Args:
        function: The prompt function, of one argument.
        rows: Its arguments, one for each row; any iterable, or a column. Or `Case`s, which hold the labels too.
        expected: The right answers, in the order of the rows: `T` for `Scored[T]`, the model for `Decisions[Model]`.
        biases: Whether to fit a bias for each choice too, which may change values. This takes scipy: `typefold[evaluation]`.

    Returns:
        The calibration: `save` it to a file, and give it or the file to `function.using(calibration=...)`.

    Raises:
        PromptUsageError: The function returns no probabilities, a label is missing or no value of the type, no row has an answer, or
            there is no scipy for `biases`.

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

        A model that says yes to everything, where one mail in four is a bill:

        >>> with Runtime(ScriptedEngine(answers=lambda request: "true")):
        ...     found = calibrate(is_bill, mails * 25, right * 25, biases=True)
        ...     after = is_bill.using(calibration=found)("Pay now.")
        >>> after.value, round(after.probability, 1)
        (False, 0.7)
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
    if biases:
        _scipy()  # missed before the engine is asked
    plain = cast("Callable[..., Any]", function.using(calibration=None))
    jobs = labelled_jobs(plain, rows, expected)
    found = defaultdict[str, Choices](list)
    for job, answer in zip(jobs, graded_answers(plain, jobs), strict=True):
        if answer is not None:
            for path, scored, label in _labelled(answer, job.expected, compiled.kind):
                found[path].append((scored.probabilities, label))
    if not found:
        raise PromptUsageError(f"calibrate({spec.name}): none of the {len(jobs):,} rows has an answer")
    fitted = {
        path: scaling_of(each) if biases else (temperature_of(each), list[float]()) for path, each in found.items()
    }
    return Calibration(
        temperatures={path: temperature for path, (temperature, _) in fitted.items()},
        type_digest=digest_of(texts),
        version=spec.version().digest,
        rows=len(jobs),
        biases={path: each for path, (_, each) in fitted.items() if each},
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


def scaling_of(choices: Sequence[tuple[Mapping[Any, float], Any]]) -> tuple[float, list[float]]:
    """Return the temperature and the biases under which labels are likeliest: of the choices, in the order that all rows have.

    The prior is normal with deviation 1, of each bias and the temperature's logarithm. So the probabilities of a choice add up to
    the number of its labels, less its bias. Where rows differ in their choices there are no biases.
    """
    rows = [(chances, label) for chances, label in choices if len(chances) > 1 and label in chances]
    order = {choice: place for place, choice in enumerate(rows[0][0] if rows else ())}
    if not rows or any([*chances] != [*order] for chances, _ in rows):
        return temperature_of(choices), []
    numpy, optimize = _scipy()
    logs = numpy.log(numpy.maximum([[*chances.values()] for chances, _ in rows], LEAST))
    labels = numpy.eye(len(order))[[order[label] for _, label in rows]]

    def loss(point: Any) -> tuple[float, Any]:
        inverse = math.exp(-point[0])
        scores = logs * inverse + point[1:]
        scores -= scores.max(axis=1, keepdims=True)
        likely = scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True))
        gaps = numpy.exp(likely) - labels
        slopes = numpy.append(-inverse * (gaps * logs).sum(), gaps.sum(axis=0)) + point
        return point @ point / 2 - (labels * likely).sum(), slopes

    found = optimize.minimize(loss, numpy.zeros(1 + len(order)), jac=True, method="L-BFGS-B", options=_UNTIL)
    logarithm, *biases = map(float, found.x)
    return float(f"{math.exp(logarithm):.4g}"), [round(each, 4) for each in biases]


def _scipy() -> tuple[Any, Any]:
    """Return numpy and scipy.optimize. Raises PromptUsageError where they are not installed."""
    try:
        return import_module("numpy"), import_module("scipy.optimize")
    except ImportError as error:
        raise PromptUsageError('calibrate(biases=True) needs scipy: pip install "typefold[evaluation]"') from error


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
