"""The time that a batch of a new type waits for its grammar: the first batch of a type beside the second.

    python -m benchmarks.cold [--model PATH] [--rows 512] [--types 4] [--process] [--json FILE]

Each type is that of the objects of `benchmarks.beyond` with other names for its fields and another length of its strings, so
that nothing of it is known before: typefold compiles it, prints its grammar, and vLLM's backend compiles that, in threads
beside the first steps. The same batch again has all of it ready. Seconds of both, medians over the types, and their
difference; for bare `LLM.generate` with the JSON schema likewise.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model

from benchmarks.beyond import TASKS, Read, Task, sides, texts
from benchmarks.mixed import engine
from benchmarks.tables import Rows, show
from typefold import Runtime, demo_model


def fresh(number: int) -> Task:
    """The task of the objects, of a type that nothing has seen."""
    objects = TASKS["objects"]
    length = Annotated[str, Field(max_length=20 + number)]
    fields: dict[str, Any] = {
        f"{name}{number}": (length, ...) if field.annotation is str else (field.annotation, field)
        for name, field in Read.model_fields.items()
    }
    return Task(objects.title, create_model(f"Read{number}", **fields), objects.question, objects.max_tokens)


def compare(llm: Any, rows: int, types: int) -> Rows:
    found: dict[str, list[tuple[float, float]]] = {}
    runtime = Runtime(llm, deduplicate=False)
    for number in range(-1, types):  # the first is to warm
        for name in ("bare vLLM", "typefold"):
            # Each side meets a type of its own: the backend remembers grammars by their text.
            task = fresh(2 * number + (name == "typefold") + 2)
            asked = [task.question + text for text in texts(rows)]
            side = sides(llm, {"typefold": runtime}, task, asked, greedy=True)[name]
            seconds: list[float] = []
            for _ in range(2):
                llm.reset_prefix_cache()
                started = time.perf_counter()
                side.run()
                seconds.append(time.perf_counter() - started)
            if number >= 0:
                found.setdefault(name, []).append((seconds[0], seconds[1]))
    runtime.close()
    return [
        {
            "side": name,
            "first batch (s)": round(statistics.median(first for first, _ in pairs), 2),
            "second (s)": round(statistics.median(second for _, second in pairs), 2),
            "waited (s)": round(statistics.median(first - second for first, second in pairs), 2),
            "share": round(statistics.median(first / second - 1 for first, second in pairs), 3),
        }
        for name, pairs in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model name or path; the demo model if left out")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--types", type=int, default=4)
    parser.add_argument("--process", action="store_true", help="the engine in a process of its own")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(arguments.process))
    llm = engine(arguments.model or str(demo_model()), tight=True, enable_prefix_caching=True)
    title = f"{arguments.rows} objects of seven fields, {arguments.types} types new to everything"
    show({title: compare(llm, arguments.rows, arguments.types)}, arguments.json)


if __name__ == "__main__":
    main()
