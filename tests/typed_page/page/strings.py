"""Mistakes inside strings, types and numbers: those that only typefold's own checks can see."""

from collections.abc import Callable, Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Literal

from house import Character, Mood, Point, Verdict, backstory, judge, make
from pydantic import BaseModel, Field

from typefold import Logged, Runtime, Scored, ToolCall, Tools, ask, example, output_type, prompt


class Empty(Enum):
    pass


class Meeting(BaseModel, arbitrary_types_allowed=True):
    when: Callable[[], int]


class Party(BaseModel):
    host: Character
    guests: list[Character]
    date: date
    places: dict[str, Point]


def add(a: int, b: int) -> int:
    return a + b


# kind: templates
@prompt
def introduce(party: Party, notes: Sequence[str], tone: Mood = Mood.GRIM) -> str:
    """Introduce {{ party.host.name | upper }} of {{ party.date.year }}, in a tone that is {{ tone.value }}.

    {% for guest in party.guests if guest.age > 17 -%}
    - {{ loop.index }}. {{ guest.name[:1] }} {{ guest.friends | join(", ") }}
    {% endfor %}
    {% for name, place in party.places.items() %}{{ name }}: {{ place.x + place.y }}{% endfor %}
    {{ notes | map("trim") | join("; ") }} {{ notes[0].strip().title() if notes else "nothing" }}
    """
    return ask()


class Writer:
    style: str = "plain"

    @prompt
    def write(self, about: Character) -> str:
        return ask(f"In {self.style} words: {about.name}")

    @prompt
    @classmethod
    def made(cls, name: str) -> Character:
        """In {{ cls.style }} words: {{ name }}"""
        return ask()


def wrong_templates() -> None:
    @prompt
    def unclosed(text: str) -> str:
        """{% if text %}{{ text }}"""  # E: a block that is not closed
        return ask()

    @prompt
    def name(text: str) -> Verdict:
        """Is it any good? {{ txt }}"""  # E: a typo in a name
        return ask()

    @prompt
    def attribute(party: Party) -> str:
        """Introduce {{ party.hst }}."""  # E: a typo in an attribute
        return ask()

    @prompt
    def deeper(party: Party) -> str:
        """Introduce {{ party.host.nmae }}."""  # E: a typo in an attribute of an attribute
        return ask()

    @prompt
    def looped(party: Party) -> str:
        """{% for guest in party.guests %}{{ guest.nmae }}{% endfor %}"""  # E: a typo in a loop
        return ask()

    @prompt
    def no_loop(party: Party) -> str:
        """{% for one in party.host.age %}{{ one }}{% endfor %}"""  # E: a number looped over
        return ask()

    @prompt
    def mapped(party: Party) -> str:
        """{{ party.guests | map(attribute="aeg") | join }}"""  # E: a typo in a filter's attribute
        return ask()

    @prompt
    def no_filter(text: str) -> str:
        """{{ text | uper }}"""  # E: a filter that there is not
        return ask()

    @prompt
    def no_test(text: str) -> str:
        """{% if text is strng %}{{ text }}{% endif %}"""  # E: a test that there is not
        return ask()

    @prompt
    def braces(text: str) -> str:
        """Say: {text}"""  # E: single braces
        return ask()

    @prompt
    def constant(text: str) -> str:
        """Say it in one sentence."""  # E: a parameter that no template uses
        return ask()

    @prompt
    def sliced(party: Party) -> str:
        """{{ party.host.age[:2] }}"""  # E: a slice of a number
        return ask()

    @prompt
    def called(party: Party) -> str:
        """{{ party.host() }}"""  # E: a call of a model
        return ask()

    @prompt
    def added(party: Party) -> str:
        """{{ party.host.age + "1" }}"""  # E: a text added to a number
        return ask()

    @prompt
    def method(text: str) -> str:
        """{{ text.uper() }}"""  # E: a typo in a method
        return ask()

    @prompt
    def result_of_method(text: str) -> str:
        """{{ text.split().nothing }}"""  # E: an attribute that a method's result lacks
        return ask()

    @prompt
    def enum(tone: Mood) -> str:
        """{{ tone.vlaue }}"""  # E: a typo in an Enum's attribute
        return ask()

    class Writer:
        style: str = "plain"

        @prompt
        @classmethod
        def made(cls, name: str) -> Character:
            """In {{ cls.sytle }} words: {{ name }}"""  # E: a typo in a class's attribute
            return ask()

    @prompt
    def f_string(text: str) -> Verdict:
        return ask("Is it any good? {text}")  # E: an f-string without its f

    print(Writer)


# kind: return types
@prompt
def table(text: str) -> dict[str, list[tuple[int, date | None]]]:
    return ask(text)


def wrong_types(runtime: Runtime) -> None:
    @prompt
    def number(text: str) -> complex:  # E: a type without a form in JSON
        return ask(text)

    @prompt
    def nothing(text: str) -> None:  # E: None for an answer
        return ask(text)  # E: ^

    @prompt
    def meeting(text: str) -> list[Meeting]:  # E: a function in a field
        return ask(text)

    @prompt
    def bounds(text: str) -> Annotated[int, Field(ge=10, le=3)]:  # E: bounds that no number meets
        return ask(text)

    @prompt
    def pattern(text: str) -> Annotated[str, Field(pattern="[A-Z")]:  # E: a pattern that is none
        return ask(text)

    @prompt
    def empty(text: str) -> Empty:  # E: a choice of nothing
        return ask(text)

    @prompt
    def score(text: str) -> Scored[int]:  # E: probabilities of too many
        return ask(text)

    @prompt
    def inside(text: str) -> list[Logged[int]]:  # E: facts inside of another type
        return ask(text)

    @prompt
    def tool(text: str) -> Annotated[ToolCall[str], Tools(add)]:  # E: tools with another result
        return ask(text)

    @prompt
    def no_tool(text: str) -> ToolCall[int]:  # E: a call of no tool
        return ask(text)

    runtime.generate("x", output_type=complex)  # E: a type without a form in JSON, generated
    runtime("x", output_type=Character | dict[str, complex])  # E: the same in a union
    output_type(list[Meeting])  # E: a function in a field, by itself


# kind: ranges of options
def ranges(runtime: Runtime) -> None:
    @prompt(temperature=0, top_p=1, retries=0, max_tokens=1)
    def right(text: str) -> str:
        return ask(text)

    @prompt(temperature=-1)  # E: a temperature below 0
    def cold(text: str) -> str:
        return ask(text)

    @prompt(retries=-1)  # E: a negative number of attempts
    def fewer(text: str) -> str:
        return ask(text)

    @prompt(n=3)  # E: an option that can't be set
    def several(text: str) -> str:
        return ask(text)

    @prompt(stop=".")  # E: a stop inside of a value
    def stopped(text: str) -> int:
        return ask(text)

    right.using(top_p=0.5).using(min_p=0.1)("x")
    right.using(top_p=1.5)  # E: a probability above 1
    right.using(max_tokens=0)  # E: no token at all
    right.using(timeout=-3)  # E: a negative time
    runtime.generate("x", temperature=-1)  # E: a temperature below 0, generated
    runtime.generate("x", max_tokens=0)  # E: no token at all, generated
    make.sample(0)  # E: no sample at all


# kind: ask
def wrong_bodies() -> None:
    @prompt
    def cut(text: str) -> str:
        return ask(f"Shorten: {text}")[:80]  # E: work on an answer that is not there

    @prompt
    def calls(setting: str) -> str:
        hero = make(setting)  # E: a prompt asked in the body of another
        return ask(f"Describe {hero.name}.")

    @prompt
    def greet(name: str) -> str:
        return f"Hello {name}!"  # E: a body that asks nothing

    def no_prompt(text: str) -> int:
        return ask(text)  # E: ask outside of a prompt

    @prompt
    def unused(text: str, tone: str) -> str:
        return ask(text)

    print(no_prompt)


# kind: examples of @prompt
def wrong_examples() -> None:
    @prompt(examples=[example("keep", text="x"), example("drop", text="y")])
    def right(text: str) -> Verdict:
        return ask(text)

    @prompt(examples=[example("kep", text="x")])  # E: a value that is no answer
    def value(text: str) -> Verdict:
        return ask(text)

    @prompt(examples=[example("keep", txt="x")])  # E: a typo in a parameter
    def name(text: str) -> Verdict:
        return ask(text)

    @prompt(examples=[example("keep", text=3)])  # E: an argument of the wrong type
    def argument(text: str) -> Verdict:
        return ask(text)

    @prompt(examples=[example("keep")])  # E: an argument left out
    def left_out(text: str) -> Verdict:
        return ask(text)

    @prompt(examples=[example(11, text="x")])  # E: a value out of range
    def out_of_range(text: str) -> Annotated[int, Field(le=5)]:
        return ask(text)


def used() -> tuple[str, Literal["keep", "drop"]]:
    return backstory(make("Mars"), "grim"), judge("x")
