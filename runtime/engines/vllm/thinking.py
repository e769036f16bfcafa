"""Reasoning models: the marks around their reasoning, and what their prompts need so that an answer begins outside of it.

The marks are a table, after vLLM's reasoning parsers (`vllm.reasoning`, `vllm.parser`), which a test compares with it. Which row is a
model's, how its template spaces the marks, and whether its prompts end inside a thought is read from what the template renders:
a question, and a conversation with an answer in it. Prompts that vLLM's own code renders as tokens are decoded for that, or read by
their marks alone. vLLM is not imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from typefold.compiler.guards import is_mapping
from typefold.runtime.engine import Thinking
from typefold.runtime.engines.vllm.control_tokens import ControlTokens
from typefold.runtime.request import Request

Render = Callable[[list[dict[str, Any]], dict[str, Any]], "str | list[int]"]
Switches = Mapping[str, tuple[Any, Any]]
"""Variables of a chat template by name, each with the values that switch reasoning on and off."""
_Turn: TypeAlias = "tuple[str, str] | dict[str, Any]"

_TOKEN = re.compile(r"<[^<>\s]+>|\[/?[A-Z]+\]")
_CODE = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_THOUGHT = re.compile(r"([<\[])([^<>\[\]/\s]*(?:think|thought|reason)[^<>\[\]/\s]*)([>\]])", re.IGNORECASE)
_SUFFIXED = re.compile(r"<think(:[^\s<>]+)>")
_QUESTION, _ANSWER = "Which colour has the sea?", "It has many colours."
_REASON = "It mirrors the sky"
_REASONING = ("reasoning", "reasoning_content", "thinking")  # fields of a message
_REMEMBERED = 256  # sets of template variables


@dataclass(frozen=True)
class Marks:
    """The marks of a family of models."""

    start: str  # stands before the reasoning
    end: str  # stands behind it
    turn: str = ""  # where reasoning and answer are messages of their own: the beginning of such a message
    answer: str = ""  # stands before an answer, behind `turn`
    between: str = ""  # the white space of an empty thought, where the template shows none
    after: str = ""  # the white space behind `end`, likewise
    parsers: tuple[str, ...] = ()  # the names of vLLM's reasoning parsers that read these marks

    @cached_property
    def tokens(self) -> frozenset[str]:
        """The parts that are tokens of their own in a vocabulary made for them."""
        return frozenset(_TOKEN.findall(self.turn + self.start + self.end + self.answer))

    @property
    def stop(self) -> str:
        """The first token of `end`; all of it where that is ordinary text."""
        found = _TOKEN.match(self.end)
        return self.end if found is None else found[0]

    def opens(self, text: str) -> bool:
        """Return whether a text ends inside a thought."""
        return text.rfind(self.start) > text.rfind(self.end)


_THINK = (
    *(
        "deepseek_r1",
        "deepseek_v3",
        "deepseek_v4",
        "deepseek_v41",
        "ernie45",
        "glm45",
        "glm47",
        "granite_thinking_parser",
    ),
    *("holo2", "hy_v3", "hy_v4", "kimi_k2", "ling3", "mimo", "minicpmv", "minimax_m2", "minimax_m2_append_think"),
    *("nemotron_v3", "olmo3", "poolside_v1", "qwen3", "step3", "step3p5"),
)
MARKS = (
    Marks(
        "<|channel|>analysis<|message|>",
        "<|end|>",
        turn="<|start|>assistant",
        answer="<|channel|>final<|message|>",
        parsers=("openai_gptoss",),
    ),
    Marks(
        " to=self<|message|>",
        "<|eom|>",
        turn="<|start|>assistant",
        answer=" to=user<|message|>",
        parsers=("muse_glimmer",),
    ),
    Marks(
        "<|content_thinking|>",
        "<|end_message|>",
        turn="<|message_model|>",
        answer="<|content_text|>",
        parsers=("inkling",),
    ),
    Marks("<|open|>think<|sep|>", "<|close|>think<|sep|>", answer="<|open|>response<|sep|>", parsers=("kimi_k3",)),
    Marks(
        "<|START_THINKING|>",
        "<|END_THINKING|>",
        answer="<|START_RESPONSE|>",
        parsers=("cohere_command3", "cohere_command4"),
    ),
    Marks("<|channel>thought", "<channel|>", between="\n", parsers=("gemma4",)),
    Marks("<mm:think>", "</mm:think>", parsers=("minimax_m3",)),
    Marks("[THINK]", "[/THINK]", parsers=("mistral",)),
    Marks("<seed:think>", "</seed:think>", parsers=("seed_oss",)),
    Marks("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>", parsers=("plamo3",)),
    *(
        Marks(f"<ifm|{name}>", f"</ifm|{name}>", parsers=("k2_horizon",))
        for name in ("think", "think_fast", "think_faster")
    ),
    Marks("<think>\n", "\n</think>\n", answer="<answer>\n", parsers=("hunyuan_a13b",)),
    Marks("Here is my thought process:", "Here is my response:", parsers=("granite",)),
    Marks("<think>", "</think>", between="\n\n", after="\n\n", parsers=_THINK),
)
"""The marks of each family; of two that a template names, the first is taken."""

_FLAGS = (("enable_thinking", True, False), ("thinking", True, False), ("reasoning", True, False))
_WORDED = (  # only where a template names the words
    ("thinking_mode", "enabled", "disabled"),
    ("thinking_mode", "thinking", "chat"),
    ("reasoning_effort", "high", "no_think"),
    ("reasoning_effort", "high", "none"),
)


def sources_of(template: object) -> str:
    """Return the text of a chat template, or of several by name; nothing for what is no text."""
    templates: list[object] = list(template.values()) if isinstance(template, dict) else [template]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # named templates
    return "\n".join(each for each in templates if isinstance(each, str))


def switches_of(template: object) -> dict[str, tuple[Any, Any]]:
    """Return the variables of a chat template that switch reasoning, each with its values for on and off."""
    code = _CODE.findall(sources_of(template))
    bare = " ".join(_QUOTED.sub("", part) for part in code)
    words = {each[1:-1] for part in code for each in _QUOTED.findall(part)}
    found: dict[str, tuple[Any, Any]] = {}
    for name, on, off in (*_FLAGS, *(each for each in _WORDED if words.issuperset(each[1:]))):
        # Some have variables of their own by these names: nobody else gives them a value.
        own = re.search(rf"\b(?:set|for)\s+{name}\b", bare)
        given = re.search(rf"\b{name}\s+is\s+(?:not\s+)?(?:defined|undefined)|\b{name}\s*\|\s*default\b", bare)
        if (given or not own) and re.search(rf"(?<![\w.]){name}\b(?!\s*\()", bare):
            found.setdefault(name, (on, off))
    return found


def thinking_of(
    tokenizer: Any, render: Render | None, switches: Switches | Iterable[str], template: object = None
) -> Thinking | None:
    """Return the form of a model's reasoning; `None` if it has none that is known. A switch by its name alone is a flag."""
    known = switches if is_mapping(switches) else dict.fromkeys(switches, (True, False))
    return Thoughts(tokenizer, render, known, template).thinking


def switched(request: Request, switches: Switches) -> Mapping[str, Any]:
    """Return the template variables of a request, reasoning switched on or off as it says."""
    return {name: on if request.thinking else off for name, (on, off) in switches.items()} | dict(
        request.chat_template_kwargs
    )


def switches_by(render: Render | None) -> dict[str, tuple[Any, Any]]:
    """Return the switches of prompts that no template writes, by what they do to the end of a prompt."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, on, off in (*_FLAGS, *_WORDED):
        ends = [_rendered(render, [("user", _QUESTION)], {name: value}, generate=True) for value in (on, off)]
        behind = [each.rpartition(_QUESTION)[2] if isinstance(each, str) else each for each in ends]
        if None not in behind and behind[0] != behind[1]:
            found.setdefault(name, (on, off))
    return found


class _Change(NamedTuple):
    """A change to the end of a prompt: its last tokens, those in their place, and all that is new where the last are others."""

    last: list[int]
    instead: list[int]
    behind: list[int]

    def apply(self, token_ids: list[int]) -> list[int]:
        if self.last and token_ids[-len(self.last) :] != self.last:
            return [*token_ids, *self.behind]
        return [*token_ids[: len(token_ids) - len(self.last)], *self.instead]


class Thoughts:
    """The reasoning of a model, by its tokenizer and its chat template."""

    def __init__(self, tokenizer: Any, render: Render | None, switches: Switches, template: object = None) -> None:
        self._tokenizer = tokenizer
        self._render = render
        self._switches = switches
        self._source = sources_of(template)
        self._changes: dict[str, _Change] = {}

    @cached_property
    def thinking(self) -> Thinking | None:
        marks = self.marks
        if marks is None:
            return None
        on, off = self._prompt_end(self._switched(on=True)), self._prompt_end(self._switched(on=False))
        between, after = self._spaces
        begun = ""
        if not marks.opens(on):
            shown = off.rpartition(on)[2] if on else ""  # with the white space that stands before the mark
            space = shown[: shown.index(marks.start)] if marks.start in shown else ""
            line = between[: between.find("\n") + 1]
            begun = f"{space}{_without(on, marks.turn + marks.start)}{line}"
        stop = self._vocabulary.get(marks.stop)
        behind = f"{marks.turn}{marks.answer}{after}"
        return Thinking(
            opening=self._encoded(begun),
            end=stop,
            closing=self._encoded(marks.end + behind),
            answer=self._encoded(behind),
            always=marks.opens(off),
            marks=(marks.start.strip(), marks.end.strip()),
            switches=tuple((name, *values) for name, values in self._switches.items()),
        )

    @cached_property
    def marks(self) -> Marks | None:
        """The row of the table that is this model's."""
        if self._render is None:
            return None
        vocabulary = self._vocabulary
        on, off = self._prompt_end(self._switched(on=True)), self._prompt_end(self._switched(on=False))
        told = self._shown([("user", _QUESTION)], self._switched(on=False), generate=True)
        named = "\n".join((self._source, told, on, self._answered(self._switched(on=False))))
        rows = [*MARKS, *self._others(named, on + off)]
        known = [row for row in rows if vocabulary.keys() >= row.tokens != frozenset()]
        said = [row for row in rows if row.start in named and (row in known or (row.end + row.answer).strip() in named)]
        tests: tuple[Iterator[Marks], ...] = (
            (
                row
                for row in rows
                if (row.opens(on) or row.opens(off)) and (row in known or row.answer.strip() in named)
            ),
            (row for row in said if row in known or self._switches),
            (row for row in known if row.end in named and self._switches),
            (row for row in known if row.turn),
            (row for row in known if self._switches),
        )
        return next((row for each in tests for row in each), None)

    def _others(self, named: str, ended: str) -> Iterator[Marks]:
        """Yield marks that no parser has by name: with a suffix of the checkpoint's own, and others that prompts end in."""
        found = [
            (f"<think{each[1]}>", f"</think{each[1]}>") for each in map(_SUFFIXED.fullmatch, self._vocabulary) if each
        ]
        found += [(each[0], f"{each[1]}/{each[2]}{each[3]}") for each in _THOUGHT.finditer(ended)]
        plain = MARKS[-1]
        for start, end in dict.fromkeys(found):
            if end in self._vocabulary or end in named:
                yield Marks(start, end, between=plain.between, after=plain.after)

    @property
    def text_ends(self) -> tuple[int, ...]:
        """The token that ends an answer too, where answers have a header: behind it stands no more text."""
        if self.marks is None or not self.marks.answer or self.marks.stop not in self._vocabulary:
            return ()
        return (self._vocabulary[self.marks.stop],)

    def outside(self, token_ids: list[int], variables: dict[str, Any]) -> list[int]:
        """Return the tokens of a prompt so that an answer begins behind them, in no thought and under its own header."""
        if self.marks is None:
            return token_ids
        key = repr(variables)
        if (change := self._changes.get(key)) is None:
            change = self._change(variables)
            if len(self._changes) < _REMEMBERED:
                self._changes[key] = change
        return change.apply(token_ids)

    def _change(self, variables: dict[str, Any]) -> _Change:
        ended = self._prompt_end(variables)
        missing = self._missing(ended, variables)
        behind = [*self._encoded(missing)]
        shown = _rendered(self._render, [("user", _QUESTION)], variables, generate=True)
        if not missing or not ended or not isinstance(shown, str):
            return _Change([], behind, behind)
        part, whole = self._control.encode(ended), self._control.encode(ended + missing)
        same = next((at for at, (one, other) in enumerate(zip(part, whole, strict=False)) if one != other), len(part))
        return _Change(part[same:], whole[same:], behind)

    def _missing(self, ended: str, variables: dict[str, Any]) -> str:
        """Return the text between the end of a prompt and an answer without a thought."""
        marks = self.marks
        assert marks is not None
        between, after = self._spaces
        header = marks.turn + marks.answer
        if marks.opens(ended):
            written = ended[ended.rfind(marks.start) + len(marks.start) :]
            rest = between.removeprefix(written) if between.startswith(written) else ""
            return f"{rest}{marks.end}{header}{after}"
        closed = ended.rstrip().endswith(marks.end.strip())
        answered = self._answered(variables)
        if answered.startswith(ended):  # what the template writes before the answers of earlier turns
            shown = answered.removeprefix(ended)
            if closed or marks.tokens.intersection(_TOKEN.findall(shown)):
                return shown
        if header:
            return _without(ended, header)
        if closed or self._switches or not self._thinks_unasked:
            return ""
        return f"{marks.start}{between}{marks.end}{after}"

    @cached_property
    def _thinks_unasked(self) -> bool:
        """Whether the model opens its thoughts itself: its template tells it to, or keeps the reasoning of an answer."""
        marks = self.marks
        assert marks is not None
        return any(
            marks.start in each for each in (self._reasoned, self._shown([("user", _QUESTION)], {}, generate=True))
        )

    @cached_property
    def _reasoned(self) -> str:
        """The text that the template writes between a question and an answer that has its reasoning beside it."""
        answer = {"role": "assistant", "content": _ANSWER, **dict.fromkeys(_REASONING, _REASON)}
        shown = self._shown([("user", _QUESTION), answer], {}, generate=False)
        return shown.partition(_ANSWER)[0].rpartition(_QUESTION)[2]

    @cached_property
    def _spaces(self) -> tuple[str, str]:
        """The white space of an empty thought, and that behind it: as the template writes them, else as the table has them."""
        marks = self.marks
        assert marks is not None
        off = self._switched(on=False)
        for shown in (self._answered(off), self._prompt_end(off)):
            before, found, after = shown.rpartition(marks.end)
            if found and not after.strip():
                between = before.rpartition(marks.start)[2] if marks.start in before else marks.between
                return (between if not between.strip() else marks.between), after
        start, end = re.escape(marks.start), re.escape(marks.end)
        if (spaces := re.search(rf"{start}(\s*){_REASON}(\s*){end}(\s*)\Z", self._reasoned)) is not None:
            return spaces[1] + spaces[2], spaces[3]
        return marks.between, marks.after

    def _switched(self, *, on: bool) -> dict[str, Any]:
        return {name: values[not on] for name, values in self._switches.items()}

    def _prompt_end(self, variables: dict[str, Any]) -> str:
        """Return what the template writes behind a question."""
        return self._shown([("user", _QUESTION)], variables, generate=True).rpartition(_QUESTION)[2]

    def _answered(self, variables: dict[str, Any]) -> str:
        """Return what it writes between a question and the answer of an earlier turn; nothing where that is unknown."""
        turns = [("user", _QUESTION), ("assistant", _ANSWER), ("user", "And the sky?")]
        before, found, _ = self._shown(turns, variables, generate=False).partition(_ANSWER)
        return before.rpartition(_QUESTION)[2] if found else ""

    def _shown(self, turns: Sequence[_Turn], variables: dict[str, Any], *, generate: bool) -> str:
        rendered = _rendered(self._render, turns, variables, generate=generate)
        if rendered is None or isinstance(rendered, str):
            return rendered or ""
        with suppress(Exception):  # not every tokenizer writes its control tokens
            if _QUESTION in (written := str(self._tokenizer.decode(list(rendered), skip_special_tokens=False))):
                return written
        marks = {index: token for token, index in self._vocabulary.items() if _TOKEN.fullmatch(token)}
        return "".join(marks.get(each, "\0") for each in rendered)

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return self._tokenizer.get_vocab() if hasattr(self._tokenizer, "get_vocab") else {}

    @cached_property
    def _control(self) -> ControlTokens:
        return ControlTokens(self._tokenizer)

    def _encoded(self, text: str) -> tuple[int, ...]:
        token_ids: list[int] = []
        for piece in filter(None, re.split(f"({_TOKEN.pattern})", text)):
            # Mistral's own encodes none as a text.
            known = self._vocabulary.get(piece) if _TOKEN.fullmatch(piece) else None
            token_ids += self._control.encode_behind(piece) if known is None else [known]
        return tuple(token_ids)


def _rendered(
    render: Render | None, turns: Sequence[_Turn], variables: dict[str, Any], *, generate: bool
) -> str | list[int] | None:
    """Return a conversation as it is rendered; `None` where it can't be."""
    if render is None:
        return None
    ours = {"add_generation_prompt": generate, "continue_final_message": False}
    try:
        conversation = [{"role": turn[0], "content": turn[1]} if isinstance(turn, tuple) else turn for turn in turns]
        return render(conversation, {**variables, **ours})
    except Exception:  # templates raise what they like
        return None


def _without(written: str, text: str) -> str:
    """Return a text without its beginning, as far as that is the end of what is written."""
    return next(text[size:] for size in range(len(text), -1, -1) if written.endswith(text[:size]))
