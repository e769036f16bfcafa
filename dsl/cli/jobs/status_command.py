"""`typefold status`: a job's state beside its journal, as `typefold run` writes it, and the state of the journal itself.

The job rewrites `JOURNAL.typefold-job` about once a second, whole each time, so that it can be read meanwhile and after the
job was killed. Whether the job still runs is told by the journal's lock, which the system lets go of with the process.
Invariant: the file holds numbers and names of files, and no text of a record or an answer; and it costs no job anything if it
can't be written.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from typefold.cli.input_records import unread
from typefold.cli.output import job_of, moment_shown, part_of, printable
from typefold.cli.target import CommandError
from typefold.compiler.guards import is_dict
from typefold.execution.open_runtimes import loads, statistics
from typefold.execution.progress import Meter, Metrics
from typefold.runtime.journal import Journal, JournalError
from typefold.runtime.journal.lock import is_held

_EVERY = 1.0  # seconds between two writes
_NEWEST = 1000  # requests of which the speed is told where there is no job
_SHOWN = 5  # kinds of failures that are printed


class JobStatus:
    """The state of a job in the file beside its journal; without a journal it writes nothing."""

    def __init__(self, journal: Path | str | None, **facts: Any) -> None:
        self._path = None if journal is None else job_of(journal)
        self._facts = {**facts, "process": os.getpid(), "started": _now()}
        self._meter: Meter | None = None
        self._next = 0.0
        self._rows = 0, 0

    def begin(self, total: int | None) -> None:
        """Begin to measure; `total` is the number of records, where it is known."""
        if self._path is not None:
            self._meter = Meter(statistics, time.monotonic, total, lambda: list(loads))
            self.tell(0, 0)

    def tell(self, done: int, failed: int) -> None:
        """Take the numbers of records that have ended, and of those that failed; write them if it is time."""
        self._rows = done, failed
        if self._meter is not None and time.monotonic() >= self._next:
            self._write("running")
            self._next = time.monotonic() + _EVERY

    def end(self, state: Literal["finished", "ended"]) -> None:
        """Write the last numbers of a job that is done, or was ended before its time; the first word stands."""
        if self._meter is not None:
            self._write(state)
            self._meter = None

    def _write(self, state: str) -> None:
        assert self._path is not None and self._meter is not None
        rows = self._meter.read(*self._rows, whole=state != "running")
        new = f"{self._path}.new"
        with suppress(OSError):
            number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(number, "w", encoding="utf-8") as file:
                json.dump({**self._facts, "state": state, "updated": _now(), "rows": asdict(rows)}, file)
            os.replace(new, self._path)


def status_of(path: Path) -> dict[str, Any]:
    """Return the state of a journal and of its last job. Raises `CommandError`."""
    if not path.is_file():
        raise CommandError(f"there is no journal {path}; a job has one with: typefold run ... --journal {path}")
    held, job = is_held(path), None
    try:
        with Journal(path, read_only=True) as journal:
            newest = [(each.finished, each.output_tokens) for each in journal.records(last=_NEWEST)]
        with suppress(OSError, ValueError):
            read: object = json.loads(Path(job_of(path)).read_text(encoding="utf-8"))
            job = read if is_dict(read) and is_dict(read.get("rows")) else None
        requests = _requests(path)
    except (JournalError, sqlite3.Error) as error:
        raise CommandError(str(error)) from error
    state = "in use" if held else "not in use"
    if job is not None:
        state = str(job["state"])
        if state == "running" and not held:
            state = "killed"
    return {
        "journal": str(path),
        "state": state,
        "job": job,
        "requests": sum(each["count"] for each in requests),
        "outcomes": requests,
        "last_request": newest[-1][0] if newest else None,
        "requests_per_second": _speed(newest, [1] * len(newest)),
        "tokens_per_second": _speed(newest, [tokens for _, tokens in newest]),
        **_failures(job, state),
    }


def show(status: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a state, for people."""
    job = status["job"]
    if job is None:
        yield f"{status['journal']}: {status['state']}; no job of typefold run has told how far it is"
    else:
        words = {
            "running": f"is running (process {job['process']})",
            "finished": "has finished",
            "ended": "was ended before its time; the same command goes on where it was",
            "killed": "was killed; the same command goes on where it was",
        }
        yield f"{job['function']} {words.get(status['state'], status['state'])}: {job['input']} -> {job['output']}"
        known = {each.name for each in fields(Metrics)}
        yield f"{Metrics(**{name: value for name, value in job['rows'].items() if name in known})}"
        yield f"from {moment_shown(job['started'])} to {moment_shown(job['updated'])}"
    yield (
        f"requests {status['requests']:,} · {status['requests_per_second']:,.1f}/s · {status['tokens_per_second']:,.0f} tok/s"
        + (f" · the last at {moment_shown(status['last_request'])}" if status["last_request"] else "")
    )
    for each in status["outcomes"]:
        yield f"  {each['count']:,} {each['function']}: {each['outcome']}"
    if status["failures"]:
        yield f"failed {sum(each['count'] for each in status['failures']):,}, in {status['failures_file']}"
    for each in status["failures"][:_SHOWN]:
        yield f"  {each['count']:,} {each['error']}, such as row {each['row']}: {printable(each['message'])[:200]}"


def _requests(path: Path) -> list[dict[str, Any]]:
    """Count requests by their function and their outcome: the engine's finish reason, or an error."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as database:
        columns = {name for _, name, *_ in database.execute("PRAGMA table_info(calls)")}
        if not columns:
            return []
        failure = (
            "CASE WHEN json_valid(failure) THEN json_extract(failure, '$.error') END"
            if "failure" in columns
            else "NULL"
        )
        query = (
            f"SELECT function, coalesce({failure}, finish_reason), count(*) FROM calls GROUP BY 1, 2 ORDER BY 1, 3 DESC"
        )
        return [
            {"function": str(function), "outcome": str(outcome), "count": count}
            for function, outcome, count in database.execute(query)
        ]


def _speed(newest: list[tuple[str, int]], amounts: list[int]) -> float:
    """Return an amount a second over the last minute of requests."""
    if not newest:
        return 0.0
    times = [datetime.fromisoformat(finished).timestamp() for finished, _ in newest]
    first = next(index for index, moment in enumerate(times) if moment >= times[-1] - 60)
    span = times[-1] - times[first]
    return sum(amounts[first + 1 :]) / span if span > 0 else 0.0


def _failures(job: dict[str, Any] | None, state: str) -> dict[str, Any]:
    """Count the rows that failed by their error, with the first of each."""
    named = None if job is None or job.get("failures") in (None, "-") else str(job["failures"])
    path = None if named is None else part_of(named) if state != "finished" else named
    counts, first = Counter[str](), dict[str, dict[str, Any]]()
    try:
        with open(path or os.devnull, "rb") as file:
            for text in file:
                with suppress(ValueError):  # a line that is being written
                    line = json.loads(text)
                    counts[line["error"]] += 1
                    first.setdefault(line["error"], {"row": line["row"], "message": line["message"]})
    except FileNotFoundError:
        path = None
    except OSError as error:
        raise unread(path, error) from error
    found = [{"error": error, "count": count, **first[error]} for error, count in counts.most_common()]
    return {"failures_file": path, "failures": found}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
