"""`typefold.ray.map` on a real Ray with two actors."""

from __future__ import annotations

import doctest
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import typefold.ray
from tests.scale import programs
from tests.scale.programs import Log, LoggedEngine
from typefold import NoRuntime, PromptUsageError, Runtime, run
from typefold.ray.mapping import in_blocks, pool
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import Journal

NOTEBOOK = """
from __future__ import annotations

import threading
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typefold import ask, prompt

lock = threading.Lock()  # what can't go to another process, and is not asked for there


class Verdict(BaseModel):
    keep: bool
    why: Annotated[str, Field(max_length=20)]
    score: Score


Score = Literal[1, 2, 3]


@prompt(temperature=0)
def judge(text: str) -> Verdict:
    return ask(f"Judge {text}")


def judged(id: int, text: Annotated[str, Field(min_length=2)]) -> Verdict:
    return judge(text)
"""


def dataset_of(items: list[dict[str, object]], *, blocks: int) -> Any:
    """A dataset of Ray, which types it in part."""
    data: Any = importlib.import_module("ray.data")
    return data.from_items(items, override_num_blocks=blocks)


def rows(count: int, **more: object) -> list[dict[str, object]]:
    return [{"id": number, "text": f"t{number}", **more} for number in range(count)]


def test_a_dataset_gets_what_run_gives(cluster: None) -> None:
    source = rows(120, other=[1, 2])
    source[77]["text"] = None
    dataset = dataset_of(source, blocks=6)
    got = typefold.ray.map(
        dataset,
        programs.reviewed,
        model=lambda: ScriptedEngine(seed=1),
        column="review",
        concurrency=2,
        num_cpus=0.5,
        batch_size=16,
    )
    answered: dict[int, dict[str, Any]] = {row["id"]: row for row in got.take_all()}
    assert answered.keys() == set(range(120))
    assert all(row["text"] == source[number]["text"] and row["other"] == [1, 2] for number, row in answered.items())
    bad = answered.pop(77)
    assert (bad["review"], bad["review_error"]) == (None, "BadRecord")
    schema: Any = got.schema()
    kind = str(schema.base_schema.field("review").type)
    assert kind == "struct<title: string, tags: list<item: struct<label: string, weight: int64>>>"
    with Runtime(ScriptedEngine(seed=1)):
        ids = sorted(answered)
        alone = run.safe(lambda number: programs.reviewed(number, f"t{number}"), ids)
    for number, result in zip(ids, alone, strict=True):
        row = answered[number]
        value = result.map(lambda found: None if found is None else found.model_dump()).value_or("failed")
        assert row["review"] == (None if value == "failed" else value)
        assert row["review_error"] == ("ValueError" if value == "failed" else None)


def test_a_large_block_is_shared_out_among_the_actors(cluster: None, tmp_path: Path) -> None:
    """Files and tables come in blocks of any size, and Ray hands out blocks."""
    log = Log(tmp_path / "log")
    arrow: Any = importlib.import_module("pyarrow")
    data: Any = importlib.import_module("ray.data")
    table = arrow.table({"id": list(range(120)), "log": [str(log.path)] * 120})
    one = data.from_arrow(table)
    assert one.num_blocks() == 1
    got = typefold.ray.map(one, programs.together, model=ScriptedEngine, concurrency=2, num_cpus=0.5, batch_size=10)
    processes = {row["id"]: row["result"] for row in got.take_all()}
    assert processes.keys() == set(range(120))
    counts = [list(processes.values()).count(each) for each in set(processes.values())]
    assert len(counts) == 2
    assert min(counts) >= 10


def test_small_blocks_are_left_to_ray(cluster: None) -> None:
    small = dataset_of(rows(40), blocks=4)
    assert in_blocks(small, 10) is small
    assert in_blocks(small, 9) is not small
    read = small.limit(40)  # nobody knows its blocks yet
    sizes = [bundle.num_rows() for bundle in in_blocks(read, 7).iter_internal_ref_bundles()]
    assert (sum(sizes), max(sizes)) == (40, 7)


def test_a_pool_that_may_grow_can_grow() -> None:
    """Ray adds actors only where the blocks that wait for one are many times those that it works on."""
    fixed, growing = pool(2, 2, 4)["compute"], pool(1, 2, 4)["compute"]
    assert (fixed.min_size, fixed.max_size, fixed.max_tasks_in_flight_per_actor) == (2, 2, 5)
    assert (growing.min_size, growing.max_size, growing.max_tasks_in_flight_per_actor) == (1, 2, None)


def test_functions_of_a_notebook_go_to_the_actors(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    main: Any = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(compile(NOTEBOOK, "notebook", "exec"), main.__dict__)
    dataset = dataset_of([{"id": 1, "text": "one"}, {"id": 2, "text": "x"}], blocks=2)
    got = typefold.ray.map(dataset, main.judged, model=lambda: ScriptedEngine(seed=1), num_cpus=0.5)
    good, bad = sorted(got.take_all(), key=lambda row: int(row["id"]))
    assert main.Verdict.model_validate(good["result"])
    assert bad["result_error"] == "BadRecord"


def test_nothing_finished_is_asked_again(cluster: None, tmp_path: Path) -> None:
    """Not after an actor was killed, and not by a second job of other actors, blocks and batches."""
    log, folder = Log(tmp_path / "log"), tmp_path / "run"
    source = rows(100, log=str(log.path))

    def results(items: list[dict[str, object]], *, blocks: int, batch_size: int) -> dict[int, object]:
        """What a job of two actors gives, by row."""
        got = typefold.ray.map(
            dataset_of(items, blocks=blocks),
            programs.deadly,
            model=lambda: LoggedEngine(log),
            concurrency=2,
            num_cpus=0.5,
            batch_size=batch_size,
            journal=folder,
        )
        return {row["id"]: row["result"] for row in got.take_all()}

    values = results(source[:60], blocks=6, batch_size=10)
    assert values.keys() == set(range(60))
    assert None not in values.values()
    lines = log.lines()
    death = lines.index("dead")
    before = {line.split()[-1] for line in lines[:death] if line.startswith("answered")}
    assert before.isdisjoint(line.split()[-1] for line in lines[death:] if line.startswith("asked"))
    again = results(source, blocks=3, batch_size=7)
    assert {number: again[number] for number in values} == values
    asked = [line.split()[-1] for line in log.lines()[len(lines) :] if line.startswith("asked")]
    assert sorted(asked) == sorted(f"t{number}" for number in range(60, 100))
    files = list(folder.glob("*.db"))
    held = 0
    for file in files:
        with Journal(file, read_only=True) as journal:
            held += journal.count()
            assert journal.damage() == []
    assert held == 100
    assert 1 <= len(files) <= 2  # on a busy machine one actor may be done before the other has begun


def test_the_example_runs(cluster: None) -> None:
    module = importlib.import_module("typefold.ray.mapping")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert (result.failed, result.attempted > 5) == (0, True)


class _Table:
    """A dataset whose columns are known, as far as they are looked at before anything runs."""

    def __init__(self, *columns: str) -> None:
        self.names = columns

    def schema(self, fetch_if_missing: bool) -> _Table:
        assert not fetch_if_missing
        return self

    def map_batches(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "columns", "says"),
    [
        (programs.deadly, {}, ["id", "log"], "deadly needs text, and the dataset has id, log"),
        (programs.number, {"key": "name"}, ["text"], "no column 'name' to know rows by; the dataset has text"),
        (programs.number, {}, ["text", "result_message"], "a column result_message already"),
        (programs.number, {"seed": 3}, ["text"], "seed can't be set here"),
        (programs.number, {"ignore_journal": True}, ["text"], "name a new folder"),
        (programs.number, {"batches": 0}, ["text"], "batches is a number of at least 1, not 0"),
        (programs.number, {"concurrency": 0}, ["text"], "concurrency is a number of at least 1, not 0"),
        (programs.number, {"concurrency": (2, 1)}, ["text"], r"concurrency is the least and the most, not \(2, 1\)"),
    ],
)
def test_what_can_not_work_is_said_before_anything_runs(
    function: Any, options: dict[str, Any], columns: list[str], says: str
) -> None:
    dataset: Any = _Table(*columns)
    with pytest.raises(PromptUsageError, match=says):
        typefold.ray.map(dataset, function, **{"model": "some/model", **options})  # pyright: ignore[reportArgumentType]  # wrong ones too


def test_rows_that_are_no_dataset_are_refused() -> None:
    rows: Any = [{"text": "a"}]
    with pytest.raises(PromptUsageError, match=r"rows come from a Ray Dataset .*, not from a list"):
        typefold.ray.map(rows, programs.number, model="some/model")


def test_what_can_not_go_to_an_actor_is_said_before_anything_runs() -> None:
    dataset: Any = _Table("text")
    with Runtime(ScriptedEngine()) as here, pytest.raises(PromptUsageError, match=r"using\(runtime=None\)"):
        typefold.ray.map(dataset, programs.number.using(runtime=here), model="some/model")


def test_a_model_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    dataset: Any = _Table("text")
    with pytest.raises(NoRuntime):
        typefold.ray.map(dataset, programs.number)
