"""The options of a prompt function, a call and a runtime's own methods: one record, checked by name."""

from __future__ import annotations

import difflib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from threading import TIMEOUT_MAX
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict

from typefold.compiler import JsonFormat, JsonFormatName, OutputType
from typefold.compiler.templates.template import PromptTemplate
from typefold.decisions.calibration import Calibration
from typefold.errors import PromptUsageError
from typefold.runtime import EngineFacts, Outcome, Request
from typefold.runtime.request import AdapterLike, is_adapter
from typefold.runtime.sampling import (
    AGAINST_CONSTRAINTS,
    FLAG,
    HARMLESS,
    Range,
    asked,
    conflict,
    number,
    one_of,
    or_none,
    unfit,
    unfit_object,
    whole,
)

DescribeFormat: TypeAlias = bool | str | Callable[[OutputType[Any]], str]
"""What a prompt says of its answer's form: typefold's words, none, a template, or a function that makes a text of the type."""


class Submitter(ABC):
    """A runtime, as far as calls need it. `Runtime` is one."""

    seed: int | None  # the seed that those of its calls are made of, if any
    json_format: JsonFormat | None  # the way in which JSON is written for calls that don't say
    describe_format: DescribeFormat | None  # the description of the format for calls that don't say
    journaled: bool  # whether it keeps a journal

    @property
    @abstractmethod
    def facts(self) -> EngineFacts:
        """Facts about its engine; it is loaded now where they are not known yet."""

    @abstractmethod
    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Send requests, and return a future for each."""


class SamplingOptions(TypedDict, total=False):
    """Sampling parameters by vLLM's names: https://docs.vllm.ai/en/latest/api/vllm/sampling_params.html."""

    max_tokens: int
    min_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    presence_penalty: float
    frequency_penalty: float
    repetition_penalty: float
    stop: str | list[str]
    stop_token_ids: list[int]
    bad_words: list[str]
    logit_bias: dict[int, float]
    ignore_eos: bool
    logprobs: int


class _SharedOptions(SamplingOptions, total=False):
    timeout: float
    describe_format: DescribeFormat
    truncation: Literal["value", "error"]
    json_format: JsonFormat | JsonFormatName
    retries: int
    retry_truncated: bool
    max_reasoning_tokens: int
    max_failures: int | None
    calibration: Calibration | str | os.PathLike[str] | None
    chat_template_kwargs: Mapping[str, object]


class CallOptions(_SharedOptions, total=False, closed=True):  # to ty, an open one takes any name
    """All options for the calls of a prompt function, beside the sampling parameters.

    Attributes:
        sampling_params: A `vllm.SamplingParams` to start from. Its `max_tokens` of 16, vLLM's default, cuts a plain `str`,
            as in vLLM; for a type that bounds its answers it counts as not set. Either is logged once. For a limit of 16
            whatever the type, write `max_tokens=16` as an option.
        runtime: The runtime to use in place of the current one.
        timeout: Seconds until the call fails with `TimedOut`, retries included; `None` (the default) for no limit. It
            covers the engine, not the program's own code.
        describe_format: The text at the end of the first system message, or as one before all others, that describes the
            answer's form. `True` says it in typefold's words, `False` adds nothing. Own words are a text, or a Jinja2 template with `{{ format }}`, which adds
            nothing where an answer is free text; a function makes the text of the `OutputType`, once a prompt. Unset, the
            runtime's holds, and else it is true.
        truncation: Whether plain text that met its token limit is a `"value"` (the default) or an `"error"`.
        json_format: The way in which JSON is written: `"spaced"` (the default), `"tight"`, or `"compact"`, which leaves out the keys.
        retries: The number of times that a row whose answer failed a check asks again, with its answer and the errors in
            it as further turns; 0 by default.
        retry_truncated: Whether an answer that met `max_tokens` is asked for again with twice that, up to the room that the
            context leaves; false unless set.
        max_reasoning_tokens: The most tokens of the reasoning before a `Reasoned` answer, and before every answer of a model
            whose chat template always begins a thought; 512 by default, and 0 for none: the thought is closed at once.
        calibration: A `Calibration`, or the path of its file, that bends the probabilities of `Scored` and `Decisions`; see
            `calibrate`.
        max_failures: The rows of a batch (`.map`, `.starmap`, samples) that may fail: with one more it is ended, and
            `BatchError` raised by the `.safe` forms too. As many as there are unless set.
        version: A name for the prompt function's version, beside its digest; see `Prompt.version`.
        priority: The request's priority, where the engine schedules by priority (lower goes first).
        lora_request: A LoRA adapter: an `Adapter`, or a `vllm.lora.request.LoRARequest`.
        chat_template_kwargs: Extra variables for the model's chat template.

    Example:
        >>> from typefold import ask, prompt
        >>> @prompt(temperature=0, timeout=60, retries=1)
        ... def half(number: int) -> int:
        ...     return ask(f"Half of {number}?")
        >>> patient = half.using(timeout=600)
    """

    sampling_params: object
    runtime: Submitter | None
    version: str | None
    priority: int
    lora_request: AdapterLike | None


class GenerateOptions(_SharedOptions, total=False, closed=True):
    """All options for `Runtime.generate`, beside the sampling parameters; see `CallOptions`.

    As for `LLM.generate`, `sampling_params`, `priority` and `lora_request` may be lists, one entry a prompt.
    """

    sampling_params: object
    priority: int | Sequence[int]
    lora_request: AdapterLike | Sequence[AdapterLike | None] | None


_SAMPLING = frozenset(SamplingOptions.__annotations__)
_ENGINE = frozenset({"priority", "lora_request"})
PER_PROMPT = ("sampling_params", "priority", "lora_request")
"""Options that may be a list for a list of prompts, as in `LLM.generate`."""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


_REFUSED = {
    "n": "one call gives one value; for several, use .sample(n)",
    "structured_outputs": "the return type is the constraint; use output_type= or the annotation",
    "detokenize": "answers are decoded from their text",
    "output_kind": "typefold reads finished answers",
}


_WORDS = (
    (
        "the type of the answer is the return annotation, or a runtime's output_type=",
        "output_type response_model response_format return_format result_type schema json_schema json regex choice choices "
        "grammar guided_json guided_regex guided_choice guided_grammar guided_decoding",
    ),
    (
        "the model is the runtime's, as in Runtime('org/model'); runtime= names another runtime",
        "model model_name model_id lm llm client backend provider api_key base_url",
    ),
    ("it is a message: ask(system('...'), user('...'))", "system system_prompt system_message instructions messages"),
    ("tools are part of the return type: Annotated[ToolCall[T], Tools(function)]", "tools tool_choice functions"),
    (
        "it is for the runtime, as in Runtime('org/model', {name}=...)",
        "chat_template tokenizer max_model_len max_num_seqs tensor_parallel_size gpu_memory_utilization enable_lora dtype",
    ),
    ("the environment switches the progress line off: TYPEFOLD_PROGRESS=0", "use_tqdm progress show_progress verbose"),
    (
        "all rows are one batch of the engine, which max_num_seqs= of the runtime bounds",
        "batch_size concurrency max_concurrency num_threads max_workers",
    ),
    ("assistant('...') as the last message begins the answer", "add_generation_prompt continue_final_message"),
    ("examples of answers are @prompt(examples=[example(answer, argument=...)])", "demos few_shot shots"),
)
_ELSEWHERE = {name: advice.format(name=name) for advice, names in _WORDS for name in names.split()}
"""The place here of options that other libraries have by these names."""


def _are_variables(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)  # pyright: ignore[reportUnknownVariableType]  # of any type


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value.strip()) and "@" not in value


_OWN: Mapping[str, Range] = {
    "runtime": Range("a Runtime, or None for the current one", or_none(lambda value: isinstance(value, Submitter))),
    "timeout": Range(
        "a number of seconds above 0, or None for no limit", or_none(number(lambda value: 0 < value <= TIMEOUT_MAX))
    ),
    "describe_format": Range(
        "True, False, own words (a text, or a template with {{ format }}) or a function that makes them of an OutputType",
        lambda value: isinstance(value, bool) or (bool(value.strip()) if isinstance(value, str) else callable(value)),
    ),
    "truncation": one_of("value", "error"),
    "retries": Range("a number of further attempts", whole(0)),
    "retry_truncated": FLAG,
    "max_reasoning_tokens": Range("a number of tokens", whole(0)),
    "max_failures": Range("how many rows may fail, an int from 0", or_none(whole(0))),
    "calibration": Range(
        "a Calibration, or the path of a file of one",
        or_none(lambda value: isinstance(value, (Calibration, str, os.PathLike))),
    ),
    "chat_template_kwargs": Range("a dict of variables by name", _are_variables),
    "version": Range("a name in one line without @, such as '2'", or_none(_is_name)),
    "priority": Range("an int", or_none(whole())),
    "lora_request": Range("an adapter, as in Adapter('name', 'path') or vLLM's LoRARequest", or_none(is_adapter)),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options as they are kept: sampling parameters and options of the request apart from typefold's own."""

    sampling_params: Any = None
    sampling: Mapping[str, Any] = field(default_factory=_nothing)
    engine: Mapping[str, Any] = field(default_factory=_nothing)
    runtime: Submitter | None = None
    timeout: float | None = None
    describe_format: DescribeFormat | None = None
    truncation: Literal["value", "error"] = "value"
    json_format: JsonFormat | None = None
    retries: int = 0
    retry_truncated: bool = False
    max_reasoning_tokens: int = 512
    max_failures: int | None = None
    calibration: Calibration | str | os.PathLike[str] | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=_nothing)
    version: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Replace mapping proxies, which pickle refuses."""
        mappings = {name: dict(getattr(self, name)) for name in ("sampling", "engine", "chat_template_kwargs")}
        return {**self.__dict__, **mappings}

    def with_(self, changes: Mapping[str, Any], *, where: str) -> Options:
        """Return these options with others laid over. Refuses those that don't exist or are out of range."""
        own = {option.name for option in fields(self)} - {"sampling", "engine"}
        kept: dict[str, Any] = {}
        sampling, engine = dict(self.sampling), dict(self.engine)
        for name, value in changes.items():
            if name in _REFUSED:
                raise PromptUsageError(f"{where}: the option {name} can't be set: {_REFUSED[name]}")
            if name not in own | _SAMPLING | _ENGINE:
                raise PromptUsageError(
                    f"{where}: there is no option {name!r}{_nearest(name, own | _SAMPLING | _ENGINE)}"
                )
            if (reason := unfit(name, value) or _unfit(name, value)) is not None:
                raise PromptUsageError(f"{where}: {reason}")
            into = sampling if name in _SAMPLING else engine if name in _ENGINE else kept
            into[name] = value
        if engine.get("priority", 0) is None:
            del engine["priority"]
        if "json_format" in kept:
            kept["json_format"] = json_format_of(kept["json_format"], where=where)
        if isinstance(words := kept.get("describe_format"), str):
            own_words(words, where)
        return replace(self, sampling=sampling, engine=engine, **kept)

    def under(self, runtime: Submitter | None) -> Options:
        """Return these options with the runtime's in the place of those that are not set."""
        if runtime is None:
            return self
        own = {
            name: getattr(runtime, name) for name in ("json_format", "describe_format") if getattr(self, name) is None
        }
        return replace(self, **own) if any(value is not None for value in own.values()) else self

    @cached_property
    def calibrated(self) -> Calibration | None:
        """The calibration, read from its file where a path was given; checks of programs that don't run read none."""
        given = self.calibration
        return given if given is None or isinstance(given, Calibration) else Calibration.load(given)

    def asked(self, name: str) -> Any:
        """Return a sampling parameter as the caller set it, by itself or in `sampling_params`; `None` where not set."""
        return asked(self.sampling, self.sampling_params, name)

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        text = kind.constraint.kind == "text"
        for name in () if text else AGAINST_CONSTRAINTS:
            if self.asked(name):
                raise PromptUsageError(
                    f"{where}: {name} would end an answer inside a value; the return type already says where it ends"
                )
        if (reason := conflict(self.sampling, self.sampling_params, text=text)) is not None:
            raise PromptUsageError(f"{where}: {reason}")


def check_max_failures(most: object, *, where: str) -> None:
    """Refuse a value of `max_failures` that is no number of rows."""
    if (reason := _unfit("max_failures", most)) is not None:
        raise PromptUsageError(f"{where}: {reason}")


def where_set(names: Iterable[str]) -> str:
    """Return advice for an unknown argument with the name of an option; else an empty text."""
    option = next((name for name in names if name in CallOptions.__optional_keys__), None)
    return "" if option is None else f"; {option} is an option, so write .using({option}=...) before the call"


def _unfit(name: str, value: object) -> str | None:
    """Return the reason that an option of typefold's own can't have a value; `None` if it can."""
    if name != "sampling_params":
        known = _OWN.get(name)
        return None if known is None else known.refusal(name, value)
    for each, harmless in HARMLESS.items():
        if (given := getattr(value, each, harmless)) != harmless and given is not None:
            return f"in the given sampling_params, {each} can't be set: {_REFUSED[each]}"
    return None if value is None else unfit_object(value)


def json_format_of(json_format: Any, *, where: str) -> JsonFormat | None:
    """Return the JSON format that an option names. Raises PromptUsageError where it names none."""
    try:
        return None if json_format is None else JsonFormat.named(json_format)
    except (ValueError, TypeError) as error:
        raise PromptUsageError(f"{where}: {error}") from None


def describe_format_of(given: Any, *, where: str) -> DescribeFormat | None:
    """Return a runtime's option `describe_format`, checked. Raises PromptUsageError, or TemplateError for a template."""
    return None if given is None else Options().with_({"describe_format": given}, where=where).describe_format


@lru_cache(maxsize=256)
def own_words(source: str, where: str = "describe_format") -> PromptTemplate:
    """Return a description of the format in own words as a template. Raises TemplateError where it is none."""
    return PromptTemplate(source, ["format"], expected=["format"], name=where, title="describe_format")


def _nearest(name: str, known: Iterable[str]) -> str:
    if name in _ELSEWHERE:
        return f"; {_ELSEWHERE[name]}"
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; other fields of vllm.SamplingParams go in sampling_params="
