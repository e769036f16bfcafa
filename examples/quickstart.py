"""Typed characters from a real model, then a composed program over them.

python examples/quickstart.py                      # SmolLM2-135M, made ready once, on the CPU
python examples/quickstart.py Qwen/Qwen3-4B        # any model that vLLM can load
"""

import sys
import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, demo_model, prompt, system, user


class Character(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=30)]
    age: Annotated[int, Field(ge=8, le=99)]
    role: Literal["hero", "villain", "witness"]


@prompt(temperature=0.9, seed=7)
def make_character(setting: str) -> Character:
    return ask(f"Invent one character who lives in {setting}.")


@prompt(max_tokens=60, temperature=0.7, seed=7)
def backstory(character: Character) -> str:
    return ask(
        system("You write two short sentences."),
        user(f"Write the backstory of {character.name}, a {character.role} aged {character.age}."),
    )


@prompt(temperature=0)
def judge(text: str) -> Literal["grim", "funny", "plain"]:
    """Is this text grim, funny or plain?

    {{ text }}"""
    return ask()


def scene(setting: str) -> tuple[Character, str]:
    """A program: plain Python over typed values."""
    hero = make_character(setting)
    text = backstory(hero)
    return hero, f"({judge(text)}) {text.strip()}"


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else demo_model()
    console = Console()
    settings = ["a lighthouse", "the desert", "a submarine", "Paris", "a space station", "a small farm"]
    with Runtime(model, max_model_len=2048) as runtime:
        console.print("Loading the model ...")
        runtime.generate("Say hello.", max_tokens=1)  # so that loading is not in the rate below
        loaded = runtime.stats
        started = time.perf_counter()

        characters = make_character.map(settings)  # one batch; a list[Character]
        table = Table("setting", "name", "age", "role")
        for setting, character in zip(settings, characters, strict=True):
            table.add_row(setting, character.name, str(character.age), character.role)
        console.print(table)

        hero, text = scene("a lighthouse")
        console.print(hero, text, sep="\n")

        seconds = time.perf_counter() - started
        tokens = runtime.stats.output_tokens - loaded.output_tokens
        calls = runtime.stats.succeeded - loaded.succeeded
        console.print(f"{calls} calls, {tokens} tokens in {seconds:.1f} s: {tokens / seconds:.0f} tokens/s")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    main()
