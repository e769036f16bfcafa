"""An actor's work on its batches, without Ray around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scale import programs
from tests.scale.programs import Log, LoggedEngine
from typefold import EngineLoadError, PromptUsageError
from typefold.programs.record_function import arrow_form, target_of
from typefold.ray.actor import Actor, Work
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtimes import runtime as runtime_module
from typefold.tables.arrow import pyarrow


@pytest.fixture
def actor() -> Iterator[Callable[..., Actor]]:
    """Makes actors, whose journals are closed at the end as they are when a process ends."""
    made = list[Actor]()

    def make(function: Callable[..., object], **changes: Any) -> Actor:
        target = target_of(function, function.__name__)
        named: dict[str, Any] = {
            "model": lambda: ScriptedEngine(seed=1),
            "options": {},
            "column": "result",
            "key": None,
            "journal": None,
            "journal_prompts": True,
            "batches": 4,
        }
        made.append(Actor(Work(target=target, kind=arrow_form(target)[0], **{**named, **changes})))
        return made[-1]

    yield make
    for each in made:
        each.close()


pa = pyarrow()


def rows_of(actor: Actor, *tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that come back for batches which are worked on at once."""

    async def all_of() -> list[Any]:
        return await asyncio.gather(*(actor(pa.Table.from_pylist(rows)) for rows in tables))

    return [row for table in asyncio.run(all_of()) for row in table.to_pylist()]


def test_rows_keep_their_places_and_their_columns(actor: Callable[..., Actor]) -> None:
    rows = [{"id": number, "text": f"t{number}", "other": [number]} for number in range(40)]
    got = rows_of(actor(programs.reviewed), rows[:15], rows[15:])
    assert [{name: row[name] for name in ("id", "text", "other")} for row in got] == rows
    failed = [row for row in got if row["result_error"] is not None]
    assert [row["id"] for row in failed] == [3, 13, 23, 33]
    assert (failed[0]["result"], failed[0]["result_error"]) == (None, "ValueError")
    assert failed[0]["result_message"] == "no review of t3"
    values = [row["result"] for row in got if row["result"] is not None]
    assert len(values) > 20
    assert all(programs.Review.model_validate(value) for value in values)


def test_a_row_that_would_end_the_process_ends_alone(actor: Callable[..., Actor]) -> None:
    """Ray would make the process again for the same rows, without end."""
    for function in (programs.leaving, programs.leaving_later):
        got = rows_of(actor(function), [{"id": 1}, {"id": 2}, {"id": 3}])
        assert [row["result"] for row in got] == [1, None, 3]
        assert (
            got[1]["result_message"]
            == "the function raised SystemExit: 3, which ends only its row here, and not the process"
        )


def test_a_field_with_an_alias_keeps_its_value(actor: Callable[..., Actor]) -> None:
    assert rows_of(actor(programs.aliased), [{"id": 1}])[0]["result"] == {"size": 1}


def test_a_row_that_does_not_fit_is_a_bad_record(actor: Callable[..., Actor]) -> None:
    got = rows_of(actor(programs.number), [{"text": "a"}, {"text": None}])
    assert [row["result_error"] for row in got] == [None, "BadRecord"]
    assert got[1]["result_message"] == "text: Input should be a valid string"


def test_a_value_that_its_column_can_not_hold_costs_no_other(actor: Callable[..., Actor]) -> None:
    got = rows_of(actor(programs.huge), [{"id": 0}, {"id": 1}, {"id": 2}])
    assert [row["result"] for row in got] == [0, None, 2]
    assert [row["result_error"] for row in got] == [None, "OverflowError", None]


def test_a_parameter_with_fields_takes_the_whole_row(actor: Callable[..., Actor]) -> None:
    assert rows_of(actor(programs.of_item), [{"id": 1, "text": "a"}])[0]["result"] == "1: a"


def test_coroutine_functions_and_functions_without_types(actor: Callable[..., Actor]) -> None:
    assert {row["result"] for row in rows_of(actor(programs.holds), [{"text": str(n)} for n in range(20)])} == {
        True,
        False,
    }
    assert rows_of(actor(programs.bare), [{"id": 7}])[0]["result"] == '{"id": 7}'


def test_a_batch_without_rows_has_the_columns(actor: Callable[..., Actor]) -> None:
    table = asyncio.run(actor(programs.number)(pa.table({"text": pa.array([], pa.string())})))
    assert table.schema.names == ["text", "result", "result_error", "result_message"]


def test_a_column_of_the_users_is_not_replaced(actor: Callable[..., Actor]) -> None:
    with pytest.raises(PromptUsageError, match="a column result_error already"):
        rows_of(actor(programs.number), [{"text": "a", "result_error": "mine"}])


def test_what_one_actor_answered_another_does_not_ask(actor: Callable[..., Actor], tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    options: dict[str, Any] = {"model": lambda: LoggedEngine(log), "journal": str(tmp_path / "run"), "key": "id"}
    rows = [{"id": number} for number in range(30)]
    first = rows_of(actor(programs.felt, **options), rows[:20])
    assert len(log.lines()) == 60
    second = rows_of(actor(programs.felt, **options), rows[5:15], rows[15:])  # the first holds its file still
    assert len(log.lines()) == 90
    assert second[:15] == first[5:]
    assert len(list((tmp_path / "run").glob("*.db"))) == 2


def test_an_engine_that_can_not_be_built_ends_the_job(
    actor: Callable[..., Actor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = Log(tmp_path / "tries")

    def broken(*_: object, **__: object) -> ScriptedEngine:
        tries.write("tried")
        raise OSError("there is no such model")

    def scripted(*_: object, **__: object) -> ScriptedEngine:
        return ScriptedEngine()

    with pytest.raises(EngineLoadError, match="OSError: there is no such model"):
        actor(programs.number, model=broken)
    named: dict[str, Any] = {"model": "some/model", "journal": str(tmp_path / "run")}
    with monkeypatch.context() as patch:
        patch.setattr(runtime_module, "engine_of", scripted)
        rows_of(actor(programs.number, **named), [{"text": "a"}])
    monkeypatch.setattr(runtime_module, "engine_of", broken)
    later = actor(programs.number, **named)  # what was answered needs none
    assert rows_of(later, [{"text": "a"}])[0]["result_error"] is None
    with pytest.raises(EngineLoadError, match="OSError: there is no such model"):
        rows_of(later, [{"text": f"other {number}"} for number in range(500)])
    assert len(tries.lines()) == 2
