"""An actor's work: one runtime, and batches of rows that come as Arrow tables and go back with three columns more.

Several batches are worked on at once, each in a thread of its own, so that the last rows of one leave no gap. Invariant: a
table comes back with the rows it had, in order, failed or not; only an error of the job as a whole is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from returns.result import Success

from typefold.compiler.contained import describe_exception
from typefold.errors import EngineLoadError, PromptUsageError
from typefold.programs.record_function import BadRecord, Inputs, Target, arrow_form, streamed
from typefold.runtime import PromptError
from typefold.runtime.journal import JournalFolder
from typefold.runtimes.current import configure
from typefold.runtimes.runtime import Runtime
from typefold.tables.arrow import message_of, pyarrow


@dataclass(frozen=True, kw_only=True)
class Work:
    """An actor's task, sent from one process to another."""

    target: Target
    model: Any
    options: Mapping[str, Any]
    column: str
    kind: Any
    key: str | None
    journal: str | None
    journal_prompts: bool
    batches: int


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that fits, with its position in the batch and its key in the journal."""

    number: int
    arguments: Mapping[str, Any]
    key: object


class Actor:
    """Holds a runtime and answers batches; made by Ray in a process of its own."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._journal = None if work.journal is None else JournalFolder(work.journal, prompts=work.journal_prompts)
        self._threads = ThreadPoolExecutor(work.batches, thread_name_prefix="typefold-batch")
        try:
            self._runtime = configure(Runtime(work.model, journal=self._journal, **work.options))
            # Loaded now, so that an error of the model ends the job; not if an earlier run may have answered everything.
            _ = self._runtime.facts
        except BaseException:
            if self._journal is not None:
                self._journal.close()  # Ray may try again
            raise
        self._inputs = Inputs(work.target)
        self._convert = arrow_form(work.target)[1]
        self._broken: EngineLoadError | None = None

    async def __call__(self, table: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._answered, table)

    def close(self) -> None:
        """End the runtime and let go of the journal."""
        self._threads.shutdown()
        self._runtime.close()
        if self._journal is not None:
            self._journal.close()

    def _answered(self, table: Any) -> Any:
        column, count = self._work.column, table.num_rows
        names = (column, f"{column}_error", f"{column}_message")
        if taken := set(names) & set(table.column_names):
            raise PromptUsageError(
                f"typefold.ray.map: the dataset has a column {min(taken)} already; give the result another name: column=..."
            )
        values: list[Any] = [None] * count
        errors: list[Exception | None] = [None] * count
        begun: list[_Row] = []
        rows = self._rows(table, errors, begun)
        if self._broken is not None:  # trying again takes minutes
            raise EngineLoadError(self._broken.model, self._broken.reason)
        try:
            with closing(streamed(self._work.target, rows, key=lambda row: row.key, guard=self._guard)) as results:
                for index, result in results:
                    number = begun[index].number
                    if not isinstance(result, Success):
                        failed = result.failure()
                        errors[number] = failed.at(row=None) if isinstance(failed, PromptError) else failed
                        continue
                    try:
                        values[number] = self._convert(result.unwrap())
                    except Exception as error:  # a value that the column has no form for
                        errors[number] = error
        except EngineLoadError as error:
            self._broken = error
            raise
        results_column = self._column(values, errors)
        text = pyarrow().string()
        kinds = [None if error is None else type(error).__name__ for error in errors]
        messages = [None if error is None else message_of(error) for error in errors]
        for name, held in zip(names, (results_column, _array(kinds, text), _array(messages, text)), strict=True):
            table = table.append_column(name, held)
        return table

    def _rows(self, table: Any, errors: list[Exception | None], begun: list[_Row]) -> Iterator[_Row]:
        key = self._work.key
        for number, record in enumerate(_records(table)):
            try:
                arguments = self._inputs.arguments(record)
                if key is not None and key not in record:
                    raise BadRecord(f"there is no column {key!r} to know the row by")
            except Exception as error:  # a user's validator may raise anything
                errors[number] = error
                continue
            begun.append(_Row(number, arguments, arguments if key is None else record[key]))
            yield begun[-1]

    def _column(self, values: list[Any], errors: list[Exception | None]) -> Any:
        """The column of results; one that does not fit it costs no other."""
        kind = self._work.kind
        try:
            return _array(values, kind)
        except Exception:
            for number, value in enumerate(values):
                try:
                    _array([value], kind)
                except Exception as error:
                    values[number], errors[number] = None, error
            return _array(values, kind)

    @contextmanager
    def _guard(self) -> Generator[None]:
        """Wrap a call: an exception that would end the process becomes its row's error."""
        try:
            yield
        except (
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # Ray would make the process anew for the same rows, without end
            what = describe_exception(error)
            raise RuntimeError(
                f"the function raised {what}, which ends only its row here, and not the process"
            ) from error


def _records(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=256):  # a row in Python takes many times what it does in Arrow
        yield from batch.to_pylist()


def _array(values: list[Any], kind: Any) -> Any:
    return pyarrow().array(values, type=kind)
