"""A search to be killed, which says what goes to the engine.

    python search_program.py JOURNAL LOG OUTPUT [MODEL]

Without a model the scripted engine answers. Each line of the log is one write, so it is there whatever happens to the process
afterwards: the prompt of a request as it goes to the engine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Literal

from typing_extensions import override

from typefold import Runtime, ask, prompt
from typefold.evaluation import Case
from typefold.optimization import optimize
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

Kind = Literal["bill", "other", "plea"]


class Log:
    """Prompts that survive the process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, request: Request) -> None:
        asked = (
            request.prompt
            if isinstance(request.prompt, str)
            else [(each.role, each.content) for each in request.prompt]
        )
        os.write(self._file, (json.dumps([request.function, asked]) + "\n").encode())


class LoggedEngine(ScriptedEngine):
    def __init__(self, log: Log) -> None:
        super().__init__(max_num_seqs=16, seed=3)
        self._log = log

    @override
    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        self._log.write(request)
        super().add(key, request, token_ids, max_tokens)


@prompt(temperature=0.8, max_tokens=8)
def topic(mail: str) -> str:
    return ask(f"Topic of {mail}?")


@prompt(temperature=0)
def kind_of(topic: str, mail: str) -> Kind:
    """Say which kind of mail this is.

    {{ mail }} ({{ topic }})"""
    return ask()


def program(mail: str) -> Kind:
    return kind_of(topic(mail), mail)


CASES: list[Case[str, Kind]] = [Case(f"Mail {number}", ("bill", "other", "plea")[number % 3]) for number in range(90)]


def main(journal: str, log_path: str, output: str, model: str | None = None) -> None:
    with _runtime(journal, Log(log_path), model) as runtime:
        found = optimize(
            program, CASES[:60], validation=CASES[60:], budget=260, candidates=6, max_examples=3, instructions=2, seed=4
        )
        print(runtime.stats.from_journal, "from the journal")
    result: dict[str, Any] = {
        "prompts": repr(found.prompts.prompts),
        "evaluation": found.prompts.evaluation,
        "rounds": [repr(each) for each in found.rounds],
        "rollouts": [found.rollouts, found.tokens],
        "answers": [row.value for row in found.validation.after.rows],
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(result, file)


def _runtime(journal: str, log: Log, model: str | None) -> Runtime:
    if model is None:
        return Runtime(LoggedEngine(log), journal=journal)
    from typefold.runtime.engines.vllm.engine import VllmEngine, load

    class LoggedVllm(VllmEngine):
        def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
            log.write(request)
            super().add(key, request, token_ids, max_tokens)

    # Texts of batches of other sizes are compared.
    engine = load(model, max_model_len=1024, max_num_seqs=8, dtype="float32")
    engine.__class__ = LoggedVllm
    return Runtime(engine, journal=journal, seed=5)


if __name__ == "__main__":
    main(*sys.argv[1:])
