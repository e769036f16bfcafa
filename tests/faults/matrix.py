"""The fault matrix: what is promised of each fault, and the table of it for `docs/reliability.md`.

Each entry says what becomes of the row that the fault is about, of those in the engine's hands with it, of one that ended
before, and of the runtime afterwards. `test_matrix.py` tries each in each way of calling, so the table can't say what is
not so.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typefold.runtime import EngineGone, FinishReason

from .breaking import FAULTY, World, hangs, late, nothing, raises, signalled

__all__ = ["FAULTS", "Ends", "Fault", "table"]

VALUE = "value"


@dataclass(frozen=True)
class Ends:
    """What becomes of what.

    Attributes:
        faulty: Of the faulty row: `value`, the name of an error, or what the call raised.
        beside: Of those in flight with it.
        early: Of the row that had ended.
        usable: Whether the runtime answers afterwards.
    """

    faulty: str
    beside: str = VALUE
    early: str = VALUE
    usable: bool = True


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: What happens.
        world: Makes it happen.
        ends: What comes of it.
        otherwise: The same for ways of calling in which it is another.
        options: Options of the runtime.
        text: The faulty row, where it is not as the others.
        says: What its error says.
        note: What the table says beside.
    """

    name: str
    world: World
    ends: Ends
    otherwise: Mapping[str, Ends] = field(default_factory=dict[str, Ends])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text: str = FAULTY
    says: str = ""
    note: str = ""

    def in_way(self, way: str) -> Ends:
        return self.otherwise.get(way, self.ends)


LOST = Ends("EngineFailed", "EngineFailed", usable=False)
BEGUN = {"a stream": Ends("EngineFailed", "EngineFailed")}  # what was read can't be taken back
LONG = "7" * 5000  # so that it is there until somebody has noticed


def interrupted(name: str) -> tuple[Ends, dict[str, Ends]]:
    """The call that the main thread waits for is broken off; what others wait for is not."""
    others_go_on = Ends(name, VALUE)
    return Ends(name, "withdrawn", "withdrawn"), {"a single call": others_go_on, "a stream": others_go_on}


CTRL_C, SIGTERM = interrupted("KeyboardInterrupt"), interrupted("Terminated")

FAULTS = [
    Fault("a validator or post-check says no", World(answer="13"), Ends("Invalid"), says="nobody wants thirteen"),
    Fault(
        "the engine refuses the request or its constraint", World(refuses=True), Ends("Refused"), says="no such adapter"
    ),
    Fault("the prompt can't be tokenised", World(), Ends("BadInput"), text=f"{FAULTY} \ud800", says="surrogates"),
    Fault(
        "the prompt is too long",
        World(),
        Ends("PromptTooLong"),
        text=f"{FAULTY} " + "x" * 9000,
        says="shorten the prompt",
    ),
    Fault("the answer meets its limit", World(answer="7" * 9000), Ends("Truncated"), says="cut off inside a value"),
    Fault(
        "its own `timeout` passes",
        World(trouble=late, answer=LONG),
        Ends("TimedOut"),
        says="no answer within timeout=1000 s",
    ),
    Fault("the engine aborts it", World(answer=FinishReason.ABORT), Ends("Cancelled"), says="cancelled"),
    Fault(
        "a step raises",
        World(trouble=raises(RuntimeError("CUDA error"))),
        LOST,
        says="RuntimeError: CUDA error; Runtime(..., restarts=2) builds the engine again",
    ),
    Fault(
        "the same, `restarts=1`",
        World(trouble=raises(RuntimeError("CUDA error"))),
        Ends(VALUE),
        BEGUN,
        {"restarts": 1},
        says="part of the answer was read already",
    ),
    Fault(
        "handing a request over raises, `restarts=1`",
        World(trouble=nothing, unable=True),
        Ends(VALUE),
        options={"restarts": 1},
    ),
    Fault(
        "the engine runs out of memory",
        World(trouble=raises(RuntimeError("CUDA out of memory"))),
        LOST,
        says="lower max_num_seqs",
    ),
    Fault(
        "the engine's process dies",
        World(trouble=raises(EngineGone("its process (EngineCore) was killed by SIGKILL"))),
        LOST,
        says="its process (EngineCore) was killed by SIGKILL; Runtime(..., restarts=2)",
    ),
    Fault(
        "the same, `restarts=1`",
        World(trouble=raises(EngineGone("its process (EngineCore) was killed by SIGKILL"))),
        Ends(VALUE),
        BEGUN,
        {"restarts": 1},
        says="part of the answer was read already",
    ),
    Fault(
        "one row makes every engine crash, `restarts=3`",
        World(trouble=raises(RuntimeError("bad token"), times=99)),
        Ends("EngineFailed"),
        BEGUN,
        {"restarts": 3},
        says="bad token",
    ),
    Fault(
        "a step hangs, and the engine can be killed, `restarts=1`",
        World(trouble=hangs(killable=True)),
        Ends(VALUE),
        BEGUN,
        {"restarts": 1, "watchdog": 0.2},
        says="part of the answer was read already",
    ),
    Fault(
        "a step hangs, and the engine can't be killed",
        World(trouble=hangs(killable=False)),
        LOST,
        options={"restarts": 1, "watchdog": 0.2},
        says="no step of it ended within watchdog=0.2 s; a call that hangs in this process",
    ),
    Fault("Ctrl-C", World(trouble=signalled(signal.SIGINT), answer=LONG), *CTRL_C),
    Fault("SIGTERM", World(trouble=signalled(signal.SIGTERM), answer=LONG), *SIGTERM),
]


def table() -> str:
    """The matrix in markdown."""
    lines = [
        "| fault | its row | rows in flight with it | rows that had ended | the runtime afterwards |",
        "| --- | --- | --- | --- | --- |",
    ]
    notes: dict[str, int] = {}
    for fault in FAULTS:
        cells = [fault.name, *_cells(fault.ends)]
        for place, cell in enumerate(_cells(fault.ends), 1):
            others: dict[str, list[str]] = {}
            for way, ends in fault.otherwise.items():
                others.setdefault(_cells(ends)[place - 1], []).append(way)
            for other, ways in others.items():
                if other != cell:
                    note = f"{other} for {' and '.join(ways)}"
                    cells[place] += f" [{notes.setdefault(note, len(notes) + 1)}]"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"[{number}] {note}  " for note, number in notes.items())])


def _cells(ends: Ends) -> list[str]:
    shown = [each if each in (VALUE, "withdrawn") else f"`{each}`" for each in (ends.faulty, ends.beside, ends.early)]
    return [*shown, "answers" if ends.usable else "`EngineFailed`"]
