"""Prompts as token ids, for any tokenizer that vLLM loads.

Invariant: no content of a message becomes a control token. Text without any is encoded exactly as the template has it, and the
control tokens of a prompt are compared with those that its template writes around other contents. Only where they differ, or a
content names one, contents are cut inside of control tokens. In a prompt that is a `str` control tokens are recognised.

Markers that are ordinary text in a template (`[INST]`) can't be told from data: they are kept, refused or escaped. So contents with
an image placeholder that is not made of control tokens alone are refused in prompts with images. vLLM's processor replaces
placeholders as a prompt is tokenised, so that what was counted is sent (`placed`). vLLM is not imported.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, get_args

from typefold.compiler import Image, Message
from typefold.compiler.grammar.enumerate import common_prefix
from typefold.runtime.engine import ControlTokenPolicy, PromptTooLarge
from typefold.runtime.engines.vllm.batch_encoder import BatchEncoder, Encoded
from typefold.runtime.engines.vllm.control_tokens import ControlTokens, plain_markers
from typefold.runtime.engines.vllm.prefix_cache import PrefixEncoder
from typefold.runtime.engines.vllm.thinking import Render, Switches, Thoughts

logger = logging.getLogger(__name__)

_ROLES = ("system", "user", "assistant")
_NONCHARACTERS = [chr(point) for point in range(0xFDD0, 0xFDF0)]  # no text should hold them, so some are free as marks
_REMEMBERED = 256  # shapes of conversations whose control tokens are known
_SPARSE = 16  # a text with more characters than this for each token that there is room for is looked at in part first
_ESCAPE = "\u200b"  # shows nothing, and breaks a marker


class _Turn(NamedTuple):
    """A message without its texts: its role and, where there are images, these and `None` for each text."""

    role: str
    parts: tuple[Any, ...] = ()

    @property
    def texts(self) -> int:
        return self.parts.count(None) if self.parts else 1

    def message(self, texts: Iterator[str]) -> dict[str, Any]:
        if not self.parts:
            return {"role": self.role, "content": next(texts)}
        content = [
            {"type": "text", "text": next(texts)} if part is None else {"type": "image_pil", "image_pil": part}
            for part in self.parts
        ]
        return {"role": self.role, "content": content}


class Prompt(NamedTuple):
    """A prompt to be encoded."""

    prompt: Sequence[Message] | str
    template_kwargs: Mapping[str, Any]
    pictures: Sequence[Any] = ()
    thinking: bool = True


class _Text(NamedTuple):
    """A text to be encoded; `is_whole` with the tokens that the tokenizer puts around a text."""

    text: str
    is_whole: bool


_Encoding: TypeAlias = Generator[_Text, list[int], list[int]]
"""A prompt on its way to its tokens: it asks for the tokens of one text at most."""


def _proceed(encoding: _Encoding, encoded: Encoded | None) -> _Text | list[int] | ValueError:
    """Go on with a prompt, to the text that it asks for or to its end."""
    try:
        if isinstance(encoded, Exception):
            raise encoded
        return next(encoding) if encoded is None else encoding.send(encoded)
    except StopIteration as end:
        token_ids: list[int] = end.value
        return token_ids
    except UnicodeEncodeError as error:
        return _caused(ValueError(f"the prompt is not valid Unicode: {error}"), error)
    except ValueError as error:
        return error
    except Exception as error:  # templates raise what they like
        return _caused(ValueError(f"{type(error).__name__}: {error}"), error)


def _caused(error: ValueError, cause: Exception) -> ValueError:
    error.__cause__ = cause
    return error


def _with_system_first(messages: Sequence[Message]) -> list[Message]:
    """Return messages with the text of the system messages before all others at the beginning of the one behind them.

    Templates that know no system message are met so by models' own documentation (Gemma's) and by newer templates.
    """
    count = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    told = "\n\n".join(message.content for message in messages[:count])
    if count == len(messages) or messages[count].role != "user":
        return [Message("user", told), *messages[count:]]
    first = messages[count]
    images = tuple((at + len(told) + 2, picture) for at, picture in first.images)
    return [Message("user", f"{told}\n\n{first.content}", images), *messages[count + 1 :]]


class PromptTokenizer:
    """Turns prompts into the token ids that `LLM.chat` and `LLM.generate` would send."""

    def __init__(
        self,
        tokenizer: Any,
        render: Render | None,
        *,
        most: int | None = None,  # tokens that there is room for: a far longer text is not encoded to its end
        control_tokens: ControlTokenPolicy = "keep",
        switches: Switches = MappingProxyType({}),
        template: object = None,  # what `render` fills in, where it is a text
    ) -> None:
        if control_tokens not in get_args(ControlTokenPolicy):
            raise ValueError(f"control_tokens is 'keep', 'refuse' or 'escape', not {control_tokens!r}")
        self._tokenizer = tokenizer
        self._render = render or _by_blank_lines  # the model may have no template
        self.thoughts = Thoughts(tokenizer, render, switches, template)
        self._add_special_tokens = render is None  # a template writes its own
        self._most = most
        self._on_marker: ControlTokenPolicy = control_tokens
        self._logged = False
        self._control = ControlTokens(tokenizer)
        self._prefixes = PrefixEncoder(tokenizer, self._control.encode)
        self._whole = BatchEncoder(tokenizer, lambda text: list(tokenizer.encode(text)), add_special_tokens=True)
        self._placeholder: re.Pattern[str] | None = None
        self._shapes: OrderedDict[tuple[object, ...], list[int] | None] = OrderedDict()

    def encode(
        self,
        prompt: Sequence[Message] | str,
        template_kwargs: Mapping[str, Any],
        pictures: Sequence[Any] = (),
        *,
        thinking: bool = True,
    ) -> list[int]:
        """Return the token ids of a prompt, with a placeholder for each image. Raises PromptTooLarge.

        They end where the template ends them, without `thinking` outside of the model's reasoning.
        """
        [found] = self.encode_all([Prompt(prompt, template_kwargs, pictures, thinking)])
        if isinstance(found, Exception):
            raise found
        return found

    def encode_all(self, prompts: Iterable[Prompt]) -> list[list[int] | ValueError]:
        """Return for each prompt what `encode` returns or raises; their texts are encoded together."""
        under_way = [self._encoding(prompt) for prompt in prompts]
        found = [_proceed(each, None) for each in under_way]
        for is_whole, encode in ((False, self._prefixes.encode_all), (True, self._whole.encode)):
            asked = [at for at, each in enumerate(found) if isinstance(each, _Text) and each.is_whole is is_whole]
            texts = [each.text for at in asked if isinstance(each := found[at], _Text)]
            for at, encoded in zip(asked, encode(texts), strict=True):
                found[at] = _proceed(under_way[at], encoded)
        return [each for each in found if not isinstance(each, _Text)]

    def _encoding(self, asked: Prompt) -> _Encoding:
        """Turn a prompt into tokens; most texts are yielded, to be encoded with others."""
        prompt, variables = asked.prompt, dict(asked.template_kwargs)
        if isinstance(prompt, str):
            prompt.encode()  # a lone surrogate fails here, with its place; in the tokenizer it is a TypeError
            self._refuse_larger([prompt])
            return (yield _Text(prompt, is_whole=True))
        for message in prompt:
            message.content.encode()
            if message.role not in _ROLES:  # templates write it as it is
                raise ValueError(f"a message's role is system, user or assistant, not {message.role!r:.80}")
        if not prompt:
            raise ValueError("there are no messages")
        self._refuse_larger([message.content for message in prompt])
        if prompt[0].role == "system" and not self._takes_system:
            prompt = _with_system_first(prompt)
        token_ids = yield from self._messages(prompt, variables, iter(asked.pictures))
        begun = asked.thinking or prompt[-1].role == "assistant"
        return token_ids if begun else self.thoughts.outside(token_ids, variables)

    @cached_property
    def markers(self) -> tuple[str, ...]:
        """The ordinary texts with which the chat template marks turns; none where control tokens do."""
        begin, end = _NONCHARACTERS[:2]
        for roles in (("system", "user", "assistant", "user"), ("user", "assistant", "user"), ("user",)):
            with suppress(Exception):  # a template may know no system message
                rendered = self._rendered([*map(_Turn, roles)], [f"{begin}alpha{end}"] * len(roles), {})
                if isinstance(rendered, str):
                    segments = [text for inside, text in _segments(rendered, begin, end) if not inside]
                    return plain_markers(segments, self._control)
        return ()

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the chat template writes system messages: some raise an error at one, and some leave it out."""
        with suppress(Exception):
            rendered = self._rendered([_Turn("system"), _Turn("user")], ["alpha", "omega"], {})
            return not isinstance(rendered, str) or "alpha" in rendered
        with suppress(Exception):
            self._rendered([_Turn("user")], ["omega"], {})
            return False
        return True  # the template wants something else: its own error says what

    def _refuse_larger(self, texts: Iterable[str]) -> None:
        """Refuse texts by their beginning: one of megabytes takes a tokenizer many seconds, in which nothing else goes on."""
        if self._most is None:
            return
        texts = list(texts)
        if sum(map(len, texts)) > _SPARSE * self._most:
            begun = len(self._control.encode("".join(texts)[: _SPARSE * self._most]))
            if begun > 2 * self._most:
                raise PromptTooLarge(begun)

    def _messages(self, messages: Sequence[Message], variables: dict[str, Any], pictures: Iterator[Any]) -> _Encoding:
        parts = [message.parts if message.images else (message.content,) for message in messages]
        turns = [
            _Turn(message.role, tuple(None if isinstance(part, str) else next(pictures) for part in inside))
            if message.images
            else _Turn(message.role)
            for message, inside in zip(messages, parts, strict=True)
        ]
        contents = self._marked([part for inside in parts for part in inside if isinstance(part, str)])
        if any(turn.parts for turn in turns):
            self._refuse_placeholders(turns, contents)
        elif not any(map(self._control.seen_in, (*contents, *variables.values()))):
            rendered = self._rendered(turns, contents, variables)
            if not isinstance(rendered, str):
                token_ids = rendered
            elif rendered:
                token_ids = yield _Text(rendered, is_whole=self._add_special_tokens)
            else:
                token_ids = self._pieces([])
            if self._control.found(token_ids) == self._shape(turns, variables):
                return list(token_ids)
        return self._carefully(turns, contents, variables)

    def _marked(self, contents: list[str]) -> list[str]:
        if not self.markers or not (pattern := self._marker_pattern).search("\0".join(contents)):
            return contents
        match self._on_marker:
            case "escape":
                return [pattern.sub(lambda found: found[0][0] + _ESCAPE + found[0][1:], each) for each in contents]
            case "refuse":
                found = next(found[0] for each in contents if (found := pattern.search(each)))
                raise ValueError(
                    f"a message holds {found!r}, with which this model's chat template marks turns as ordinary text; "
                    f"take it out, or have it escaped: Runtime(..., control_tokens='escape')"
                )
            case "keep":
                if not self._logged:
                    self._logged = True
                    logger.warning(
                        "a message holds text with which the model's chat template marks turns (%s): the model can't "
                        "tell it from a turn; Runtime(..., control_tokens='refuse') or 'escape' looks after that",
                        ", ".join(self.markers),
                    )
                return contents

    @cached_property
    def _marker_pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, sorted(self.markers, key=len, reverse=True))))

    def _refuse_placeholders(self, turns: Sequence[_Turn], contents: Sequence[str]) -> None:
        if self._placeholder is None:
            picture = next(part for turn in turns for part in turn.parts if part is not None)
            self._placeholder = self._placeholder_of(picture)
        for content in contents:
            if self._placeholder.pattern and (found := self._placeholder.search(content)):
                raise ValueError(
                    f"a message holds {found[0]!r}, which stands for an image in prompts of this model and is ordinary text "
                    f"to its tokenizer; take it out"
                )

    def _placeholder_of(self, picture: Any) -> re.Pattern[str]:
        """Return a pattern of the template's image placeholder; an empty one if that is made of control tokens alone."""
        begin, end = _NONCHARACTERS[:2]
        text = f"{begin}x{end}"
        bare = self._rendered([_Turn("user")], [text], {})
        whole = self._rendered([_Turn("user", (picture, None))], [text], {})
        if not isinstance(bare, str) or not isinstance(whole, str):
            return re.compile("")  # Mistral's own tokenizer, which encodes contents as data
        before = common_prefix(bare, whole)
        behind = common_prefix(bare[before:][::-1], whole[before:][::-1])
        written = whole[before : len(whole) - behind].strip()
        token_ids = self._control.encode(written)
        if not written or self._control.found(token_ids) == token_ids:
            return re.compile("")
        return re.compile(re.sub(r"\d+", r"\\d+", re.escape(written)))  # some number their images

    def _rendered(self, turns: Sequence[_Turn], contents: Sequence[str], variables: dict[str, Any]) -> str | list[int]:
        # A last message of the assistant is the beginning of the answer: the model goes on from there.
        prefill = turns[-1].role == "assistant"
        texts = iter(contents)
        conversation = [turn.message(texts) for turn in turns]
        ours = {"add_generation_prompt": not prefill, "continue_final_message": prefill}
        return self._render(conversation, {**variables, **ours})

    def _shape(self, turns: Sequence[_Turn], variables: dict[str, Any]) -> list[int] | None:
        """Return the control tokens of the template for these roles and variables; `None` where they can't be found out."""
        key = (*((turn.role, *(part is None for part in turn.parts)) for turn in turns), repr(variables))
        if key in self._shapes:
            self._shapes.move_to_end(key)
            return self._shapes[key]
        try:
            mark = _NONCHARACTERS[0]
            texts = ["x"] * sum(turn.texts for turn in turns)
            rendered = self._rendered(turns, texts, self._cut_variables(variables, mark))
            token_ids = rendered if not isinstance(rendered, str) else self._pieces(rendered.split(mark))
            shape = self._control.found(token_ids)
        except Exception:  # a template that wants other contents than this
            shape = None
        self._shapes[key] = shape
        if len(self._shapes) > _REMEMBERED:
            self._shapes.popitem(last=False)
        return shape

    def _cut_variables(self, variables: dict[str, Any], mark: str) -> dict[str, Any]:
        return {name: self._control.cut_all(value, mark) for name, value in variables.items()}

    def _carefully(self, turns: Sequence[_Turn], contents: Sequence[str], variables: dict[str, Any]) -> list[int]:
        """Return the tokens where contents have, or would become, control tokens."""
        mark, begin, end = self._free_marks([*contents, repr(variables)])
        variables = self._cut_variables(variables, mark)
        cut = [mark.join(self._control.cut(content)) for content in contents]
        wrapped = [_wrapped(content, begin, end) for content in cut]
        rendered = self._rendered(turns, wrapped, variables)
        if not isinstance(rendered, str):  # Mistral's own tokenizer: it encodes contents as data by itself
            token_ids = self._rendered(turns, contents, variables)
            if self._control.found(map(int, token_ids)) == self._shape(turns, variables):
                return [int(token_id) for token_id in token_ids]
            raise ValueError("a message holds what this model's own tokenizer takes for a control token; take it out")
        segments = _segments(rendered, begin, end)
        apart = [piece for _, text in segments for piece in text.split(mark)]
        by_template = self._control.found(
            token_id
            for inside, text in segments
            if not inside
            for piece in text.split(mark)
            for token_id in self._control.encode(piece)
        )
        around = self._control.found(self._around[0]), self._control.found(self._around[1])
        expected = [*around[0], *by_template, *around[1]]
        as_rendered = self._rendered(turns, cut, variables)
        # The second is for a content that grew together with the template.
        for pieces in (str(as_rendered).split(mark), apart):
            token_ids = self._pieces(pieces)
            if self._control.found(token_ids) == expected:
                return token_ids
        raise ValueError("a message holds what this model's tokenizer takes for a control token; take it out")

    def _free_marks(self, texts: Sequence[str]) -> tuple[str, str, str]:
        free = [char for char in _NONCHARACTERS if not any(char in text for text in texts)]
        if len(free) < 3:
            raise ValueError("the prompt holds control tokens and noncharacters (U+FDD0 to U+FDEF); take those out")
        return free[0], free[1], free[2]

    @cached_property
    def _around(self) -> tuple[list[int], list[int]]:
        """The tokens that the tokenizer puts before and behind a text without a template."""
        if not self._add_special_tokens:
            return [], []
        inner, whole = self._control.encode("x"), self._control.encode("x", add_special_tokens=True)
        for start in range(len(whole) - len(inner) + 1):
            if whole[start : start + len(inner)] == inner:
                return whole[:start], whole[start + len(inner) :]
        return [], []

    def _pieces(self, pieces: Iterable[str]) -> list[int]:
        """Return the tokens of pieces that stand one behind the other, each encoded by itself."""
        filled = [piece for piece in pieces if piece]
        if len(filled) < 2:
            whole = "".join(filled)
            return self._control.encode(whole, add_special_tokens=self._add_special_tokens)
        before, behind = self._around
        token_ids = [*before, *self._control.encode(filled[0])]
        for piece in filled[1:]:
            token_ids += self._control.encode_behind(piece)
        return token_ids + behind


def _by_blank_lines(conversation: list[dict[str, Any]], variables: dict[str, Any]) -> str:
    if not all(isinstance(message["content"], str) for message in conversation):
        raise ValueError("this model has no chat template, which alone says where an image stands in its prompts")
    return "\n\n".join(message["content"] for message in conversation)


def _wrapped(content: str, begin: str, end: str) -> str:
    """Return the content between marks, which templates that strip contents leave in place."""
    core = content.strip()
    if not core:
        return content
    start = content.index(core)
    return f"{content[:start]}{begin}{core}{end}{content[start + len(core) :]}"


def _segments(rendered: str, begin: str, end: str) -> list[tuple[bool, str]]:
    """Return the parts of a rendered conversation, each with whether it is content."""
    parts = re.split(f"([{begin}{end}])", rendered)
    marks = parts[1::2]
    if any(one == other for one, other in pairwise([end, *marks, begin])):
        raise ValueError("a message holds control tokens, and the chat template takes its text apart; take them out")
    return [(index % 2 == 1, text) for index, text in enumerate(parts[::2])]


class PromptTokens(list[int]):
    """The tokens of a prompt with images; `engine_input` goes into the engine in their place."""

    def __init__(self, engine_input: dict[str, Any]) -> None:
        super().__init__(engine_input["prompt_token_ids"])
        self.engine_input = engine_input


def images_of(prompt: Sequence[Message] | str) -> list[Image]:
    """Return the images of a prompt, in order."""
    return [] if isinstance(prompt, str) else [image for message in prompt for _, image in message.images]


def decoded(images: Iterable[Image]) -> list[Any]:
    """Return the images as Pillow's, a dependency of vLLM."""
    from PIL import Image as Pillow

    pictures: list[Any] = []
    for image in images:
        try:
            picture = Pillow.open(BytesIO(image.data))
            picture.load()
        except Exception as error:  # decoders raise what they like
            raise ValueError(f"{image}: it can't be decoded ({type(error).__name__}: {error})") from error
        pictures.append(picture)
    return pictures


def placed(renderer: Any, token_ids: Sequence[int], pictures: Sequence[Any], begun: Sequence[int]) -> PromptTokens:
    """Place the images in a prompt, without vLLM's cache of images: it assumes that each prepared prompt is also sent."""
    prompt = {"prompt_token_ids": list(token_ids), "multi_modal_data": {"image": list(pictures)}}
    [made] = renderer.render_cmpl([prompt], skip_mm_cache=True)
    if len(made["mm_placeholders"]["image"]) != len(pictures):
        raise ValueError("a message holds what this model takes for the place of an image; take it out")
    return PromptTokens({**made, "prompt_token_ids": [*made["prompt_token_ids"], *begun]})
