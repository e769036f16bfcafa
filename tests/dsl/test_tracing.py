"""Spans of OpenTelemetry: one a request where a program traces, none where it does not, and never a text in them."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from typefold import Runtime, ask, prompt, run
from typefold.runtime import FinishReason, Request
from typefold.runtime.engines.scripted import ScriptedEngine

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")


@prompt(temperature=0.5, max_tokens=50)
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


@prompt(retries=1)
def number(thing: str) -> int:
    return ask(f"A number for {thing}.")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What was traced, by a provider that is set for one test."""
    exporter: Any = memory.InMemorySpanExporter()
    provider: Any = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter.get_finished_spans
    provider.shutdown()


def test_a_request_is_a_span_with_model_tokens_and_finish_reason(spans: Any) -> None:
    with Runtime(ScriptedEngine(lambda request: "Zed")):
        name.map(["a", "b"])
    first, second = sorted(spans(), key=lambda span: span.attributes["typefold.row"])
    assert first.name == second.name == "name"
    assert dict(first.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "ScriptedEngine",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.usage.input_tokens": len("<user>\nName a.\n<assistant>\n"),
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.response.finish_reasons": ("stop",),
        "typefold.function": "name",
        "typefold.row": 0,
        "typefold.attempt": 1,
        "typefold.version": name.version.digest,
        "typefold.cached_tokens": 0,
    }
    assert first.status.is_unset
    assert first.end_time >= first.start_time


def test_a_failed_request_has_the_name_of_its_error_and_no_text(spans: Any) -> None:
    def answer(request: Request) -> FinishReason:
        return FinishReason.ABORT

    with Runtime(ScriptedEngine(answer)):
        name.safe("a secret")
    [span] = spans()
    assert span.attributes["error.type"] == "Cancelled"
    assert not span.status.is_ok and not span.status.is_unset
    assert "secret" not in span.to_json()


def test_each_attempt_is_a_span(spans: Any) -> None:
    answers = iter(["nonsense", "7"])
    with Runtime(ScriptedEngine(lambda request: next(answers))):
        assert number("a") == 7
    assert [span.attributes["typefold.attempt"] for span in spans()] == [1, 2]


def test_a_span_lies_under_the_one_around_its_call_in_a_row_too(spans: Any) -> None:
    tracer = trace.get_tracer_provider().get_tracer("test")

    def program(thing: str) -> str:
        with tracer.start_as_current_span(f"row {thing}"):
            return name(name(thing))

    with Runtime(ScriptedEngine(lambda request: "Zed")):
        run(program, ["a", "b"])
    rows = {span.context.span_id: span.name for span in spans() if span.name.startswith("row")}
    assert sorted(rows[span.parent.span_id] for span in spans() if span.name == "name") == ["row a"] * 2 + ["row b"] * 2


def test_a_withdrawn_request_ends_its_span(spans: Any) -> None:
    with Runtime(ScriptedEngine(lambda request: "y" * 5000)):
        name.using(max_tokens=5000).submit("a").cancel()
    [span] = spans()
    assert span.attributes["error.type"] in ("Cancelled", "CancelledError")


def test_without_a_provider_nothing_is_traced_and_nothing_is_imported() -> None:
    program = (
        "import sys\n"
        "from typefold import Runtime\n"
        "from typefold.runtime.engines.scripted import ScriptedEngine\n"
        "from typefold.execution.tracing import tracer\n"
        "with Runtime(ScriptedEngine()) as runtime: runtime.generate('x')\n"
        "assert 'opentelemetry' not in sys.modules and tracer() is None\n"
        "import opentelemetry.trace\n"
        "assert tracer() is None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
