"""vLLM's offline engine, in this process or in one of its own; vLLM is imported when an engine is made.

It keeps to the interface that vLLM 0.25 to 0.33 share; `compat` has the differences. Invariant: only keys that were added here are
ever answered or aborted, so that a caller's own `LLM` may have other work, and a refused request leaves nothing behind. Left out:
sound and video, and more than one answer a request.
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import sys
import threading
import warnings
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from typefold.runtime.engine import Completion, ControlTokenPolicy, Delta, EngineInfo, EngineRefusal, PromptTooLarge
from typefold.runtime.engines.vllm import compat
from typefold.runtime.engines.vllm.chat_tokenizer import (
    Prompt,
    PromptTokenizer,
    PromptTokens,
    decoded,
    images_of,
    placed,
)
from typefold.runtime.engines.vllm.compat import UnsupportedEngine
from typefold.runtime.engines.vllm.control_tokens import unwritten_ids
from typefold.runtime.engines.vllm.loading import freeze, loading_of, thaw
from typefold.runtime.engines.vllm.lora import Adapters
from typefold.runtime.engines.vllm.process import CoreProcess, check_main, environment, shielded
from typefold.runtime.engines.vllm.sampling_params import Parameters, readable, unknown_name
from typefold.runtime.engines.vllm.thinking import sources_of, switched, switches_by, switches_of
from typefold.runtime.engines.vllm.vocabulary import FirstTokens, outcome_of, vocabulary_of, written_by
from typefold.runtime.ownership import lock, notify_child
from typefold.runtime.request import Request

__all__ = ["UnsupportedEngine", "VllmEngine", "load"]

_REMEMBERED = 4096  # begun answers, and prompts of probes
_NOT_OPTIONS = {"self", "request_id", "prompt", "params", "arrival_time", "tokenization_kwargs", "prompt_text"}


class VllmEngine:
    """A `vllm.LLM` as an engine. Nothing else may step it while this is in use; `close` shuts an `owned` one down."""

    def __init__(
        self,
        llm: Any,
        *,
        owned: bool,
        control_tokens: ControlTokenPolicy = "keep",
        options: dict[str, Any] | None = None,
    ) -> None:
        version = compat.installed_version()
        if not hasattr(llm, "llm_engine"):
            raise TypeError(f"a vllm.LLM is needed, not a {type(llm).__name__}")
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        self._llm: Any = llm
        self._engine: Any = llm.llm_engine
        self._owned = owned
        self._core = CoreProcess.of(self._engine.engine_core)
        self._inside = getattr(self._engine.engine_core, "engine_core", None) is not None
        self._written: list[bytes] | None = None
        self._keys: set[str] = set()
        self._texts_of: dict[str, Mapping[int, str]] = {}  # of the tokens of requests that vLLM does not decode
        self._streamed: dict[str, Any] = {}  # the answer so far of each streamed request, or None
        self._deltas: list[Delta] = []
        self._texts: dict[str, tuple[int, ...]] = {}  # of begun answers
        self._probed: dict[int, tuple[Prompt, array[int]]] = {}  # by the identity of the messages, which are held
        self._probes: dict[
            str, tuple[Sequence[int], Sequence[int]]
        ] = {}  # that list tokens: those ahead, and those listed
        self._ranked: set[str] = set()  # requests with log probabilities by rank
        self._held: dict[str, tuple[Any, ...]] = {}  # probes that wait for them
        self._early: list[Completion] = []
        self._tokens_input = tokens_input
        config = self._engine.vllm_config
        self._sees = bool(config.model_config.is_multimodal_model)
        device, max_model_len = str(config.device_config.device_type), int(config.model_config.max_model_len)
        places = config.lora_config.max_loras - 1 if config.lora_config and device == "cpu" else None
        self._adapters = Adapters(config.lora_config, LoRARequest, self._load_adapter, places=places)
        self._splits_prompts = bool(config.scheduler_config.enable_chunked_prefill)
        backend = str(config.structured_outputs_config.backend)
        dialect = compat.dialect_of(backend, self._engine.engine_core)
        compat.warn_of_early_ends(backend)
        defaults = llm.get_default_sampling_params()
        assert isinstance(defaults, SamplingParams)
        own_defaults: dict[str, Any] = llm.default_sampling_params or {}
        self._tokenizer: Any = self._engine.get_tokenizer()
        # llguidance, unlike xgrammar, leaves tokens that end within a character out of its mask.
        listed = dialect == "ebnf" and not compat.is_diffusion(config.model_config)
        known = int(config.model_config.get_vocab_size())
        first = FirstTokens(self._tokenizer, known)
        raw = str(getattr(config.model_config, "logprobs_mode", "raw_logprobs")) == "raw_logprobs"
        self._options = set(inspect.signature(self._engine.add_request).parameters) - _NOT_OPTIONS
        render = compat.chat_renderer(llm, self._tokenizer)
        template = llm.chat_template or getattr(self._tokenizer, "chat_template", None)
        self._switches = switches_of(template) if sources_of(template) else switches_by(render)
        self._prompts = PromptTokenizer(
            self._tokenizer,
            render,
            most=max_model_len,
            control_tokens=control_tokens,
            switches=self._switches,
            template=template,
        )
        self._parameters = Parameters(
            defaults=defaults,
            default_max_tokens=own_defaults.get("max_tokens"),
            output_kinds=RequestOutputKind,
            structured_outputs=StructuredOutputsParams,
            dialect=dialect,
            unwritten=unwritten_ids(self._tokenizer, known),
            text_ends=self._prompts.thoughts.text_ends,
            first_tokens=first.of if listed else None,
            written=self._write,
            ahead=first.ahead if listed and raw else None,
            masks_stops=compat.masks_stop_tokens(version),
            check=compat.check_xgrammar if backend == "auto" else None,
        )
        most = int(config.model_config.max_logprobs)
        self.info = EngineInfo(
            provider="vllm",
            model=str(config.model_config.model),
            model_options=compat.model_options(config.model_config) if options is None else options,
            max_model_len=max_model_len,
            max_num_seqs=int(config.scheduler_config.max_num_seqs),
            max_logprobs=known if most == -1 else most,
            vocabulary=vocabulary_of(self._tokenizer),
            thinking=self._prompts.thoughts.thinking,
            backend=backend,
            device=device,
            decodes_as_graph=device == "cuda" and compat.decodes_as_graph(config),
        )
        if owned:
            freeze()  # as `close` thaws
        notify_child(self)

    @property
    def has_unfinished(self) -> bool:
        """Whether vLLM has work left, of this engine or of a caller's own."""
        return self._engine is not None and bool(self._held or self._early or self._engine.has_unfinished_requests())

    def tokenize(self, request: Request) -> Sequence[int]:
        """Return the prompt's token ids, as `LLM.chat` and `LLM.generate` would make them; thinking is off unless asked for.

        A request that is not to think gets the marks behind which its answer is outside of a thought.
        """
        [found] = self.tokenize_all([request])
        if isinstance(found, Exception):
            raise found
        return found

    def tokenize_all(self, requests: Sequence[Request]) -> list[Sequence[int] | Exception]:
        prompts = [Prompt(each.prompt, switched(each, self._switches), thinking=each.thinking) for each in requests]
        sources, pictured = self._sources(requests, prompts), [bool(images_of(each.prompt)) for each in requests]
        plain = self._prompts.encode_all(
            prompt for at, prompt in enumerate(prompts) if sources[at] == at and not pictured[at]
        )
        encoded: Iterator[Sequence[int] | Exception] = iter(plain)
        found: list[Sequence[int] | Exception] = []
        own: dict[int, Sequence[int] | Exception] = {}  # by place, of those that were encoded here
        for at, (request, prompt, source) in enumerate(zip(requests, prompts, sources, strict=True)):
            if pictured[at]:
                found.append(self._pictured(request, prompt))
                continue
            if source == at:
                token_ids = own[at] = next(encoded)
                if request.probe and not isinstance(token_ids, Exception):
                    if len(self._probed) >= _REMEMBERED:
                        del self._probed[next(iter(self._probed))]
                    self._probed[id(prompt.prompt)] = prompt, array("i", token_ids)
            else:
                token_ids = own[source] if isinstance(source, int) else source
            if not isinstance(token_ids, Exception) and ((begun := self._begun(request)) or source != at):
                token_ids = [*token_ids, *begun]
            found.append(token_ids)
        return found

    def _sources(self, requests: Sequence[Request], prompts: Sequence[Prompt]) -> list[int | Sequence[int]]:
        """Return for each prompt its tokens, if a probe had them before, or the place in the batch of the first one like it."""
        first: dict[int, int] = {}
        sources: list[int | Sequence[int]] = []
        for at, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
            source: int | Sequence[int] = at
            if request.probe and (known := self._known(prompt)) is not None:
                source = known
            elif request.probe:
                before = first.setdefault(id(prompt.prompt), at)
                source = before if prompts[before] == prompt else at
            sources.append(source)
        return sources

    def _known(self, prompt: Prompt) -> Sequence[int] | None:
        """Return the tokens of a prompt that was just asked about something else: the probes of a call share it."""
        held = self._probed.get(id(prompt.prompt))
        return held[1] if held is not None and held[0].prompt is prompt.prompt and held[0] == prompt else None

    def _begun(self, request: Request) -> list[int]:
        """Return the tokens behind the prompt: those of the begun answer, and those that a probe can only go on with."""
        found = list[int]()
        for part in request.begun:
            found += [part] if isinstance(part, int) else self._tokens_of(part)
        return [*found, *self._parameters.probed(request)[0]] if request.probe else found

    def _tokens_of(self, text: str) -> tuple[int, ...]:
        if (known := self._texts.get(text)) is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            known = self._texts[text] = tuple(self._tokenizer.encode(text, add_special_tokens=False))
        return known

    def _pictured(self, request: Request, prompt: Prompt) -> Sequence[int] | Exception:
        """Return the tokens of a prompt with images."""
        images = images_of(request.prompt)
        if not self._sees:
            return EngineRefusal(f"{self.info.model} is a model of text alone, and the prompt has {images[0]} in it")
        try:
            pictures = decoded(images)
            [token_ids] = self._prompts.encode_all([prompt._replace(pictures=pictures)])
            if isinstance(token_ids, Exception):
                return token_ids
            if len(token_ids) > self.info.max_model_len:  # without what the images take
                return PromptTooLarge(len(token_ids))
            return placed(self._llm.renderer, token_ids, pictures, self._begun(request))
        except Exception as error:
            return error

    def max_tokens(self, request: Request) -> int | None:
        return self._parameters.limit(request)

    def identity(self, request: Request) -> str | None:
        return self._parameters.identity(request)

    def add(self, key: str, request: Request, token_ids: Sequence[int], max_tokens: int) -> None:
        for name in request.options:
            if name not in self._options:
                raise EngineRefusal(unknown_name("option", name, self._options))
        params, template = self._parameters.build(request, max_tokens)
        options = request.options
        if options.get("lora_request") is not None:
            options = {**options, "lora_request": self._adapters.request(options["lora_request"])}
        if params.seed is not None and self._splits_prompts and self.info.device == "cpu":
            raise EngineRefusal(
                "a seed with chunked prefill kills vLLM's CPU engine; build the LLM with enable_chunked_prefill=False"
            )
        prompt = token_ids.engine_input if isinstance(token_ids, PromptTokens) else self._tokens_input(list(token_ids))
        ahead, listed = self._parameters.probed(request)
        if listed:
            self._probes[key] = ahead, listed
            if self._ranked:
                self._held[key] = prompt, params, options
                return
        elif params.logprobs:
            while self._probes.keys() - self._held.keys():
                self._early += self._stepped()
        self._send(key, prompt, params, options)
        template.verified = True
        if template.texts is not None and not params.detokenize:
            self._texts_of[key] = template.texts
        if params.logprobs:
            self._ranked.add(key)
        if request.on_delta is not None:
            self._streamed[key] = None

    def _send(self, key: str, prompt: Any, params: Any, options: Mapping[str, Any]) -> None:
        try:
            self._engine.add_request(key, prompt, params, **options)
        except Exception as error:
            self._probes.pop(key, None)
            self._say_how_it_ended(error)
            # In-process, vLLM registers a request before its core has taken it: unless it is dropped, it never ends.
            self._engine.abort_request([key])
            raise EngineRefusal(readable(error)) from error
        self._keys.add(key)

    def step(self) -> Sequence[Completion]:
        """Run one step; requests that a caller left in an `LLM` of their own run too and are not reported.

        In one step vLLM returns log probabilities by rank or by number, and where it is asked for both, those by rank are
        lost (but on GPUs, with its second runner). So the ones wait for the others.
        """
        if not self._ranked:
            while self._held:
                key = next(iter(self._held))
                self._send(key, *self._held.pop(key))
        if self._early:
            done, self._early = self._early, []
            return done
        return self._stepped()

    def _stepped(self) -> list[Completion]:
        done: list[Completion] = []
        try:
            with _turn if self._inside else nullcontext():
                outputs = self._engine.step()
        except Exception as error:
            self._say_how_it_ended(error)
            raise
        for output in outputs:
            key = output.request_id
            if key in self._streamed:
                output = self._grown(key, output)
            if output.finished and key in self._keys:
                self._keys.remove(key)
                self._streamed.pop(key, None)
                self._ranked.discard(key)
                texts, probe = self._texts_of.pop(key, None), self._probes.pop(key, None)
                done.append(Completion(key, outcome_of(output, self._write, texts=texts, probe=probe)))
        return done

    def partial_text(self, key: str) -> str:
        return compat.partial_text(self._engine, key)

    def deltas(self) -> Sequence[Delta]:
        """Return the new text of streamed answers; vLLM holds back a text that may become a stop string."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def abort(self, keys: Iterable[str]) -> None:
        dropped = set(keys)
        for key in dropped & self._held.keys():
            del self._held[key], self._probes[key]
        self._early = [each for each in self._early if each.key not in dropped]
        ours = self._keys.intersection(dropped)
        if ours:
            self._keys -= ours
            self._ranked -= ours
            for key in ours:
                for kept in (self._streamed, self._probes, self._texts_of):
                    kept.pop(key, None)
            self._engine.abort_request(list(ours))

    def kill(self) -> bool:
        return self._owned and self._core is not None and self._core.kill()

    def close(self) -> None:
        """Shut an owned engine down, with its processes and memory; of another's, drop only this engine's requests."""
        if self._engine is None:
            return
        if self._core is not None:
            self._core.close()
        with suppress(Exception):  # a dead engine can't abort, and has nothing to
            self.abort(list(self._keys))
        engine, self._engine = self._engine, None
        del self._llm, self._prompts, self._tokenizer  # they all lead to the engine
        if self._owned:
            try:
                with compat.keeping_shared_state(engine.engine_core) if self._inside else nullcontext():
                    engine.engine_core.shutdown()
                if hasattr(engine.renderer, "shutdown"):
                    engine.renderer.shutdown()
            finally:
                del engine
                thaw()  # in-process, the weights go with the last reference to the model
            multiprocessing.active_children()  # reaps the engine's process, which vLLM leaves as a zombie
            if self.info.device == "cuda":
                import torch

                torch.cuda.empty_cache()

    def forked(self) -> None:
        """In a child: leave to the parent all that vLLM does as its objects go, or at the end of the process."""
        compat.release_in_child(self._engine)

    def _grown(self, key: str, output: Any) -> Any:
        """Return a streamed answer so far, with the new part in `output`."""
        if text := output.outputs[0].text:
            self._deltas.append(Delta(key, text))
        whole = self._streamed[key]
        if whole is None:
            output.outputs[0].token_ids = list(output.outputs[0].token_ids)  # it will be added to
            self._streamed[key] = whole = output
        else:
            whole.add(output, aggregate=True)
        return whole

    def _load_adapter(self, adapter: Any) -> None:
        try:
            self._engine.add_lora(adapter)
        except Exception as error:
            self._say_how_it_ended(error)
            raise

    def _say_how_it_ended(self, error: Exception) -> None:
        """Raise the end of the engine's process, where an error comes of that."""
        from vllm.v1.engine.exceptions import EngineDeadError

        if self._core is not None and (end := self._core.end) is not None:
            raise end from error
        if isinstance(error, EngineDeadError | MemoryError):
            raise error

    def _write(self) -> Sequence[bytes]:
        if self._written is None:
            self._written = written_by(self._tokenizer)
        return self._written


def load(
    model: str, *, control_tokens: ControlTokenPolicy = "keep", replica: tuple[int, int] = (0, 1), **engine_options: Any
) -> VllmEngine:
    """Build an engine for a model, with defaults that suit typed prompts; options of `vllm.LLM` go before any default.

    On a CPU it runs in this process, or in one of its own where another is here already, without compilation, with 1 GiB of KV cache
    and without chunked prefill (which a seeded request does not survive there). On a GPU vLLM's own defaults hold, but that CUDA graphs
    are captured for as many requests as run at once. Raises ImportError, UnsupportedEngine or UnguardedMain where it can't be built.
    """
    check_main(spawns=False)  # before vLLM is imported, which takes long
    with _loading:  # one after the other: the place of an engine depends on those that are there
        try:
            llm = _built(model, replica, engine_options)
        finally:
            if "vllm" in sys.modules:
                compat.reread_environment()
    return VllmEngine(llm, owned=True, control_tokens=control_tokens, options=engine_options)


def _built(model: str, replica: tuple[int, int], engine_options: dict[str, Any]) -> Any:
    quiet = "VLLM_LOGGING_LEVEL" not in os.environ
    with environment({"VLLM_LOGGING_LEVEL": "ERROR"} if quiet else {}), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of vLLM's imports; a user can do nothing about them
        compat.installed_version()
        from vllm import LLM
        from vllm.platforms import current_platform

        cpu, cuda, beside = current_platform.is_cpu(), current_platform.is_cuda_alike(), compat.has_engine()
        many = cuda and compat.runs_many(current_platform)
        loading = loading_of(
            engine_options, replica=replica, cpu=cpu, cuda=cuda, many=many, beside=beside, progress=not quiet
        )
        check_main(spawns=loading.own_process and (cpu or beside))
        build = partial(LLM, model, **loading.options)
        with environment(loading.variables):
            compat.reread_environment()
            return shielded(build) if loading.own_process else build()


_loading = lock(threading.Lock)
_turn = lock(threading.Lock)
"""Held by the engine of this process that takes a step: vLLM keeps the state of a step in one place for all of them."""
