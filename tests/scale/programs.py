"""Programs that the actors of these tests run. They are a module, since actors import them by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import override

from typefold import ask, prompt
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


class Log:
    """Lines of several processes in one file, in the order in which they were written."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def write(self, line: str) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{line}\n".encode())
        os.close(file)

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


class LoggedEngine(ScriptedEngine):
    """Writes down what it is asked: `asked` and the end of the prompt."""

    def __init__(self, log: Log) -> None:
        super().__init__(seed=1, max_num_seqs=8)
        self._log = log

    @override
    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        last = request.prompt[-1]
        self._log.write(f"asked {last if isinstance(last, str) else last.content}")
        super().add(key, request, token_ids, max_tokens)


class Tag(BaseModel):
    label: Literal["good", "bad"]
    weight: Annotated[int, Field(ge=0, le=9)]


class Review(BaseModel):
    title: Annotated[str, Field(max_length=12)]
    tags: Annotated[list[Tag], Field(max_length=2)]


class Aliased(BaseModel):
    size: int = Field(alias="Size")


class Item(BaseModel):
    id: int
    text: str


@prompt(temperature=0)
def review(text: str) -> Review:
    return ask(f"Review {text}.")


@prompt(temperature=0)
def number(text: str) -> Annotated[int, Field(ge=-(10**9), le=10**9)]:  # a column of a table holds no larger one
    return ask(f"A number for {text}")


@prompt
async def holds(text: str) -> bool:
    return ask(f"Is {text} so?")


@prompt(temperature=0.9)
def mood() -> Literal["grim", "funny", "calm", "odd"]:
    return ask("Name a mood.")


def reviewed(id: int, text: str) -> Review | None:
    """A program of two calls, which fails for some rows and gives nothing for others."""
    if id % 10 == 3:
        raise ValueError(f"no review of {text}")
    return review(text) if number(text) % 2 == 0 or id % 10 else None


def of_item(item: Item) -> str:
    return f"{item.id}: {item.text}"


def leaving(id: int) -> int:
    return sys.exit(3) if id == 2 else id


async def leaving_later(id: int) -> int:
    return leaving(id)


def aliased(id: int) -> Aliased:
    return Aliased(Size=id)


def huge(id: int) -> int:
    return 2**70 if id == 1 else id


def felt(id: int) -> tuple[str, str, str]:
    """Sampled freely, so that only the row tells its calls apart."""
    return mood(), mood(), mood()


def deadly(id: int, text: str, log: str) -> int:
    """Says what it has answers for; kills its process at one row, the first time it comes there."""
    value = number(text)
    written = Log(log)
    written.write(f"answered {text}")
    if id == 30 and "dead" not in written.lines():
        written.write("dead")
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def bare(id: Any) -> Any:
    """With no types there is one that holds anything: JSON."""
    return {"id": id}


_alone: list[str] = []  # logs in which no second process has come for long


def together(id: int, log: str) -> int:
    """The process that has the row. A row waits until two processes have one."""
    lines = Log(log)
    lines.write(str(os.getpid()))
    left = 600
    while log not in _alone and len(set(lines.lines())) < 2:
        time.sleep(0.05)
        left -= 1
        if not left:
            _alone.append(log)
    return os.getpid()
