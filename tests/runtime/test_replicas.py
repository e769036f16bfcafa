"""Several engines as one: who gets what, and what happens when one of them breaks."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from returns.result import Success

from typefold import EngineFailed, EngineLoadError, Runtime, ask, prompt, run
from typefold.compiler import Message
from typefold.runtime import Request, Scheduler
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.scheduling.replicas import Replicas


def engines(count: int, max_num_seqs: int = 8) -> list[ScriptedEngine]:
    return [ScriptedEngine(answers=lambda request: "yes", max_num_seqs=max_num_seqs) for _ in range(count)]


def asked(texts: Sequence[str]) -> list[Request]:
    return [Request(prompt=(Message("user", text),)) for text in texts]


def test_every_request_is_answered_once_and_in_its_place() -> None:
    made = [ScriptedEngine(answers=lambda request: str(request.prompt), max_num_seqs=8) for _ in range(3)]
    fleet = Replicas([Scheduler(engine) for engine in made])
    requests = [Request(prompt=f"number {number}") for number in range(300)]
    assert [future.result().text for future in fleet.submit(requests)] == [f"number {number}" for number in range(300)]
    assert sum(len(engine.requests) for engine in made) == 300
    assert fleet.statistics.succeeded == 300
    assert [each.succeeded for each in fleet.each] == [len(engine.requests) for engine in made]
    fleet.close()


def test_different_prompts_are_spread_evenly() -> None:
    made = engines(4)
    fleet = Replicas([Scheduler(engine, deduplicate=False) for engine in made])
    for future in fleet.submit(asked([f"{number} is odd?" for number in range(800)])):
        future.result()
    shares = [len(engine.requests) for engine in made]
    assert max(shares) - min(shares) <= 0.25 * 8 + 1
    fleet.close()


def test_prompts_that_begin_alike_meet_while_their_engine_has_room() -> None:
    made = engines(4, max_num_seqs=1000)
    fleet = Replicas([Scheduler(engine, deduplicate=False) for engine in made])
    head = "x" * 1024
    texts = [f"{group}{head} {row}" for row in range(20) for group in "abcdefgh"]
    for future in fleet.submit(asked(texts)):
        future.result()
    for group in "abcdefgh":
        homes = [sum(str(request.prompt).count(f"{group}{head}") for request in engine.requests) for engine in made]
        assert sorted(homes) == [0, 0, 0, 20]
    fleet.close()


def test_one_beginning_for_all_does_not_leave_the_others_idle() -> None:
    made = engines(2)
    fleet = Replicas([Scheduler(engine, deduplicate=False) for engine in made])
    for future in fleet.submit(asked([f"{'x' * 1024} {row}" for row in range(400)])):
        future.result()
    assert min(len(engine.requests) for engine in made) > 150
    fleet.close()


def test_an_engine_that_broke_is_given_nothing_more() -> None:
    good = ScriptedEngine(answers=lambda request: "yes", max_num_seqs=8)
    bad = ScriptedEngine(answers=lambda request: "yes", max_num_seqs=8, fail_at_step=1)
    fleet = Replicas([Scheduler(good), Scheduler(bad)])
    outcomes = Counter(
        type(future.exception()).__name__ for future in fleet.submit(asked([f"{number}?" for number in range(40)]))
    )
    assert outcomes["EngineFailed"] >= 8
    assert outcomes["NoneType"] >= 18
    assert fleet.broken is None
    for future in fleet.submit(asked([f"{number}!" for number in range(40)])):
        assert future.result().text == "yes"
    fleet.close()


def test_none_left_is_said() -> None:
    fleet = Replicas([Scheduler(ScriptedEngine(fail_at_step=1, max_num_seqs=4)) for _ in range(2)])
    for future in fleet.submit(asked([f"{number}?" for number in range(20)])):
        assert isinstance(future.exception(), EngineFailed)
    assert fleet.broken is not None
    [future] = fleet.submit(asked(["again?"]))
    assert isinstance(future.exception(), EngineFailed)
    fleet.close()


def test_what_is_cancelled_leaves_room() -> None:
    made = engines(2, max_num_seqs=4)
    fleet = Replicas([Scheduler(engine) for engine in made])
    for future in fleet.submit(asked([f"{number}?" for number in range(100)])):
        future.cancel()
    assert fleet._under_way == [0, 0]
    fleet.close()
    assert all(engine.closed for engine in made)


@prompt
def word(thing: str) -> str:
    return ask(f"Name {thing}.")


def program(thing: str) -> str:
    return word(word(thing))


def test_a_runtime_makes_its_engines_and_runs_programs_over_all_of_them(tmp_path: Path) -> None:
    made: list[ScriptedEngine] = []

    def make() -> ScriptedEngine:
        made.append(ScriptedEngine(seed=4, max_num_seqs=8))
        return made[-1]

    with Runtime(make, replicas=3, journal=tmp_path / "run.db") as runtime:
        assert runtime.facts.max_num_seqs == 24
        first = run(program, map(str, range(200)))
        assert runtime.stats.succeeded == 400
    assert len(made) == 3
    assert all(engine.requests and engine.closed for engine in made)
    with Runtime(ScriptedEngine(seed=4), deduplicate=False):
        assert run(program, map(str, range(200))) == first


def test_engines_that_were_built_are_closed_when_a_later_one_can_t_be() -> None:
    made: list[ScriptedEngine] = []

    def make() -> ScriptedEngine:
        if len(made) == 2:
            raise MemoryError("no room for a third")
        made.append(ScriptedEngine())
        return made[-1]

    with Runtime(make, replicas=3), pytest.raises(EngineLoadError, match="no room for a third") as caught:
        word("a")
    assert isinstance(caught.value.__cause__, MemoryError)
    assert all(engine.closed for engine in made)


def test_a_replica_is_restarted_by_itself() -> None:
    broken = iter([2])

    def make() -> ScriptedEngine:
        return ScriptedEngine(answers=lambda request: "yes", max_num_seqs=8, fail_at_step=next(broken, None))

    with Runtime(make, replicas=2, restarts=1) as runtime:
        results = word.safe.map(map(str, range(60)))
        assert all(isinstance(result, Success) for result in results)
        assert runtime.stats.restarts == 1


@pytest.mark.parametrize("replicas", [0, -1, True, 1.5, "2"])
def test_a_number_that_can_t_be_is_refused(replicas: object) -> None:
    with pytest.raises(TypeError, match="replicas is a number of engines"):
        Runtime("org/model", replicas=replicas)  # type: ignore[arg-type]


def test_an_engine_that_is_made_already_can_t_be_several() -> None:
    with pytest.raises(TypeError, match="needs a way to make engines"):
        Runtime(ScriptedEngine(), replicas=2)
