"""Numbers, truth values and nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from typefold.compiler.codec import Codec, JsonSchema, identity, schema_of, text_codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.nodes import NEVER, Expr, Ref, choice, optional, repeat, seq
from typefold.compiler.grammar.numeric import (
    DECIMAL_PLACES,
    any_float,
    decimals,
    integers,
    scientific_large,
    scientific_small,
)
from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.limits import BOUNDS, Limits
from typefold.compiler.registry import default_registry

_INT_DIGITS = 4300  # Python's and pydantic's limit on reading a whole number from text
_SMALLEST_POSITIONAL = 1e-4  # below this, and from 1e16 up, repr writes an exponent
_LARGEST_POSITIONAL = 1e16


@default_registry.hook(int)
def int_codec(hint: type[int], context: Context) -> Codec[int]:
    """Canonical decimal digits; bounds are in the grammar."""
    context.allow(hint, *BOUNDS, "multiple_of")
    limits = context.limits
    for name in limits.names():
        if not _is_whole(limits.peek(name)):
            raise context.refuse(hint, f"has the limit {name}={limits.peek(name)!r}, which is no whole number")
    low, high = inclusive_bounds(limits, int, lambda bound: int(bound) + 1, lambda bound: int(bound) - 1)
    if low is not None and high is not None and low > high:
        raise context.refuse(hint, f"has bounds that no number meets (from {low} to {high})")
    if low is None or high is None:
        context.reader_limit(f"no more than {_INT_DIGITS} digits")
    schema = schema_of("integer", minimum=low, maximum=high, multipleOf=limits.peek("multiple_of"))
    return Codec(integers(low, high), schema, int, identity, lambda value: type(value) is int, plain=True)


@default_registry.hook(float)
def float_codec(hint: type[float], context: Context) -> Codec[float]:
    """Decimals as Python's `repr` writes them; trailing zeros may be there, a point missing; bounds are in the grammar."""
    context.allow(hint, *BOUNDS, "multiple_of")
    limits = context.limits
    for name in limits.names():
        if not _is_float(limits.peek(name)):
            raise context.refuse(hint, f"has the limit {name}={limits.peek(name)!r}, which is no float")
    low, high = inclusive_bounds(
        limits, float, lambda bound: math.nextafter(bound, math.inf), lambda bound: math.nextafter(bound, -math.inf)
    )
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    expr: Expr = NEVER
    if least <= most and least < math.inf and most > -math.inf:
        pointed = context.beside_whole
        expr = any_float(pointed=pointed) if low is None and high is None else _bounded_float(least, most, context)
    if expr == NEVER:
        raise context.refuse(hint, f"has bounds that no number meets (from {low!r} to {high!r})")
    schema: JsonSchema = {"type": "number"}
    words = _words_beyond(low, high, context)
    if words and context.config.get("ser_json_inf_nan") == "strings":
        schema = {"anyOf": [schema, {"enum": [*words], "type": "string"}]}
        texts = {value: word for word, value in words.items()}
        beyond = choice(*map(context.json_format.dump, words))
    else:
        texts, beyond = {}, choice(*words) if words else NEVER

    def to_json(value: float) -> float | str:
        if math.isfinite(value):
            return float(value) + 0.0 if least >= 0 else float(value)  # minus zero is zero where nothing is below it
        word = next((word for word, each in words.items() if each == value or (each != each and value != value)), None)
        if word is None:
            raise ValueError(
                f"{value!r} has no text here; bound it, or set ser_json_inf_nan='strings' in the configuration"
            )
        return word if texts else value

    return Codec(
        choice(expr, beyond) if words else expr,
        schema,
        to_json,
        float,
        lambda value: type(value) is float and (math.isfinite(value) or bool(words)),
        plain=not texts,
    )


def _words_beyond(low: float | None, high: float | None, context: Context) -> dict[str, float]:
    """The words that pydantic writes and reads for infinities and NaN here, by the configuration."""
    config = context.config
    mode, allowed = config.get("ser_json_inf_nan"), context.limits.allow_inf_nan
    if allowed is None:
        allowed = config.get("allow_inf_nan", True)
    if (
        not allowed
        or context.is_key
        or mode not in ("strings", "constants")
        or (mode == "strings" and config.get("strict"))
    ):
        return {}
    words = {"Infinity": math.inf} if high is None or high == math.inf else {}
    words |= {"-Infinity": -math.inf} if low is None or low == -math.inf else {}
    return words | ({"NaN": math.nan} if not context.limits.names() else {})


def _bounded_float(least: float, most: float, context: Context) -> Expr:
    """Positional decimals within the bounds, and those with an exponent where the bounds leave room for them."""
    low = None if least <= -_LARGEST_POSITIONAL else Decimal(repr(least))
    high = None if most >= _LARGEST_POSITIONAL else Decimal(repr(most))
    pointed = context.beside_whole
    options = [decimals(low, high, places=DECIMAL_PLACES, whole_digits=17, pointed=pointed)]
    exact = True
    for sign, near, far in (("", max(least, 0.0), most), ("-", max(-most, 0.0), -least)):
        if far < 0 or (far == 0 and near == 0):
            continue
        if near < _SMALLEST_POSITIONAL:  # the range of this sign reaches down to where repr writes an exponent
            options.append(seq(sign, scientific_small()))
            exact &= near == 0 and far >= _SMALLEST_POSITIONAL
        if far >= _LARGEST_POSITIONAL:
            options.append(seq(sign, scientific_large()))
            exact &= far == math.inf and near < _LARGEST_POSITIONAL
    if not exact:
        context.limits.leave(*BOUNDS)
    return choice(*(option for option in options if option != NEVER))


@default_registry.hook(Fraction)
def fraction_codec(hint: type[Fraction], context: Context) -> Codec[Fraction]:
    """`1/3` or `-2`, as a JSON string; bounds other than the sign are post-checks."""
    context.allow(hint, *BOUNDS)
    context.reader_limit(f"no more than {_INT_DIGITS} digits")
    lowest = [bound for bound in map(context.limits.peek, ("ge", "gt")) if bound is not None]
    text = seq(integers(0 if lowest and max(lowest) >= 0 else None, None), optional(seq("/", integers(1, None))))
    return text_codec(hint, seq('"', text, '"'), "fraction", Fraction)


@default_registry.hook(bool)
def bool_codec(hint: type[bool], context: Context) -> Codec[bool]:
    """`true` or `false`."""
    context.allow(hint)
    return Codec(choice("true", "false"), {"type": "boolean"}, bool, identity, lambda v: type(v) is bool, plain=True)


@default_registry.hook(type(None))
def none_codec(hint: None, context: Context) -> Codec[None]:
    """`null`; as a whole return type it is refused, since nothing would be asked of the model."""
    if context.path == "return":
        raise context.refuse(hint, "asks the model for nothing; return a type that holds an answer")
    return Codec(seq("null"), {"type": "null"}, identity, identity, lambda value: value is None, plain=True)


@default_registry.hook(Any, object)
def any_codec(hint: Any, context: Context) -> Codec[Any]:
    """Any JSON value."""
    comma, colon = context.json_format.comma, context.json_format.colon
    string = json_string(ANY_TEXT)
    value = context.rule("json_number", choice(integers(None, None), any_float(pointed=True)))
    context.reader_limit(f"numbers of no more than {_INT_DIGITS} digits")
    item = Ref("json_value")
    pair = seq(string, colon, item)
    rule = context.rule(
        "json_value",
        choice(
            "null",
            "true",
            "false",
            value,
            string,
            "[]",
            seq("[", item, repeat(seq(comma, item), 0, None), "]"),
            "{}",
            seq("{", pair, repeat(seq(comma, pair), 0, None), "}"),
        ),
    )
    return Codec(rule, {}, identity, identity, _is_json, plain=True)


def _is_json(value: Any) -> bool:
    if is_list(value):
        return all(map(_is_json, value))
    if is_dict(value):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value))


def _is_whole(bound: Any) -> bool:
    try:
        return bool(int(bound) == bound)
    except (ArithmeticError, TypeError, ValueError):  # infinite, not a number, or no number at all
        return False


def _is_float(bound: Any) -> bool:
    try:
        return not math.isnan(float(bound))
    except (ArithmeticError, TypeError, ValueError):
        return False


def inclusive_bounds(
    limits: Limits, read: Callable[[Any], Any], above: Callable[[Any], Any], below: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """Take the bounds of a type whose values have neighbours, the strictest of each side, as inclusive ones.

    `read` converts an inclusive bound to a value, `above` and `below` give the neighbours of an exclusive one.
    """

    def of(name: str, convert: Callable[[Any], Any]) -> list[Any]:
        bound = limits.take(name)
        return [] if bound is None else [convert(bound)]

    low = max(of("ge", read) + of("gt", above), default=None)
    return low, min(of("le", read) + of("lt", below), default=None)
