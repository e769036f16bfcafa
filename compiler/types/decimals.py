"""`Decimal`, as a JSON string such as `"3.50"`, the form in which pydantic writes it.

A JSON number would lose digits beyond the seventeenth: readers of JSON, pydantic's too, make it a float first. Trailing
zeros are legal where no limit forbids them, as in a price: 1.0 and 1.00 are equal. Minus zero is written as zero. A number
that would take more than forty zeros has an exponent (`1.5E+60`), and no other has. Infinities and NaN are not written.

Bounds, `max_digits` and `decimal_places` are exact in the grammar; `multiple_of` bounds the decimals, and is a post-check.

Invariant: every admitted text is a finite number within the bounds; trailing zeros count as digits and decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, Decimal, localcontext
from math import ceil, floor
from typing import Any

from typefold.compiler.codec import Codec, text_codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import NEVER, Expr, char_class, choice, optional, repeat, seq
from typefold.compiler.grammar.numeric import between, decimals, integers
from typefold.compiler.limits import BOUNDS
from typefold.compiler.registry import default_registry

_MOST_DIGITS = 60
"""A larger `max_digits` or `decimal_places` is a post-check: as a grammar it would be large."""

_ANY_ZEROS = 10**6
_ZEROS = 40  # from this power of ten on, up or down, a number is written with an exponent
_DIGIT, _NONZERO = char_class((0x30, 0x39)), char_class((0x31, 0x39))


@dataclass(frozen=True)
class _Range:
    """The numbers between two bounds (`None`: no bound), each bound itself in or out."""

    low: Decimal | None
    low_open: bool
    high: Decimal | None
    high_open: bool

    def units(self, places: int) -> tuple[int | None, int | None]:
        """The least and the greatest number of the range with so many decimals, counted in units of the last."""
        low, high = (None if bound is None else _shifted(bound, places) for bound in (self.low, self.high))
        least = None if low is None else floor(low) + 1 if self.low_open else ceil(low)
        most = None if high is None else ceil(high) - 1 if self.high_open else floor(high)
        return least, most

    def negated(self) -> _Range:
        low, high = (None if bound is None else bound.copy_negate() for bound in (self.low, self.high))
        return _Range(high, self.high_open, low, self.low_open)


@default_registry.hook(Decimal)
def decimal_codec(hint: type[Decimal], context: Context) -> Codec[Decimal]:
    """A number in a string, positional, with an exponent only where it is very large or small."""
    context.allow(hint, *BOUNDS, "multiple_of", "max_digits", "decimal_places")
    limits = context.limits
    bounds = _bounds(hint, context)
    places, most = _taken("decimal_places", context), _taken("max_digits", context)
    if (step := limits.peek("multiple_of")) is not None:
        own = max(0, -_exponent(_decimal(step)))
        places = own if places is None else min(places, own)
    fractions = False
    if most is not None and limits.peek("decimal_places") is None:
        text, keep = _of_digits(bounds, range(most + 1), most, places), 0
    elif most is not None and most <= limits.peek("decimal_places"):  # pydantic takes 0.0 for zero, not 0
        text, keep = _of_digits(bounds, range(1), most, None if places is None else max(places, 1)), 0
        fractions = True
    elif places is not None:
        whole = None if most is None else most - limits.peek("decimal_places")
        text, keep = _finite(bounds, places, whole), places
    else:
        text, keep = _endless(bounds)
    if text == NEVER:
        raise context.refuse(hint, "has limits that no number meets")

    def to_json(value: Decimal) -> str:
        endless = places is None and most is None
        zeros = _ANY_ZEROS if endless and value not in (bounds.low, bounds.high) else keep
        text = _write(value, zeros, exponents=endless, scale=_scale(bounds))
        return text + ".0" if fractions and "." not in text else text

    return text_codec(hint, seq('"', text, '"'), "decimal number", Decimal, write=to_json)


def _taken(name: str, context: Context) -> int | None:
    """A limit for the grammar; a larger one stays a post-check."""
    limit: int | None = context.limits.peek(name)
    if limit is not None and limit <= _MOST_DIGITS:
        context.limits.take(name)
        return limit
    return None


def _decimal(bound: Any) -> Decimal:
    """A bound as pydantic takes it: a float by its shortest text."""
    return bound if isinstance(bound, Decimal) else Decimal(str(bound))


def _shifted(number: Decimal | int, places: int) -> Decimal:
    with localcontext(prec=2000):
        return Decimal(number).scaleb(places)


def _exponent(number: Decimal) -> int:
    """The power of ten of the last digit that is not zero."""
    digits = str(number.copy_abs()).upper().partition("E")[0].replace(".", "")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "a bound is finite"
    return exponent + len(digits) - len(digits.rstrip("0"))


def _bounds(hint: Any, context: Context) -> _Range:
    limits = context.limits
    ge, gt, le, lt = (None if bound is None else _decimal(bound) for bound in map(limits.take, BOUNDS))
    for bound in (ge, gt, le, lt):
        if bound is not None and not bound.is_finite():
            raise context.refuse(hint, f"has the bound {bound}, which is no number; leave it out")
    low_open = gt is not None and (ge is None or gt >= ge)
    high_open = lt is not None and (le is None or lt <= le)
    return _Range(gt if low_open else ge, low_open, lt if high_open else le, high_open)


def _finite(bounds: _Range, places: int, whole: int | None = None, *, fractions: bool = False) -> Expr:
    """The numbers of a range with at most `places` decimals and `whole` digits before the point; or decimals alone."""
    low, high = bounds.units(places)
    unit = 10**places
    if whole is not None:
        limit = 10 ** (whole + places) - 1
        low = -limit if low is None else max(low, -limit)
        high = limit if high is None else min(high, limit)
    if low is not None and high is not None and low > high:
        return NEVER
    texts: list[Expr] = []
    if not fractions:
        texts.append(integers(None if low is None else -(-low // unit), None if high is None else high // unit))
    if places:
        least, most = (None if bound is None else _shifted(bound, -places) for bound in (low, high))
        texts.append(decimals(least, most, places=places))
    return choice(*(text for text in texts if text != NEVER))


def _of_digits(bounds: _Range, wholes: range, digits: int, places: int | None) -> Expr:
    """The numbers of a range with so many digits in all: the more before the point, the fewer after it."""
    options: list[Expr] = []
    for whole in wholes:
        after = digits - whole if places is None else min(places, digits - whole)
        for sign in (1, -1):
            signed = bounds if sign > 0 else bounds.negated()
            low, high = signed.units(after)
            least = 10 ** (whole - 1 + after) if whole else 0 if sign > 0 else 1
            least, most = max(least, low or 0), 10 ** (whole + after) - 1
            if high is not None:
                most = min(most, high)
            if least > most:
                continue
            part = _Range(_shifted(least, -after), False, _shifted(most, -after), False)
            text = _finite(part, after, fractions=wholes == range(1))
            options.append(text if sign > 0 else seq("-", text))
    return choice(*options)


def _endless(bounds: _Range) -> tuple[Expr, int]:
    """The numbers of a range, with any number of decimals; and the decimals up to which a bound may have zeros."""
    known = [bound for bound in (bounds.low, bounds.high) if bound is not None]
    places = max([1, *(-_exponent(bound) for bound in known)])
    options = [_finite(bounds, places)]
    for sign, part in (("", bounds), ("-", bounds.negated())):
        options += [seq(sign, text) for text in _longer(part, places)]
        options += [seq(sign, text) for text in _scientific(part, _scale(bounds))]
    return choice(*(option for option in options if option != NEVER)), places


def _longer(bounds: _Range, places: int) -> list[Expr]:
    """The positive numbers of a range with more than `places` decimals; the bounds have no more than that."""
    low = 0 if bounds.low is None or bounds.low < 0 else int(_shifted(bounds.low, places))
    high = None if bounds.high is None else int(_shifted(bounds.high, places)) - 1
    texts: list[Expr] = []
    if bounds.low_open and bounds.low is not None and bounds.low >= 0:
        if high is None or low <= high:
            after = seq(repeat(char_class("0"), 0, None), _NONZERO, repeat(_DIGIT, 0, None))
            texts.append(seq(_exact(low, low, places), after))
        low += 1
    if high is None or low <= high:
        texts.append(seq(_exact(low, high, places), repeat(_DIGIT, 1, None)))
    return texts


def _exact(low: int, high: int | None, places: int) -> Expr:
    """Numbers with exactly `places` decimals, between bounds in units of the last."""
    unit, nines = 10**places, "9" * places
    whole, part = divmod(low, unit)
    last, rest = (None, 0) if high is None else divmod(high, unit)
    lower, upper = str(part).zfill(places), str(rest).zfill(places)
    if whole == last:
        return seq(f"{whole}.", between(lower, upper))
    options: list[Expr] = []
    if part:
        options.append(seq(f"{whole}.", between(lower, nines)))
        whole += 1
    if last is not None and upper != nines:
        options.append(seq(f"{last}.", between("0" * places, upper)))
        last -= 1
    options.append(seq(integers(whole, last), ".", repeat(_DIGIT, places, places)))
    return choice(*(option for option in options if option != NEVER))


def _scale(bounds: _Range) -> int:
    """The power of ten from which on numbers have an exponent: beyond all bounds, so it alone tells in from out."""
    known = [bound for bound in (bounds.low, bounds.high) if bound]
    return max([_ZEROS, *(abs(bound.adjusted()) + 2 for bound in known)])


def _scientific(bounds: _Range, scale: int) -> list[Expr]:
    mantissa = seq(_NONZERO, optional(seq(".", repeat(_DIGIT, 1, None))))
    signs = ["+"] if bounds.high is None else []
    if (bounds.low is None or bounds.low <= 0) and (bounds.high is None or bounds.high > 0):
        signs.append("-")
    return [seq(mantissa, f"E{sign}", integers(scale, MAX_EMAX)) for sign in signs]


def _write(value: Decimal, keep: int, *, exponents: bool, scale: int) -> str:
    if not value.is_finite():
        raise ValueError(f"{value!r} is no finite number, and cannot be written")
    size = value.adjusted()
    if value and exponents and abs(size) >= scale:
        digits = "".join(map(str, value.as_tuple().digits))
        return f"{'-' if value < 0 else ''}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}E{size:+d}"
    text = format(value if value else Decimal(0), "f")
    whole, _, part = text.partition(".")
    part = part[:keep] + part[keep:].rstrip("0")
    return f"{whole}.{part}" if part else whole
