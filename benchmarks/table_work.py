"""The work of the table: texts of a given number of tokens, what is asked of them, and a program of three stages.

The texts are letters to a shop, put together from sentences with names, numbers and dates, the same in every run. A prompt
begins with a tag of its turn, so that a prefix cache holds nothing of an earlier turn; what a function tells of its format
stands behind the tag, and rows of one turn share it as they do in practice.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from typefold import ask, prompt, system, user

TOKENS = (50, 500, 2000)
"""The lengths of the texts."""

Topic = Literal[
    "late delivery",
    "damaged goods",
    "wrong item",
    "refund request",
    "invoice question",
    "warranty claim",
    "product advice",
    "account access",
    "cancelled order",
    "spare parts",
    "praise",
    "something else",
]
Short = Annotated[str, Field(max_length=24)]


# A docstring of a card would stand in the prompts.
class BoundedCard(BaseModel):
    customer: Short
    product: Short
    topic: Topic
    amount: Annotated[int, Field(ge=0, le=9999)]
    urgent: bool
    wish: Annotated[str, Field(max_length=40)]
    mood: Literal["angry", "worried", "neutral", "pleased"]


class PlainCard(BaseModel):  # as people write them first: no string has a bound
    customer: str
    product: str
    order: str
    problem: str
    amount: float
    wish: str
    reply: str


@dataclass(frozen=True)
class Row:
    """A text, and the tag of the turn in which it is asked about."""

    text: str
    tag: str = ""

    def in_turn(self, tag: str) -> "Row":
        return replace(self, tag=tag)


@prompt(temperature=0, max_tokens=16)
def label(row: Row) -> Topic:
    return ask(system(row.tag), user(f"Give this letter its topic.\n\n{row.text}"))


@prompt(temperature=0, max_tokens=300)
def bounded(row: Row) -> BoundedCard:
    return ask(system(row.tag), user(f"Fill in the card of this letter.\n\n{row.text}"))


@prompt(temperature=0, max_tokens=300)
def plain(row: Row) -> PlainCard:
    return ask(system(row.tag), user(f"Fill in the card of this letter.\n\n{row.text}"))


@prompt(temperature=0, max_tokens=64)
def text(row: Row) -> str:
    return ask(system(row.tag), user(f"Answer this letter.\n\n{row.text}"))


@prompt(temperature=0, max_tokens=64)
def answer(row: Row, topic: str) -> str:
    return ask(system(row.tag), user(f"Answer this letter. Its topic is {topic}.\n\n{row.text}"))


@prompt(temperature=0, max_tokens=300)
def card(row: Row, answered: str) -> PlainCard:
    return ask(system(row.tag), user(f"Fill in the card of this letter.\n\n{row.text}\n\nThe answer was: {answered}"))


# With the letter first and words of their own about the form behind it, the calls of a row share all up to the question.
@prompt(temperature=0, max_tokens=16, describe_format=False)
def first_label(row: Row) -> Topic:
    return ask(system(row.tag), user(f"{row.text}\n\nGive this letter one of these topics: {', '.join(labels())}."))


@prompt(temperature=0, max_tokens=64)
def then_answer(row: Row, topic: str) -> str:
    return ask(system(row.tag), user(f"{row.text}\n\nAnswer this letter. Its topic is {topic}."))


@prompt(temperature=0, max_tokens=300, describe_format=False)
def then_card(row: Row, answered: str) -> PlainCard:
    keys = ", ".join(PlainCard.model_fields)
    return ask(
        system(row.tag),
        user(f"{row.text}\n\nThe answer was: {answered}\n\nFill in the card, as JSON with the keys {keys}."),
    )


@dataclass(frozen=True)
class Stage:
    """One call of a row: the function, and what bare vLLM has to be told of it."""

    function: Any
    hint: Any
    max_tokens: int

    def to(self, limit: int) -> "Stage":
        """With that limit of tokens, if it gives an object."""
        if self.max_tokens < 300:
            return self
        return Stage(self.function.using(max_tokens=limit), self.hint, limit)


PROGRAM, LETTER_FIRST = "program", "letter first"
WORK: dict[str, tuple[Stage, ...]] = {
    "label": (Stage(label, Topic, 16),),
    "bounded": (Stage(bounded, BoundedCard, 300),),
    "plain": (Stage(plain, PlainCard, 300),),
    "text": (Stage(text, str, 64),),
    PROGRAM: (Stage(label, Topic, 16), Stage(answer, str, 64), Stage(card, PlainCard, 300)),
    LETTER_FIRST: (Stage(first_label, Topic, 16), Stage(then_answer, str, 64), Stage(then_card, PlainCard, 300)),
}
"""The kinds of work, with the calls of a row."""


@dataclass(frozen=True)
class Stages:
    """The program of three calls a row: its topic, an answer, and the card of both.

    `Stages(*limited("program", 60))` has a shorter card, `Stages(label.using(...), ...)` any options.
    """

    label: Any = label
    answer: Any = answer
    card: Any = card

    def __call__(self, row: Row) -> PlainCard | None:
        """One row, as a user writes it."""
        answered = self.answer(row, self.label(row))
        card: PlainCard | None = self.card.safe(row, answered).value_or(None)  # a card that is cut costs its row alone
        return card


def stages(work: str, limit: int) -> tuple[Stage, ...]:
    """The calls of a kind of work, with that limit of tokens for objects."""
    return tuple(stage.to(limit) for stage in WORK[work])


def limited(work: str, limit: int) -> tuple[Any, ...]:
    """The functions of a kind of work, with that limit of tokens for objects."""
    return tuple(stage.function for stage in stages(work, limit))


def messages(function: Any, *arguments: object) -> list[dict[str, Any]]:
    """The messages of a call, as the chat messages that are handed to vLLM by hand."""
    return [{"role": message.role, "content": message.content} for message in function.render(*arguments)]


def labels() -> list[str]:
    """The topics, as a choice for vLLM."""
    return list(get_args(Topic))


def rows(count: int, tokens: int, tokenizer: Any) -> list[Row]:
    """So many different texts of so many tokens."""
    found: list[Row] = []
    for start in range(0, count, 256):
        numbers = range(start, min(start + 256, count))
        long = [letter(number, tokens * 5) for number in numbers]  # a token has fewer than five letters here
        while short := [at for at, ids in enumerate(_encoded(tokenizer, long)) if len(ids) < tokens]:
            for at in short:
                long[at] = letter(numbers[at], 2 * len(long[at]))
        found += [Row(tokenizer.decode(ids[:tokens]).strip()) for ids in _encoded(tokenizer, long)]
    return found


def _encoded(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return encoded


def letter(number: int, characters: int) -> str:
    """The letter of that number, of at least so many characters; a longer one begins with the shorter."""
    parts: list[str] = []
    length = 0
    for part in _sentences(number):
        parts.append(part)
        length += len(part) + 1
        if length > characters:
            return " ".join(parts)
    raise AssertionError("sentences do not end")


_FIRST = (
    "Ada Bruno Chidi Dalia Emre Farah Goran Hana Iris Jonas Kofi Leila Marek Nadia Oskar Priya Rosa Samir Tove Yuki"
)
_LAST = "Abara Bianchi Castell Dvorak Eriksen Fontaine Garcia Haddad Ito Jensen Kowalski Lindqvist Moreau Novak Okafor Petrov"
_GOODS = (
    "coffee grinder|desk lamp|bread knife|rain jacket|bicycle pump|garden hose|electric kettle|office chair|wool blanket|"
    "camping stove|wall clock|cordless drill|baby monitor|suitcase with four wheels|pair of hiking boots|set of six glasses|"
    "wireless keyboard|picture frame|sewing machine|fish tank filter"
)
_TOWNS = (
    "Bergen Cork Dresden Ghent Izmir Lagos Lyon Malmo Nantes Osaka Porto Quito Riga Split Tartu Utrecht Valencia Zadar"
)
_MONTHS = "January February March April May June July August September October November December"
_OPENINGS = (
    "My name is {first} {last} and I live in {town}.",
    "Good morning, this is {first} {last} from {town}.",
    "I am writing about order {order}, which I placed on {day} {month}.",
    "On {day} {month} I ordered a {goods} from your shop for {price} euros.",
    "Please help me with my {goods}.",
    "I have been a customer for {small} years and this is my first complaint.",
)
_MIDDLES = (
    "The parcel was supposed to come on {day} {month}, but the tracking page still says that it is waiting in {town}.",
    "When I opened the box, the {goods} had a crack on one side and {small} of the screws were missing.",
    "Instead of the {goods} that I paid for, I found a {other} in a box with my name on it.",
    "The invoice lists {price} euros, while the page where I ordered it said {price2} euros.",
    "I called your office {small} times last week and nobody could tell me where it is.",
    "My neighbour, {first2} {last2}, has the same {goods} and hers works without any trouble.",
    "It worked well for {small} weeks and then stopped from one day to the next, just after the warranty card had come.",
    "The driver left it in front of the house in {town}, in the rain, although somebody was at home all day.",
    "Your colleague {first2} promised me on {day} {month} that the money would be back within {small} days.",
    "I can no longer log in to my account, and the mail with the new password never arrives.",
    "We need it for the birthday of my daughter on {day} {month}, so a later date would be of no use to us.",
    "I have added {small} photographs, on which you can see the damage and the number {order} on the label.",
    "According to the manual the part with the number {order} can be bought separately, but I do not find it anywhere.",
    "Could you also tell me whether the {other} fits a table that is {price} centimetres wide?",
    "To be fair, the packaging was good and the person at the counter in {town} was very friendly.",
    "A friend told me that the shop in {town} has {small} of them left, and I could fetch one there myself.",
    "I would rather not send it back, since the return would cost me more than the {price2} euros that it is worth.",
    "The size is wrong: I asked for the one with {small} compartments, and this has only one.",
    "Meanwhile I have cancelled the second order, {order}, because I do not want the same thing to happen again.",
    "After {small} hours of assembly we noticed that the left and the right side had been mixed up at the factory.",
    "The colour on your page looks like a dark green, while the {goods} that came is almost grey.",
    "I paid with the card that ends in {order}, and the bank tells me that the amount was taken twice.",
    "{first2} {last2} signed for the parcel on {day} {month}, but nobody of that name lives in our house.",
    "If I remember rightly, the same happened with a {other} that I bought in {month} of last year.",
)
_WISHES = (
    "Please send me a new {goods} as soon as you can.",
    "I would like to have my {price} euros back.",
    "Please answer before {day} {month}.",
    "Tell me what I should do with the {other}.",
    "I hope that you can sort this out without another call.",
    "Thank you for your help, and kind regards from {town}.",
)


def _sentences(number: int) -> Iterator[str]:
    """The sentences of one letter, without end: an opening, what happened, what is wished for, and so on."""
    rng = random.Random(f"letter {number}")
    same = {
        "first": rng.choice(_FIRST.split()),
        "last": rng.choice(_LAST.split()),
        "goods": rng.choice(_GOODS.split("|")),
    }
    paragraph = [_OPENINGS, *[_MIDDLES] * 6, _WISHES]
    while True:
        for sentences in paragraph:
            yield rng.choice(sentences).format(
                **same,
                first2=rng.choice(_FIRST.split()),
                last2=rng.choice(_LAST.split()),
                other=rng.choice(_GOODS.split("|")),
                town=rng.choice(_TOWNS.split()),
                month=rng.choice(_MONTHS.split()),
                day=rng.randint(1, 28),
                small=rng.randint(2, 12),
                order=rng.randint(10_000, 99_999),
                price=rng.randint(12, 480),
                price2=rng.randint(12, 480),
            )
