"""`Runtime`: a model that answers prompts.

A runtime loads its engine with the first request. `current` finds the runtime of a call that names none.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Token
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from typing_extensions import Unpack

from typefold.compiler import JsonFormat, JsonFormatName, Message, Vocabulary
from typefold.compiler.contained import describe_exception
from typefold.errors import AT_ONCE, EngineLoadError, PromptUsageError
from typefold.execution.ends import FailedLoad, ending_batches
from typefold.execution.open_runtimes import Block, OpenRuntime, entered, innermost, loading, opened
from typefold.execution.tracing import observer, trace, tracer
from typefold.messages import RawPrompt, Turn
from typefold.options import DescribeFormat, GenerateOptions, Options, describe_format_of, json_format_of
from typefold.runtime import Engine, EngineFacts, Outcome, Request, Scheduler, Statistics
from typefold.runtime.engine import ControlTokenPolicy
from typefold.runtime.engines.engine_registry import DEFAULT_ENGINE, load_counter
from typefold.runtime.journal import Journal
from typefold.runtime.journal.recorder import Recorder
from typefold.runtime.ownership import Owner
from typefold.runtime.scheduling.preparation import TokenCounter, sizes_of
from typefold.runtime.scheduling.replicas import Replicas, Worker
from typefold.runtime.statistics import Stopwatch
from typefold.runtimes.generate import GENERATE, Answering, Generate, Kind, call_for, checked_output_type, is_one
from typefold.runtimes.history import KEPT, HistoryEntry, entries
from typefold.runtimes.model_source import Model, check_engine_options, check_own, engine_of, model_of, title


class Runtime(OpenRuntime, Answering):
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
        self._sent: deque[tuple[Request, Future[Outcome]]] = deque(maxlen=KEPT)
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
    def history(self) -> tuple[HistoryEntry, ...]:
        """The last 50 requests, the newest last: messages as sent, text, tokens. It stays when the runtime is closed.

        A retry, reasoning and each step of `Scored` are requests of their own. Answers from a journal are there too.

        Example:
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(answers=["true"])) as runtime:
            ...     _ = runtime.generate("Is water wet?", output_type=bool)
            >>> print(runtime.history[-1])
            generate: 69 + 1 tokens, stop
              system: Answer with true or false.
              user: Is water wet?
              -> true
        """
        return entries(self._sent.copy())

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
        self._sent.extend(zip(requests[-KEPT:], futures[-KEPT:], strict=True))
        if (observing := observer.get()) is not None:
            observing.sent(self, requests, futures)
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

    @property
    def generate(self) -> Generate:
        """Answer one prompt, or a list of them as one batch; see `Generate`. Calling the runtime does the same.

        Example:
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(answers=["42"])) as runtime:
            ...     runtime.generate("How many?", output_type=int)
            42
        """
        return Generate(self._defaults)

    def render(
        self,
        prompt: str | Sequence[Turn],
        /,
        output_type: Kind = str,
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
        kind = checked_output_type(output_type, one=is_one(prompt))
        if not is_one(prompt):
            raise PromptUsageError("render() takes one prompt: a text, a list of messages, or raw(...)")
        return call_for(prompt, kind, self._defaults.with_(options, where=GENERATE)).messages

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
