"""The promises to programs, kept by a real engine; the scripted engine keeps it at length. See docs/promises.md."""
# Without its mypy plugin, and under pyright, returns leaves types open:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import contextvars
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from returns.future import FutureResult
from returns.io import IOSuccess
from returns.iterables import Fold
from returns.pipeline import flow
from returns.pointfree import bind
from returns.result import Failure, Success

from typefold import BatchError, Cancelled, Runtime, Truncated, ask, gather, prompt, run
from typefold.execution import progress
from typefold.runtime import Request
from typefold.runtime.engines.vllm.engine import VllmEngine

from .together import Together

pytestmark = pytest.mark.engine

Colour = Literal["red", "green", "blue"]
THINGS = ["a leaf", "the sky", "blood", "a lemon", "the sea", "a rose", "grass", "a fire"]


@prompt(temperature=0)
def colour(thing: str) -> Colour:
    return ask(f"Which colour has {thing}?")


@prompt(temperature=0)
async def colour_async(thing: str) -> Colour:
    return ask(f"Which colour has {thing}?")


@prompt(temperature=0, max_tokens=3)
def number(thing: str) -> list[int]:
    return ask(f"Ten numbers about {thing}.")


@prompt(max_tokens=900, min_tokens=900, temperature=0)
def drone(topic: str) -> str:
    return ask(f"Go on about {topic}.")


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def test_rows_loop_recur_catch_and_use_blocks_as_plain_calls_do(runtime: Runtime) -> None:
    blocks: list[str] = []
    place = contextvars.ContextVar("place", default="outside")

    @contextmanager
    def block(thing: str) -> Generator[None]:
        blocks.append(f"into {thing}")
        try:
            yield
        finally:
            blocks.append(f"out of {thing}")

    def down(thing: str, depth: int) -> list[Colour]:
        return [] if depth == 0 else [colour(f"{thing} {depth}"), *down(thing, depth - 1)]

    def program(thing: str) -> Any:
        seen, _ = place.get(), place.set(thing)
        with block(thing):
            more: list[str] = [colour(thing) for _ in range(2)]
            try:
                number(thing)
            except Truncated as error:
                more.append(str(error.function))
        best = sorted([thing, "a lemon"], key=colour)  # called by a library
        return more, down(thing, 2), best, seen, place.get()

    rows = run(program, THINGS[:4])
    assert sorted(blocks) == sorted(f"{way} {thing}" for thing in THINGS[:4] for way in ("into", "out of"))
    assert [row[3:] for row in rows] == [("outside", thing) for thing in THINGS[:4]]
    assert rows == [contextvars.copy_context().run(program, thing) for thing in THINGS[:4]]


def nth(times: int) -> Callable[[Request], bool]:
    """Whether a request is the one so many times asked."""
    asked = Counter[str]()

    def last(request: Request) -> bool:
        asked[str(request.prompt)] += 1
        return asked[str(request.prompt)] == times

    return last


def test_maps_runs_and_graphs_inside_rows_and_async_programs_join_the_batch(
    runtime: Runtime, together: Callable[..., Together]
) -> None:
    def nested(things: list[str]) -> list[Any]:
        return [colour.map(things), run(colour, things), gather([colour.defer(thing) for thing in things])]

    async def tasks(things: list[str]) -> list[Colour]:
        both = await asyncio.gather(*(colour_async(thing) for thing in things), colour_async.defer(things[0]))
        return list(both)

    pairs = [THINGS[at : at + 2] for at in range(0, len(THINGS), 2)]
    expected = colour.map(THINGS)
    together(len(THINGS), nth(3))
    found = run(nested, pairs)
    assert [each for row in found for each in row[0]] == expected
    assert all(row[0] == row[1] == row[2] for row in found)
    together(len(THINGS) + len(pairs))
    assert run(tasks, pairs) == [[*row[0], row[0][0]] for row in found]


def test_streams_of_rows_take_the_input_as_rows_end_and_give_results_as_they_do(runtime: Runtime) -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for index in itertools.count():
            taken.append(index)
            yield index

    def program(index: int) -> Colour:
        if index == 2:
            raise KeyError(index)
        return colour(THINGS[index % len(THINGS)])

    results: dict[int, Any] = {}
    stream = run.stream(program, endless(), max_rows_in_flight=4)
    for index, result in stream:
        results[index] = result
        assert len(taken) <= len(results) + 4
        if len(results) == 20:
            stream.close()
    assert isinstance(results[2], Failure) and isinstance(results[2].failure(), KeyError)
    assert sum(isinstance(result, Success) for result in results.values()) == 19
    assert soon(lambda: runtime.stats.running == 0)


def test_chains_of_futures_batch(runtime: Runtime, together: Callable[..., Together]) -> None:
    async def collected() -> Any:
        futures = [colour.future(thing) for thing in THINGS]
        every: Any = Fold.collect(futures, FutureResult.from_value(()))
        return await every

    async def chained() -> Any:
        chains: list[Any] = [flow(thing, colour.future, bind(colour.future)) for thing in THINGS]
        return Fold.collect(await asyncio.gather(*chains), IOSuccess(()))

    expected = [colour(thing) for thing in THINGS]
    again = [colour(each) for each in expected]
    together(len(THINGS))
    assert asyncio.run(collected()) == IOSuccess(tuple(expected))
    seconds = {str(colour.render(each)) for each in ("red", "green", "blue")}

    def is_second(request: Request) -> bool:
        return str(request.prompt) in seconds

    together(len(THINGS), is_second)
    assert asyncio.run(chained()) == IOSuccess(tuple(again))


def test_a_stream_is_read_while_a_batch_runs_and_both_are_whole(runtime: Runtime) -> None:
    with drone.using(max_tokens=40, min_tokens=40).stream("tea") as stream:
        first = next(stream)
        colours = colour.map(THINGS)
        assert first + "".join(stream) == stream.result()
    assert colours == colour.map(THINGS)


def test_errors_interrupts_and_leaving_the_runtime_take_back_what_is_in_flight(
    runtime: Runtime, engine: VllmEngine
) -> None:
    class Interrupted(KeyboardInterrupt):
        pass

    def clean() -> bool:
        return soon(lambda: runtime.stats.running == 0 and not engine.has_unfinished)

    def interrupted(topic: str) -> str:
        if topic == "":
            colour("a leaf")
            raise Interrupted
        return drone(topic)

    with pytest.raises(Interrupted):  # as Ctrl-C in a row's own code
        run(interrupted, ["milk", "water", ""])
    assert clean()

    def failing(topic: str) -> str:
        if topic == "":
            raise KeyError(topic)
        return colour(topic)

    with pytest.raises(BatchError, match="1 of 2 rows failed"):
        run(failing, ["a leaf", ""])
    assert clean()

    with pytest.raises(RuntimeError, match="of the reader"):
        for _, _ in run.stream(interrupted_never, ["milk", "a leaf"], max_rows_in_flight=2):
            raise RuntimeError("of the reader")
    assert clean()
    assert colour("a leaf") in ("red", "green", "blue")

    with Runtime(engine, deduplicate=False) as inner:
        left = drone.submit("tea")
        assert soon(lambda: inner.stats.running == 1)
    with pytest.raises(Cancelled):
        left.result(timeout=60)
    assert not engine.has_unfinished


def interrupted_never(topic: str) -> str:
    return colour(topic) if topic == "a leaf" else drone(topic)


def test_a_batch_is_seen_as_log_lines_statistics_and_spans(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter: Any = memory.InMemorySpanExporter()
    provider: Any = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    def wanted(*, draw: bool) -> Any:
        return progress.Log, 0.01

    monkeypatch.setattr(progress, "_wanted", wanted)
    counted = number.using(describe_format=False)  # this model writes digits without end where no form is told
    before = runtime.stats
    with caplog.at_level(logging.INFO, logger="typefold.execution.progress"):
        results = run.safe(lambda thing: (colour(thing), counted(thing)), THINGS)
    provider.shutdown()

    assert all(isinstance(result, Failure) for result in results)  # the numbers are cut
    last = caplog.records[-1].getMessage()
    assert last.startswith("rows 8/8 · 8 failed · ") and " tok/s · " in last and " · took " in last
    assert runtime.stats.steps > before.steps and runtime.stats.running == 0
    assert runtime.stats.elapsed > before.elapsed and runtime.stats.tokens_per_second > 0
    spans = exporter.get_finished_spans()
    assert len(spans) == 16
    good = [span for span in spans if span.name == "colour"]
    assert {span.attributes["gen_ai.response.finish_reasons"] for span in good} == {("stop",)}
    assert all(span.attributes["gen_ai.usage.output_tokens"] >= 1 for span in good)
    assert {span.attributes["error.type"] for span in spans if span.name == "number"} == {"Truncated"}
