"""The options of a prompt function, a call and a runtime's own methods: one record, checked by name.

Sampling parameters have vLLM's names and meanings (`vllm.SamplingParams`). What is not listed here goes in a
`SamplingParams` of the user's own, as `sampling_params=`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from typefold.compiler import OutputType, WireFormat, WireName
from typefold.errors import PromptUsageError
from typefold.runtime.adapters import AdapterLike, is_adapter

if TYPE_CHECKING:
    from typefold.runtimes import Runtime

__all__ = ["PER_PROMPT", "CallOptions", "GenerateOptions", "Options", "SamplingOptions", "check_max_failures"]


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
    """What is the same for prompt functions and for a runtime's own methods."""

    timeout: float
    shape: bool
    truncation: Literal["value", "error"]
    wire: WireFormat | WireName
    retries: int
    grow: bool
    max_reasoning_tokens: int
    max_failures: int | None
    chat_template_kwargs: Mapping[str, object]


class CallOptions(_SharedOptions, total=False):
    """Everything that can be set for the calls of a prompt function.

    Attributes:
        sampling_params: A `vllm.SamplingParams` to start from. Its `max_tokens` of 16, vLLM's default, counts as not
            set; for a limit of 16, write `max_tokens=16` as an option.
        runtime: The runtime to use in place of the current one.
        timeout: Seconds until the call fails with `TimedOut`.
        shape: Whether a JSON answer's shape is told to the model; true unless switched off.
        truncation: What becomes of plain text that met its token limit: a `"value"` (the default) or an `"error"`.
        wire: How JSON is written: `"spaced"` (the default), `"tight"`, or `"compact"`, which leaves out the keys.
        retries: How often a row whose answer failed a check asks again: with its answer, and what is wrong with it, as
            further turns. None unless set.
        grow: Whether an answer that met `max_tokens` is asked for again with twice that, up to the room that the
            context leaves; false unless set.
        max_reasoning_tokens: How long a `Reasoned` answer may be thought about; 512 unless set.
        max_failures: How many rows of a batch (`.map`, `.starmap`, samples) may fail: with one more it is ended, and
            `BatchError` raised by the `.safe` forms too. As many as there are unless set.
        priority: The request's priority, where the engine schedules by priority (lower goes first).
        lora_request: A LoRA adapter: an `Adapter`, or a `vllm.lora.request.LoRARequest`.
        chat_template_kwargs: Extra variables for the model's chat template.
    """

    sampling_params: object
    runtime: Runtime | None
    priority: int
    lora_request: AdapterLike | None


class GenerateOptions(_SharedOptions, total=False):
    """Everything that can be set for `Runtime.generate`.

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


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options as they are kept: sampling parameters and engine options apart from typefold's own."""

    sampling_params: Any = None
    sampling: Mapping[str, Any] = field(default_factory=_nothing)
    engine: Mapping[str, Any] = field(default_factory=_nothing)
    runtime: Runtime | None = None
    timeout: float | None = None
    shape: bool = True
    truncation: Literal["value", "error"] = "value"
    wire: WireFormat | None = None
    retries: int = 0
    grow: bool = False
    max_reasoning_tokens: int = 512
    max_failures: int | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=_nothing)

    def __getstate__(self) -> dict[str, Any]:
        """What pickle takes, which takes no mapping proxies."""
        mappings = {name: dict(getattr(self, name)) for name in ("sampling", "engine", "chat_template_kwargs")}
        return {**self.__dict__, **mappings}

    def with_(self, changes: Mapping[str, Any], *, where: str) -> Options:
        """These options with others laid over.

        Raises:
            PromptUsageError: An option that does not exist, or one that typefold sets itself.
        """
        own = {option.name for option in fields(self)} - {"sampling", "engine"}
        kept: dict[str, Any] = {}
        sampling, engine = dict(self.sampling), dict(self.engine)
        for name, value in changes.items():
            if name in _REFUSED:
                raise PromptUsageError(f"{where}: the option {name} can't be set: {_REFUSED[name]}")
            if name in own:
                kept[name] = value
            elif name in _SAMPLING:
                sampling[name] = value
            elif name in _ENGINE:
                engine[name] = value
            else:
                raise PromptUsageError(
                    f"{where}: there is no option {name!r}{_nearest(name, own | _SAMPLING | _ENGINE)}"
                )
        if kept.get("truncation", "value") not in ("value", "error"):
            raise PromptUsageError(f"{where}: truncation is 'value' or 'error', not {kept['truncation']!r}")
        if "timeout" in kept and not (isinstance(kept["timeout"], (int, float)) and kept["timeout"] > 0):
            raise PromptUsageError(f"{where}: timeout is a number of seconds above 0, not {kept['timeout']!r}")
        if kept.get("wire") is not None:
            try:
                kept["wire"] = WireFormat.named(kept["wire"])
            except (ValueError, TypeError) as error:
                raise PromptUsageError(f"{where}: {error}") from None
        if not _is_count(kept.get("retries", 0)):
            raise PromptUsageError(f"{where}: retries is a number of further attempts, not {kept['retries']!r}")
        if not isinstance(kept.get("grow", False), bool):
            raise PromptUsageError(f"{where}: grow is True or False, not {kept['grow']!r}")
        if not _is_count(most := kept.get("max_reasoning_tokens", 1)) or most < 1:
            raise PromptUsageError(f"{where}: max_reasoning_tokens is a number of tokens, not {most!r}")
        check_max_failures(kept.get("max_failures"), where=where)
        adapter = changes.get("lora_request")
        if adapter is not None and not is_adapter(adapter):
            raise PromptUsageError(
                f"{where}: lora_request is an adapter, as in Adapter('name', 'path') or vLLM's LoRARequest, not {adapter!r:.80}"
            )
        return replace(self, sampling=sampling, engine=engine, **kept)

    def check(self, kind: OutputType[Any], *, where: str) -> None:
        """Refuse what does not go with the type.

        Raises:
            PromptUsageError: Stop strings, which would cut a constrained answer short.
        """
        if kind.constraint.kind != "text":
            for name in ("stop", "stop_token_ids", "ignore_eos"):
                if self.sampling.get(name):
                    raise PromptUsageError(
                        f"{where}: {name} would end an answer inside a value; the return type already says where it ends"
                    )


def check_max_failures(most: object, *, where: str) -> None:
    """Refuse what is no number of rows.

    Raises:
        PromptUsageError: It is neither a whole number of at least 0 nor `None`.
    """
    if most is not None and not _is_count(most):
        raise PromptUsageError(f"{where}: max_failures is how many rows may fail, an int from 0, not {most!r}")


def _is_count(value: object) -> bool:
    """Whether it is a whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; other fields of vllm.SamplingParams go in sampling_params="
