"""Requests of every kind, whose answers lie in `formats/`: a journal and a recording of each version, readable for ever.

    cd tests/journal/formats && python ../samples.py VERSION

writes `journal-VERSION.db` and `recording-VERSION.db`, once for each version, by the code of that time. Files of an earlier
version are never written again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from typefold import Adapter, Journal, Runtime, system, user
from typefold.runtime import Outcome, Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing.cassette import settle

FOLDER = Path(__file__).with_name("formats")


def requests() -> list[Request]:
    """Greedy, seeded and sampled ones, with all that a key is made of; the sampled one is there twice."""
    asked = (system("Be brief."), user("Zürich \U0001f30d?"))
    sampled = Request(prompt=asked, sampling={"temperature": 0.8}, place=b"a row", function="sampled", row=3)
    return [
        Request(prompt=asked, sampling={"temperature": 0}, function="greedy", row=0),
        Request(prompt="Mars is", sampling={"temperature": 0, "max_tokens": 5}, function="cut"),
        Request(prompt=asked, sampling={"seed": 7, "logprobs": 2}, function="seeded", attempt=2),
        sampled,
        sampled,
        Request(prompt=asked, sampling={"seed": 1}, chat_template_kwargs={"mood": ["grim"]}, function="templated"),
        Request(prompt=asked, sampling={"seed": 1}, begun=(3, 5), thinking=True, function="begun"),
        Request(
            prompt=asked, sampling={"seed": 1}, options={"lora_request": Adapter("a", "adapter")}, function="adapted"
        ),
    ]


TOO_LONG = Request(prompt="Mars " * 400, function="too_long", row=4)
"""Turned away before a model is asked; kept from the second format on."""


class FolderEngine(ScriptedEngine):
    """An engine of a model in a folder."""

    def __init__(self) -> None:
        super().__init__(seed=3, max_model_len=1000, model="model")


def outcomes(futures: Sequence[Future[Outcome]]) -> list[Outcome]:
    return [future.result(60) for future in futures]


def main(version: str) -> None:
    path, recording = Path(f"journal-{version}.db"), Path(f"recording-{version}.db")
    with Runtime(FolderEngine(), journal=path) as runtime:
        outcomes(runtime.submit(requests()))
        [future] = runtime.submit([TOO_LONG])
        future.exception(60)
    Journal(path).close()
    settle(path, recording)


if __name__ == "__main__":
    main(sys.argv[1])
