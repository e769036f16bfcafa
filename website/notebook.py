"""A notebook with everything that typefold shows in one, run and photographed (`make notebook-pictures`).

It runs in an environment of its own, on the scripted engine, so that no model is needed; a headless browser takes the pictures,
one of each cell and one of a batch under way, into `build/notebook`. They are to be looked at: no test can tell if something looks right.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

CELLS = (
    """\
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typefold import Journal, Runtime, Scored, ask, compare, evaluate, forecast, prompt, to_frame
from typefold.runtime.engines.scripted import ScriptedEngine


class Character(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    age: Annotated[int, Field(ge=0, le=120)]
    role: Literal["hero", "villain", "witness"]


@prompt
def make_character(setting: str) -> Character:
    return ask(f"Invent a character who lives in {setting}.")


@prompt
def sort(text: str) -> Scored[Literal["keep", "drop"]]:
    return ask(f"Keep or drop? {text}")


@prompt
def sort_strictly(text: str) -> Scored[Literal["keep", "drop"]]:
    return ask(f"Keep or drop? Be strict. {text}")


make_character""",
    "make_character.explain()",
    """\
runtime = Runtime(lambda: ScriptedEngine(seed=1, exotic=0, max_num_seqs=16, step_seconds=0.005), journal="run.db")
settings = [f"island number {number}" for number in range(400)]
with runtime:
    results = make_character.safe.map([*settings, None])""",
    "results[:3]",
    "to_frame(results[-4:], Character, to='pandas')",
    "runtime.stats",
    "runtime.history[-2]",
    """\
texts = ["It rained.", "Buy now!", "She laughed.", "Click here.", "The end."] * 6
labels = ["keep", "drop", "keep", "drop", "keep"] * 6
with Runtime(lambda: ScriptedEngine(seed=3)):
    report = evaluate(sort, texts, labels)
    outcome = compare(sort, sort_strictly, texts, labels)
report""",
    "outcome",
    """\
with Runtime(lambda: ScriptedEngine(seed=4)):
    cost = forecast(make_character, settings)
cost""",
    """\
journal = Journal("run.db", read_only=True)
journal""",
    "next(journal.records())",
    "import pandas as pd\n\npd.DataFrame(journal.records(last=3))[['function', 'row', 'text', 'output_tokens']]",
    """\
with Runtime(lambda: ScriptedEngine(seed=1)):
    make_character.map(["Mars", None, "Paris"])""",
)


def _installed(name: str) -> Any:
    return import_module(name)  # in the environment of notebooks alone


async def _execute(client: Any, batch: Any) -> Any:
    """Run the notebook, and return the cell of a batch as it was on the way."""
    running = asyncio.create_task(client.async_execute())
    while not running.done() and " left" not in str(batch.outputs):
        await asyncio.sleep(0.1)
    live = deepcopy(batch)
    await running
    return live


def main(folder: Path) -> None:
    """Write, run and photograph the notebook."""
    nbformat, nbclient, nbconvert = map(_installed, ("nbformat", "nbclient", "nbconvert"))
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("no chromium here: install it (Debian: apt-get install chromium), or put one on the PATH")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120)
    live = asyncio.run(_execute(client, notebook.cells[2]))
    exporter = nbconvert.HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True)
    for number, cell in enumerate([live, *notebook.cells]):
        one = nbformat.v4.new_notebook(cells=[cell], metadata=notebook.metadata)
        page = Path(f"{number:02}.html")
        page.write_text(exporter.from_notebook_node(one)[0], encoding="utf-8")
        shot = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--window-size=1000,1500",
            f"--screenshot={number:02}.png",
        ]
        subprocess.run([browser, *shot, page.absolute().as_uri()], check=True, capture_output=True)
    Path("notebook.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    print(f"look at {folder}/*.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
