"""Programs over many rows: `run` and its forms."""

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from typing import assert_type

import polars
from house import Character, Hero, Verdict, judge, longest, make, make_hero, rate, rated, scene, scene_async
from returns.result import Result

from typefold import Case, Estimate, Forecast, Optimization, Prompt, forecast, optimize, optimized, run


def of_two(text: str, stars: int) -> Verdict:
    return judge(f"{text} {stars}")


of_two_words: Callable[[str], Verdict] = judge


def of_model(character: Character) -> str:
    return character.name


# kind: programs
def programs(
    settings: Sequence[str], pairs: list[tuple[str, int]], numbers: list[int], frame: polars.DataFrame
) -> None:
    assert_type(run(scene, settings), list[tuple[Character, str]])
    assert_type(run(scene_async, settings), list[Verdict])
    assert_type(run(make, settings), list[Character])
    assert_type(run(make_hero, settings), list[Hero])
    assert_type(run(rated, settings), list[Verdict])
    assert_type(run(str.upper, settings), list[str])
    assert_type(run(lambda setting: make(setting).age, settings), list[int])
    assert_type(run(of_model, make_hero.map(settings)), list[str])
    assert_type(run(longest, [["a", "b"], ["c"]]), list[str])
    assert_type(run.starmap(of_two, pairs), list[Verdict])
    assert_type(run.starmap(rate, pairs), list[int])
    assert_type(run.map_rows(of_two, frame), list[Verdict])
    assert_type(run.safe(scene, settings), list[Result[tuple[Character, str], Exception]])
    assert_type(run.stream(make, settings), Generator[tuple[int, Result[Character, Exception]]])
    assert_type(run(make, settings, key=str.upper, max_rows_in_flight=8, max_failures=3), list[Character])
    run(scene, numbers)  # E: rows of the wrong type
    run(scene_async, numbers)  # E: rows of the wrong type, async
    run(make, numbers)  # E: rows of the wrong type, of a prompt
    run(make, [make("Mars")])  # E: models for texts
    run(of_two, settings)  # E: a program of two arguments
    run(rate, settings)  # E: a prompt of two arguments
    run(scene)  # E: rows left out
    run(scene("Mars"), settings)  # E: a value for the program
    run(scene, settings)[0].name  # E: a tuple taken for its part
    run(scene, settings)[0][0].nmae  # E: a typo in a field
    run.starmap(of_two, settings)  # E: texts for tuples
    run.starmap(of_two, [("x", "3")])  # E: a row with a wrong part
    run.starmap(of_two, [("x",)])  # E: a row too short
    run(scene, settings, max_rows_in_flight="8")  # E: a text for a number
    run(scene, settings, max_rows=8)  # E: an option's name mistyped
    names: list[str] = run(make, settings)  # E: a list of others
    run.safe(make, settings)[0].name  # E: a result taken for its value
    for one in run.stream(make, settings):
        one.name  # E: an index and a result taken for the value
    print(names)


# kind: programs
def forecasts(
    settings: Sequence[str], pairs: list[tuple[str, int]], numbers: list[int], frame: polars.DataFrame
) -> None:
    assert_type(forecast(scene, settings), Forecast)
    assert_type(forecast(scene_async, settings, sample=128).hours, Estimate | None)
    assert_type(forecast(make, settings, max_tokens=[100, 200]).output_tokens, Estimate)
    assert_type(forecast.starmap(rate, pairs).rows, int)
    assert_type(forecast.map_rows(of_two, frame, sample=0), Forecast)
    forecast(scene, numbers)  # E: a forecast of rows of the wrong type
    forecast(make, [make("Mars")])  # E: a forecast of models for texts
    forecast(rate, settings)  # E: a forecast of a prompt of two arguments
    forecast.starmap(rate, settings)  # E: a forecast of texts for tuples
    forecast(scene, settings, samples=128)  # E: a forecast's option mistyped
    forecast(scene, settings).hours / 24  # E: a time that may be unknown


# kind: programs
def searches(cases: list[Case[str, Verdict]], pairs: list[Case[tuple[str, int], int]], settings: list[str]) -> None:
    found = optimize(judge, cases, validation=cases, budget=500, instructions=2)
    assert_type(found.function("A dark night."), Verdict)
    assert_type(found.function.map(settings), list[Verdict])
    assert_type(found.validation.difference, Estimate)
    kept: list[Prompt[[str], Verdict]] = [judge, found.function, optimized(judge, "judge.json")]
    assert_type(optimize(of_two_words, cases, strategy="random"), Optimization[Callable[[str], Verdict]])
    assert_type(optimize.starmap(rate, pairs).function("A dark night.", 3), int)
    assert_type(optimized(scene, found.prompts)("Mars"), tuple[Character, str])
    optimize(judge, settings)  # E: a search over rows without labels
    optimize(judge, cases, budgets=500)  # E: a search's option mistyped
    optimize(judge, cases, strategy="greedy")  # E: a search's strategy mistyped
    optimize(judge, cases)("A dark night.")  # E: a search taken for the function that it found
    found.function(3)  # E: a number for the text of the function found
    optimized(judge, 3)  # E: a number for a file
    print(kept)


def streamed(endless: Iterator[str]) -> int:
    for index, result in run.stream(scene, endless):
        assert_type(index, int)
        assert_type(result, Result[tuple[Character, str], Exception])
    return 0


async def awaited(settings: Sequence[str], numbers: list[int]) -> None:
    assert_type(await run.aio(scene, settings), list[tuple[Character, str]])
    assert_type(await run.aio(scene_async, settings), list[Verdict])
    assert_type(await run.aio(make, settings, max_failures=3), list[Character])
    assert_type(await run.aio.safe(scene_async, settings), list[Result[Verdict, Exception]])
    assert_type(run.aio.stream(make, settings), AsyncGenerator[tuple[int, Result[Character, Exception]]])
    async for index, result in run.aio.stream(scene_async, settings):
        assert_type(index, int)
        assert_type(result, Result[Verdict, Exception])
    await run.aio(scene_async, numbers)  # E: rows of the wrong type, awaited
    (await run.aio(make, settings))[0].nmae  # E: a typo in a field, awaited
    run.aio(make, settings)[0]  # E: an await forgotten, of a run
    for _ in run.aio.stream(make, settings):  # E: an async stream of rows in a plain loop
        pass
