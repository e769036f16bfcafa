"""`.stream`: answers while they are written. Each promise of its docstrings is a test here."""
# Tests look inside:
# pyright: reportPrivateUsage=false

import asyncio
import gc
import itertools
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, JsonValue

from typefold import (
    AsyncStream,
    BadInput,
    Cancelled,
    EngineFailed,
    Invalid,
    NoRuntime,
    PromptError,
    Runtime,
    Stream,
    TimedOut,
    Truncated,
    ask,
    prompt,
    run,
)
from typefold.execution.greenlets import AsyncMailbox, RowCancelled
from typefold.response_types import Logged, Reasoned, Scored
from typefold.runtime import Completion, Delta, FinishReason, Outcome, Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine

MakeEngine = Callable[[int, Answers], ScriptedEngine]


class Character(BaseModel):
    name: str
    age: Annotated[int, Field(ge=0, le=120)]


CHARACTER = '{"name": "Ada", "age": 36}'


@prompt(describe_format=False)
def make(setting: str) -> Character:
    return ask(setting)


@prompt
def tell(topic: str) -> str:
    return ask(topic)


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(text)


@prompt(describe_format=False)
async def make_later(setting: str) -> Character:
    return ask(setting)


@prompt
async def tell_later(topic: str) -> str:
    return ask(topic)


class Held(ScriptedEngine):
    """An engine that takes only the steps that it is allowed."""

    def __init__(self, *answers: str, tokens_per_step: int = 1) -> None:
        super().__init__(answers=list(answers), tokens_per_step=tokens_per_step)
        self.allowed = threading.Semaphore(0)
        self.alive: set[str] = set()

    def allow(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.allowed.release()

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        super().add(key, request, token_ids, max_tokens)
        self.alive.add(key)

    def abort(self, keys: Iterable[str]) -> None:
        dropped = set(keys)
        super().abort(dropped)
        self.alive -= dropped

    def step(self) -> Sequence[Completion]:
        if not self.allowed.acquire(timeout=0.001):
            return []
        done = super().step()
        self.alive.difference_update(completion.key for completion in done)
        return done

    def wait_until_alive(self, count: int) -> None:
        ends = time.monotonic() + 30
        while len(self.alive) != count:
            assert time.monotonic() < ends, f"{len(self.alive)} requests are in the engine, not {count}"
            time.sleep(0.001)


@pytest.fixture
def held() -> Iterator[Held]:
    engine = Held(*["abcdefgh"] * 8)
    with Runtime(engine):
        yield engine


def scripted(*answers: str | FinishReason | Exception, tokens_per_step: int = 1) -> Runtime:
    return Runtime(ScriptedEngine(answers=list(answers), tokens_per_step=tokens_per_step))


def test_the_pieces_joined_are_the_answer_and_the_result_is_its_value() -> None:
    with scripted(CHARACTER):
        stream = make.stream("Mars")
        pieces = list(stream)
        assert len(pieces) == len(CHARACTER)
        assert "".join(pieces) == stream.text == CHARACTER
        assert stream.result() == stream.result() == Character(name="Ada", age=36)


def test_a_result_needs_no_iterating() -> None:
    with scripted(CHARACTER):
        assert make.stream("Mars").result() == Character(name="Ada", age=36)


def test_pieces_come_while_the_answer_is_written(held: Held) -> None:
    stream = tell.stream("x")
    for count in range(1, 9):
        held.allow()
        next(stream)
        assert stream.text == "abcdefgh"[:count]
        assert held.steps == count
    held.allow()
    assert list(stream) == []


def test_characters_of_many_bytes_are_never_cut() -> None:
    text = "é€😀 naïve 日本語"
    with scripted(text, text, tokens_per_step=3):
        pieces = list(tell.stream("x"))
        assert "".join(pieces) == text
        assert "�" not in "".join(pieces)
        cut = tell.using(max_tokens=4).stream("x")
        assert "".join(cut) == cut.result() == "é"


def test_reading_by_pieces_partials_and_result_goes_on_where_the_last_stopped() -> None:
    with scripted(CHARACTER):
        stream = make.stream("Mars")
        for _ in range(10):
            next(stream)
        partial = next(stream.partials())
        assert partial == {"name": "A"}
        assert stream.result().name == "Ada"
        assert list(stream) == []
        assert list(stream.partials()) == [{"name": "Ada", "age": 36}]


def grows(before: JsonValue, after: JsonValue) -> bool:
    """Whether nothing was taken back but the end of the last string."""
    match before, after:
        case str(), str():
            return after.startswith(before)
        case list(), list():
            shared = after[: len(before)]
            return len(shared) == len(before) and shared[:-1] == before[:-1] and all(map(grows, before, shared))
        case dict(), dict():
            return list(after)[: len(before)] == list(before) and grows(list(before.values()), list(after.values()))
        case _:
            return before == after


def test_partials_only_grow_and_end_in_the_whole_value() -> None:
    with scripted(CHARACTER, '[1.25, [true, "x\\n\\"1"], null, -3, "12"]'):
        partials: list[Any] = list(make.stream("Mars").partials())
        assert partials[0] == {}
        assert partials[-1] == {"name": "Ada", "age": 36}
        assert {"name": "Ada"} in partials
        assert all("age" not in each or each["age"] == 36 for each in partials)
        assert all(grows(*pair) and pair[0] != pair[1] for pair in itertools.pairwise(partials))

        @prompt(describe_format=False)
        def anything(topic: str) -> tuple[float, tuple[bool, str], int | None, int, str]:
            return ask(topic)

        mixed: list[Any] = list(anything.stream("x").partials())
        assert mixed[-1] == [1.25, [True, 'x\n"1'], None, -3, "12"]
        assert all(grows(*pair) for pair in itertools.pairwise(mixed))
        assert mixed[:3] == [[], [1.25], [1.25, []]]


def test_partials_of_bare_text_are_the_text_so_far() -> None:
    with scripted("keep", "", "12"):
        assert list(judge.stream("x").partials()) == ["k", "ke", "kee", "keep"]
        assert list(tell.stream("x").partials()) == [""]
        assert list(tell.stream("x").partials()) == ["1", "12"]


def test_a_number_alone_comes_when_it_is_whole() -> None:
    @prompt(describe_format=False)
    def count(topic: str) -> int:
        return ask(topic)

    with scripted("120"):
        stream = count.stream("x")
        assert list(stream.partials()) == [120]
        assert stream.result() == 120


def test_streams_and_calls_of_one_thread_share_the_batch(assembled: MakeEngine) -> None:
    with Runtime(assembled(50, lambda request: CHARACTER)):
        streams = [make.stream(f"planet {number}") for number in range(50)]
        for stream in streams:
            assert "".join(stream) == CHARACTER
        assert make("after") == streams[0].result()


def test_streams_are_read_in_turns(held: Held) -> None:
    first, second = tell.stream("1"), tell.stream("2")
    held.wait_until_alive(2)
    held.allow(9)
    assert "".join(itertools.chain.from_iterable(zip(first, second, strict=True))) == "aabbccddeeffgghh"


def test_streams_of_many_threads_share_the_runtime() -> None:
    def read(number: int) -> str:
        return "".join(tell.stream(f"n{number}"))

    with Runtime(ScriptedEngine(answers=lambda request: str(request.prompt[-1]))), ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(read, range(40)))
    assert all(f"n{number}" in text for number, text in enumerate(texts))


def test_rows_of_a_run_stream_in_one_batch(assembled: MakeEngine) -> None:
    def program(number: int) -> tuple[int, list[str], str]:
        stream = make.stream(f"row {number}")
        return number, list(stream), stream.result().name

    with Runtime(assembled(30, lambda request: CHARACTER)):
        rows = run(program, range(30))
    assert rows == [(number, list(CHARACTER), "Ada") for number in range(30)]


def test_errors_of_a_row_name_it() -> None:
    def program(number: int) -> str:
        stream = make.stream(f"row {number}")
        try:
            return stream.result().name
        except Invalid as error:
            return f"{error.row}: {error.text}"

    with Runtime(ScriptedEngine(answers=lambda request: "no" if "row 2" in str(request.prompt) else CHARACTER)):
        assert run(program, range(4)) == ["Ada", "Ada", "2: no", "Ada"]


def _never(text: str) -> str:
    raise ValueError("never good enough")


def test_a_failing_call_raises_after_its_pieces_and_again_for_its_result() -> None:
    @prompt
    def picky(topic: str) -> Annotated[str, AfterValidator(_never)]:
        return ask(topic)

    with scripted("abc"):
        stream = picky.stream("x")
        pieces: list[str] = []
        with pytest.raises(Invalid, match="never good enough"):
            pieces.extend(stream)
        assert pieces == ["a", "b", "c"]
        with pytest.raises(Invalid, match="picky"):
            stream.result()
    with scripted("abc"), pytest.raises(Invalid):
        list(picky.stream("x").partials())


def test_each_kind_of_failure_is_the_one_of_a_plain_call() -> None:
    @prompt
    def listed(topic: str) -> list[int]:
        return ask(topic)

    with scripted("[1, 2, 3]", FinishReason.ERROR, OSError("the card fell off")):
        cut = listed.using(max_tokens=5).stream("x")
        with pytest.raises(Truncated, match="max_tokens=5"):
            cut.result()
        assert cut.text == "[1, 2"
        with pytest.raises(PromptError):
            listed.stream("x").result()
        with pytest.raises(EngineFailed, match="the card fell off"):
            listed.stream("x").result()
    with scripted("abc"), pytest.raises(TimedOut):
        tell.using(timeout=1e-9).stream("x").result()


def test_bad_arguments_fail_in_their_own_stream() -> None:
    @prompt
    def broken(number: int) -> str:
        return ask(f"{1 // number}")

    with scripted("fine"):
        good, bad = broken.stream(1), broken.stream(0)
        assert good.result() == "fine"
        with pytest.raises(BadInput, match="ZeroDivisionError"):
            bad.result()
        with pytest.raises(BadInput):
            next(bad)
        with pytest.raises(TypeError, match="number"):
            broken.stream()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_without_a_runtime_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TYPEFOLD_MODEL", raising=False)
    with pytest.raises(NoRuntime):
        tell.stream("x")


def test_leaving_the_block_withdraws_the_request(held: Held) -> None:
    with tell.stream("x") as stream:
        held.allow(2)
        assert [next(stream), next(stream)] == ["a", "b"]
    held.wait_until_alive(0)
    assert list(stream) == []
    assert stream.text == "ab"
    assert list(stream.partials()) == []
    with pytest.raises(Cancelled, match="tell"):
        stream.result()


def test_closing_withdraws_and_closing_after_the_end_takes_nothing_back(held: Held) -> None:
    stream = tell.stream("x")
    held.wait_until_alive(1)
    stream.close()
    stream.close()
    held.wait_until_alive(0)
    held.allow(20)
    with tell.stream("y") as whole:
        assert whole.result() == "abcdefgh"
    assert whole.result() == "abcdefgh"


def test_a_dropped_stream_is_withdrawn(held: Held) -> None:
    streams = [tell.stream(str(number)) for number in range(4)]
    held.wait_until_alive(4)
    streams.pop()
    held.wait_until_alive(3)
    held.allow()
    for _ in streams.pop():
        break
    held.wait_until_alive(2)
    next(streams.pop().partials())
    held.wait_until_alive(1)
    streams.clear()
    held.wait_until_alive(0)


def test_a_stream_in_a_reference_cycle_is_withdrawn_by_the_garbage_collector(held: Held) -> None:
    stream = tell.stream("x")
    held.wait_until_alive(1)
    cycle: list[object] = [stream]
    cycle.append(cycle)
    del stream, cycle
    gc.collect()
    held.wait_until_alive(0)


def test_an_interrupted_reader_leaves_nothing_in_the_engine(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = tell.stream("x")
    held.wait_until_alive(1)

    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(stream._mailbox, "get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    held.wait_until_alive(0)


def test_leaving_a_run_withdraws_the_streams_of_its_rows(held: Held) -> None:
    ended: list[str] = []

    def program(number: int) -> str:
        if number == 0:
            return "first"
        stream = tell.stream("x")
        try:
            return stream.result()
        except RowCancelled:
            ended.append("row")
            raise

    rows = run.stream(program, range(2))
    assert next(rows)[0] == 0
    rows.close()
    assert ended == ["row"]
    held.wait_until_alive(0)


def test_a_closed_runtime_cancels_its_streams() -> None:
    runtime = Runtime(Held("abc", "abc"))
    stream = tell.using(runtime=runtime).stream("x")
    seen: list[PromptError] = []

    def program(number: int) -> str:
        try:
            return tell.using(runtime=runtime).stream("y").result()
        except PromptError as error:  # in a row, it is no `Exception`
            seen.append(error)
            return "swallowed"

    threading.Timer(0.05, runtime.close).start()
    [result] = run.safe(program, range(1))
    assert isinstance(result.failure(), Cancelled)
    assert not seen
    with pytest.raises(Cancelled):
        stream.result()


def test_an_answer_without_pieces_comes_in_one() -> None:
    class Silent(ScriptedEngine):
        def deltas(self) -> Sequence[Delta]:
            return ()

    with Runtime(Silent(answers=lambda request: CHARACTER)):
        assert list(make.stream("Mars")) == [CHARACTER]
        assert list(make.stream("Mars").partials()) == [{"name": "Ada", "age": 36}]


def test_equal_requests_stream_each_for_itself() -> None:
    class Settled(ScriptedEngine):
        def identity(self, request: Request) -> str | None:
            return "the same"

    with Runtime(Settled(answers=lambda request: CHARACTER)):
        whole = make("Mars")
        first, second = make.stream("Mars"), make.stream("Mars")
        assert list(first) == list(second) == list(CHARACTER)
        assert whole == first.result() == second.result()


def test_a_call_that_asks_again_has_a_part_for_each_answer() -> None:
    with scripted("no", CHARACTER, "no", CHARACTER):
        stream = make.using(retries=1).stream("x")
        seen = [(stream.part, piece, stream.text) for piece in stream]
        assert seen[:3] == [(1, "n", "n"), (1, "o", "no"), (2, "{", "{")]
        assert stream.result() == Character(name="Ada", age=36)
        assert stream.text == CHARACTER
        partials = list(make.using(retries=1).stream("x").partials())
        assert partials[0] == {}
        assert partials[-1] == {"name": "Ada", "age": 36}


def test_thoughts_are_a_part_of_their_own_and_no_partials() -> None:
    @prompt(describe_format=False)
    def add(sum: str) -> Reasoned[list[int]]:
        return ask(sum)

    with scripted("[7] is it.", "[4]", "[7] is it.", "[4]"):
        stream = add.stream("2 + 2")
        texts = ["", "", ""]
        for piece in stream:
            texts[stream.part] += piece
        assert texts == ["", "[7] is it.", "[4]"]
        assert stream.result() == Reasoned(value=[4], reasoning="[7] is it.")
        assert list(add.stream("2 + 2").partials()) == [[], [4]]


def test_forms_that_sample_nothing_have_no_pieces() -> None:
    @prompt
    def score(text: str) -> Scored[Literal["keep", "drop"]]:
        return ask(text)

    @prompt(describe_format=False)
    def logged(text: str) -> Logged[list[int]]:
        return ask(text)

    with Runtime(ScriptedEngine(answers=lambda request: "keep")):
        stream = score.stream("x")
        assert list(stream) == []
        assert stream.result().value == "keep"
        assert list(score.stream("x").partials()) == []
    with scripted("[4]"):
        assert list(logged.stream("x").partials()) == [[], [4]]


def test_what_on_delta_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fails(text: str) -> None:
        raise ValueError(text)

    with Runtime(ScriptedEngine(answers=lambda request: "ab")) as runtime:
        futures = runtime.submit([Request(prompt="1", on_delta=fails), Request(prompt="2")])
        outcomes: list[Outcome] = [future.result(30) for future in futures]
    assert [outcome.text for outcome in outcomes] == ["ab", "ab"]
    assert "on_delta" in caplog.text


def test_a_stream_says_how_far_it_is() -> None:
    with scripted("abc", "abc"):
        stream = tell.stream("x")
        next(stream)
        assert repr(stream) == "<stream of tell: running, 1 characters>"
        stream.result()
        assert repr(stream) == "<stream of tell: ended, 3 characters>"
        with tell.stream("y") as left:
            pass
        assert repr(left) == "<stream of tell: closed, 0 characters>"


def test_async_streams_are_read_side_by_side(assembled: MakeEngine) -> None:
    async def read(number: int) -> tuple[list[str], str]:
        stream = make_later.stream(f"row {number}")
        return [piece async for piece in stream], (await stream.result()).name

    async def main() -> list[tuple[list[str], str]]:
        return await asyncio.gather(*(read(number) for number in range(20)))

    with Runtime(assembled(20, lambda request: CHARACTER)):
        assert asyncio.run(main()) == [(list(CHARACTER), "Ada")] * 20


def test_an_async_stream_has_partials_and_blocks_and_errors() -> None:
    async def main() -> None:
        partials = [value async for value in make_later.stream("x").partials()]
        assert partials[-1] == {"name": "Ada", "age": 36}
        assert len(partials) > 4
        with pytest.raises(Invalid):
            await make_later.stream("x").result()
        async with tell_later.stream("x") as stream:
            assert await anext(stream) == "a"
        assert [piece async for piece in stream] == []
        with pytest.raises(Cancelled, match="tell_later"):
            await stream.result()
        assert repr(stream) == "<stream of tell_later: closed, 1 characters>"
        assert stream.text == "a"

    with scripted(CHARACTER, "no", "abc"):
        asyncio.run(main())


def test_cancelling_the_task_withdraws_the_request(held: Held) -> None:
    async def main() -> None:
        stream = tell_later.stream("x")
        task = asyncio.create_task(stream.result())
        held.allow()
        while not stream.text:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    held.wait_until_alive(0)


def test_a_dropped_async_stream_is_withdrawn_and_its_loop_may_be_gone(held: Held) -> None:
    async def main() -> AsyncStream[str]:
        held.allow()
        stream = tell_later.stream("x")
        assert await anext(stream) == "a"
        return stream

    stream = asyncio.run(main())
    held.allow(20)
    assert asyncio.run(stream.result()) == "abcdefgh"  # in another loop
    stream = asyncio.run(main())
    del stream
    held.wait_until_alive(0)


def test_leaving_something_for_a_closed_loop_does_no_harm() -> None:
    mailbox: AsyncMailbox[int] = AsyncMailbox()
    loop = asyncio.new_event_loop()
    mailbox._waiting = loop.create_future()
    loop.close()
    mailbox.put(3)
    assert asyncio.run(mailbox.get()) == 3


def test_async_rows_of_a_run_stream() -> None:
    async def program(number: int) -> str:
        return "".join([piece async for piece in tell_later.stream(f"row {number}")])

    with Runtime(ScriptedEngine(answers=lambda request: "abc")):
        assert run(program, range(10)) == ["abc"] * 10


def test_methods_stream_too() -> None:
    class Critic:
        @prompt
        def rate(self, text: str) -> str:
            return ask(text)

    with scripted("good"):
        stream: Stream[str] = Critic().rate.stream("x")
        assert list(stream) == list("good")


def test_memory_is_bounded_by_the_answers_and_not_by_the_streams() -> None:
    dropped: list[weakref.ref[object]] = []
    with Runtime(ScriptedEngine(answers=lambda request: "abc")):
        for number in range(50):
            stream = tell.stream(str(number))
            assert stream.result() == "abc"
            dropped.append(weakref.ref(stream))
            del stream
            assert dropped[-1]() is None  # at once: no cycle holds it
    with Runtime(ScriptedEngine(answers=lambda request: "no")):
        failed = make.stream("x")
        with pytest.raises(Invalid):
            failed.result()
        dropped.append(weakref.ref(failed))
    del failed
    gc.collect()  # an error and its traceback refer to each other
    assert not any(reference() for reference in dropped)


def test_the_text_is_what_is_decoded() -> None:
    with Runtime(ScriptedEngine(seed=7, exotic=0.5, tokens_per_step=3)):
        for number in range(20):
            stream = make.stream(str(number))
            text = "".join(stream)
            assert stream.result() == Character.model_validate(json.loads(text))
