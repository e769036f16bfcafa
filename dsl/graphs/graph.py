"""Work in a graph: each node is computed once, as soon as its inputs are there, all in one batch.

`compute` computes nodes and their inputs in the caller's thread: each node in a row of its own (see `rows`), begun when its
inputs are done. No node waits for a level to be complete, nothing happens in the background, and depth costs no recursion.

Invariants: a node is run by one row at a time, also where several threads share it, and it keeps its result. Work that was
broken off (Ctrl-C) leaves no result, so the next caller begins it anew. An input is made before the node that it goes into, so
there are no cycles but through functions that ask for nodes; those are found.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from returns.result import Failure, Result, Success

from typefold.errors import AT_ONCE, PromptUsageError
from typefold.execution.executor import FailureLimit
from typefold.execution.greenlets import Mailbox, RowCancelled
from typefold.execution.progress import Progress
from typefold.graphs.rows import Rows, default_rows_in_flight
from typefold.runtime import InputFailed, PromptError
from typefold.runtime.ownership import Owner, lock

T_co = TypeVar("T_co", covariant=True)


class Node(Generic[T_co]):
    """A piece of work in a graph."""

    __slots__ = ("_expected", "_waiting", "_work", "inputs", "name", "result", "running")

    def __init__(
        self, name: str, work: Callable[[], T_co], inputs: Iterable[Node[Any]], expected: type[Exception]
    ) -> None:
        self.name = name
        self.result: Result[T_co, Exception] | None = None
        self.running: Owner | None = None  # the process in which a row computes it
        self._work: Callable[[], T_co] | None = work  # None once there is a result
        self.inputs: tuple[Node[Any], ...] = tuple(dict.fromkeys(inputs))  # none once there is a result
        self._expected = expected  # exceptions that are results; others end all work and are not kept
        self._waiting: list[Mailbox[None]] = []

    @property
    def value(self) -> T_co:
        assert self.result is not None
        return self.result.unwrap()

    def do(self) -> None:
        """Compute it, or wait until another row has. This is the function of its row."""
        mailbox: Mailbox[None] = Mailbox()
        while True:
            with _lock:
                if self.result is not None:
                    return
                mine = self.running is None
                if self.running is not None:
                    self.running.check("a Deferred that is being worked out")
                    self._waiting.append(mailbox)
                else:
                    self.running = Owner()
            if mine:
                self._run()
                return
            mailbox.get()  # and look again: the other may have been broken off

    def _run(self) -> None:
        assert self._work is not None
        result: Result[T_co, Exception] | None = None
        _within.set(self)  # in the row's own context
        try:
            failed = next((given for given in self.inputs if isinstance(given.result, Failure)), None)
            result = Success(self._work()) if failed is None else Failure(_input_failed(self, failed))
        except AT_ONCE:
            raise
        except RowCancelled as ended:
            if not isinstance(ended.__cause__, PromptError):
                raise
            result = Failure(ended.__cause__)
        except self._expected as error:
            result = Failure(error)
        finally:
            self._end(result)

    def _end(self, result: Result[Any, Exception] | None) -> None:
        with _lock:
            self.running = None
            self.result = result
            if result is not None:
                self._work, self.inputs = None, ()
            waiting, self._waiting = self._waiting, []
        for mailbox in waiting:
            mailbox.put(None)


_lock = lock(threading.Lock)
_within: ContextVar[Node[Any] | None] = ContextVar("typefold_node", default=None)
_asked: dict[Node[Any], list[Node[Any]]] = {}  # the nodes that the work of a running node asks for


def compute(wanted: Sequence[Node[Any]], max_failures: int | None = None) -> bool:
    """Compute nodes, and their inputs, and return whether all were done: not after more than `max_failures`."""
    with _asking(wanted):
        dependents, missing = _needed(wanted)
        if not missing:
            return True
        limit = FailureLimit(max_failures)
        ready = deque(node for node, count in missing.items() if not count)
        begun: dict[int, Node[Any]] = {}
        keys = {node: key for key, node in enumerate(missing)}  # what a node draws does not depend on when it is begun
        rows: Rows[None] = Rows(Node[Any].do, named=False)
        try:
            with Progress(len(missing)) as progress:
                while ready or rows.active:
                    while ready and rows.active < default_rows_in_flight():
                        node = ready.popleft()
                        key = keys.pop(node)
                        begun[key] = node
                        del missing[node]  # from here on a value is kept only by those who use it
                        rows.start(key, node)
                    key, ended = rows.next()
                    if rows.batch.fault is not None:
                        raise rows.batch.fault
                    node = begun.pop(key)
                    if isinstance(ended, Failure):
                        raise ended.failure()
                    error = node.result.failure() if isinstance(node.result, Failure) else None
                    progress.row(failed=error is not None)
                    if error is not None and not isinstance(error, InputFailed) and limit.count():
                        return False
                    for dependent in reversed(dependents.pop(node, [])):
                        missing[dependent] -= 1
                        if not missing[dependent]:
                            ready.appendleft(dependent)  # what has begun is brought to its end first
        finally:
            rows.close()
    return True


def _needed(wanted: Iterable[Node[Any]]) -> tuple[dict[Node[Any], list[Node[Any]]], dict[Node[Any], int]]:
    """Return, for the nodes to be computed, those that wait for each, and the number that each waits for."""
    inputs: dict[Node[Any], tuple[Node[Any], ...]] = {}
    found = list(wanted)[::-1]
    while found:
        node = found.pop()
        if node.result is None and node not in inputs:
            inputs[node] = node.inputs
            found.extend(reversed(inputs[node]))
    dependents: dict[Node[Any], list[Node[Any]]] = {}
    missing: dict[Node[Any], int] = {}
    for node, given in inputs.items():
        waits = [each for each in given if each in inputs]
        missing[node] = len(waits)
        for each in waits:
            dependents.setdefault(each, []).append(node)
    return dependents, missing


@contextmanager
def _asking(wanted: Sequence[Node[Any]]) -> Generator[None]:
    """Note the nodes that the work of a running node asks for. Refuses those that wait for the running node itself."""
    running = _within.get()
    if running is None or running.result is not None:
        yield
        return
    with _lock:
        asked = _asked.setdefault(running, [])
        asked.extend(wanted)
        cyclic = _waits_for(running, wanted)
    try:
        if cyclic:
            raise PromptUsageError(
                f"a Deferred ({running.name}) waits for itself: its function asks for a value that is made from it"
            )
        yield
    finally:
        with _lock:
            for node in wanted:
                asked.remove(node)
            if not asked:
                _asked.pop(running, None)


def _waits_for(running: Node[Any], wanted: Iterable[Node[Any]]) -> bool:
    seen: set[Node[Any]] = set()
    found = list(wanted)
    while found:
        node = found.pop()
        if node is running:
            return True
        if node.result is None and node not in seen:
            seen.add(node)
            found += [*node.inputs, *_asked.get(node, ())]
    return False


def _input_failed(node: Node[Any], given: Node[Any]) -> InputFailed:
    assert given.result is not None
    name, cause = given.name, given.result.failure()
    if isinstance(cause, InputFailed):  # the first failure is the one to mend, and a chain of all would have no end
        name, cause = cause.input, cause.cause
    failed = InputFailed(function=node.name, input=name, cause=cause)
    failed.__cause__ = cause
    return failed
