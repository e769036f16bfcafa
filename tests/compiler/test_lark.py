"""The Lark that is printed admits exactly the language: llguidance and `recognises` agree on texts, masks and ends."""

# Hypothesis does not tell lambdas what they are given:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import llguidance
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from typefold.compiler import output_type
from typefold.compiler.grammar import lexer
from typefold.compiler.grammar.lark import print_lark
from typefold.compiler.grammar.matcher import Matcher, recognises
from typefold.compiler.grammar.nodes import (
    ANY,
    EMPTY,
    NEVER,
    CharClass,
    Choice,
    Expr,
    Language,
    Lit,
    Ref,
    Repeat,
    Seq,
    char_class,
    choice,
    join,
    optional,
    repeat,
    seq,
)
from typefold.compiler.grammar.sampler import sample

DIGIT = char_class((0x30, 0x39))
HEX = DIGIT | char_class((0x61, 0x66))
CHAR = choice(
    ~(char_class((0, 0x1F)) | char_class('"\\')), seq("\\", char_class('"\\bfnrt')), seq("\\u00", char_class("01"), HEX)
)
INTEGER = seq(optional(Lit("-")), choice("0", seq(char_class((0x31, 0x39)), repeat(DIGIT, 0, None))))
NUMBER = seq(INTEGER, optional(seq(".", repeat(DIGIT, 1, None))))
CORPUS = [
    '{"name": "Ada \\"x\\"", "n": 1.5, "items": [{"name": "", "items": []}, null, true]}',
    "aab ba ((x))",
    "é è 😀😁 ﬀ\n",
]


def string(least: int = 0, most: int | None = None) -> Expr:
    return seq('"', repeat(CHAR, least, most), '"')


def array(item: Expr) -> Expr:
    return seq("[", optional(seq(item, repeat(seq(", ", item), 0, None))), "]")


def record(**fields: Expr) -> Expr:
    return seq("{", join(", ", [seq(f'"{name}": ', value) for name, value in fields.items()]), "}")


VALUE = choice(
    string(),
    NUMBER,
    "true",
    "false",
    "null",
    array(Ref("Value")),
    seq("{", optional(join(", ", [seq(string(), ": ", Ref("Value"))] * 2)), "}"),
)
LANGUAGES = {
    "choice": Language(choice("keep", "drop", "kept", 'say "no"', "a\\b", "two\nlines", "a/b", "//", "#", "é", "😀")),
    "bare text": Language(repeat(ANY, 0, 12)),
    "bare pattern": Language(seq(repeat(HEX, 2, 3), "-", repeat(choice("ab", "abc", "😀"), 1, None))),
    "string": Language(string(2, 7)),
    "record": Language(record(name=string(0, 5), age=INTEGER, role=choice('"hero"', '"villain"'), ratio=NUMBER)),
    "optional fields": Language(
        seq('{"a": ', INTEGER, optional(seq(', "b": ', string())), optional(seq(', "c": ', NUMBER)), "}")
    ),
    "array": Language(array(choice(INTEGER, "null", string(0, 3)))),
    "shared rule": Language(array(Ref("P")), {"P": record(x=Ref("num"), y=Ref("num")), "num": NUMBER}),
    "tree": Language(Ref("Node"), {"Node": record(name=string(0, 4), children=array(Ref("Node")))}),
    "tree in a record": Language(record(n=INTEGER, tree=Ref("T"), m=INTEGER), {"T": choice(INTEGER, array(Ref("T")))}),
    "list of links": Language(Ref("L"), {"L": record(value=NUMBER, next=choice("null", Ref("L")))}),
    "any json": Language(Ref("Value"), {"Value": VALUE}),
    "two rules": Language(
        Ref("A"), {"A": choice(INTEGER, array(Ref("B"))), "B": record(a=optional(Ref("A")), b=string(0, 2))}
    ),
    "sums": Language(
        Ref("E"),
        {"E": seq(Ref("F"), repeat(seq("+", Ref("F")), 0, None)), "F": choice(INTEGER, seq("(", Ref("E"), ")"))},
    ),
    "numbers side by side": Language(seq(INTEGER, Ref("P"), INTEGER), {"P": optional(seq("(", Ref("P"), ")"))}),
    "twins": Language(
        Ref("P"), {"P": choice(seq(char_class("ab"), Ref("P"), char_class("ab")), repeat(char_class("ab"), 0, 2))}
    ),
    "bare text in brackets": Language(
        Ref("P"), {"P": choice(repeat(ANY, 0, 3), seq("(", Ref("P"), ")", repeat(ANY, 0, 2)))}
    ),
    "same first byte": Language(seq(Ref("P"), "è"), {"P": choice(repeat(Lit("é"), 0, None), seq("é(", Ref("P"), ")"))}),
    "prefixes": Language(Ref("P"), {"P": choice("null", "nulls", seq("nu", Ref("P"), "ll"), seq("n", Ref("P")))}),
    "names that clash": Language(
        seq(Ref("start"), Ref("T1"), Ref("t1"), Ref("é-1")),
        {
            "start": choice("a", seq("(", Ref("start"), ")")),
            "T1": Lit("b"),
            "t1": char_class("cd"),
            "é-1": optional(Ref("start")),
        },
    ),
    "long strings": Language(
        seq(
            "[",
            repeat(seq(record(a=string(0, 20), b=choice("null", string(1, 30))), ","), 0, 40),
            string(17, 17),
            Ref("R"),
            "]",
        ),
        {"R": choice(EMPTY, seq(string(0, 20), Ref("R"), repeat(char_class("ab"), 0, 20))), "S": string(0, 25)},
    ),
    "long texts side by side": Language(seq(repeat(ANY, 0, 20), "END", repeat(ANY, 0, 20))),
    "long text in brackets": Language(Ref("P"), {"P": choice(repeat(ANY, 0, 17), seq("(", Ref("P"), ")"))}),
    "long rule": Language(array(Ref("S")), {"S": choice(Ref("N"), string(0, 20)), "N": repeat(DIGIT, 1, 20)}),
    "empty text": Language(EMPTY),
    "nothing or tree": Language(optional(Ref("N")), {"N": seq("(", optional(Ref("N")), ")")}),
    "dead branches": Language(
        choice("a", seq("ab", NEVER), seq("c", Ref("loop")), Ref("R"), CharClass(())),
        {"loop": seq("x", Ref("loop")), "R": seq("r", choice(Ref("R"), Ref("loop"), EMPTY, Repeat(Lit("z"), 0, 0)))},
    ),
}


class Guidance:
    """llguidance with a vocabulary whose tokens cross every border, driven as vLLM's `guidance` backend drives it."""

    def __init__(self) -> None:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=420, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(CORPUS * 4, trainer)
        self.tokenizer = tokenizer
        self.tokens = llguidance.LLTokenizer(tokenizer.to_str(), eos_token=tokenizer.token_to_id("<eos>"))
        self.eos = self.tokens.eos_token
        self.bytes = [self.tokens.decode_bytes([token]) for token in range(self.tokens.vocab_size)]
        self.single = {data[0]: token for token, data in enumerate(self.bytes) if len(data) == 1 and token != self.eos}

    def matcher(self, language: Language) -> llguidance.LLMatcher:
        grammar = llguidance.grammar_from("grammar", print_lark(language))
        assert llguidance.LLMatcher.validate_grammar(grammar, self.tokens) == ""
        matcher = llguidance.LLMatcher(self.tokens, grammar, log_level=0)
        assert not matcher.get_error()
        return matcher

    def admits(self, matcher: llguidance.LLMatcher, text: str) -> bool:
        ways = [self.tokenizer.encode(text).ids, [self.single[byte] for byte in text.encode()]]
        verdicts = set()
        for tokens in ways:
            matcher.reset()
            verdicts.add(matcher.validate_tokens([*tokens, self.eos]) == len(tokens) + 1)
            verdicts.add(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())
        assert len(verdicts) == 1, (text, verdicts)
        return verdicts.pop()

    def walk(self, matcher: llguidance.LLMatcher, language: Language, rng: random.Random, steps: int = 25) -> None:
        """Tokens at random under the mask; wherever a character is whole, the mask is what `recognises` says."""
        matcher.reset()
        data, living = b"", alive(language)
        for _ in range(steps):
            mask = int.from_bytes(matcher.compute_bitmask(), "little")
            allowed = [token for token in range(len(self.bytes)) if mask >> token & 1]
            assert not matcher.is_error(), matcher.get_error()
            try:
                state = Matcher.start(living).advance(data.decode())
            except UnicodeDecodeError:
                pass
            else:
                leads = {self.bytes[token][0] for token in allowed if token != self.eos}
                assert leads == {byte for low, high in state.next_chars.ranges for byte in first_bytes(low, high)}, data
                assert (self.eos in allowed) == state.complete, data
            token = rng.choice(allowed)
            if token == self.eos:
                assert recognises(language, data.decode())
                return
            assert matcher.consume_token(token)
            data += self.bytes[token]


def first_bytes(low: int, high: int) -> Iterator[int]:
    """The bytes that characters from `low` to `high` begin with in UTF-8."""
    first, last = (chr(point).encode()[0] for point in (low, high))
    return (byte for byte in range(first, last + 1) if not 0x80 <= byte <= 0xC1)


@pytest.fixture(scope="session")
def guidance() -> Guidance:
    return Guidance()


def mutants(text: str, rng: random.Random) -> Iterator[str]:
    at = rng.randrange(len(text) + 1)
    other = rng.choice('ab"\\{}[](), :019.-\né😀è')
    yield text[:at] + other + text[at:]
    yield text[:at] + other + text[at + 1 :]
    yield text[:at] + text[at + 1 :]
    yield text[:at]
    yield text + text


def rewritten(expr: Expr, ref: Callable[[str], Expr]) -> Expr:
    """The expression with something else for its references, and without what then matches nothing."""
    match expr:
        case Lit() | CharClass():
            return NEVER if expr == CharClass(()) else expr
        case Seq(parts):
            return seq(*(rewritten(part, ref) for part in parts))
        case Choice(options):
            found = [rewritten(option, ref) for option in options]
            return choice(*(option for option in found if option != NEVER))
        case Repeat(item, least, most):
            return repeat(rewritten(item, ref), least, most)
        case Ref(name):
            return ref(name)


def shallow(expr: Expr, rules: Mapping[str, Expr], depth: int) -> Expr:
    """The part of a language whose texts need at most `depth` nested references: deeper ones are huge."""
    return rewritten(expr, lambda name: shallow(rules[name], rules, depth - 1) if depth else NEVER)


def alive(language: Language) -> Language:
    """The same language, where every beginning that `Matcher` follows can be completed."""
    rules = language.rules
    dead = {name for name in rules if shallow(rules[name], rules, len(rules)) == NEVER}

    def ref(name: str) -> Expr:
        return NEVER if name in dead else Ref(name)

    return Language(rewritten(language.root, ref), {name: rewritten(expr, ref) for name, expr in rules.items()})


def agree(guidance: Guidance, language: Language, rng: random.Random, rounds: int) -> None:
    matcher = guidance.matcher(language)
    part = next(part for depth in range(9) if (part := shallow(language.root, language.rules, depth)) != NEVER)
    parts = [part, shallow(language.root, language.rules, 2), shallow(language.root, language.rules, 3)]
    for i in range(rounds):
        text = sample(Language(parts[i % 3] if parts[i % 3] != NEVER else part), rng, exotic=0.2)
        assert guidance.admits(matcher, text), text
        for mutant in mutants(text, rng):
            assert guidance.admits(matcher, mutant) == recognises(language, mutant), mutant
        guidance.walk(matcher, language, rng)


@pytest.mark.parametrize("name", LANGUAGES)
def test_printed_grammar_admits_exactly_the_language(guidance: Guidance, name: str) -> None:
    agree(guidance, LANGUAGES[name], random.Random(name), rounds=6)


LETTERS = "ab(é😀"
ATOMS = st.one_of(
    st.text(LETTERS, max_size=3).map(Lit),
    st.sets(st.sampled_from(LETTERS + "è😁"), max_size=4).map(lambda found: char_class("".join(found))),
    st.builds(
        lambda first, name: Seq((Lit(first), Ref(name))),
        st.text(LETTERS, min_size=1, max_size=2),
        st.sampled_from("XYZ"),
    ),
)


def wider(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        several.map(Seq),
        several.map(Choice),
        st.builds(
            lambda item, least, more: Repeat(item, least, None if more is None else least + more),
            inner,
            st.integers(0, 2),
            st.one_of(st.none(), st.integers(0, 2), st.just(6)),  # nested counts multiply; see the limit in print_lark
        ),
    )


EXPRS = st.recursive(ATOMS, wider, max_leaves=7)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(root=EXPRS, x=EXPRS, y=EXPRS, z=EXPRS, rng=st.randoms(use_true_random=False))
def test_any_small_language_is_printed_exactly(
    guidance: Guidance, root: Expr, x: Expr, y: Expr, z: Expr, rng: random.Random
) -> None:
    language = Language(root, {"X": x, "Y": y, "Z": z})
    try:
        text = print_lark(language)
    except ValueError:
        assert all(shallow(root, language.rules, depth) == NEVER for depth in range(5))
        return
    assert text == print_lark(Language(root, {"Z": z, "Y": y, "X": x}))
    try:
        agree(guidance, language, rng, rounds=2)
    except RecursionError:
        reject()  # too ambiguous for `recognises`, which keeps every way of reading apart


class Fact(BaseModel):
    """Texts, moments and free keys side by side, as in the records of a graph."""

    uuid: str = ""
    source: str
    created_at: datetime
    fact: str
    episodes: list[str] = []
    expired_at: datetime | None = None
    valid_at: datetime | None = None
    invalid_at: datetime | None = None
    reviewed_on: date | None = None
    attributes: dict[str, Any] = {}


class Wide(BaseModel):
    """Fields that may all be left out, among them any JSON."""

    a: datetime | None = None
    b: Decimal | None = None
    c: list[date] = []
    d: Any = None
    e: dict[str, datetime] = {}
    f: Literal["x", "y"] | None = None
    g: JsonValue = None
    h: float | None = None
    i: dict[str, Any] = {}


@pytest.mark.parametrize(("hint", "most"), [(Fact, 40), (Wide, 60), (list[Fact], 40), (dict[str, Fact | Wide], 80)])
def test_any_json_beside_moments_keeps_terminals_few_and_whole(
    hint: Any, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraint = output_type(hint).constraint
    assert constraint.language is not None
    monkeypatch.setattr(lexer, "MAX_PAIRS", 20_000)  # beyond it a grammar is split into characters unchecked
    text = print_lark(constraint.language)
    lines = dict(line.split(": ", 1) for line in text.splitlines()[1:])
    terminals = {name: body for name, body in lines.items() if name.isupper() and len(body) > 3}
    assert len(terminals) <= most
    assert any("-02-29" in body and body.startswith('"\\""') for body in terminals.values()), "a date is one terminal"
