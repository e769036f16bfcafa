"""Probabilities inside of objects, fields asked by themselves, abstention, and what can't be asked so."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from returns.result import Success
from typing_extensions import TypedDict

from typefold import (
    ABSTAINED,
    Abstained,
    Decisions,
    Invalid,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    UnsupportedType,
    ask,
    example,
    output_type,
    prompt,
    run,
)
from typefold.compiler.guards import class_of, is_dict, is_list_or_tuple
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


def lower(text: str) -> str:
    if text != text.lower():
        raise ValueError("must be in lower case")
    return text


Team = Literal["billing", "support", "sales"]


class Level(IntEnum):
    LOW = 1
    MIDDLE = 2
    HIGH = 10


class Line(BaseModel):
    kind: Scored[Literal["part", "labour"]]
    note: str = ""


class Ticket(BaseModel):
    team: Scored[Team]
    urgent: Scored[bool]
    level: Scored[Level]
    lines: list[Line] = []


class Triage(BaseModel):
    team: Scored[Team]
    urgent: bool
    level: Level = Field(alias="severity")


WHOLE = '{"team": "support", "urgent": true, "level": 10, "lines": [{"kind": "part", "note": "a, {b}"}, {"kind": "labour"}]}'
ANSWERS = '{"team": "support", "urgent": true, "severity": 10}'


@prompt
def read(ticket: str) -> Ticket:
    return ask(ticket)


@prompt
def triage(ticket: str) -> Decisions[Triage]:
    return ask(ticket)


def says(text: str, **options: Any) -> ScriptedEngine:
    return ScriptedEngine(answers=lambda request: text, **options)


def texts(engine: ScriptedEngine) -> list[str]:
    """The questions of an engine's probes: the begun answer, and the choices behind it."""
    asked = [request for request in engine.requests if request.probe]
    return [
        "".join(part if isinstance(part, str) else chr(part) for part in each.begun)
        + "|".join(["", *each.constraint.spec])
        for each in asked
    ]


def test_choices_inside_of_an_object_have_probabilities_given_what_was_written_before() -> None:
    engine = says(WHOLE)
    with Runtime(engine):
        ticket = read("It broke.")
    assert ticket.team.value == "support"
    assert list(ticket.team.probabilities) == ["billing", "support", "sales"]
    assert ticket.team.probabilities["billing"] == pytest.approx(0.1)
    assert ticket.level.value is Level.HIGH
    assert [line.kind.value for line in ticket.lines] == ["part", "labour"]
    assert [round(line.kind.probabilities["part"], 2) for line in ticket.lines] == [0.9, 0.1]
    assert texts(engine) == [
        '{"team": "|billing",|support",|sales",',
        '{"team": "s|upport",|ales",',
        '{"team": "support", "urgent":| true,| false,',
        '{"team": "support", "urgent": |true,|false,',
        '{"team": "support", "urgent": true, "level":| 1,| 2,| 10,',
        '{"team": "support", "urgent": true, "level": |1,|2,|10,',
        '{"team": "support", "urgent": true, "level": 1|,|0,',
        WHOLE[: WHOLE.index("part")] + '|part",|labour",',
        WHOLE[: WHOLE.index("labour")] + '|part"}|labour"}',
    ]


class Point(NamedTuple):
    side: Scored[Literal["left", "right"]]
    far: bool


class Keyed(TypedDict):
    side: Scored[Literal["left", "right"]]


@dataclass(frozen=True)
class Record:
    side: Scored[Literal["left", "right"]]
    other: Keyed | None = None


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    level: Scored[Level]
    maybe: Scored[Literal["a"] | None]


@pytest.mark.parametrize("json_format", ["spaced", "tight", "compact"])
@pytest.mark.parametrize(
    ("hint", "data"),
    [
        (Ticket, json.loads(WHOLE)),
        (Point, {"side": "left", "far": True}),
        (Record, {"side": "right", "other": {"side": "left"}}),
        (list[Record], [{"side": "right"}, {"side": "left"}]),
        (tuple[Scored[bool], Scored[Annotated[int, Field(ge=1, le=12)]]], [False, 12]),
        (Strict, {"level": 2, "maybe": None}),
        (Line | Strict, {"level": 2, "maybe": "a"}),
        (dict[str, Scored[bool]], {'a "b", [c]': True, "d": False}),
        (Scored[bool] | None, True),
    ],
    ids=str,
)
def test_in_every_container_and_format_each_has_those_of_its_place(hint: Any, data: Any, json_format: Any) -> None:
    kind = output_type(hint, json_format=json_format)
    whole = output_type(hint)
    text = kind.encode(whole.decode(json.dumps(data)))
    engine = says(text)
    with Runtime(engine, json_format=json_format) as runtime:
        value: Any = runtime.generate("?", output_type=hint)  # pyright: ignore[reportUnknownVariableType]  # of any type
    assert kind.encode(value) == text

    def found(value: Any) -> list[Scored[Any]]:
        if class_of(value) is Scored:
            return [value]
        held: Any = getattr(value, "__dict__", value)
        parts = [*held.values()] if is_dict(held) else [*held] if is_list_or_tuple(held) else []
        return [each for part in parts for each in found(part)]

    scores = found(value)
    assert scores
    for scored in scores:
        assert len(scored.probabilities) > 1
        assert scored.probability == max(scored.probabilities.values())
        assert sum(scored.probabilities.values()) == pytest.approx(1)


def test_a_default_that_was_not_asked_stays_certain() -> None:
    class Made(BaseModel):
        side: Scored[bool] = Scored.of(True)
        sure: Scored[bool]

    with Runtime(says('{"sure": false}')) as runtime:
        made = runtime.generate("?", output_type=Made)
    assert made.side == Scored.of(True)
    assert made.sure.probabilities == pytest.approx({True: 0.1, False: 0.9})


def test_reasoned_choices_are_scored_behind_the_reasoning() -> None:
    @prompt(temperature=0.7)
    def judge(text: str) -> Reasoned[Scored[Literal["keep", "drop"]]]:
        return ask(text)

    engine = ScriptedEngine(answers=lambda request: "drop" if request.probe else "It is late.")
    with Runtime(engine):
        judged = judge("?")
    assert judged.reasoning == "It is late."
    assert judged.value.value == "drop"
    assert judged.value.probabilities == pytest.approx({"keep": 0.1, "drop": 0.9})
    assert [request.probe for request in engine.requests] == [False, True]
    assert engine.requests[1].sampling["temperature"] == 0.0


def test_fields_are_asked_by_themselves_behind_one_prompt() -> None:
    engine = says(ANSWERS)
    with Runtime(engine):
        decided = triage("It broke.")
    assert decided.value.team.value == "support"
    assert decided.value.team == decided.fields["team"]
    assert (decided.value.urgent, decided.value.level) == (True, Level.HIGH)
    assert decided.fields["level"].probabilities == pytest.approx(
        {Level.LOW: 0.09, Level.MIDDLE: 0.1, Level.HIGH: 0.81}
    )
    assert decided.fields["level"].expected == pytest.approx(0.09 + 0.2 + 8.1)
    assert list(decided.fields) == ["team", "urgent", "level"]
    assert {request.prompt for request in engine.requests} == {engine.requests[0].prompt}
    assert all(request.probe for request in engine.requests)
    assert [each for each in texts(engine) if each.startswith('{"urgent"')] == [
        '{"urgent":| true}| false}',
        '{"urgent": |true}|false}',
    ]


def test_fields_are_asked_side_by_side_in_every_way_to_call() -> None:
    async def awaited() -> Decisions[Triage]:
        return await triage.aio("It broke.")

    ways: dict[str, Callable[[], object]] = {
        "call": lambda: triage("It broke."),
        "map": lambda: triage.map(["It broke."]),
        "submit": lambda: triage.submit("It broke.").result(),
        "aio": lambda: asyncio.run(awaited()),
        "run": lambda: run(triage, ["It broke."]),
        "stream": lambda: [*triage.stream("It broke.")],
    }
    for name, way in ways.items():
        engine = says(ANSWERS)
        with Runtime(engine):
            way()
        begun = [str(each.begun[0]) for each in engine.requests]
        assert [each.split('"')[1] for each in begun[:3]] == ["team", "urgent", "severity"], name
        assert len(begun) > 3, name  # where a first step does not tell the choices, another follows


def test_a_field_that_fails_ends_the_others_of_its_row() -> None:
    def refuse(request: Request) -> str | None:
        return "no" if str(request.begun[0]).startswith('{"team"') and request.row == 1 else None

    engine = says(ANSWERS, refuse=refuse)
    with Runtime(engine):
        results = triage.safe.map(["It broke.", "It broke too.", "It works."])
    assert [isinstance(each, Success) for each in results] == [True, False, True]
    asked = Counter(request.row for request in engine.requests if '"team"' not in str(request.begun[0]))
    assert asked[1] == 2 < asked[0] == asked[2]  # their first steps were sent with its own; none follows


def test_a_cancelled_call_takes_all_its_fields_out_of_the_engine() -> None:
    engine = says(ANSWERS, step_seconds=0.05)
    with Runtime(engine) as runtime:
        future = triage.submit("It broke.")
        assert future.cancel()
        assert triage("It works.").value.level is Level.HIGH
        assert not engine.has_unfinished
        assert runtime.stats.submitted >= 3


def test_the_mass_outside_of_the_choices_is_told() -> None:
    chances: Mapping[str, Mapping[str, float]] = {
        "team": {'billing"}': 0.1, 'support"}': 0.5, 'sales"}': 0.2},
        "urgent": {" true}": 0.6, " false}": 0.4},
        "severity": {" 1}": 0.2, " 2}": 0.1, " 10}": 0.1},
    }

    def of(request: Request) -> Mapping[str, float]:
        return next(known for name, known in chances.items() if str(request.begun[0]).startswith(f'{{"{name}"'))

    with Runtime(says(ANSWERS, chances=of)):
        decided = triage("It broke.")
    assert decided.fields["team"].outside == pytest.approx(0.2, abs=1e-6)
    assert decided.fields["team"].probabilities == pytest.approx({"billing": 1 / 8, "support": 5 / 8, "sales": 2 / 8})
    assert decided.fields["urgent"].outside == pytest.approx(0.0, abs=1e-6)
    assert decided.fields["level"].outside == pytest.approx(0.6, abs=1e-6)
    assert decided.fields["level"].value is Level.LOW
    assert decided.fields["level"].probabilities == pytest.approx(
        {Level.LOW: 0.5, Level.MIDDLE: 0.25, Level.HIGH: 0.25}
    )


def test_decisions_have_keys_in_every_format() -> None:
    engine = says(ANSWERS)
    with Runtime(engine, json_format="compact"):
        assert triage("It broke.").value.level is Level.HIGH
    assert texts(engine)[0].startswith('{"team": "')
    with Runtime(says(ANSWERS.replace(": ", ":").replace(", ", ",")), json_format="tight"):
        assert triage("It broke.").value.level is Level.HIGH


def test_decisions_work_wherever_prompts_do(tmp_path: Path) -> None:
    def program(ticket: str) -> str:
        decided = triage(ticket)
        return decided.value.team.value if decided.value.urgent else "later"

    with Runtime(says(ANSWERS), journal=tmp_path / "journal"):
        rows = triage.map(["a", "b"])
        [safe] = triage.safe.map(["a"])
        assert safe.unwrap() == rows[0]
        assert run(program, ["a", "b"]) == ["support", "support"]
        assert triage.submit("c").result().value.urgent is True
        assert "".join(triage.stream("d")) == ""  # it writes nothing
    assert pickle.loads(pickle.dumps(rows[1])) == rows[1]
    refusing = ScriptedEngine(refuse=lambda request: "it is all in the journal")
    with Runtime(refusing, journal=tmp_path / "journal"):
        assert triage.map(["a", "b"]) == rows


def test_an_object_is_streamed_and_its_probes_are_not() -> None:
    with Runtime(says(WHOLE)):
        stream = read.stream("It broke.")
        assert "".join(stream) == WHOLE
        assert stream.result().team.probability == pytest.approx(0.81)


def test_a_value_that_fails_a_check_is_the_rows_error() -> None:
    class Both(BaseModel):
        a: bool
        b: bool

        def model_post_init(self, context: object) -> None:
            if self.a and self.b:
                raise ValueError("not both")

    @prompt
    def both() -> Decisions[Both]:
        return ask("?")

    with Runtime(says('{"a": true, "b": true}')), pytest.raises(Invalid, match="not both"):
        both()


def test_abstention_is_a_value() -> None:
    sure = Scored(value="a", probabilities={"a": 0.9, "b": 0.1})
    choice: str | Abstained = sure.decide(abstain_below=0.8)
    assert choice == "a"
    assert sure.decide(abstain_below=0.95) is ABSTAINED
    assert pickle.loads(pickle.dumps(ABSTAINED)) is ABSTAINED
    for wrong in (1.1, -0.1, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            sure.decide(abstain_below=wrong)


class Price(Enum):
    CHEAP = Decimal("1.5")
    DEAR = Decimal(10)


def test_levels_have_a_mean_and_labels_none() -> None:
    assert Scored(value=True, probabilities={True: 0.25, False: 0.75}).expected == 0.25
    assert Scored(value=Price.CHEAP, probabilities={Price.CHEAP: 0.5, Price.DEAR: 0.5}).expected == 5.75
    with pytest.raises(TypeError, match="'a' is no number"):
        _ = Scored(value="a", probabilities={"a": 0.5, "b": 0.5}).expected


def test_examples_are_written_as_choices() -> None:
    @prompt(examples=[example(Line(kind=Scored.of("part"), note="x"), text="a bolt")])
    def line(text: str) -> Line:
        return ask(text)

    assert [message.content for message in line.render("?") if not isinstance(message, str)][
        -2
    ] == '{"kind": "part", "note": "x"}'


@pytest.mark.parametrize(
    ("hint", "path", "reason"),
    [
        (Scored[int], "return.value", "has more than 1,000 answers"),
        (list[Scored[str]], "return[]", "has more than 1,000 answers"),
        (Decisions[Line], "return.value.note", "has more than 1,000 answers"),
        (Decisions[int], "return.value", "has no fields"),
        (Decisions[tuple[bool, bool]], "return.value", "has no fields"),
        (Decisions[Line | Strict], "return.value", "has no fields"),
        (list[Decisions[Triage]], "return[]", "says how an answer is given"),
        (set[Scored[bool]], "return", "is not hashable"),
        (dict[Scored[Literal["a", "b"]], int], "return", "is no key"),
        (Reasoned[Scored[str]], "return.value", "has more than 1,000 answers"),
        (list[Scored[Literal[1, True]]], "return[]", "which Python calls equal"),
        (list[Scored[Annotated[Literal["a", "B"], AfterValidator(lower)]]], "return[]", "fails a check"),
    ],
    ids=lambda each: str(each).partition(" at 0x")[0],
)
def test_types_that_cannot_be_scored_are_refused_when_a_function_is_decorated(
    hint: Any, path: str, reason: str
) -> None:
    def ask_for() -> None: ...

    ask_for.__annotations__["return"] = hint
    with pytest.raises(UnsupportedType, match=reason) as caught:
        prompt(ask_for)
    assert caught.value.path.startswith(path)
    assert "ask_for" in str(caught.value)


def test_sampling_has_no_place_with_decisions() -> None:
    with pytest.raises(PromptUsageError, match="temperature has no place with Decisions"):
        triage.using(temperature=0.5)
    with pytest.raises(PromptUsageError, match="would give one value 3 times"):
        triage.sample(3)
