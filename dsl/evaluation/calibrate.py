"""`calibrate`: a temperature for each choice of a prompt function, from labelled rows, and biases if they are asked for.

A temperature bends all probabilities of a choice in one way (Guo et al. 2017, arXiv:1706.04599): it is the one under which the labels are
likeliest. Biases undo a prompt's leaning to some choices (Zhao et al. 2021, arXiv:2102.09690); they are fitted together with the
temperature. A weak prior keeps all of it finite: where every row is right, and for a choice that no row has.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import mul
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
_MOST_STEPS = 200  # of a fit with biases; it takes ten to seventy
_FLAT = 1e-3  # the slope, in rows, at which it ends


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
        biases: Whether to fit a bias for each choice too, which may change values.

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
    labelled = [
        ([math.log(max(chance, LEAST)) for chance in chances.values()], order[label]) for chances, label in rows
    ]
    counts = Counter(label for _, label in labelled)

    def loss(point: Sequence[float]) -> tuple[float, list[float]]:
        logarithm, *biases = point
        inverse, value, slope = math.exp(-logarithm), _dot(point, point) / 2, 0.0
        stated = [0.0] * len(biases)
        for logs, label in labelled:
            scores = [inverse * each + bias for each, bias in zip(logs, biases, strict=True)]
            top = max(scores)
            weights = [math.exp(each - top) for each in scores]
            total = sum(weights)
            value += math.log(total) + top - scores[label]
            slope += logs[label] - _dot(weights, logs) / total
            stated = [before + weight / total for before, weight in zip(stated, weights, strict=True)]
        gaps = [bias + each - counts[place] for place, (bias, each) in enumerate(zip(biases, stated, strict=True))]
        return value, [logarithm + inverse * slope, *gaps]

    logarithm, *biases = _lowest(loss, [0.0] * (1 + len(order)))
    return float(f"{math.exp(logarithm):.4g}"), [round(each, 4) for each in biases]


def _lowest(loss: Callable[[Sequence[float]], tuple[float, list[float]]], point: list[float]) -> list[float]:
    """Return the point where a smooth function, which gives its value and slopes, is lowest: L-BFGS (Liu and Nocedal 1989)."""
    value, slopes = loss(point)
    past = deque[tuple[list[float], list[float], float]](maxlen=10)  # steps, the changes of slopes, and their products
    for _ in range(_MOST_STEPS):
        if max(map(abs, slopes)) < _FLAT:
            break
        way, shares = [-each for each in slopes], list[float]()
        for step, change, product in reversed(past):
            shares.append(_dot(step, way) / product)
            way = _moved(way, -shares[-1], change)
        if past:
            _, change, product = past[-1]
            way = [each * product / _dot(change, change) for each in way]
        for (step, change, product), share in zip(past, reversed(shares), strict=True):
            way = _moved(way, share - _dot(change, way) / product, step)
        length, fall = min(1.0, 2.0 / math.hypot(*way)), _dot(slopes, way)
        while (found := loss(_moved(point, length, way)))[0] > value + 1e-4 * length * fall:
            length /= 2
            if length < 1e-9:  # as low as floats tell
                return point
        step, change = [each * length for each in way], _moved(found[1], -1.0, slopes)
        if (product := _dot(step, change)) > 0:
            past.append((step, change, product))
        point, (value, slopes) = _moved(point, 1.0, step), found
    return point


def _dot(one: Iterable[float], other: Iterable[float]) -> float:
    return math.fsum(map(mul, one, other))


def _moved(point: Iterable[float], length: float, way: Iterable[float]) -> list[float]:
    return [each + length * part for each, part in zip(point, way, strict=True)]


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
