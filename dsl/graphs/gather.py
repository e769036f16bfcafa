"""`gather`: compute several deferred values, of many types, as one batch.

Given values one by one it returns a tuple, each item of its own type; given one iterable of them, a list. Type checkers know
the types of up to eight items; more, or `*values`, are a tuple of one type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast, overload

from returns.result import Result

from typefold.errors import PromptUsageError
from typefold.execution.call import values
from typefold.graphs.deferred import Deferred, is_deferred, refuse_in_body, settle, value_of, with_rows
from typefold.options import check_max_failures
from typefold.tables.columns import refuse_no_rows

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")
T = TypeVar("T")

Ended: TypeAlias = Result[T, Exception]


# fmt: off
class Gather:
    """The class of `typefold.gather`: call it, or one of its other forms."""

    def __reduce__(self) -> str:
        return "gather"  # its name in the package that `__module__` names

    @overload
    def __call__(self, items: Iterable[Deferred[T]], /, *, max_failures: int | None = None) -> list[T]: ...
    @overload
    def __call__(self, a: Deferred[A], /, *, max_failures: int | None = None) -> tuple[A]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], /, *, max_failures: int | None = None) -> tuple[A, B]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], /, *, max_failures: int | None = None) -> tuple[A, B, C]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], /, *, max_failures: int | None = None) -> tuple[A, B, C, D]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], /, *, max_failures: int | None = None) -> tuple[A, B, C, D, E]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], /, *, max_failures: int | None = None) -> tuple[A, B, C, D, E, F]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], g: Deferred[G], /, *, max_failures: int | None = None) -> tuple[A, B, C, D, E, F, G]: ...
    @overload
    def __call__(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], g: Deferred[G], h: Deferred[H], /, *, max_failures: int | None = None) -> tuple[A, B, C, D, E, F, G, H]: ...
    @overload
    def __call__(self, *items: Deferred[T], max_failures: int | None = None) -> tuple[T, ...]: ...
    # fmt: on
    def __call__(self, *items: Any, max_failures: int | None = None) -> Any:
        """Compute several deferred values, with all their inputs, as one batch.

        Args:
            items: Deferred values, of any types; or one iterable of them.
            max_failures: The number of values, inputs included, that may fail themselves: with one more the rest is left
                undone. Any number by default.

        Returns:
            The values in order: a tuple, or a list for an iterable.

        Raises:
            BatchError: Some of them failed; it holds the `Result` of each. All that could run has run by then.
            NoRuntime: No model has been named.
            PromptUsageError: An item is no deferred value, or one waits for itself.

        Example:
            >>> from typing import Literal
            >>> from typefold import Runtime, ask, gather, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def summary(text: str) -> str:
            ...     return ask(f"Sum up: {text}")
            >>> @prompt
            ... def mood(text: str) -> Literal["grim", "funny"]:
            ...     return ask(f"Grim or funny? {text}")
            >>> @prompt
            ... def verdict(text: str, mood: Literal["grim", "funny"]) -> int:
            ...     return ask(f"Rate this {mood} text from 0 to 9: {text}")
            >>> def answer(request):
            ...     question = request.prompt[-1].content
            ...     return "It rains." if "Sum" in question else "grim" if "Grim" in question else "7"
            >>> short = summary.defer("It rained, and it rained.")
            >>> tone = mood.defer(short)
            >>> with Runtime(ScriptedEngine(answers=answer)):
            ...     gather(short, tone, verdict.defer(short, tone))
            ...     gather([mood.defer(text) for text in ("Rain.", "More rain.")])
            ('It rains.', 'grim', 7)
            ['grim', 'grim']
        """
        nodes, as_list = _taken(items)
        good = values(_results(nodes, max_failures))
        return good if as_list else tuple(good)

    # fmt: off
    @overload
    def safe(self, items: Iterable[Deferred[T]], /, *, max_failures: int | None = None) -> list[Ended[T]]: ...
    @overload
    def safe(self, a: Deferred[A], /, *, max_failures: int | None = None) -> tuple[Ended[A]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B], Ended[C]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B], Ended[C], Ended[D]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B], Ended[C], Ended[D], Ended[E]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B], Ended[C], Ended[D], Ended[E], Ended[F]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], g: Deferred[G], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B], Ended[C], Ended[D], Ended[E], Ended[F], Ended[G]]: ...
    @overload
    def safe(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], g: Deferred[G], h: Deferred[H], /, *, max_failures: int | None = None) -> tuple[Ended[A], Ended[B], Ended[C], Ended[D], Ended[E], Ended[F], Ended[G], Ended[H]]: ...
    @overload
    def safe(self, *items: Deferred[T], max_failures: int | None = None) -> tuple[Ended[T], ...]: ...
    # fmt: on
    def safe(self, *items: Any, max_failures: int | None = None) -> Any:
        """Compute several deferred values as one batch, and return a `Result` for each; no error of one is raised.

        Args:
            items: Deferred values, of any types; or one iterable of them.
            max_failures: The number of values, inputs included, that may fail themselves; any number by default.

        Returns:
            The results in order: a tuple, or a list for an iterable.

        Raises:
            BatchError: More than `max_failures` failed.
            NoRuntime: No model has been named.
            PromptUsageError: An item is no deferred value, or one waits for itself.

        Example:
            >>> from typefold import Runtime, ask, gather, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def half(number: int) -> int:
            ...     return ask(f"Half of {number}?")
            >>> with Runtime(ScriptedEngine(answers=["2"])):
            ...     two = half.defer(4)
            ...     gather.safe(two, two.then(str))
            (<Success: 2>, <Success: 2>)
        """
        nodes, as_list = _taken(items)
        results = _results(nodes, max_failures)
        return results if as_list else tuple(results)

    # fmt: off
    @overload
    def defer(self, items: Iterable[Deferred[T]], /) -> Deferred[list[T]]: ...
    @overload
    def defer(self, a: Deferred[A], /) -> Deferred[tuple[A]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], /) -> Deferred[tuple[A, B]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], /) -> Deferred[tuple[A, B, C]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], /) -> Deferred[tuple[A, B, C, D]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], /) -> Deferred[tuple[A, B, C, D, E]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], /) -> Deferred[tuple[A, B, C, D, E, F]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], g: Deferred[G], /) -> Deferred[tuple[A, B, C, D, E, F, G]]: ...
    @overload
    def defer(self, a: Deferred[A], b: Deferred[B], c: Deferred[C], d: Deferred[D], e: Deferred[E], f: Deferred[F], g: Deferred[G], h: Deferred[H], /) -> Deferred[tuple[A, B, C, D, E, F, G, H]]: ...
    @overload
    def defer(self, *items: Deferred[T]) -> Deferred[tuple[T, ...]]: ...
    # fmt: on
    def defer(self, *items: Any) -> Any:
        """Make several deferred values one, for a prompt, or a function given to `then`, that takes all of them.

        Args:
            items: Deferred values, of any types; or one iterable of them.

        Returns:
            A deferred tuple, or a deferred list for an iterable.

        Raises:
            PromptUsageError: An item is no deferred value, or this is the body of a prompt.

        Example:
            >>> from typefold import Runtime, ask, gather, prompt
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> @prompt
            ... def summary(text: str) -> str:
            ...     return ask(f"Sum up: {text}")
            >>> @prompt
            ... def report(parts: list[str]) -> str:
            ...     return ask(f"Write a report of {len(parts)} parts: {parts}")
            >>> parts = gather.defer([summary.defer(page) for page in ("One.", "Two.")])
            >>> with Runtime(ScriptedEngine(answers=lambda request: request.prompt[-1].content.split()[-1])):
            ...     report.defer(parts).result()
            "'Two.']"
        """
        refuse_in_body("gather.defer")
        nodes, as_list = _taken(items)
        return Deferred("gather", partial(gather_deferred, nodes, list if as_list else tuple), nodes)


gather = Gather()
"""Compute several deferred values as one batch; see `Gather.__call__`."""


def _taken(items: tuple[Any, ...]) -> tuple[list[Deferred[Any]], bool]:
    """Return the deferred values, and whether they came as one iterable."""
    as_list = len(items) == 1 and isinstance(items[0], Iterable)
    several = cast("Iterable[Any]", items[0]) if as_list else items
    if as_list:
        refuse_no_rows(several, "gather")
    nodes = list(several)
    for index, node in enumerate(nodes):
        if not is_deferred(node):
            raise PromptUsageError(
                f"gather: item {index} is not a deferred value, but {type(node).__name__}; make one with prompt.defer(...)"
            )
    return nodes, as_list


def _results(nodes: Sequence[Deferred[Any]], max_failures: int | None) -> list[Result[Any, Exception]]:
    check_max_failures(max_failures, where="gather")
    return with_rows(settle(nodes, max_failures))


def gather_deferred(nodes: Sequence[Deferred[Any]], kind: type[list[Any]] | type[tuple[Any, ...]]) -> Any:
    """Put deferred values together, once they are computed. A function of the module, so that pickle can name it."""
    return kind(value_of(node) for node in nodes)
