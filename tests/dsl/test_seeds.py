"""`Runtime(seed=...)`: a run repeats, whatever shares its batch and in whatever order its rows end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from typefold import Runtime, ask, gather, prompt, run
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


@prompt
async def name_async(thing: str) -> str:
    return ask(f"Name {thing}.")


@prompt(retries=1)
def number(thing: str) -> int:
    return ask(f"A number for {thing}.")


def twice(thing: str) -> tuple[str, str]:
    return name(thing), name(thing)


def chain(thing: str) -> list[str]:
    """Calls, a batch and a run in a row: later ones are asked in an order that depends on the lengths of the first."""
    first = name(thing)
    return [first, name(first), *name.map(["x", "x"]), *run(name, ["y"]), name.submit("z").result()]


def program() -> object:
    return (
        [name("x"), name("x")],
        [name.map(["x"] * 3), name.map(["x"] * 3)],
        run(chain, ["a", "b", "a"] * 5),
        run(twice, ["a", "a"]),
        asyncio.run(name_async.map(["x", "x"])),
        gather([name.defer(name.defer("a")), name.defer("b"), name.defer("b")]),
        name.stream("x").result(),
    )


def done(work: Callable[[], Any], seed: int | None = 1, **options: Any) -> Any:
    with Runtime(ScriptedEngine(**options), seed=seed):
        return work()


def test_a_program_repeats_whatever_the_batch() -> None:
    first = done(program)
    assert first == done(program)
    assert first == done(program, max_num_seqs=2)
    assert first == done(program, max_num_seqs=7, tokens_per_step=9)


def test_another_seed_is_another_run_and_without_one_nothing_is_seeded() -> None:
    assert done(program, seed=1) != done(program, seed=2)
    engine = ScriptedEngine()
    with Runtime(engine):
        name("x")
    assert "seed" not in engine.requests[0].sampling


def seeds(work: Callable[[], Any], seed: int | None = 1) -> list[Any]:
    engine = ScriptedEngine(lambda request: "7")
    with Runtime(engine, seed=seed):
        work()
    return [request.sampling.get("seed") for request in engine.requests]


@pytest.mark.parametrize(
    "work",
    [
        lambda: [name("x") for _ in range(4)],
        lambda: name.map(["x"] * 4),
        lambda: [name.map(["x"] * 2), name.map(["x"] * 2)],
        lambda: run(twice, ["x"] * 2),
        lambda: [run(name, ["x"] * 2), run(name, ["x"] * 2)],
        lambda: gather([name.defer("x") for _ in range(4)]),
        lambda: [name.submit("x").result(), name.stream("x").result(), name("x"), *name.map(["x"])],
    ],
    ids=["calls", "map", "two maps", "run", "two runs", "gather", "each way"],
)
def test_equal_calls_are_drawn_apart(work: Callable[[], Any]) -> None:
    drawn = seeds(work)
    assert len(drawn) == 4 == len(set(drawn))
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_async_calls_and_async_rows_repeat_too() -> None:
    async def program(thing: str) -> list[str]:
        return list(await asyncio.gather(name_async(thing), name_async(thing)))

    async def together() -> list[str]:
        return list(await asyncio.gather(name_async("x"), name_async("x"), name_async("x")))

    def work() -> object:
        return run(program, ["a", "b", "a"]), asyncio.run(together())

    rows, gathered = done(work)
    assert (rows, gathered) == done(work, max_num_seqs=1)
    assert len({text for row in rows for text in row}) == 6
    assert len(set(gathered)) == 3


def test_a_seed_of_the_calls_own_goes_first() -> None:
    assert seeds(lambda: name.using(seed=5).map(["a", "b"])) == [5, 5]
    assert None not in seeds(lambda: name.using(seed=-1).map(["a", "b"]))  # vLLM's word for none


def test_a_corrected_answer_is_drawn_with_another_seed() -> None:
    answers = iter(["nonsense", "7"])
    engine = ScriptedEngine(lambda request: next(answers))
    with Runtime(engine, seed=1):
        assert number("x") == 7
    first, second = (request.sampling["seed"] for request in engine.requests)
    assert first != second


def test_greedy_calls_take_no_notice_and_share_their_answers() -> None:
    greedy = name.using(temperature=0)
    engine = ScriptedEngine()
    with Runtime(engine, seed=1) as runtime:
        one, two = greedy.map(["x", "x"])
        assert one == two
        assert runtime.stats.deduplicated == 1
    with Runtime(ScriptedEngine(), seed=2):
        assert greedy("x") == one


def test_calls_of_a_rows_own_threads_have_seeds_though_their_order_is_not_kept() -> None:
    def threads(thing: str) -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(name, [thing] * 2))

    assert len(set(seeds(lambda: run(threads, ["a", "b"])))) == 4


def test_a_seed_is_an_int() -> None:
    with pytest.raises(TypeError, match="seed is an int, not 'x'"):
        Runtime(ScriptedEngine(), seed="x")  # type: ignore[arg-type]


def test_the_seed_does_not_depend_on_the_process() -> None:
    """Hashes of texts differ between processes; a seed must not."""

    def asked(request: Request) -> str:
        return "x"

    engine = ScriptedEngine(asked)
    with Runtime(engine, seed=1):
        name("x")
    assert engine.requests[0].sampling["seed"] == 328300778091409068
