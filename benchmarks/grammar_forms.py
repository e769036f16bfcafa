"""Grammars of one language in several forms, and what each costs in xgrammar.

Costs are those of one thread: parsing the text, compiling it, and filling the mask before each token of real texts (and
once more at their end). So that what else the machine does stays out of it, parsing and compiling are processor time,
and a mask's time is the least of several walks at each position; mean and maximum are over positions.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from typefold.compiler.grammar.ebnf import print_ebnf
from typefold.compiler.grammar.json_strings import JSON_CHAR
from typefold.compiler.grammar.nodes import ANY, Expr, Language, repeat, seq

ANY_CHAR = r"[\u0000-\ud7ff\ue000-\U0010ffff]"
PLAIN = r"[\u0020-\u0021\u0023-\u005b\u005d-\ud7ff\ue000-\U0010ffff]"
ESCAPES = (r'"\\" [\u0022\u005cbfnrt]', r'"\\u000" [0-7be-f]', r'"\\u001" [0-9a-f]')
QUOTE = r'"\""'
PARAGRAPH = (
    "The committee met on Tuesday, 14 May, and after three hours of debate it agreed on very little. "
    'Its chair said: "We are not done", and left by the side door.\n\tNobody followed; the coffee was cold. '
    "A café in Zürich, 12 °C outside, seemed a better place to go on with the work — and so they did. 🎉"
)


@dataclass(frozen=True)
class Form:
    """One way to write a language; `texts` are walked under its masks."""

    construct: str
    name: str
    grammar: str
    texts: Sequence[str]


@dataclass(frozen=True)
class Cost:
    """What a grammar costs, in the units of the names."""

    parse_us: float
    compile_ms: float
    mask_mean_us: float
    mask_max_us: float
    tokens: int

    def row(self) -> dict[str, Any]:
        """The cost as columns of a table."""
        return {
            "parse us": round(self.parse_us),
            "compile ms": _short(self.compile_ms),
            "mask mean us": _short(self.mask_mean_us),
            "mask max us": _short(self.mask_max_us),
        }


def _short(number: float) -> float:
    return round(number) if number >= 100 else round(number, 1)


@dataclass
class Bench:
    """xgrammar over the vocabulary of a tokenizer, in one thread, with nothing cached."""

    model: str
    info: Any = field(init=False)

    def __post_init__(self) -> None:
        import xgrammar
        from transformers import AutoTokenizer

        tokenizers: Any = AutoTokenizer
        self.tokenizer = tokenizers.from_pretrained(self.model)
        self.info = xgrammar.TokenizerInfo.from_huggingface(self.tokenizer)
        self.compiler = xgrammar.GrammarCompiler(self.info, max_threads=1, cache_enabled=False)
        self.mask = xgrammar.allocate_token_bitmask(1, self.info.vocab_size)

    def cost(self, grammar: str, texts: Sequence[str], *, walks: int = 7) -> Cost:
        """The cost of a grammar in EBNF."""
        import xgrammar

        parse, parsed = _timed(lambda: xgrammar.Grammar.from_ebnf(grammar))
        compile_, compiled = _timed(lambda: self.compiler.compile_grammar(parsed))
        return self._walked(parse, compile_, compiled, texts, walks)

    def guidance_ms(self, grammar: str) -> float:
        """The processor time that llguidance takes to compile a grammar in Lark and to make the first mask."""
        import llguidance

        guidance: Any = llguidance
        tokenizer = self.guidance_tokenizer

        def compile_() -> None:
            matcher = guidance.LLMatcher(tokenizer, guidance.grammar_from("grammar", grammar), log_level=0)
            matcher.compute_bitmask()
            if matcher.is_error():
                raise ValueError(matcher.get_error())

        return _timed(compile_)[0] * 1e3

    @cached_property
    def guidance_tokenizer(self) -> Any:
        """The vocabulary in llguidance's form."""
        import llguidance.hf

        guidance: Any = llguidance.hf
        return guidance.from_tokenizer(self.tokenizer)

    def schema_cost(self, schema: str, texts: Sequence[str], *, walks: int = 7) -> Cost:
        """The cost of a JSON schema, spaced as our texts are."""
        import xgrammar

        parse, _ = _timed(lambda: xgrammar.Grammar.from_json_schema(schema, any_whitespace=False))
        compile_, compiled = _timed(lambda: self.compiler.compile_json_schema(schema, any_whitespace=False))
        return self._walked(parse, compile_, compiled, texts, walks)

    def _walked(self, parse: float, compile_: float, compiled: Any, texts: Sequence[str], walks: int) -> Cost:
        first = self._walk(compiled, texts)
        again = [self._walk(compiled, texts) for _ in range(walks if sum(first) < 0.2 else 1)]
        least = [min(times) * 1e6 for times in zip(first, *again, strict=True)]
        return Cost(parse * 1e6, compile_ * 1e3, statistics.mean(least), max(least), len(least))

    def _walk(self, compiled: Any, texts: Sequence[str]) -> list[float]:
        """The time of each mask on the way through the texts."""
        import xgrammar

        times: list[float] = []
        for text in texts:
            matcher = xgrammar.GrammarMatcher(compiled)
            for token in [*self.tokenizer.encode(text, add_special_tokens=False), None]:
                started = time.perf_counter()
                matcher.fill_next_token_bitmask(self.mask)
                times.append(time.perf_counter() - started)
                if token is not None and not matcher.accept_token(token):
                    raise ValueError(f"{self.tokenizer.decode([token])!r} is refused in {text!r}")
        return times


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """The median time of several runs (one, where it is long), and what the last one gave."""
    times: list[float] = []
    while True:
        started = time.process_time()
        made = run()
        times.append(time.process_time() - started)
        if len(times) == 9 or sum(times) > 1:
            return statistics.median(times), made


def by_hand(root: str, **rules: str) -> str:
    """A grammar of a root and rules; `CHAR` stands for any character of a JSON string."""
    lines = [f"{name} ::= {body}" for name, body in {"root": root, **rules}.items()]
    return "\n".join(lines).replace("CHAR", " | ".join([PLAIN, *(f"({escape})" for escape in ESCAPES)])) + "\n"


def chain(most: int, end: str, *options: str, lookahead: bool = False) -> dict[str, str]:
    """Rules `t{most}` to `t0`, by the number of characters left, each with `end` inside."""
    rules = {"t0": end}
    for left in range(1, most + 1):
        body = " | ".join([*(f"({option}) t{left - 1}" for option in options), end])
        rules[f"t{left}"] = f"({body}) (=[])" if lookahead else body
    return rules


def labels(count: int) -> list[str]:
    """Distinct labels of two words, as an enumeration may have them."""
    starts = [
        "north",
        "south",
        "east",
        "west",
        "upper",
        "lower",
        "inner",
        "outer",
        "new",
        "old",
        "great",
        "little",
        "high",
        "long",
        "white",
        "black",
        "red",
        "green",
    ]
    ends = [
        "field",
        "water",
        "bridge",
        "land",
        "ville",
        "ton",
        "ford",
        "haven",
        "port",
        "wood",
        "gate",
        "hill",
        "mark",
        "stone",
        "brook",
        "dale",
        "side",
        "view",
    ]
    made = [f"{one} {two}{three}" for three in ["", *ends, *starts] for one in starts for two in ends]
    return made[:count]


def string_forms() -> Iterator[Form]:
    """Text in quotation marks, without a bound and with one."""
    texts = [quoted(PARAGRAPH)]
    any_char = repeat(JSON_CHAR, 0, None)
    recursion = " | ".join([f"{PLAIN} s", *(f"({escape}) s" for escape in ESCAPES)])
    yield printed("string", "right recursion, end inside", seq('"', any_char, '"'), texts)
    yield Form("string", "right recursion, end outside", by_hand(f"{QUOTE} s {QUOTE}", s=f'{recursion} | ""'), texts)
    yield Form("string", "(class | escape)*", by_hand(f"{QUOTE} (CHAR)* {QUOTE}"), texts)
    for most in (40, 200, 256, 1000):
        name, texts = (
            f"string of at most {most:,}",
            [quoted(part[:most]) for part in (*PARAGRAPH.split(". "), PARAGRAPH)],
        )
        yield printed(name, "chain, end inside", seq('"', repeat(JSON_CHAR, 0, most), '"'), texts)
        if most == 40:
            rules = chain(most, '""', PLAIN, *ESCAPES)
            yield Form(name, "chain, end outside", by_hand(f"{QUOTE} t{most} {QUOTE}", **rules), texts)
            yield Form(name, "char{0,40}", by_hand(f"{QUOTE} (CHAR){{0,{most}}} {QUOTE}"), texts)


def text_forms() -> Iterator[Form]:
    """Bare text with a bound."""
    for most in (40, 200):
        texts = [part[:most] for part in (*PARAGRAPH.split(". "), PARAGRAPH)]
        name, rules = f"bare text of at most {most}", chain(most, '""', ANY_CHAR)
        yield printed(name, "chain, lookahead", repeat(ANY, 0, most), texts)
        yield Form(name, "chain, no lookahead", by_hand(f"t{most}", **rules), texts)


def choice_forms() -> Iterator[Form]:
    """One of many labels."""
    for count in (100, 1_000, 3_000, 10_000):
        made = labels(count)
        yield Form(
            f"choice of {count:,}", "flat", f"root ::= {' | '.join(map(json.dumps, made))}\n", made[:: count // 20]
        )


def number_forms() -> Iterator[Form]:
    """The digits behind a point."""
    texts = ["3.14159", "0.000123", "12345.678901234567"]
    whole = '("0" | [1-9] [0-9]{0,16}) "." '
    yield Form("decimal", "[0-9]{1,21}", by_hand(f"{whole}[0-9]{{1,21}}"), texts)
    yield Form("decimal", "chain", by_hand(f"{whole}[0-9] t20", **chain(20, '""', "[0-9]")), texts)


def forms() -> Iterator[Form]:
    """Every construct in its forms; the first of each is the one that the printer takes."""
    yield from string_forms()
    yield from text_forms()
    yield from choice_forms()
    yield from number_forms()


def printed(construct: str, name: str, expr: Expr, texts: Sequence[str]) -> Form:
    """A form as the printer writes it."""
    return Form(construct, name, print_ebnf(Language(expr)), texts)


def quoted(text: str) -> str:
    """A text as JSON."""
    return json.dumps(text, ensure_ascii=False)
