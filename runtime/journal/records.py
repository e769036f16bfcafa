"""A finished request as a row of the journal's table, and back.

The columns are documented in docs/reliability.md: people read them with sqlite, pandas or duckdb. Texts are kept as they
came, prompts and tokens as JSON.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from typefold.runtime.entry import Limits
from typefold.runtime.request import FinishReason, Outcome, Request, TokenLogprob

__all__ = ["COLUMNS", "SCHEMA", "Record", "Summary", "moment", "outcome_in", "row_of"]

SCHEMA = """
CREATE TABLE models (digest BLOB PRIMARY KEY, name TEXT NOT NULL, facts TEXT);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    finished TEXT NOT NULL,
    function TEXT NOT NULL,
    row INTEGER,
    attempt INTEGER NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    constraint_kind TEXT NOT NULL,
    sampling TEXT NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    needed_tokens INTEGER,
    room INTEGER,
    token_ids TEXT NOT NULL,
    logprobs TEXT
);
"""

COLUMNS = (
    "key, finished, function, row, attempt, model, prompt, constraint_kind, sampling, text, finish_reason, prompt_tokens, "
    "output_tokens, cached_tokens, max_tokens, needed_tokens, room, token_ids, logprobs"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One finished request, to be read.

    Attributes:
        id: Its number in the journal; later ones have higher numbers.
        finished: When it was written, in UTC, as ISO 8601.
        function: The prompt function that asked (`generate` for a runtime's own method).
        row: The index of the row that asked, or `None`.
        attempt: Which of the row's requests for its answer it was.
        model: The model's name or path.
        prompt: The messages, each with `role` and `content`, or the raw prompt.
        constraint_kind: What the engine was told of the answer's form: `text` for nothing.
        sampling: The sampling parameters that were named.
        text: The answer as the model wrote it.
        finish_reason: Why the engine stopped.
        prompt_tokens: Tokens of the prompt.
        output_tokens: Tokens of the answer.
        cached_tokens: Prompt tokens that the prefix cache held.
    """

    id: int
    finished: str
    function: str
    row: int | None
    attempt: int
    model: str
    prompt: list[dict[str, str]] | str
    constraint_kind: str
    sampling: dict[str, Any]
    text: str
    finish_reason: str
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, row: sqlite3.Row) -> Record:
        """The record in a row of the table."""
        held = {name: row[name] for name in cls.__dataclass_fields__}
        return cls(**{**held, "prompt": json.loads(held["prompt"]), "sampling": json.loads(held["sampling"])})

    def as_json(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a journal holds of one function and model.

    Attributes:
        function: The prompt function.
        model: The model's name or path.
        calls: Finished requests.
        prompt_tokens: Tokens of their prompts.
        output_tokens: Tokens of their answers.
        first: When the first was written, in UTC.
        last: When the last was.
    """

    function: str
    model: str
    calls: int
    prompt_tokens: int
    output_tokens: int
    first: str
    last: str


def row_of(key: bytes, request: Request, limits: Limits, outcome: Outcome, model: str) -> tuple[Any, ...]:
    """The columns of a finished request, in the order of `COLUMNS`."""
    prompt = request.prompt
    turns = prompt if isinstance(prompt, str) else [{"role": turn.role, "content": turn.shown} for turn in prompt]
    return (
        key,
        _written(datetime.now(UTC)),
        _storable(request.function),
        request.row,
        request.attempt,
        _storable(model),
        _storable(_json(turns)),
        request.constraint.kind,
        _storable(_json(_named(request))),
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
    )


def moment(text: str) -> str:
    """A date or a time as the column `finished` has it, so that the two compare as texts: in UTC, to the millisecond.

    Args:
        text: As ISO 8601 writes it, also with a space or another offset from UTC; without one UTC is meant.

    Raises:
        ValueError: It is no date and no time.

    Example:
        >>> moment("2026-01-31 18:00+02:00")
        '2026-01-31T16:00:00.000+00:00'
    """
    try:
        found = datetime.fromisoformat(text)
        return _written(found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{text}: write a date or a time, as 2026-01-31 or 2026-01-31T18:00") from None


def _written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def outcome_in(row: sqlite3.Row) -> tuple[Limits, Outcome]:
    """The outcome in a row of the table, and how long the answer might have got."""
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


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError):  # keys that JSON has no form for, or a value inside itself
        return json.dumps(repr(value), ensure_ascii=False)


def _storable(text: str) -> str:
    """A text that sqlite takes: a lone surrogate, which is no text, as an escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _named(request: Request) -> dict[str, Any]:
    """The sampling parameters that were named, to be read."""
    given = request.sampling_params
    fields = () if given is None else getattr(given, "__struct_fields__", ())
    from_object = {name: value for name in fields if not name.startswith("_") and (value := getattr(given, name))}
    return {**from_object, **request.sampling}


def _logprobs_text(logprobs: tuple[tuple[TokenLogprob, ...], ...]) -> str:
    steps = [[[each.token_id, each.logprob, b64encode(each.written).decode()] for each in step] for step in logprobs]
    return json.dumps(steps, separators=(",", ":"))


def _logprobs(text: str) -> tuple[tuple[TokenLogprob, ...], ...]:
    return tuple(
        tuple(TokenLogprob(token_id, logprob, b64decode(written)) for token_id, logprob, written in step)
        for step in json.loads(text)
    )
