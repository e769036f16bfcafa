"""Exceptions of user code: bodies, templates, validators, hooks and their arguments may raise anything.

An exception is the failure of one row, except for fatal ones such as `KeyboardInterrupt` and `SystemExit`, which are raised
again. Methods of an exception are user code too, so its text is read with care. Left out: code that never returns.
"""

from __future__ import annotations

from asyncio import CancelledError

_passing: tuple[type[BaseException], ...] = (KeyboardInterrupt, SystemExit, GeneratorExit, CancelledError)
_LONGEST = 2_000


def register_fatal(*kinds: type[BaseException]) -> None:
    """Register classes of exceptions that end more than a row."""
    global _passing
    _passing += kinds


def is_fatal(error: BaseException) -> bool:
    """Whether an exception ends more than the row that raised it."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_fatal, error.exceptions))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # of any exceptions
    return isinstance(error, _passing)


def describe_exception(error: BaseException) -> str:
    """The class and the message of an exception, also where its own methods raise."""
    name = type(error).__name__
    try:
        text = str.__str__(str(error))
    except BaseException as worse:
        if is_fatal(worse):
            raise
        text = f"(no message: its __str__ raised {type(worse).__name__})"
    return f"{name}: {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}" if text else name


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its class if it has no message."""
    whole = describe_exception(error)
    name = type(error).__name__
    return next((line for line in whole.removeprefix(f"{name}: ").splitlines() if line), name)
