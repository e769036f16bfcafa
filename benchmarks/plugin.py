"""The cost of the mypy plugin: mypy's time over 800 prompt functions in 300 files, with and without it.

    python benchmarks/plugin.py [functions [files [rounds]]]

Each run is a process of its own, and its CPU time is what is counted; runs with and without take turns, so that what else
a machine does falls on both. "no cache" checks the libraries too, as in CI; after that comes a run with all of the program
edited, one with nothing edited, and one with a single module edited.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = """
from typing import Annotated, Literal
from pydantic import BaseModel, Field

class Character{n}(BaseModel):
    name: Annotated[str, Field(max_length=40)]
    age: Annotated[int, Field(ge=0, le=120)]
    role: Literal["hero", "villain", "witness"]
    traits: list[Annotated[str, Field(max_length=20)]] = []

class Scene{n}(BaseModel):
    lead: Character{n}
    others: list[Character{n}] = []
    mood: Literal["grim", "funny"] | None = None
"""
PLAIN = '''
@prompt(max_tokens=200, temperature=0.8)
def backstory{n}(character: Character{m}, mood: Literal["grim", "funny"]) -> str:
    """Write a backstory."""
    return ask(
        system("You write two-sentence backstories."),
        user(f"Write a {{mood}} backstory for {{character.name}}, aged {{character.age}}."),
    )
'''
TEMPLATE = '''
@prompt
def scene{n}(lead: Character{m}, others: list[Character{m}], place: str) -> Scene{m}:
    """Set scene {n} in {{{{ place | trim }}}} with {{{{ lead.name }}}}, aged {{{{ lead.age }}}}.

    {{% for other in others if other.role != "witness" -%}}
    - {{{{ loop.index }}}}. {{{{ other.name }}}}: {{{{ other.traits | join(", ") }}}}
    {{% endfor %}}
    """
    return ask()
'''
USE = """
def program{n}(setting: str) -> tuple[Scene{m}, str]:
    hero = Character{m}(name="Ada", age=36, role="hero")
    shown = scene{a}(hero, [hero], setting)
    return shown, backstory{b}(shown.lead, mood="grim")
"""


def write(folder: Path, functions: int, files: int) -> None:
    """A program: a third of its files holds models, half as many as there are functions, and the others prompts and calls."""
    modules = max(files // 3, 1)
    for module in range(modules):
        numbers = range(module * functions // modules, (module + 1) * functions // modules)
        models = sorted({number // 4 for number in numbers})
        (folder / f"models{module}.py").write_text("".join(MODELS.format(n=model) for model in models))
        for half in (0, 1):
            text = "from typing import Literal\nfrom typefold import ask, prompt, system, user\n"
            text += f"from models{module} import *\n" + ("" if half else f"from prompts{module}_1 import *\n")
            for number in numbers:
                if number % 2 == half:
                    text += (TEMPLATE if number % 2 else PLAIN).format(n=number, m=number // 4)
                elif not half and number - 1 in numbers:
                    text += USE.format(n=number, m=number // 4, a=number, b=number - 1)
            (folder / f"prompts{module}_{half}.py").write_text(text)


def cpu(folder: Path, config: str, cache: Path) -> float:
    """The CPU time of one run of mypy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", str(cache), "."],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(folder: Path, config: str, number: int) -> dict[str, float]:
    """Each situation once with one configuration."""
    cache = folder / f"cache-{config}"
    shutil.rmtree(cache, ignore_errors=True)
    times = {"no cache": cpu(folder, config, cache)}
    for each in (*folder.glob("models*.py"), *folder.glob("prompts*.py")):
        each.write_text(each.read_text() + f"\nNAME_{number} = 1\n")
    times["all edited"] = cpu(folder, config, cache)
    times["nothing edited"] = cpu(folder, config, cache)
    edited = folder / "prompts0_0.py"
    edited.write_text(edited.read_text() + f"\nOTHER_{number} = 1\n")
    times["one file edited"] = cpu(folder, config, cache)
    return times


def main(functions: int = 800, files: int = 300, rounds: int = 5) -> None:
    """Print the table."""
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, functions, files)
        for config, plugins in (("without.ini", "pydantic.mypy"), ("with.ini", "pydantic.mypy, typefold.mypy")):
            (folder / config).write_text(f"[mypy]\nstrict = True\nplugins = {plugins}\nfollow_imports = silent\n")
            cpu(folder, config, folder / "first")  # for bytecode; what it costs to compile is not counted
        for number in range(rounds):
            for config in ("without.ini", "with.ini")[:: 1 if number % 2 else -1]:
                for name, time in measured(folder, config, number * 2 + config.startswith("with.")).items():
                    found.setdefault((name, config), []).append(time)
    print(
        f"{functions} prompt functions in {files} files, seconds of CPU, the least of {rounds} rounds (and the rounds' ratios)"
    )
    print(f"{'':<20}{'without':>10}{'with':>10}{'more':>10}")
    for name in dict.fromkeys(name for name, _ in found):
        without, with_it = found[name, "without.ini"], found[name, "with.ini"]
        ratios = [more / less - 1 for less, more in zip(without, with_it, strict=True)]
        least, more = min(without), min(with_it) - min(without)
        print(
            f"{name:<20}{least:>10.2f}{least + more:>10.2f}{more:>+9.2f}s {more / least:>+7.1%}"
            f"  ({min(ratios):+.0%} to {max(ratios):+.0%})"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
