"""Finished requests as rows of a journal, and back.

Texts are kept as they came, prompts and tokens as JSON. Each row has a checksum of its other columns except its number, so
that a damaged row is never taken for an answer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from typefold.runtime.request import FinishReason, Outcome, Request, TokenLogprob, conversation
from typefold.runtime.scheduling.pending import Limits

_OVERHEAD = 120  # bytes of a row beside its texts: the key and its index, numbers, the checksum
_SHOWN = 2000  # characters of a prompt that was never sent: it may have megabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One finished request, for people and tools.

    Attributes:
        id: The record's number in the journal; later ones have higher numbers.
        finished: The time at which it was written, in UTC, as ISO 8601.
        function: The prompt function (`generate` for a runtime's own method).
        row: The index of the row, or `None`.
        attempt: The number of the request among the row's requests for its answer, from 1.
        model: The model's name or path.
        prompt: The messages, each with `role` and `content`, or the raw prompt; `None` where it was not kept.
        constraint_kind: The kind of the engine's constraint; `text` for none.
        sampling: The sampling parameters of the request.
        text: The answer as the model wrote it.
        finish_reason: The engine's finish reason.
        prompt_tokens: Tokens of the prompt.
        output_tokens: Tokens of the answer.
        cached_tokens: Prompt tokens that the prefix cache held.
        failure: For a request that no model was asked, the name of its error in `error` and its facts; else `None`.
        version: The version of the prompt function; `None` where it has none, and in records of an earlier typefold.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from typefold import Journal, Runtime
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> with TemporaryDirectory() as folder, Journal(Path(folder) / "run.db") as journal:
        ...     with Runtime(ScriptedEngine(answers=["yes"]), journal=journal) as runtime:
        ...         _ = runtime.generate("Is it?")
        ...     [record] = journal.records()
        >>> record.function, record.text, record.finish_reason
        ('generate', 'yes', 'stop')
    """

    id: int
    finished: str
    function: str
    row: int | None
    attempt: int
    model: str
    prompt: list[dict[str, str]] | str | None
    constraint_kind: str
    sampling: dict[str, Any]
    text: str
    finish_reason: str
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    failure: dict[str, Any] | None = None
    version: str | None = None

    def as_json(self) -> str:
        """Return the record as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def __str__(self) -> str:
        turns = self.prompt or []
        told = [turns] if isinstance(turns, str) else [f"{turn['role']}: {turn['content']}" for turn in turns]
        if self.failure is None:
            state = f"{self.prompt_tokens} + {self.output_tokens} tokens, {self.finish_reason}"
            told.append(f"-> {self.text}")
        else:
            state = f"no model was asked: {self.failure['error']}"
        return conversation(self.function, self.row, self.attempt, state, told)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # in notebooks


@dataclass(frozen=True, slots=True)
class Summary:
    """The records of one prompt function and model in a journal, counted.

    Attributes:
        function: The prompt function.
        model: The model's name or path.
        calls: Finished requests.
        prompt_tokens: Tokens of their prompts.
        output_tokens: Tokens of their answers.
        first: The time of the first record, in UTC, as ISO 8601.
        last: The time of the last one.
    """

    function: str
    model: str
    calls: int
    prompt_tokens: int
    output_tokens: int
    first: str
    last: str


def row_of(
    key: bytes,
    request: Request,
    limits: Limits,
    outcome: Outcome,
    model: str,
    *,
    failure: str | None = None,
    prompts: bool = True,
) -> tuple[Any, ...]:
    """Return the columns of a finished request, in the order of `file_format.CALLS`."""
    row = (
        key,
        _written(datetime.now(UTC)),
        _storable(request.function),
        request.row,
        request.attempt,
        _storable(model),
        _storable(_prompt(request, None if failure is None else _SHOWN)) if prompts else "null",
        str(request.constraint.kind),
        _storable(_json(_named(request, texts=prompts))),
        _storable(outcome.text),
        str(outcome.finish_reason),
        outcome.prompt_tokens,
        outcome.output_tokens,
        outcome.cached_tokens,
        limits.max_tokens,
        limits.needed,
        limits.room,
        json.dumps(outcome.token_ids, separators=(",", ":")),
        None if outcome.logprobs is None else _logprobs_text(outcome.logprobs),
        None if failure is None else _storable(failure),
    )
    version = None if request.version is None else _storable(request.version)
    return (*row, checksum_of_call(row, version), version)


def checksum_of_call(row: tuple[Any, ...], version: str | None) -> bytes:
    """Return the checksum of a finished request; one without a version has that of the earlier format."""
    return checksum(row if version is None else (*row, version))


def size_of(request: Request, limits: Limits, outcome: Outcome) -> int:
    """Return the bytes that a finished request takes in the file of a journal, about."""
    columns = row_of(b"", request, limits, outcome, "")
    texts = sum(len(each.encode()) for each in columns if isinstance(each, str))
    return texts + _OVERHEAD


def checksum(values: Iterable[Any]) -> bytes:
    """Return a checksum of the columns of a row, each with its kind and its length; raises ValueError for bytes that are no text."""
    state = hashlib.blake2b(digest_size=8)
    for value in values:
        if value is None:
            state.update(b"-")
        elif isinstance(value, str):
            text = value.encode()
            state.update(b"s%d:%b" % (len(text), text))
        elif isinstance(value, bytes):
            state.update(b"b%d:%b" % (len(value), value))
        elif isinstance(value, float):
            state.update(b"f%a:" % value)
        else:
            state.update(b"i%d:" % value)
    return state.digest()


def moment(text: str) -> str:
    """Return a date or a time in the form of the column `finished`, in UTC: the two compare as texts."""
    try:
        found = datetime.fromisoformat(text)
        return _written(found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{text}: write a date or a time, as 2026-01-31 or 2026-01-31T18:00") from None


def _written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def outcome_in(row: sqlite3.Row) -> tuple[Limits, Outcome]:
    """Return the outcome in a row of the table, with the limits of its length."""
    logprobs = row["logprobs"]
    return Limits(row["max_tokens"], row["needed_tokens"], row["room"]), Outcome(
        text=row["text"],
        finish_reason=FinishReason(row["finish_reason"]),
        prompt_tokens=row["prompt_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cached_tokens"],
        token_ids=tuple(json.loads(row["token_ids"])),
        logprobs=None if logprobs is None else _logprobs(logprobs),
    )


def record_in(row: sqlite3.Row) -> Record:
    """Return the record in a row of the table."""
    held = {name: row[name] for name in Record.__dataclass_fields__}
    parsed = {name: json.loads(held[name]) for name in ("prompt", "sampling", "failure") if held[name] is not None}
    if failure := parsed.get("failure"):
        failure.pop("circumstances", None)
    return Record(**{**held, **parsed})


def check_values(row: sqlite3.Row) -> None:
    """Check the kinds of all values of a row that has no checksum. Raises ValueError, KeyError or TypeError."""
    limits, outcome = outcome_in(row)
    record = record_in(row)
    whole = [row["attempt"], limits.max_tokens, outcome.prompt_tokens, outcome.output_tokens, outcome.cached_tokens]
    maybe = [row["row"], limits.needed, limits.room]
    texts = [row["finished"], row["function"], row["model"], row["constraint_kind"], outcome.text]
    turns = record.prompt if isinstance(record.prompt, list) else []
    numbers = [*whole, *outcome.token_ids, *(each for each in maybe if each is not None)]
    steps = [each for step in outcome.logprobs or () for each in step]
    if (
        any(type(each) is not int for each in (*numbers, *(each.token_id for each in steps)))
        or any(type(each) is not str for each in (*texts, *(turn[name] for turn in turns for name in turn)))
        or any(turn.keys() != {"role", "content"} for turn in turns)
        or any(type(each.logprob) is not float for each in steps)
        or not isinstance(json.loads(row["sampling"]), dict)
    ):
        raise TypeError("a value is of another kind than its column")


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError):  # keys that JSON has no form for, or a value inside itself
        return json.dumps(repr(value), ensure_ascii=False)


def _storable(text: str) -> str:
    """Return a text that sqlite takes: lone surrogates, which are no text, are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _prompt(request: Request, longest: int | None) -> str:
    if isinstance(request.prompt, str):
        return _json(request.prompt[:longest])
    return _json([{"role": turn.role, "content": turn.shown[:longest]} for turn in request.prompt])


def _named(request: Request, *, texts: bool) -> dict[str, Any]:
    given = request.sampling_params
    fields = () if given is None else getattr(given, "__struct_fields__", ())
    from_object = {name: value for name in fields if not name.startswith("_") and (value := getattr(given, name))}
    named = {**from_object, **request.sampling}
    return named if texts else {name: value for name, value in named.items() if isinstance(value, int | float)}


def _logprobs_text(logprobs: tuple[tuple[TokenLogprob, ...], ...]) -> str:
    steps = [[[each.token_id, each.logprob, b64encode(each.written).decode()] for each in step] for step in logprobs]
    return json.dumps(steps, separators=(",", ":"))


def _logprobs(text: str) -> tuple[tuple[TokenLogprob, ...], ...]:
    return tuple(
        tuple(TokenLogprob(token_id, logprob, b64decode(written)) for token_id, logprob, written in step)
        for step in json.loads(text)
    )
