"""With what an engine is built: options, environment, process. No vLLM is needed."""

from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

from typefold.runtime.engines.vllm.compat import UnsupportedEngine, check_release, dialect_of, warn_of_early_ends
from typefold.runtime.engines.vllm.loading import loading_of


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_ENABLE_V1_MULTIPROCESSING", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")


def test_on_a_cpu_the_engine_is_in_this_process_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading = loading_of({}, cpu=True, cuda=False)
    assert (loading.own_process, loading.variables) == (False, {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"})
    assert loading.options["enforce_eager"] is True
    assert loading.options["enable_chunked_prefill"] is False
    assert loading.options["kv_cache_memory_bytes"] == 1 << 30
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    loading = loading_of({}, cpu=True, cuda=False)
    assert (loading.own_process, loading.variables) == (True, {})


@pytest.mark.parametrize("given", [None, "0", "1"])
@pytest.mark.parametrize("cpu", [True, False])
def test_an_engine_beside_another_of_this_process_has_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, given: str | None, cpu: bool
) -> None:
    if given is not None:
        monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", given)
    loading = loading_of({}, cpu=cpu, cuda=not cpu, beside=True)
    assert (loading.own_process, loading.variables) == (True, {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"})


def test_on_a_gpu_the_engine_has_a_process_and_vllm_s_own_defaults() -> None:
    loading = loading_of({}, cpu=False, cuda=True)
    assert (loading.own_process, loading.variables) == (True, {})
    assert set(loading.options) == {
        "use_tqdm_on_load",
        "max_logprobs",
        "interleave_mm_strings",
        "structured_outputs_config",
    }


@pytest.mark.parametrize(
    ("given", "many", "captured"),
    [
        ({}, True, 1024),
        ({}, False, None),  # vLLM runs 256 at once, and captures graphs for twice as many
        ({"max_num_seqs": 768}, False, 768),
        ({"max_num_seqs": 512}, True, None),
        ({"max_num_seqs": 4096}, True, 1024),
        ({"max_num_seqs": 520}, True, 528),  # of 520, vLLM would capture the sizes up to 512
        ({"speculative_config": {"method": "ngram", "num_speculative_tokens": 2}}, True, None),
        ({"enforce_eager": True}, True, None),
        ({"cudagraph_capture_sizes": [1, 2]}, True, None),
    ],
)
def test_cuda_graphs_are_captured_for_as_many_requests_as_run_at_once(
    given: dict[str, Any], many: bool, captured: int | None
) -> None:
    options = loading_of(given, cpu=False, cuda=True, many=many).options
    expected = None if captured is None else {"max_cudagraph_capture_size": captured}
    assert options.get("compilation_config") == expected
    assert "compilation_config" not in loading_of(given, cpu=True, cuda=False).options


def test_a_compilation_config_of_the_caller_is_left_alone() -> None:
    given = {"compilation_config": {"cudagraph_mode": "NONE"}}
    assert (
        loading_of(given, cpu=False, cuda=True, many=True).options["compilation_config"] == given["compilation_config"]
    )


def test_replicas_that_share_a_gpu_leave_its_memory_to_each_other() -> None:
    apart = loading_of({}, replica=(0, 2), cpu=False, cuda=True, many=True)
    shared = loading_of({}, replica=(0, 4), cpu=False, cuda=True, many=True)
    assert ("compilation_config" in apart.options, "compilation_config" in shared.options) == (True, False)


@pytest.mark.parametrize(
    ("replica", "gpu", "memory"), [((0, 2), "4", None), ((1, 2), "7", None), ((2, 4), "4", 0.45), ((4, 5), "4", 0.3)]
)
def test_replicas_have_gpus_of_their_own_or_share_their_memory(
    replica: tuple[int, int], gpu: str, memory: float | None
) -> None:
    loading = loading_of({}, replica=replica, cpu=False, cuda=True)
    assert loading.variables == {"CUDA_VISIBLE_DEVICES": gpu, "VLLM_ENABLE_V1_MULTIPROCESSING": "1"}
    assert loading.options.get("gpu_memory_utilization") == memory
    assert loading.own_process


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({}, {"backend": "xgrammar", "disable_any_whitespace": True}),
        ({"backend": "guidance"}, {"backend": "guidance", "disable_any_whitespace": True}),
        ({"backend": "auto"}, {"backend": "auto"}),
        ({"disable_any_whitespace": False}, {"backend": "xgrammar", "disable_any_whitespace": False}),
    ],
)
def test_grammars_go_to_xgrammar_without_free_white_space_unless_asked_for(
    given: dict[str, Any], becomes: dict[str, Any]
) -> None:
    loading = loading_of({"structured_outputs_config": given}, cpu=False, cuda=True)
    assert loading.options["structured_outputs_config"] == becomes


def test_what_the_caller_names_goes_before_any_default() -> None:
    asked = {"enforce_eager": False, "max_logprobs": 5, "gpu_memory_utilization": 0.2, "use_tqdm_on_load": True}
    loading = loading_of(asked, replica=(0, 4), cpu=True, cuda=True)
    assert {name: loading.options[name] for name in asked} == asked
    assert "kv_cache_memory_bytes" not in loading.options


@pytest.mark.parametrize("version", ["0.24.9", "0.34.0", "1.0", "dev"])
def test_a_vllm_that_is_not_known_is_refused_by_its_version(version: str) -> None:
    with pytest.raises(UnsupportedEngine, match=rf"vLLM {version} is installed, but typefold works with vLLM 0\.25 to"):
        check_release(version)
    check_release("0.25.1")
    check_release("0.33.0+cpu")


def test_auto_that_was_settled_on_another_backend_is_refused() -> None:
    class GuidanceBackend:
        pass

    def core(backend: object) -> Any:
        return SimpleNamespace(engine_core=SimpleNamespace(structured_output_manager=SimpleNamespace(backend=backend)))

    assert dialect_of("auto", core(None)) == "ebnf"
    assert dialect_of("xgrammar", core(GuidanceBackend())) == "ebnf"
    with pytest.raises(UnsupportedEngine, match="'auto' and an earlier request has settled it on GuidanceBackend"):
        dialect_of("auto", core(GuidanceBackend()))
    with pytest.raises(UnsupportedEngine, match="backend is 'outlines', which reads no grammars"):
        dialect_of("outlines", core(None))


def test_an_xgrammar_that_ends_texts_early_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metadata, "version", {"xgrammar": "0.2.8"}.__getitem__)
    assert dialect_of("xgrammar", None) == "ebnf"
    warn_of_early_ends("xgrammar")
    assert not caplog.records
    monkeypatch.setattr(metadata, "version", {"xgrammar": "0.2.9"}.__getitem__)
    assert dialect_of("guidance", None) == "lark"
    warn_of_early_ends("guidance")
    assert not caplog.records
    assert dialect_of("xgrammar", None) == "ebnf"
    warn_of_early_ends("xgrammar")
    assert "0.2.9 an answer that is bare text may end" in caplog.text
