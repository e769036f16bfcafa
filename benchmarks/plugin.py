"""What the mypy plugin costs: mypy's time over 200 prompt functions, with and without it.

    python benchmarks/plugin.py [functions]

Each run is a process of its own, its CPU time is what is counted, and the best of three is shown. "cold" starts without a
cache for the program, "libraries" without any, "warm" with nothing changed, "one edit" with one of ten modules changed.
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
    """Set a scene in {{{{ place | trim }}}} with {{{{ lead.name }}}}, aged {{{{ lead.age }}}}.

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


def write(folder: Path, functions: int) -> None:
    """A program of ten modules, with half as many models as functions."""
    for module in range(10):
        numbers = range(module * functions // 10, (module + 1) * functions // 10)
        models = sorted({number // 4 for number in numbers})
        (folder / f"models{module}.py").write_text("".join(MODELS.format(n=model) for model in models))
        text = "from typing import Literal\nfrom typefold import ask, prompt, system, user\n"
        text += f"from models{module} import *\n"
        for number in numbers:
            text += (TEMPLATE if number % 2 else PLAIN).format(n=number, m=number // 4)
            if number % 2:
                text += USE.format(n=number, m=number // 4, a=number, b=number - 1)
        (folder / f"prompts{module}.py").write_text(text)


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


def measured(folder: Path, config: str) -> dict[str, float]:
    """Each situation with one configuration."""
    found: dict[str, float] = {}
    cache = folder / f"cache-{config}"
    for _ in range(3):
        shutil.rmtree(cache, ignore_errors=True)
        times = {"libraries": cpu(folder, config, cache)}
        for each in (*folder.glob("models*.py"), *folder.glob("prompts*.py")):
            each.write_text(each.read_text() + f"\nNAME_{len(found)}_{os.getpid()} = 1\n")
        times["cold"] = cpu(folder, config, cache)
        times["warm"] = cpu(folder, config, cache)
        edited = folder / "prompts3.py"
        edited.write_text(edited.read_text() + "\nOTHER = 1\n")
        times["one edit"] = cpu(folder, config, cache)
        found = {name: min(time, found.get(name, time)) for name, time in times.items()}
    return found


def main(functions: int = 200) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, functions)
        (folder / "without.ini").write_text("[mypy]\nstrict = True\nplugins = pydantic.mypy\nfollow_imports = silent\n")
        (folder / "with.ini").write_text(
            "[mypy]\nstrict = True\nplugins = pydantic.mypy, typefold.mypy\nfollow_imports = silent\n"
        )
        without, with_it = measured(folder, "without.ini"), measured(folder, "with.ini")
    print(f"{functions} prompt functions, seconds of CPU, best of three")
    print(f"{'':<12}{'without':>10}{'with':>10}{'more':>10}")
    for name in without:
        more = with_it[name] - without[name]
        print(f"{name:<12}{without[name]:>10.2f}{with_it[name]:>10.2f}{more:>+9.2f}s {more / without[name]:>+7.0%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
