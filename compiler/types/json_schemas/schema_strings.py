r"""Strings of JSON schemas: patterns in the words of ECMA-262, formats, and keys that are none of a list.

A pattern is read as both engines do, JavaScript's and Python's, where they differ: `\d` and `\w` are ASCII, and `[^\d]` is
no digit of any script; `$` is the end of the text. The formats of the standard are asserted, each by a language of its own; other formats are annotations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from typefold.compiler.grammar.json_strings import ANY_TEXT
from typefold.compiler.grammar.matcher import Fork, Matcher, Stack
from typefold.compiler.grammar.nodes import EMPTY, CharClass, Expr, Language, Lit, char_class, choice, seq
from typefold.compiler.grammar.regex import pattern_language
from typefold.compiler.grammar.rust_regex import UnsupportedPattern

_SPACE = r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_WIDE = {"d": r"\d", "w": r"\w", "s": r"\s\ufeff"}  # where a class leaves them out
_TOKEN = re.compile(r"\\u\{([0-9A-Fa-f]+)\}|\\c([A-Za-z])|\\(.)|\[\^?\]?|\(\?<(?![=!])|.", re.DOTALL)
_ESCAPES = frozenset("dDwWsSbBfnrtvxuAZ")  # letters that mean something behind a backslash in Python


@cache
def python_pattern(pattern: str) -> str:
    """The pattern in the words of Python's engine, to be searched for."""
    out: list[str] = []
    inside = negated = False
    for token in _TOKEN.finditer(pattern):
        text, (point, control, escape) = token.group(), token.groups()
        if point or control:
            out.append(re.escape(chr(int(point, 16) if point else ord(control) % 32)))
        elif escape in _CLASSES:
            out.append((_WIDE if negated else _CLASSES)[escape] if inside else f"[{_CLASSES[escape]}]")
        elif escape == "z":
            out.append(r"\Z")
        elif escape is not None:
            is_plain = escape.isalpha() and escape.isascii() and escape not in _ESCAPES
            out.append(escape if is_plain and escape not in "kpP" else text)
        elif text[0] == "[" and not inside:
            inside, negated = not text.endswith("]"), text.startswith("[^")
            out.append({"[]": r"(?!)", "[^]": r"[\s\S]"}.get(text, text))
        elif inside:
            inside = not text.endswith("]")
            out.append(re.sub(r"[\[&|~]", r"\\\g<0>", text) if inside else re.sub(r"\[", r"\\[", text))
        else:
            out.append({"$": r"\Z", "(?<": "(?P<", ".": r"[^\n\r\u2028\u2029]"}.get(text, text))
    return "".join(out)


@cache
def pattern_texts(pattern: str) -> tuple[Expr, bool]:
    """The texts with a match of a pattern, and whether it is these alone."""
    python = python_pattern(pattern)
    for relaxed in (False, True):
        try:
            return pattern_language(python, python=True, relaxed=relaxed), not relaxed
        except UnsupportedPattern:
            continue
    return ANY_TEXT, False


def _ipv6(group: str = "[0-9A-Fa-f]{1,4}") -> str:
    forms = [rf"({group}:){{7}}{group}", rf"({group}:){{6}}{_IPV4}", rf"({group}:){{1,7}}:", "::"]
    forms += [rf"({group}:){{1,{7 - after}}}(:{group}){{{after}}}" for after in range(1, 7)]
    forms += [rf"({group}:){{1,{5 - after}}}(:{group}){{{after}}}:{_IPV4}" for after in range(5)]
    return "|".join([*forms, rf":(:{group}){{1,7}}", rf":(:{group}){{0,5}}:{_IPV4}"])


_YEAR = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_FOURTH = "(0[48]|[2468][048]|[13579][26])"
_SHORT_DAYS = "(0[1-9]|1[0-9]|2[0-8])"
_DAY = f"((0[1-9]|1[0-2])-{_SHORT_DAYS}|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_DATE = f"({_YEAR}-{_DAY}|([0-9]{{2}}{_FOURTH}|{_FOURTH}00)-02-29)"
_TIME = r"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))"
_CLOCK = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"
_DAYS = "([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
_IPV4 = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3})"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"  # its 63 characters are not counted: a grammar of them would be slow
_HOST = rf"({_LABEL}(\.{_LABEL})*)"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_BEYOND = r"\xa0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"


def _uri(*, more: str = "", reference: bool = False) -> str:
    """A URI by RFC 3986; `more` are the further letters of an IRI."""
    percent = "%[0-9A-Fa-f]{2}"
    segment = rf"([A-Za-z0-9._~!$&'()*+,;=:@{more}-]|{percent})"
    first = rf"([A-Za-z0-9._~!$&'()*+,;=@{more}-]|{percent})"
    host = rf"(([A-Za-z0-9._~!$&'()*+,;={more}-]|{percent})*|\[([0-9A-Fa-f:.]+)\])"
    authority = rf"//((([A-Za-z0-9._~!$&'()*+,;=:{more}-]|{percent})*)@)?{host}(:[0-9]*)?(/{segment}*)*"
    rooted = rf"/({segment}+(/{segment}*)*)?"
    tail = rf"(\?({segment}|[/?])*)?(#({segment}|[/?])*)?"
    whole = rf"[A-Za-z][A-Za-z0-9+.-]*:({authority}|{rooted}|{segment}+(/{segment}*)*)?{tail}"
    return whole if not reference else rf"{whole}|({authority}|{rooted}|{first}+(/{segment}*)*)?{tail}"


def _uri_template() -> str:
    """A template of a URI by RFC 6570."""
    percent = "%[0-9A-Fa-f]{2}"
    letter = f"([A-Za-z0-9_]|{percent})"
    variable = rf"{letter}(\.?{letter})*(:[1-9][0-9]{{0,3}}|\*)?"
    return rf"([^\x00-\x20\x7f\"'%<>\\^`{{|}}]|{percent}|\{{[+#./;?&=,!@|]?{variable}(,{variable})*\}})*"


_FORMATS: dict[str, str] = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": f"P({_DAYS}({_CLOCK})?|{_CLOCK}|[0-9]+W)",
    "email": rf"{_ATOM}(\.{_ATOM})*@({_HOST}|\[{_IPV4}\])",
    "idn-email": r"[^@\s]+@[^@\s]+",
    "hostname": _HOST,
    "idn-hostname": rf"[A-Za-z0-9{_BEYOND}]([A-Za-z0-9.{_BEYOND}-]*[A-Za-z0-9{_BEYOND}])?",
    "ipv4": _IPV4,
    "ipv6": _ipv6(),
    "uri": _uri(),
    "uri-reference": _uri(reference=True),
    "iri": _uri(more=_BEYOND),
    "iri-reference": _uri(more=_BEYOND, reference=True),
    "uri-template": _uri_template(),
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "json-pointer": r"(/([^~/]|~[01])*)*",
    "relative-json-pointer": r"(0|[1-9][0-9]*)(#|(/([^~/]|~[01])*)*)",
}


@cache
def format_texts(name: str) -> tuple[Expr, bool]:
    """The texts of a format, and whether it is these alone."""
    if name not in _FORMATS:
        return ANY_TEXT, False
    return pattern_language(_FORMATS[name], full_match=True, python=True), True


@cache
def _format(name: str) -> re.Pattern[str]:
    return re.compile(_FORMATS[name], re.ASCII)


def is_asserted(name: str) -> bool:
    """Whether the format demands something of a text."""
    return name in _FORMATS or name == "regex"


def has_format(name: str, text: str) -> bool:
    """Whether a text is in a format."""
    if name == "regex":
        try:
            re.compile(python_pattern(text))
        except (re.error, OverflowError, RecursionError):
            return False
        return True
    return name not in _FORMATS or _format(name).fullmatch(text) is not None


def without(expr: Expr, words: Iterable[str]) -> Expr:
    """The texts of an expression without references that are none of the words, which are few.

    The options stand side by side, each with the beginning of a word, since parsers of grammars limit the depth of parentheses.
    """
    known = sorted(set(words))
    pending = [("", Matcher.start(Language(expr)), known)]
    options: list[Expr] = []
    while pending:
        start, state, some = pending.pop()
        if state.complete and start not in some:
            options.append(Lit(start))
        longer: dict[str, list[str]] = {}
        for word in some:
            if len(word) > len(start):
                longer.setdefault(word[len(start)], []).append(word)
        taken = char_class("".join(longer))
        behind: list[Expr] = []
        for node, rest in state.stacks:
            if isinstance(node, CharClass) and len(others := node - taken):
                behind.append(seq(start, others, _behind(rest)))
            elif isinstance(node, Lit) and node.text[0] not in longer:
                behind.append(seq(start, node, _behind(rest)))
        options += sorted(behind, key=repr)
        pending += [
            (start + char, after, part) for char, part in longer.items() if not (after := state.advance(char)).dead
        ]
    return choice(*options) if known else expr


def _behind(stack: Stack) -> Expr:
    """The texts of a stack."""
    if stack is None:
        return EMPTY
    if isinstance(stack, Fork):
        return choice(*sorted(map(_behind, stack), key=repr))
    node, rest = stack
    return seq(node, _behind(rest))
