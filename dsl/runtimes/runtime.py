"""`Runtime`: a model that answers prompts.

A runtime loads its engine with the first request. `current` finds the runtime of a call that names none.
"""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Token
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar, overload

from typing_extensions import TypeForm, Unpack

from typefold.compiler import JsonFormat, JsonFormatName, Message, Vocabulary
from typefold.compiler.contained import describe_exception
from typefold.compiler.guards import is_list_or_tuple
from typefold.errors import AT_ONCE, EngineLoadError, PromptUsageError
from typefold.execution.call import Call, failed_call, values
from typefold.execution.ends import FailedLoad, ending_batches
from typefold.execution.executor import run_call, run_calls
from typefold.execution.format_description import with_format
from typefold.execution.open_runtimes import Block, OpenRuntime, entered, innermost, loading, opened
from typefold.execution.strategies import compile_return
from typefold.execution.tracing import trace, tracer, watching
from typefold.messages import RawPrompt, is_missing, user
from typefold.options import PER_PROMPT, DescribeFormat, GenerateOptions, Options, describe_format_of, json_format_of
from typefold.response_types import ToolCall
from typefold.runtime import BadInput, Engine, EngineFacts, Outcome, PromptError, Request, Scheduler, Statistics
from typefold.runtime.engine import ControlTokenPolicy
from typefold.runtime.engines.engine_registry import DEFAULT_ENGINE, load_counter
from typefold.runtime.journal import Journal
from typefold.runtime.journal.recorder import Recorder
from typefold.runtime.ownership import Owner
from typefold.runtime.scheduling.preparation import TokenCounter, sizes_of
from typefold.runtime.scheduling.replicas import Replicas, Worker
from typefold.runtime.statistics import Stopwatch
from typefold.runtimes.model_source import Model, check_engine_options, check_own, engine_of, model_of, title

T = TypeVar("T")
R = TypeVar("R")
_One: TypeAlias = str | Sequence[Message]
_Several: TypeAlias = Sequence[str | Sequence[Message]]
_Kind: TypeAlias = TypeForm[object] | re.Pattern[str] | Callable[..., object]


class Runtime(OpenRuntime):
    """A model, loaded when it is first needed, that answers prompts in one continuous batch.

    Args:
        model: A model's name, or the path of its folder, or a `vllm.LLM` of your own (which closing leaves alone), or an
            engine; or a function of no arguments that makes one of the last two. By default the model that the environment
            variable TYPEFOLD_MODEL names.
        json_format: The way in which JSON is written for calls that don't say: `"spaced"` (the default), `"tight"` or
            `"compact"`.
        describe_format: The description of the answer's form for calls that don't say: `True` (typefold's words), `False`
            (none), own words, or a function that makes them of an `OutputType`; see `typefold.options.CallOptions`.
        deduplicate: Whether equal deterministic requests (greedy or seeded) share one generation, in flight or among the last
            1,024 that finished. Switch it off where the model's weights change between calls.
        early_stop: Whether generation stops as soon as the answer is determined, where the answer is one of a few texts (a
            `Literal`, an `Enum`, a `bool`, ...) or an object that ends in such a value. Values are the same, for fewer tokens.
            It never applies to a call that is streamed, or has `logprobs` or `min_tokens`.
        seed: Makes sampling repeatable: each call has a seed of its own, made of this one and of the place in the program
            where the call is made (the function, the row's index, the number of earlier calls there), whatever shares its
            batch. A call's own `seed=` goes first. No seed by default. The arithmetic of most engines depends a little on the
            size of a batch, so a token can still differ now and then; vLLM has `VLLM_BATCH_INVARIANT` against that.
        journal: A file in which every finished request is kept, or a `Journal`. A program that runs again with it is
            answered from it, and only requests that are new or were not finished go to the model. None by default.
        ignore_journal: Whether to answer nothing from the journal: all requests go to the model, and their answers replace
            those in it.
        replicas: The number of engines of the model, each in a process of its own: on GPUs of their own as far as there are
            any, else sharing one, which pays where the CPU around an engine is the limit and not the GPU. 1 by default.
        restarts: The number of times that the engine may be built again after a crash; the rows that were in flight are then
            asked again. A row that makes the engine crash costs three, and fails alone. This needs a model's name or a
            function. It holds for each of several `replicas`: one that is used up fails its rows, and the others go on. 0 by
            default.
        watchdog: The seconds that a call into the engine may last before the engine is taken for dead and, where it has a
            process of its own, killed; 1800 by default. `None` switches this off.
        control_tokens: The policy for a message that holds markers of the model's chat template which are ordinary text,
            such as Llama 2's `[INST]`: `"keep"` them (the default; the log names them once), `"refuse"` the message as
            `BadInput`, or `"escape"` them with an invisible character. Most templates mark turns with tokens, and have no
            such markers.
        **engine_options: Options of `vllm.LLM`: `max_model_len`, `tensor_parallel_size`, `kv_cache_memory_bytes`, ...

    Raises:
        NoRuntime: No model is given, and none is named in TYPEFOLD_MODEL.
        PromptUsageError: There is no such option or folder, or an option is out of range. Nothing is loaded by then.

    Example:
        >>> from typefold import Runtime
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> with Runtime(ScriptedEngine(answers=lambda request: "42")) as runtime:
        ...     runtime.generate("How many?", output_type=int)
        42
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        json_format: JsonFormat | JsonFormatName | None = None,
        describe_format: DescribeFormat | None = None,
        deduplicate: bool = True,
        early_stop: bool = True,
        seed: int | None = None,
        replicas: int = 1,
        restarts: int = 0,
        watchdog: float | None = 1800.0,
        journal: Journal | Path | str | None = None,
        ignore_journal: bool = False,
        control_tokens: ControlTokenPolicy = "keep",
        **engine_options: Any,
    ) -> None:
        named = model_of(model, engine_options)
        check_engine_options(named, engine_options, inspect.signature(Runtime).parameters.keys() - {"engine_options"})
        own: dict[str, Any] = {
            "deduplicate": deduplicate,
            "early_stop": early_stop,
            "ignore_journal": ignore_journal,
            "seed": seed,
            "replicas": replicas,
            "restarts": restarts,
            "watchdog": watchdog,
            "journal": journal,
            "control_tokens": control_tokens,
        }
        check_own(named, own)
        self.json_format = json_format_of(json_format, where="Runtime")
        self.describe_format = describe_format_of(describe_format, where="Runtime")
        self._model: Any = named
        self._engine_options = engine_options
        self._scheduler: Worker | None = None
        self._replicas = replicas
        self._loading = threading.Lock()
        self._failures = 0
        self._failed: FailedLoad | None = None
        self._closed = False
        self._owner = Owner()
        self._blocks: list[tuple[Block, Token[Block | None]]] = []
        self._last = Statistics()
        self._scheduling = {name: own[name] for name in ("deduplicate", "early_stop", "restarts", "watchdog")}
        self._control_tokens: ControlTokenPolicy = control_tokens
        self._recorder = (
            None
            if journal is None
            else Recorder(
                journal,
                model=named if isinstance(named, str) else None,
                options=engine_options if control_tokens == "keep" else {**engine_options, "markers": control_tokens},
                engine=lambda: self.engine,
                forward=self._forward,
                ignore_journal=ignore_journal,
                settings={"decide": early_stop},
            )
        )
        self.seed = seed
        self.journaled = journal is not None
        opened.append(self)

    def __repr__(self) -> str:
        name = self.name
        state = "closed" if self._closed else "loaded" if self._scheduler else "not loaded yet"
        return f"<Runtime {name}: {state}>"

    @property
    def name(self) -> str:
        """The model's name or path where it is known, else another for it."""
        if isinstance(self._model, str):
            return self._model
        return title(self._model) if self._scheduler is None else self._scheduler.info.model

    @property
    def stats(self) -> Statistics:
        """Statistics so far: requests, tokens, engine steps. They stay when it is closed."""
        scheduler = self._scheduler
        own = scheduler.statistics if scheduler is not None else self._last
        return own + self._recorder.statistics if self._recorder else own

    @property
    def resume_hint(self) -> str | None:
        """The advice on going on with a program that was interrupted; `None` where nothing was kept."""
        if not self._recorder:
            return None
        return f"What was done is in {self._recorder.path}: run the same program again, and it goes on from there."

    @property
    def engine(self) -> Engine:
        """The engine, loaded now if it was not yet."""
        return self._ready().engine

    @property
    def loaded(self) -> bool:
        return self._scheduler is not None

    @property
    def max_num_seqs(self) -> int | None:
        """The number of requests that the engine runs at once; `None` while that is not known."""
        if self._scheduler is not None:
            return self._scheduler.info.max_num_seqs
        known = self._recorder.facts if self._recorder and not self._closed else None
        return None if known is None else known.max_num_seqs

    @property
    def facts(self) -> EngineFacts:
        """Facts about the engine: from the journal, or from the engine, loaded now if it was not yet."""
        self.check_process()
        if (scheduler := self._scheduler) is not None:
            return scheduler.info
        with ending_batches:
            known = self._recorder.facts if self._recorder else None
            if known is None:
                known = self._ready().info
        return known

    @property
    def journal(self) -> Path | None:
        """The journal's file, if one is kept."""
        return None if self._recorder is None else self._recorder.path

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Facts about the model's tokens, for token bounds; `None` while it is not loaded."""
        return self._scheduler.info.vocabulary if self._scheduler else None

    def submit(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        """Send requests. This is for extensions; programs use prompts and `generate`.

        Args:
            requests: The requests. They join the running batch at once.

        Returns:
            A future for each request, in order. Its result is an `Outcome`, its exception a `PromptError`; cancelling it
            withdraws the request.

        Raises:
            EngineLoadError: The engine can't be loaded.
            JournalError: The journal can't be opened or written.
            UsedAfterFork: This is a fork of the process that made the runtime.

        Example:
            >>> from typefold.runtime import Request
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(answers=["Hello!"])) as runtime:
            ...     [future] = runtime.submit([Request(prompt="Say hello.")])
            ...     future.result().text
            'Hello!'
        """
        self.check_process()
        with ending_batches:
            if (recorder := self._recorder) is not None:  # which loads a model that only its engine can identify
                futures = recorder.submit(self._timed(requests, lambda: recorder.facts))
            else:
                futures = self._forward(requests)
        if (watch := watching.get()) is not None:
            watch(self, requests, futures)
        tracing = tracer()
        if tracing is not None:
            provider = DEFAULT_ENGINE if self._scheduler is None else self._scheduler.info.provider
            trace(tracing, self.name, provider, requests, futures)
        return futures

    def token_counter(self, *, load: bool) -> TokenCounter:
        """Return a counter of the tokens of requests that nobody asks.

        Args:
            load: Whether to load the engine. Else a model that is given by its name is counted by its tokenizer alone.
        """
        if load or self._scheduler is not None or not isinstance(self._model, str):
            worker = self._ready()
            return TokenCounter(worker.info, worker.measure)
        counting = load_counter(self._model, control_tokens=self._control_tokens, **self._engine_options)
        return TokenCounter(counting.info, partial(sizes_of, counting, early_stop=self._scheduling["early_stop"]))

    # The first that fits: a text is a sequence of texts too, and a class is callable. Values that are no types stand before
    # types, since ty reads whatever is given for a type as one.
    # fmt: off
    @overload
    def generate(self, prompt: _One, /, *, output_type: re.Pattern[str], **options: Unpack[GenerateOptions]) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def generate(self, prompt: _Several, /, *, output_type: re.Pattern[str], **options: Unpack[GenerateOptions]) -> list[str]: ...
    @overload
    def generate(self, prompt: _Several, /, *, output_type: list[_Kind] | tuple[_Kind, ...], **options: Unpack[GenerateOptions]) -> list[object]: ...
    @overload
    def generate(self, prompt: _One, /, *, output_type: TypeForm[T], **options: Unpack[GenerateOptions]) -> T: ...  # type: ignore[overload-overlap]
    @overload
    def generate(self, prompt: _Several, /, *, output_type: TypeForm[T], **options: Unpack[GenerateOptions]) -> list[T]: ...  # type: ignore[overload-overlap]
    @overload
    def generate(self, prompt: _One, /, *, output_type: Callable[..., R], **options: Unpack[GenerateOptions]) -> ToolCall[R]: ...  # type: ignore[overload-overlap]
    @overload
    def generate(self, prompt: _Several, /, *, output_type: Callable[..., R], **options: Unpack[GenerateOptions]) -> list[ToolCall[R]]: ...
    @overload
    def generate(self, prompt: _One, /, **options: Unpack[GenerateOptions]) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def generate(self, prompt: _Several, /, **options: Unpack[GenerateOptions]) -> list[str]: ...
    # fmt: on
    def generate(self, prompt: Any, /, *, output_type: Any = str, **options: Any) -> Any:
        """Answer one prompt, or a list of them as one batch.

        Args:
            prompt: A text (a user message), a conversation (a list of messages), `raw(...)`, or a sequence of these.
            output_type: The type of the answer: anything that `typefold.output_type` takes, unions and `Literal` too.
                A list of types, one for each prompt, makes one batch. `re.compile(...)` stands for a text that it matches
                as a whole, a function for a `ToolCall`; a JSON schema becomes a type by `compiler.type_of_schema(schema)`,
                a list of choices by `Annotated[str, OneOf(names)]`.
            **options: Sampling parameters by name, and the other options of `@prompt`; see
                `typefold.options.GenerateOptions`. For a list of prompts, `sampling_params`, `priority` and `lora_request`
                may be lists too, one entry a prompt.

        Returns:
            A value of the type; for a list of prompts a list of values, in order.

        Raises:
            PromptError: The one prompt gave no value.
            BatchError: Some of the prompts gave none; it holds every result.
            PromptUsageError: An option does not exist, or does not go with the type.
            UnsupportedType: The type has no JSON form.

        Example:
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(answers=["yes", "7"])) as runtime:
            ...     runtime.generate(["Is it?", "How many?"], output_type=[bool, int])
            Traceback (most recent call last):
            ...
            typefold.errors.BatchError: 1 of 2 rows failed (every outcome is in .results; use .safe.map to get them without this error):
              generate, row 0: ...
        """
        return _generate(self._defaults, prompt, output_type, options)

    __call__ = generate

    def render(
        self,
        prompt: str | Sequence[Message],
        /,
        *,
        output_type: _Kind = str,
        **options: Unpack[GenerateOptions],
    ) -> tuple[Message, ...] | RawPrompt:
        """Make the messages of a call of `generate` exactly as they are sent, without sending them. Loads no engine.

        Args:
            prompt: One prompt: a text, a conversation or `raw(...)`.
            output_type: The type of the answer.
            **options: The options of the call.

        Returns:
            The messages with the description of the format; of `raw(...)`, what was given.

        Raises:
            PromptUsageError: There is more than one prompt, an option does not exist, or it does not go with the type.
            UnsupportedType: The type has no JSON form.

        Example:
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine()) as runtime:
            ...     for message in runtime.render("Is it?", output_type=bool):
            ...         print(message.role, message.content)
            system Answer with true or false.
            user Is it?
        """
        _check_output_type(output_type, one=True)
        if not _is_one(prompt):
            raise PromptUsageError("render() takes one prompt: a text, a list of messages, or raw(...)")
        return _call_for(prompt, output_type, self._defaults.with_(options, where=_GENERATE)).messages

    def options(self, changes: Mapping[str, Any], *, where: str) -> Options:
        """Check options, and lay them over the defaults of this runtime.

        Args:
            changes: Options by name, as for `@prompt`.
            where: The name of the call in errors.

        Returns:
            The options, with this runtime as the one that answers.

        Raises:
            PromptUsageError: An option does not exist, or is out of range.

        Example:
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(), json_format="tight") as runtime:
            ...     options = runtime.options({"temperature": 0.5}, where="my_call")
            >>> options.sampling["temperature"], options.json_format.name
            (0.5, 'TIGHT')
        """
        return self._defaults.with_(changes, where=where)

    @property
    def _defaults(self) -> Options:
        return Options(runtime=self).under(self)

    def close(self) -> None:
        """Abort the requests in flight and free the engine, its memory and its processes. May be called twice.

        In a forked child of the process that made it, nothing happens: all of it is the parent's.
        """
        if self._owner.elsewhere:
            return
        with self._loading:
            self._closed = True
            scheduler, self._scheduler = self._scheduler, None
            if scheduler is not None:
                self._last = scheduler.statistics
        if scheduler is not None:
            scheduler.close()
            self._last = scheduler.statistics
        if self._recorder:
            self._recorder.close()
        if self in opened:
            opened.remove(self)

    def __enter__(self) -> Self:
        self.check_process()
        block = Block(self, innermost.get(), frozenset(threading.enumerate()))
        self._blocks.append((block, innermost.set(block)))
        entered.append(block)
        return self

    def __exit__(self, *_: object) -> None:
        block, token = self._blocks.pop()
        with suppress(ValueError):  # it is left in another context than it was entered in, as by some event loops
            innermost.reset(token)
        if block in entered:  # not in a fork
            entered.remove(block)
        self.close()

    def check_process(self) -> None:
        """Check that this is the process that it was made in.

        Raises:
            UsedAfterFork: It is a fork of that.
        """
        if self._owner.elsewhere:
            self._owner.check(f"the runtime of {self.name}")

    def _forward(self, requests: Sequence[Request]) -> list[Future[Outcome]]:
        if self._scheduler is None:
            requests = self._timed(requests, self._ready)
        return self._ready().submit(requests)

    def _timed(self, requests: Sequence[Request], load: Callable[[], object]) -> Sequence[Request]:
        """Return requests whose deadlines are later by the time that it takes them to load the engine, if they do."""
        if self._scheduler is not None or all(each.deadline is None for each in requests):
            return requests
        started = time.monotonic()
        load()
        taken = time.monotonic() - started
        return [each if each.deadline is None else replace(each, deadline=each.deadline + taken) for each in requests]

    def _ready(self) -> Worker:
        self.check_process()
        scheduler = self._scheduler  # one attribute, read once: closing takes it away
        if scheduler is not None:
            return scheduler
        failures = self._failures
        with self._loading:
            if self._closed:
                raise RuntimeError("this runtime was closed; make a new one")
            if self._scheduler is None:
                if self._failed is not None and (self._failures > failures or self._failed.ends_caller):
                    raise self._failed.again()
                try:
                    with loading(self.name):
                        self._scheduler = worker = self._load()
                except AT_ONCE:
                    raise
                except Exception as error:  # Ctrl-C is none: the load may be tried again
                    self._failures += 1
                    failed = EngineLoadError(self.name, describe_exception(error))
                    failed.__cause__ = error
                    self._failed = FailedLoad(failed)
                    raise failed from error
                self._failed = None
                if self._recorder:
                    self._recorder.loaded(worker.info)
            return self._scheduler

    def _load(self) -> Worker:
        schedulers: list[Scheduler] = []
        stopwatch = Stopwatch()
        try:
            for number in range(self._replicas):
                replica = (number, self._replicas)
                build = partial(
                    engine_of, self._model, self._engine_options, control_tokens=self._control_tokens, replica=replica
                )
                schedulers.append(Scheduler(build(), rebuild=build, stopwatch=stopwatch, **self._scheduling))
        except BaseException:  # no engine stays behind
            Replicas(schedulers).close()
            raise
        return schedulers[0] if self._replicas == 1 else Replicas(schedulers)


_GENERATE = "generate"  # its name in errors and statistics


def _generate(defaults: Options, prompt: Any, hint: Any, changes: Mapping[str, Any]) -> Any:
    if isinstance(prompt, Sequence) and not isinstance(prompt, (str, bytes, bytearray)):
        prompt = [*prompt]
    _check_output_type(hint, one=_is_one(prompt))
    if _is_one(prompt):
        return run_call(_call_for(prompt, hint, defaults.with_(changes, where=_GENERATE)))
    if not is_list_or_tuple(prompt):
        raise PromptUsageError(
            f"generate() takes a text, a list of messages, or a list of these; not {type(prompt).__name__} (of a column, "
            f"give list(column))"
        )
    hints = _a_row(hint, len(prompt), "output_type")
    # Rows that share their options share one record of them, and so all that is made from it.
    varied = {
        name: _a_row(changes[name], len(prompt), name) for name in PER_PROMPT if is_list_or_tuple(changes.get(name))
    }
    common = {name: value for name, value in changes.items() if name not in varied}
    shared = defaults.with_(common, where=_GENERATE)
    calls: list[Call[Any] | PromptError] = []
    for row, (each, kind) in enumerate(zip(prompt, hints, strict=True)):
        own = {name: entries[row] for name, entries in varied.items()}
        options = shared.with_(own, where=_GENERATE) if own else shared
        try:
            calls.append(_call_for(each, kind, options, mixed=is_list_or_tuple(hint)))
        except BaseException as error:
            calls.append(failed_call(error, _GENERATE, row))
    return values(run_calls(calls, max_failures=shared.max_failures))


def _check_output_type(hint: object, *, one: bool) -> None:
    """Refuse values that other libraries take for a type: a JSON schema, a list of choices."""
    every = hint if is_list_or_tuple(hint) else (hint,)
    if any(isinstance(each, Mapping) for each in every):
        raise PromptUsageError(
            f"generate(): output_type is a type, not {hint!r:.80}; of a JSON schema make a type first, with "
            f"typefold.compiler.type_of_schema(schema)"
        )
    if any(isinstance(each, str) for each in every):
        if every is not hint:
            raise PromptUsageError(
                f"generate(): output_type is a type, not the text {hint!r:.80}; of the text of a JSON schema make a type "
                f"first, with typefold.compiler.type_of_schema(json.loads(text))"
            )
        raise PromptUsageError(
            f"generate(): output_type is a type, not a list of texts; for one of them write Literal[{_listed(every)}], or "
            f"Annotated[str, OneOf(names)] for names that the program makes"
        )
    if one and every is hint:
        raise PromptUsageError(
            "generate(): a list of types goes with a list of prompts, one type a prompt; for an answer of one of several "
            "types write a union, A | B"
        )


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(repr, names)) if len(names) <= 3 else f"{names[0]!r}, {names[1]!r}, ..."


def _a_row(value: object, rows: int, name: str) -> Sequence[Any]:
    if not is_list_or_tuple(value):
        return [value] * rows
    if len(value) != rows:
        raise PromptUsageError(f"generate() was given {rows} prompts, and a list of {len(value)} for {name}")
    return value


def _is_one(prompt: object) -> bool:
    return isinstance(prompt, str) or (
        is_list_or_tuple(prompt) and len(prompt) > 0 and all(isinstance(item, Message) for item in prompt)
    )


def _call_for(prompt: Any, hint: Any, options: Options, *, mixed: bool = False) -> Call[Any]:
    assert options.runtime is not None
    compiled = compile_return(hint, options.json_format, path="output_type")
    compiled.check(options, where=_GENERATE, shared=mixed)
    strategy, kind = compiled.strategy, compiled.kind
    if is_missing(prompt):
        raise BadInput(function=_GENERATE, reason=f"the prompt is {prompt}, a missing value; fill or drop such rows")
    messages = prompt if isinstance(prompt, RawPrompt) else _messages(prompt)
    messages = with_format(messages, kind, options, where=_GENERATE)
    strategy.check_prompt(messages, kind, options, where=_GENERATE)
    return Call(_GENERATE, messages, kind, options, strategy, options.runtime)


def _messages(prompt: Any) -> tuple[Message, ...]:
    messages = (user(prompt),) if isinstance(prompt, str) else tuple(prompt)
    if not messages or not all(isinstance(message, Message) for message in messages):
        raise PromptUsageError(
            "generate() takes a text, a list of messages (system, user, assistant), or a list of these"
        )
    return messages
