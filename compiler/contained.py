"""User code, contained: bodies, templates, validators, hooks and the objects that they are given may raise anything.

What they raise is one row's failure, whatever its class, but for what ends more than a row: Ctrl-C, `SystemExit` and the
like pass. An exception is user code too: its text is asked for with care. Left out: code that never returns,
which Python can't interrupt.
"""

from __future__ import annotations

from asyncio import CancelledError

__all__ = ["describe_exception", "first_line", "is_fatal", "register_fatal"]

_passing: tuple[type[BaseException], ...] = (KeyboardInterrupt, SystemExit, GeneratorExit, CancelledError)
_LONGEST = 2_000


def register_fatal(*kinds: type[BaseException]) -> None:
    """Name exceptions that no row may hold up."""
    global _passing
    _passing += kinds


def is_fatal(error: BaseException) -> bool:
    """Whether an exception ends more than the row in whose code it was raised.

    Example:
        >>> is_fatal(ValueError()), is_fatal(KeyboardInterrupt())
        (False, True)
    """
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_fatal, error.exceptions))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # of any exceptions
    return isinstance(error, _passing)


def describe_exception(error: BaseException) -> str:
    """The class and the message of an exception, whatever its own methods do.

    Example:
        >>> describe_exception(KeyError("name"))
        "KeyError: 'name'"
    """
    name = type(error).__name__
    try:
        text = str.__str__(str(error))
    except BaseException as worse:
        if is_fatal(worse):
            raise
        text = f"(no message: its __str__ raised {type(worse).__name__})"
    return f"{name}: {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}" if text else name


def first_line(error: BaseException) -> str:
    r"""The first line of an exception's message; its class where it has none.

    Example:
        >>> first_line(ValueError("no such field\nsee there")), first_line(NotImplementedError())
        ('no such field', 'NotImplementedError')
    """
    whole = describe_exception(error)
    name = type(error).__name__
    return next((line for line in whole.removeprefix(f"{name}: ").splitlines() if line), name)
