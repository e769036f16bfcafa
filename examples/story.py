"""Short stories in several stages, written by a plain program for one story and run for many as one batch.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/story.py --rows 6

`write` invents characters, writes a scene for each step of the plot, lets an editor judge it, and writes it once more where
the editor is not content. It is ordinary Python with a loop and conditions. `run` runs it for every setting at once: the
stories go on side by side, each at its own pace, and their calls share the engine's batch, whatever they ask.
"""

import time
from typing import Annotated, Literal, NamedTuple

import typer
from pydantic import BaseModel, Field
from returns.result import Success
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from typefold import Runtime, ask, current, example, prompt, run, system, user

SETTINGS = ["a lighthouse", "a night train", "a market in Lagos", "a submarine", "an old library", "a farm on Mars"]
Step = Literal["the beginning", "the trouble", "the end"]
Verdict = Literal["good", "boring", "confusing"]


class Character(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=20, pattern=r"^[A-Z][a-z]+( [A-Z][a-z]+)?$")]
    age: Annotated[int, Field(ge=8, le=90)]
    wish: Annotated[str, Field(pattern=r"^to [a-z]{1,14}( [a-z]{1,14}){1,6}$")]


class Story(NamedTuple):
    title: str
    cast: list[Character]
    scenes: list[str]
    rewritten: int


@prompt(temperature=0.9)
def invent(setting: str) -> Annotated[list[Character], Field(min_length=2, max_length=2)]:
    return ask(f"Invent two people of different ages who meet in {setting}. Say what each of them wishes to do.")


@prompt(temperature=0.7, max_tokens=60)
def tell(setting: str, cast: list[Character], step: Step, before: str) -> str:
    """Tell {{ step }} of a story set in {{ setting }}, in two short sentences.
    {% for someone in cast %}{{ someone.name }} is {{ someone.age }} and wishes {{ someone.wish }}.
    {% endfor %}{% if before %}Go on from here: {{ before }}{% endif %}"""
    return ask()


@prompt(
    temperature=0,
    examples=[
        example("good", scene="The lamp went out. Ada climbed the stairs and heard somebody breathe above her."),
        example("boring", scene="It was a day like any other. Then there was one more day like any other."),
        example(
            "confusing", scene="The second of them was the first, which is why the boat, or it, had been a Tuesday."
        ),
    ],
)
def review(scene: str) -> Verdict:
    return ask(system("You are a strict editor."), user(f"Is this scene good, boring or confusing?\n{scene}"))


@prompt(temperature=0.7, max_tokens=60)
def mend(scene: str, verdict: Verdict) -> str:
    return ask(f"An editor found this scene {verdict}. Write it better, in two short sentences.\n{scene}")


@prompt(temperature=0.7)
def name(scenes: list[str]) -> Annotated[str, Field(pattern=r"^[A-Z][a-z]{1,14}( [A-Za-z][a-z]{0,14}){1,4}$")]:
    return ask(f"Give this story a title of a few words, without quotation marks.\n{' '.join(scenes)}")


def write(setting: str) -> Story:
    """One story: a plain program over typed values."""
    cast = invent(setting)
    scenes: list[str] = []
    rewritten = 0
    steps: tuple[Step, ...] = ("the beginning", "the trouble", "the end")
    for step in steps:
        scene = tell(setting, cast, step, scenes[-1] if scenes else "")
        if (verdict := review(scene)) != "good":
            scene = mend(scene, verdict)
            rewritten += 1
        scenes.append(whole_sentences(scene))
    return Story(name(scenes), cast, scenes, rewritten)


def whole_sentences(text: str) -> str:
    """The text without a last sentence that the limit on tokens cut off."""
    end = max(text.rfind(mark) for mark in ".!?")
    return " ".join((text[: end + 1] or text).split())


def main(rows: int = len(SETTINGS)) -> None:
    console = Console()
    settings = [SETTINGS[row % len(SETTINGS)] for row in range(rows)]
    before, started = current().stats, time.perf_counter()
    stories = run.safe(write, settings)
    seconds, after = time.perf_counter() - started, current().stats

    for setting, result in zip(settings, stories, strict=True):
        if isinstance(result, Success):
            story = result.unwrap()
            cast = "\n".join(f"{each.name}, {each.age}, wishes {each.wish}" for each in story.cast)
            text = "\n\n".join([f"[i]{escape(cast)}[/i]", *map(escape, story.scenes)])
            subtitle = f"{setting}, {story.rewritten} of {len(story.scenes)} scenes rewritten"
            console.print(Panel(text, title=escape(story.title), subtitle=subtitle))
        else:
            console.print(f"{setting}: {result.failure()}", style="red", markup=False)
    calls, tokens = after.succeeded - before.succeeded, after.output_tokens - before.output_tokens
    console.print(f"{rows} stories, {calls} calls, {tokens} tokens in {seconds:.1f} s (loading included)")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048, seed=7):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
