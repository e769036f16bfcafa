"""The sides of the table: one work done by bare vLLM, typefold, Outlines and the least, on one `LLM`."""

import gc
import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmarks.mixed import Steps
from benchmarks.table_cells import BARE, BATCHED, LEAST, OUTLINES, SIDES, TYPEFOLD
from benchmarks.table_work import Row, Stage, Stages, Topic, labels, messages, stages
from typefold import Runtime, run


@dataclass
class Turns:
    """A side of a cell: its work, and the turns so far."""

    run: Callable[[Any], list[Any]]
    prepare: Callable[[list[Row]], Any] = list[Row]
    """The work before the clock starts."""
    seconds: list[float] = field(default_factory=list[float])
    counts: dict[str, int] = field(default_factory=dict[str, int])


class Bench:
    """All sides on one engine."""

    def __init__(self, llm: Any, names: Sequence[str]) -> None:
        self.llm = llm
        self.names = names
        self.tokenizer = llm.get_tokenizer()
        self.steps = Steps(llm)
        self.runtime = Runtime(llm)
        self._outlines: Any = importlib.import_module("outlines") if OUTLINES in names else None
        self._outlined: Any = self._outlines.from_vllm_offline(llm) if self._outlines else None
        self._turn = 1000

    def sides(self, work: str, limit: int) -> dict[str, Turns]:
        of = stages(work, limit)
        ours = [stage.function.using(runtime=self.runtime) for stage in of]
        every = {
            BARE: Turns(_waves(of, self._bare)),
            BATCHED: Turns(_waves(of, self._batched)),
            TYPEFOLD: Turns(_program(ours) if len(of) > 1 else _mapped(ours[0])),
            OUTLINES: Turns(_waves(of, self._by_outlines)),
            LEAST: Turns(self._read, prepare=lambda work: self._tokens(of, work)),
        }
        return {name: every[name] for name in SIDES if name in self.names}

    def turn(self, side: Turns, work: Sequence[Row]) -> float:
        """Run a side once, over prompts that begin with a tag of their own; return the seconds and keep the counts."""
        self._turn += 1
        prepared = side.prepare([row.in_turn(f"Batch {self._turn}.") for row in work])
        gc.collect()
        before, started = self._counts(), time.perf_counter()
        values = side.run(prepared)
        seconds = time.perf_counter() - started
        side.counts = {name: count - before[name] for name, count in self._counts().items()}
        side.counts["values"] = sum(value is not None for value in values)
        return seconds

    def _counts(self) -> dict[str, int]:
        steps = self.steps
        return {
            "steps": steps.count,
            "requests": steps.requests,
            "tokens_in": steps.prompt_tokens,
            "tokens_cached": steps.cached,
            "tokens_out": steps.tokens,
            "cut": steps.cut,
        }

    def _bare(self, stage: Stage, arguments: list[tuple[Any, ...]]) -> list[Any]:
        conversations: list[Any] = [messages(stage.function, *each) for each in arguments]
        outputs = self.llm.chat(conversations, _parameters(stage), use_tqdm=False)
        return read_values(stage.hint, [output.outputs[0].text for output in outputs])

    def _batched(self, stage: Stage, arguments: list[tuple[Any, ...]]) -> list[Any]:
        prompts = self._encoded([messages(stage.function, *each) for each in arguments])
        outputs = self.llm.generate(prompts, _parameters(stage), use_tqdm=False)
        return read_values(stage.hint, [output.outputs[0].text for output in outputs])

    def _encoded(self, conversations: list[list[dict[str, Any]]]) -> list[Any]:
        """Prompts of tokens, by one call of the tokenizer."""
        texts = self.tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=True)
        return [{"prompt_token_ids": ids} for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]

    def _by_outlines(self, stage: Stage, arguments: list[tuple[Any, ...]]) -> list[Any]:
        from vllm import SamplingParams

        chats = [self._outlines.inputs.Chat(messages(stage.function, *each)) for each in arguments]
        parameters = SamplingParams(temperature=0, max_tokens=stage.max_tokens)
        hint = None if stage.hint is str else stage.hint
        answers = self._outlined.batch(chats, hint, sampling_params=parameters, use_tqdm=False)
        return read_values(stage.hint, [each[0] if isinstance(each, list) else each for each in answers])

    def _tokens(self, of: Sequence[Stage], work: list[Row]) -> list[Any]:
        """The prompts of all stages; in place of an answer stand as many words of the row's own text."""
        conversations = [
            messages(stage.function, row, *more)
            for row in work
            for stage, more in zip(of, ((), ("something else",), (row.text[:280],)), strict=False)
        ]
        return self._encoded(conversations)

    def _read(self, prompts: list[Any]) -> list[Any]:
        from vllm import SamplingParams

        return list(self.llm.generate(prompts, SamplingParams(temperature=0, max_tokens=1), use_tqdm=False))


def _parameters(stage: Stage) -> Any:
    """The parameters of all rows, as they are written by hand."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    held: dict[str, Any] = {}
    if stage.hint is Topic:
        held["structured_outputs"] = StructuredOutputsParams(choice=labels())
    elif stage.hint is not str:
        held["structured_outputs"] = StructuredOutputsParams(json=stage.hint.model_json_schema())
    return SamplingParams(temperature=0, max_tokens=stage.max_tokens, **held)


def _mapped(function: Any) -> Callable[[list[Row]], list[Any]]:
    return lambda work: [result.value_or(None) for result in function.safe.map(work)]


def _program(functions: Sequence[Any]) -> Callable[[list[Row]], list[Any]]:
    return lambda work: run(Stages(*functions), work)


def _waves(
    of: Sequence[Stage], ask: Callable[[Stage, list[tuple[Any, ...]]], list[Any]]
) -> Callable[[list[Row]], list[Any]]:
    """All rows of one stage, then all of the next."""

    def waves(work: list[Row]) -> list[Any]:
        values = ask(of[0], [(row,) for row in work])
        for stage in of[1:]:
            values = ask(stage, [(row, value or "") for row, value in zip(work, values, strict=True)])
        return values

    return waves


def read_values(hint: Any, texts: list[str]) -> list[Any]:
    """The answers as pydantic reads them; nothing where it does not."""
    if hint is str:
        return texts
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    read = adapter.validate_python if hint is Topic else adapter.validate_json
    values: list[Any] = [None] * len(texts)
    for index, text in enumerate(texts):
        with suppress(ValidationError):
            values[index] = read(text)
    return values
