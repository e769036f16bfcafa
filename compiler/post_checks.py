"""Post-checks: checks after decoding by name, and the one that an answer failed.

A post-check reads `path: name`, such as `return.age: multiple_of=3`. An error about an answer names it in the same words, so
that it is found in `explain()`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from typefold.compiler.contained import describe_exception, is_fatal
from typefold.compiler.errors import DecodeError

DEEPEST = 200  # levels that pydantic's reader of JSON follows
_MOST_PROBLEMS = 10_000
_SHOWN = 20  # problems that a message names

_NAMES_OF_KIND = {
    "string_too_short": ("min_length", "strip_whitespace"),
    "string_too_long": ("max_length",),
    "string_pattern_mismatch": ("pattern", "strip_whitespace"),
    "path_type": ("min_length", "max_length", "strip_whitespace"),
    "string_not_ascii": ("ascii_only",),
    "too_short": ("min_length",),
    "too_long": ("max_length",),
    "greater_than": ("gt",),
    "greater_than_equal": ("ge",),
    "less_than": ("lt",),
    "less_than_equal": ("le",),
    "value_error": ("validator", "valid email address", "base64 of UTF-8"),
    "assertion_error": ("validator",),
    "predicate_failed": ("validator",),
    "not_in_range": ("validator",),
    "set_item_not_hashable": ("hashable items",),
    "int_parsing_size": ("digits",),
    "fraction_parsing": ("digits",),
    "bytes_too_short": ("min_length",),
    "bytes_too_long": ("max_length",),
    "date_past": ("in the past",),
    "date_future": ("in the future",),
    "datetime_past": ("in the past",),
    "datetime_future": ("in the future",),
    "decimal_max_digits": ("max_digits",),
    "decimal_max_places": ("decimal_places",),
    "decimal_whole_digits": ("max_digits", "decimal_places"),
    "ip_v6_network": ("IPv6 network",),
    "ip_any_network": ("IPv6 network",),
    "path_not_file": ("existing file",),
    "path_not_directory": ("existing directory",),
    "path_exists": ("no existing path",),
    "url_parsing": ("valid URL",),
    "url_syntax_violation": ("valid URL",),
    "url_too_long": ("valid URL",),
    "nesting": ("levels",),
}
"""Words of a post-check's name by pydantic's kind of error; a kind that is not here stands for itself."""


def matching_checks(checks: Iterable[str], problems: Sequence[dict[str, Any]]) -> list[str]:
    """The post-checks that any of pydantic's errors may be about, the most likely first."""
    listed = list(checks)
    found: dict[str, None] = {}
    for problem in problems:
        words = "|".join(map(re.escape, _words(problem)))
        about = [check for check in listed if re.search(rf"\b(?:{words})\b", check.partition(": ")[2])]
        found.update(dict.fromkeys(sorted(about, key=lambda check: _distance(check, problem))))
    return list(found)


def _words(problem: dict[str, Any]) -> Iterable[str]:
    kind, message = str(problem["type"]), str(problem["msg"])
    yield from _NAMES_OF_KIND.get(kind, (kind,))
    yield from re.findall(r"Unable to apply constraint '(\w+)'", message)  # a length of a number, say
    if "number out of range" in message:
        yield "digits"
    if "recursion limit" in message:
        yield "levels"


def _distance(check: str, problem: dict[str, Any]) -> tuple[int, bool]:
    """The steps of a post-check's path that an error's lacks, less those that both have; then whether its value is another."""
    path, _, name = check.partition(": ")
    parts = ["[]" if isinstance(part, int) else str(part) for part in problem["loc"]]
    steps = ["".join(step) or "[]" for step in re.findall(r"\.(\w+)|\['([^']*)'\]|\[\d*\]", path)]
    looked_at = name.partition(" of ")[2].split(", ") if name.startswith("validator ") and " of " in name else []
    distance = sum(-1 if step in parts else 1 for step in (*steps, *looked_at))
    return distance, name.partition("=")[2] not in str(problem["msg"]).split()


def decode_error(text: str, error: BaseException, checks: Iterable[str]) -> DecodeError:
    """The error for an answer that could not be read; `checks` are the post-checks of the type, listed or not."""
    kind, detail = "validator", ""
    problems: list[dict[str, Any]] = []
    if isinstance(error, ValidationError):
        if error.error_count() > _MOST_PROBLEMS:  # an answer of megabytes may have one for each of its items
            kind, detail = "many problems", f"{error.error_count():,} values are invalid"
        else:
            try:
                problems = [dict(problem) for problem in error.errors(include_url=False, include_context=False)]
                kinds = {str(problem["type"]) for problem in problems}
                kind = "validator" if kinds <= {"value_error", "assertion_error"} else ", ".join(sorted(kinds))
                detail = _summary(problems)
            except BaseException as worse:  # an exception of a validator is user code too
                if is_fatal(worse):
                    raise
                problems = []
                detail = f"{error.error_count()} problems, and their messages raised {describe_exception(worse)}"
    # The nesting tells it from a validator's own calls.
    elif isinstance(error, RecursionError) and text.count("[") + text.count("{") > DEEPEST:
        kind, detail = "nesting", f"is nested deeper than {DEEPEST} levels"
    else:
        detail = describe_exception(error)
    found = matching_checks(checks, problems or [{"type": kind, "loc": (), "msg": detail}])
    return DecodeError(text, found[0] if found else kind, detail, problems)


def _summary(problems: list[dict[str, Any]]) -> str:
    def line(problem: dict[str, Any]) -> str:
        place = ".".join(str(part) for part in problem["loc"])
        return f"{place}: {problem['msg']}" if place else str(problem["msg"])

    shown = "; ".join(map(line, problems[:_SHOWN]))
    return shown if len(problems) <= _SHOWN else f"{shown}; and {len(problems) - _SHOWN} more"
