"""Types of every section of `docs/types.md` on a real model, hot enough to write nonsense: its answers are still values.

Each answer is a value, or failed a post-check that its type names, or was cut off at the limit on tokens. Cut answers are
counted and said at the end; they are none that could not be read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest
from returns.result import Failure, Success

from tests.catalogue import ENTRIES, SECTIONS, Entry
from typefold import BatchError, DecodeError, Invalid, OutputType, Runtime, Truncated, output_type
from typefold.testing.laws import failed_checks

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore:.*ReadOnly")]

SOURCES = (
    "Annotated[str, Field(max_length=40)]",
    'Annotated[str, Field(pattern=r"^[a-z]+$", max_length=12)]',
    "Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]",
    'Literal["keep", "drop"]',
    "Access",
    "Annotated[int, Field(ge=0, le=120)]",
    "Annotated[float, Field(ge=0, le=1)]",
    "Annotated[Decimal, Field(ge=0, le=100, decimal_places=2)]",
    "Annotated[list[Annotated[str, Field(max_length=12)]], Field(min_length=1, max_length=3)]",
    "Annotated[set[Literal[1, 2, 3]], Field(min_length=2, max_length=3)]",
    'dict[Literal["north", "south"], float]',
    "Point",
    "Film",
    "Character",
    "Cast",
    "Even",
    'date | Literal["unknown"]',
    'Annotated[Circle | Square, Field(discriminator="kind")]',
    "datetime",
    "timedelta",
    "Annotated[bytes, Field(min_length=2, max_length=8)]",
    "UUID",
    "EmailStr",
    "HttpUrl",
    "IPv6Address",
    'Annotated[str, Matching(r"[A-Z]{3}-\\d{4}")]',
    "Annotated[str, OneOf(cities)]",
    "Ship",
    "Pairs[float]",
    "Tree",
    "Annotated[ToolCall[list[str] | int], tools]",
)
BY_SOURCE = {entry.source: entry for entry in ENTRIES}
KINDS: list[OutputType[Any]] = [output_type(BY_SOURCE[source].hint) for source in SOURCES]


def test_every_section_is_there() -> None:
    def is_there(entries: tuple[Entry, ...]) -> bool:
        return any(entry.source in SOURCES for entry in entries)

    assert len(set(SOURCES)) == 31
    assert not [section.title for section in SECTIONS if not is_there(section.entries)]


def ask_for_all(runtime: Runtime, rows: int, max_tokens: int) -> tuple[Counter[str], list[str]]:
    """Ask for every type so many times in one batch: what became of the answers, and what broke a law."""
    kinds = [kind for kind in KINDS for _ in range(rows)]
    prompts = [f"Make one up, number {index % rows + 1}: {SOURCES[index // rows]}" for index in range(len(kinds))]
    hints: list[Any] = [kind.hint for kind in kinds]
    results: list[Any]
    try:
        values = runtime.generate(prompts, output_type=hints, temperature=1.5, max_tokens=max_tokens)
        results = [Success(value) for value in values]
    except BatchError as error:
        results = list(error.results)
    assert len(results) == len(kinds)
    counts, broken = Counter[str](), list[str]()
    result: Any
    for source, kind, result in zip((SOURCES[i // rows] for i in range(len(kinds))), kinds, results, strict=True):
        match result:
            case Success():
                value = cast("Any", result).unwrap()
                counts["values"] += 1
                if not kind.codec.accepts(value):
                    broken.append(f"{source}: {value!r} is no value of it")
            case Failure(Truncated()):
                counts[f"cut off: {source}"] += 1
            case Failure(Invalid() as invalid):
                with pytest.raises(DecodeError) as caught:
                    kind.decode(invalid.text)
                named = failed_checks(kind, caught.value)
                counts[f"failed {', '.join(named)}: {source}"] += 1
                if not named:
                    broken.append(f"{source}: {invalid}")
            case _:
                broken.append(f"{source}: {result}")
    return counts, broken


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())


def test_a_hot_model_writes_nothing_but_values_of_its_types(runtime: Runtime) -> None:
    counts, broken = ask_for_all(runtime, rows=4, max_tokens=48)
    print(f"{len(KINDS)} types, 4 rows each:", told(counts))
    assert not broken, "\n".join(broken)
    assert counts["values"] >= 60, told(counts)


@pytest.mark.prove
@pytest.mark.timeout(3600)  # some minutes of two cores, where nobody else uses them
def test_a_hot_model_writes_nothing_but_values_of_its_types_fifty_times(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    counts, broken = ask_for_all(runtime, rows=50, max_tokens=96)
    with capsys.disabled():
        print(f"\n{len(KINDS)} types, 50 rows each: {told(counts)}")
    assert not broken, "\n".join(broken)
    assert counts["values"] >= 750, told(counts)
