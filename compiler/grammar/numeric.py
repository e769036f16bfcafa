"""Numbers in JSON, whole and decimal, between bounds, which are regular and so enforced by the grammar.

Whole numbers are canonical (no leading zero, no `-0`). Decimals have the form of Python's `repr`, and may have trailing zeros, as in
a price of `3.50`, and no point, as in one of `3`: models write them so, and the value is the same. A model that may not end a
whole number where it wants to goes on with digits. Beside whole numbers decimals are `pointed`, so that the text tells the members of
`int | float` apart.

Invariant: a text is admitted if and only if its value lies between the bounds.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from functools import cache

from typefold.compiler.grammar.nodes import NEVER, CharClass, Expr, char_class, choice, optional, repeat, seq

_DIGIT = char_class((0x30, 0x39))
_NONZERO = char_class((0x31, 0x39))

DECIMAL_PLACES = 21
"""Digits after the point of a float in positional form: `repr` needs no more from 0.0001 up (17 significant ones)."""


def _digits(least: int, most: int | None) -> Expr:
    return repeat(_DIGIT, least, most)


_MANTISSA = seq(_NONZERO, optional(seq(".", _digits(1, 16))))
_LARGEST = "17976931348623157"  # the digits of sys.float_info.max, 1.7976931348623157e+308


def _digit(low: str, high: str) -> CharClass:
    return char_class((ord(low), ord(high)))


def at_least(low: str) -> Expr:
    """The digit strings as long as `low` that do not sort before it."""
    options = [seq(low)]
    for index, digit in enumerate(low):
        if digit < "9":
            options.append(seq(low[:index], _digit(chr(ord(digit) + 1), "9"), _digits(*[len(low) - index - 1] * 2)))
    return choice(*options)


def at_most(high: str) -> Expr:
    """The digit strings as long as `high` that do not sort after it."""
    options = [seq(high)]
    for index, digit in enumerate(high):
        if digit > "0":
            options.append(seq(high[:index], _digit("0", chr(ord(digit) - 1)), _digits(*[len(high) - index - 1] * 2)))
    return choice(*options)


def between(low: str, high: str) -> Expr:
    """The digit strings of one length from `low` to `high`, inclusive."""
    if low == high:
        return seq(low)
    if low > high:
        return NEVER
    if set(low) == {"0"} and set(high) == {"9"}:
        return _digits(len(low), len(low))
    if low[0] == high[0]:
        return seq(low[0], between(low[1:], high[1:]))
    if len(low) == 1:
        return _digit(low, high)
    first, last = low[0], high[0]
    parts: list[Expr] = []
    if set(low[1:]) != {"0"}:
        parts.append(seq(first, at_least(low[1:])))
        first = chr(ord(first) + 1)
    if set(high[1:]) != {"9"}:
        parts.append(seq(last, at_most(high[1:])))
        last = chr(ord(last) - 1)
    if first <= last:
        parts.insert(1, seq(_digit(first, last), _digits(len(low) - 1, len(low) - 1)))
    return choice(*parts)


def _naturals(low: int, high: int | None) -> Expr:
    """The whole numbers from `low` (0 or more) to `high`, without leading zeros."""
    if high is not None and high < low:
        return NEVER
    options: list[Expr | str] = []
    if low == 0:
        options.append("0")
        low = 1
    while high is None or low <= high:
        length = len(str(low))
        if low == 10 ** (length - 1):  # a full decade, and those that follow it, are any digits
            if high is None:
                options.append(seq(_NONZERO, _digits(length - 1, None)))
                break
            last = len(str(high + 1)) - 1
            if last >= length:
                options.append(seq(_NONZERO, _digits(length - 1, last - 1)))
                low = 10**last
                continue
        top = 10**length - 1 if high is None else min(10**length - 1, high)
        options.append(between(str(low), str(top)))
        low = top + 1
    return choice(*options)


def integers(low: int | None, high: int | None) -> Expr:
    """The whole numbers from `low` to `high`, inclusive; `None` is no bound."""
    options: list[Expr] = []
    if high is None or high >= 0:
        options.append(_naturals(max(low or 0, 0), high))
    if low is None or low < 0:
        least = 1 if high is None or high >= -1 else -high
        options.append(seq("-", _naturals(least, None if low is None else -low)))
    return choice(*(option for option in options if option != NEVER))


def _prefixes(low: str, high: str, places: int) -> Expr:
    """The digit strings of 1 to `places` digits that, filled up with zeros, lie between `low` and `high`.

    The options stand side by side and not one inside the other, since parsers of grammars limit the depth of parentheses.
    """
    if low > high:
        return NEVER
    if set(low) <= {"0"} and set(high) <= {"9"}:
        return _digits(1, places)
    fork = next((index for index in range(places) if low[index] != high[index]), places)
    exact = len(low.rstrip("0"))  # from here on, zeros may be left out
    options: list[Expr | str] = [low[:length] for length in range(max(exact, 1), min(fork, places) + 1)]
    if fork == places:
        return choice(*options)
    if ord(high[fork]) - ord(low[fork]) > 1:
        middle = _digit(chr(ord(low[fork]) + 1), chr(ord(high[fork]) - 1))
        options.append(seq(low[:fork], middle, _digits(0, places - fork - 1)))
    for index in range(fork + 1, exact):
        if low[index] < "9":
            options.append(seq(low[:index], _digit(chr(ord(low[index]) + 1), "9"), _digits(0, places - index - 1)))
    free = max(exact, fork + 1)
    options.append(seq(low[:free], _digits(0, places - free)))
    free = max(len(high.rstrip("9")), fork + 1)
    for index in range(fork + 1, free):
        options.append(high[:index])
        if high[index] > "0":
            options.append(seq(high[:index], _digit("0", chr(ord(high[index]) - 1)), _digits(0, places - index - 1)))
    options.append(seq(high[:free], _digits(0, places - free)))
    return choice(*options)


def _positional(low: int, high: int | None, places: int, *, pointed: bool) -> Expr:
    """Decimals without sign in positional form, from `low` to `high`, both counted in units of the last place."""

    def behind(whole: Expr | str, digits: Expr) -> Expr:
        """The digits behind a whole number, which fits by itself."""
        return seq(whole, ".", digits) if pointed else seq(whole, optional(seq(".", digits)))

    if high is not None and high < low:
        return NEVER
    unit = 10**places
    whole_low, part_low = divmod(low, unit)
    nothing, full = "0" * places, "9" * places
    lower = str(part_low).zfill(places)
    options: list[Expr] = []
    whole_high, part_high = divmod(high or 0, unit)
    upper = str(part_high).zfill(places)
    if high is not None and whole_low == whole_high:
        digits = _prefixes(lower, upper, places)
        return behind(str(whole_low), digits) if lower == nothing else seq(str(whole_low), ".", digits)
    if lower != nothing:
        options.append(seq(str(whole_low), ".", _prefixes(lower, full, places)))
        whole_low += 1
    if high is not None:
        if upper != full:
            options.append(behind(str(whole_high), _prefixes(nothing, upper, places)))
            whole_high -= 1
        if whole_low <= whole_high:
            options.append(behind(_naturals(whole_low, whole_high), _digits(1, places)))
    else:
        options.append(behind(_naturals(whole_low, None), _digits(1, places)))
    return choice(*options)


def decimals(
    low: Decimal | None, high: Decimal | None, *, places: int, whole_digits: int | None = None, pointed: bool = True
) -> Expr:
    """Decimals of at most `places` digits behind the point, inclusive; `-0.0` and its like where less than zero is in it.

    There is always a point, and a digit behind it, in `pointed` ones.
    """
    with localcontext() as context:
        context.prec = 400
        unit = Decimal(10) ** places
        least = None if low is None else int((low * unit).to_integral_value(ROUND_CEILING))
        most = None if high is None else int((high * unit).to_integral_value(ROUND_FLOOR))
    if whole_digits is not None:
        limit = 10 ** (whole_digits + places) - 1
        least = -limit if least is None else max(least, -limit)
        most = limit if most is None else min(most, limit)
    options: list[Expr] = []
    if most is None or most >= 0:
        options.append(_positional(max(least or 0, 0), most, places, pointed=pointed))
    if least is None or least < 0 or (least == 0 and low is not None and low < 0):
        floor = 0 if most is None or most >= 0 else -most
        options.append(seq("-", _positional(floor, None if least is None else -least, places, pointed=pointed)))
    return choice(*(option for option in options if option != NEVER))


@cache
def scientific_small() -> Expr:
    """Doubles of less than 0.0001, without sign, as `repr` writes them."""
    return seq(_MANTISSA, "e-", choice(seq("0", char_class((0x35, 0x39))), _naturals(10, 324)))


@cache
def scientific_large() -> Expr:
    """Finite doubles from 1e16 up, without sign, as `repr` writes them; none that would overflow."""
    largest = seq("1", optional(seq(".", _prefixes("0" * 16, _LARGEST[1:], 16))))
    return choice(seq(_MANTISSA, "e+", _naturals(16, 307)), seq(largest, "e+308"))


@cache
def any_float(*, pointed: bool = False) -> Expr:
    """Every finite double: positional from 0.0001 up to 1e16 (as `repr` has it), else with an exponent."""
    positional = _positional(0, 10 ** (17 + DECIMAL_PLACES) - 1, DECIMAL_PLACES, pointed=pointed)
    return seq(optional(seq("-")), choice(positional, scientific_small(), scientific_large()))
