"""vLLM's versions: the supported ones, the differences between them, and the internals that are used.

All that a new version of vLLM may change is here or found by the tests on a real engine. Functions that need vLLM import it when
they are called, and so may be called only where an engine is made or at work. The rest runs without vLLM.
"""

from __future__ import annotations

import gc
import logging
import sys
import weakref
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any

from typefold.compiler import Dialect
from typefold.runtime.engines.vllm.thinking import Render
from typefold.runtime.ownership import keep

logger = logging.getLogger(__name__)

_OLDEST, _NEWEST = (0, 25), (0, 33)
_DIALECTS: dict[str, Dialect] = {"auto": "ebnf", "xgrammar": "ebnf", "guidance": "lark"}
_LARGE_GPU = 70 << 30  # bytes; vLLM's own line

_ENDS_EARLY = "0.2.9"  # of xgrammar: where a stop token's name would complete the answer as text, the token may end it

GPU_MEMORY = 0.9  # vLLM's default of `gpu_memory_utilization`
MOST_CAPTURED = 512  # requests for which vLLM captures CUDA graphs (newer ones on Blackwell: 1,024)
MOST_SEQS = 1024  # requests that vLLM runs at once on a large GPU
CAPTURE_STRIDE = 16  # between the sizes that vLLM captures beyond 256; a greatest size is rounded down to it


class UnsupportedEngine(RuntimeError):
    """The installed vLLM, or the `LLM` that was passed, can't do what is needed; the message says what to do."""


def check_release(version: str) -> None:
    """Check that a version of vLLM is one that typefold works with."""
    if not _OLDEST <= _release(version) <= _NEWEST:
        raise UnsupportedEngine(
            f"vLLM {version} is installed, but typefold works with vLLM 0.{_OLDEST[1]} to 0.{_NEWEST[1]}"
        )


def masks_stop_tokens(version: str) -> bool:
    """Return whether this vLLM keeps a request's stop tokens out of a constrained answer that may not end yet."""
    return _release(version) >= (0, 28)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.split(".")[:2])


def dialect_of(backend: str, engine_core: Any) -> Dialect:
    """Return the dialect of grammars for an `LLM`. With `auto`, it keeps the backend of its first request."""
    if backend not in _DIALECTS:
        raise UnsupportedEngine(
            f"this LLM's structured-output backend is {backend!r}, which reads no grammars that typefold "
            'writes; build it with LLM(..., structured_outputs_config={"backend": "xgrammar"})'
        )
    if backend == "auto":
        core = getattr(engine_core, "engine_core", None)
        latched = getattr(getattr(core, "structured_output_manager", None), "backend", None)
        if latched is not None and "Xgrammar" not in type(latched).__name__:
            raise UnsupportedEngine(
                f"this LLM's structured-output backend is 'auto' and an earlier request has settled it on "
                f'{type(latched).__name__}; build it with structured_outputs_config={{"backend": "xgrammar"}}'
            )
    return _DIALECTS[backend]


def warn_of_early_ends(backend: str) -> None:
    """Log a warning where the release of xgrammar is one that lets bare text end too early."""
    with suppress(metadata.PackageNotFoundError):
        if backend != "guidance" and metadata.version("xgrammar") == _ENDS_EARLY:
            logger.warning(
                "with xgrammar %s an answer that is bare text may end a few characters before its least length, and then fails "
                "its check; pip install another one",
                _ENDS_EARLY,
            )


def installed_version() -> str:
    """Return the version of the installed vLLM, if typefold works with it."""
    try:
        import vllm
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise
        raise ImportError('vLLM is not installed: pip install "typefold[cuda]", or "typefold[cpu]"') from error
    version = str(vllm.__version__)
    check_release(version)
    return version


def is_diffusion(model_config: Any) -> bool:
    """Return whether the model writes all tokens at once: vLLM constrains such ones by grammars, and refuses lists of tokens."""
    return bool(getattr(model_config, "is_diffusion", False))


def model_options(config: Any) -> dict[str, Any]:
    """Return the options that tell the model of a caller's own `LLM` apart beside its name, from vLLM's `ModelConfig`."""
    names = ("revision", "quantization", "tokenizer", "tokenizer_revision", "logprobs_mode")
    found = {name: getattr(config, name, None) for name in names}
    found["tokenizer"] = None if found["tokenizer"] == config.model else found["tokenizer"]
    return {name: value for name, value in found.items() if value is not None} | {"dtype": str(config.dtype)}


def decodes_as_graph(config: Any) -> bool:
    """Return whether a step of decodes alone runs as one CUDA graph, and one with a prompt does not, by vLLM's `VllmConfig`."""
    mode = getattr(config.compilation_config, "cudagraph_mode", None)
    return getattr(mode, "name", "") in ("FULL_DECODE_ONLY", "FULL_AND_PIECEWISE")


def has_engine() -> bool:
    """Return whether an engine runs in this process, typefold's or another's."""
    from vllm.distributed import parallel_state

    groups: Any = parallel_state  # without types
    return bool(groups.model_parallel_is_initialized())


def reread_environment() -> None:
    """Let vLLM read the environment anew: it remembers the variables of its first engine in this process."""
    from vllm import envs

    if hasattr(envs, "disable_envs_cache") and hasattr(envs, "enable_envs_cache"):
        envs.disable_envs_cache()
        if has_engine():
            envs.enable_envs_cache()  # for its steps, as they are now


@contextmanager
def keeping_shared_state(client: Any) -> Generator[None]:
    """Keep the state that engines of this process share, while one of them is shut down."""
    import vllm.v1.engine.core as core

    name = "cleanup_dist_env_and_memory"
    clean_up = getattr(core, name, None)
    if clean_up is None or not _others_inside(client):
        yield
        return
    setattr(core, name, lambda: None)
    try:
        yield
    finally:
        setattr(core, name, clean_up)


def _others_inside(client: Any) -> bool:
    """Return whether another engine runs in this process: another client of this kind that is not shut down."""
    gc.unfreeze()  # nothing that is frozen is found
    gc.collect()
    others = [each for each in gc.get_referrers(type(client)) if type(each) is type(client) and each is not client]
    return any(getattr(getattr(each, "_finalizer", None), "alive", True) for each in others)


def runs_many(platform: Any) -> bool:
    """Return whether vLLM runs 1,024 requests at once on these GPUs by default, and not 256."""
    try:
        return bool(
            platform.get_device_total_memory() >= _LARGE_GPU and "a100" not in str(platform.get_device_name()).lower()
        )
    except Exception:  # no GPU can be asked, and vLLM takes its lower defaults too
        return False


def chat_renderer(llm: Any, tokenizer: Any) -> Render | None:
    """Return a function that puts messages into the chat template as `LLM.chat` does; `None` without a template."""
    from vllm.renderers import ChatParams
    from vllm.utils.mistral import is_mistral_tokenizer

    def render(conversation: list[dict[str, Any]], variables: dict[str, Any]) -> str | list[int]:
        variables = {"tokenize": is_mistral_tokenizer(tokenizer), **variables}  # Mistral's own has no text in between
        params = ChatParams(chat_template=llm.chat_template, chat_template_kwargs=variables)
        _, prompt = llm.renderer.render_messages(conversation, params)
        rendered: str | list[int] = prompt["prompt"] if "prompt" in prompt else prompt["prompt_token_ids"]
        return rendered

    if llm.chat_template is None and not getattr(tokenizer, "chat_template", None):
        try:  # a processor's template, or one that vLLM ships for the model
            render([{"role": "user", "content": "?"}], {"add_generation_prompt": True})
        except Exception:
            return None
    return render


def check_xgrammar(params: Any) -> None:
    """Refuse parameters that xgrammar refuses: with `auto`, vLLM would choose another backend, which its engine may not run."""
    from vllm.v1.structured_output.backend_xgrammar import validate_xgrammar_grammar

    validate_xgrammar_grammar(params)


def release_in_child(engine: Any) -> None:
    """In a forked child: keep vLLM's objects from ending processes of the parent, as they go or at the end."""
    if engine is not None:
        client = engine.engine_core
        resources = getattr(client, "resources", None)
        executor = getattr(getattr(client, "engine_core", None), "model_executor", None)
        parts = (getattr(resources, name, None) for name in ("engine_manager", "coordinator"))
        for each in (engine, client, executor, *parts):
            finalizer = getattr(each, "_finalizer", None)
            if isinstance(finalizer, weakref.finalize):
                finalizer.detach()
    torch: Any = sys.modules.get("torch.distributed.distributed_c10d")
    for group in [*getattr(getattr(torch, "_world", None), "pg_map", ())]:
        keep(group)  # its end waits for a thread that is not here, and would crash the child


def partial_text(engine: Any, key: str) -> str:
    """Return the text of an answer so far: vLLM detokenises each step's tokens in this process."""
    processor = engine.output_processor
    ids = processor.external_req_ids.get(key, [key]) if hasattr(processor, "external_req_ids") else [key]
    states = [processor.request_states[each] for each in ids if each in processor.request_states]
    return "".join(str(getattr(state.detokenizer, "output_text", "")) for state in states)
