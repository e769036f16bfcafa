"""A program to be killed: three stages over many rows, which says on the way what was generated and what was answered.

    python crash_program.py JOURNAL LOG OUTPUT ROWS [MODEL]

Without a model the scripted engine answers, 16 requests at once. Each line of the log is one write, so it is there whatever
happens to the process afterwards: `G stage row` as a request goes to the engine, `A stage row` as a row has its answer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import override

from typefold import Runtime, ask, prompt, run
from typefold.runtime import Engine, Request
from typefold.runtime.engines.scripted import ScriptedEngine


class Log:
    """Lines that survive the process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class LoggedEngine(ScriptedEngine):
    """Says what it is asked."""

    def __init__(self, log: Log) -> None:
        super().__init__(max_num_seqs=16, seed=3)
        self._log = log

    @override
    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        self._log.write("G", request.function, request.row)
        super().add(key, request, token_ids, max_tokens)


@prompt(temperature=0.8, max_tokens=200)
def mood() -> Literal["grim", "funny", "calm", "odd"]:
    """The same for every row: only the row tells its calls apart."""
    return ask("Name a mood.")


@prompt(temperature=0)
def title(mood: str, row: int) -> tuple[int, bool]:
    return ask(f"A number and a truth for row {row}, in a {mood} mood.")


@prompt(seed=7, max_tokens=24)
def close(row: int, number: int) -> str:
    return ask(f"A last line for row {row}, with {number}.")


def main(journal: str, log_path: str, output: str, rows: int, model: str | None) -> None:
    log = Log(log_path)

    def program(row: int) -> tuple[str, tuple[int, bool], str]:
        felt = mood()
        log.write("A", "mood", row)
        named = title(felt, row)
        log.write("A", "title", row)
        last = close(row, named[0])
        log.write("A", "close", row)
        return felt, named, last

    engine: str | Engine = LoggedEngine(log) if model is None else model
    runtime = Runtime(engine, journal=journal) if model is None else _real(model, journal, log)
    with runtime:
        results = run(program, range(rows))
        print(json.dumps({"from_journal": runtime.stats.from_journal, "submitted": runtime.stats.submitted}))
    Path(output).write_text(json.dumps(results), encoding="utf-8")


def _real(model: str, journal: str, log: Log) -> Runtime:
    """vLLM, saying what it is asked."""
    from typefold.runtime.engines.vllm.engine import VllmEngine, load

    class LoggedVllm(VllmEngine):
        def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
            log.write("G", request.function, request.row)
            super().add(key, request, token_ids, max_tokens)

    # Texts of batches of other sizes are compared.
    engine = load(model, max_model_len=512, max_num_seqs=8, dtype="float32")
    engine.__class__ = LoggedVllm
    return Runtime(engine, journal=journal, seed=5)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else None)
