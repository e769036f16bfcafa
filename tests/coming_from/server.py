"""A server with the HTTP interfaces that other libraries speak, and typefold's scripted engine behind it.

OpenAI's chat completions: the answer fits the JSON schema that a request names (a response format, or the parameters of its
tool), and is prose where it names none; DSPy's own form, which stands in the prompt, is kept too. SGLang's `/generate`. No
answer is written here: each is made of the schema that a library sent, so a program that sends another gets another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from typefold import Runtime
from typefold.runtime.engines.scripted import ScriptedEngine

__all__ = ["Server", "serving"]

_FIELD = re.compile(r"\[\[ ## (?P<name>\w+) ## \]\]\n\{\w+\}(?:[^\n{]*adhere to the JSON schema: (?P<schema>\{.*\}))?")


class Server(ThreadingHTTPServer):
    """The server, with what it was asked."""

    daemon_threads = True

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runtime = runtime
        self.asked: list[tuple[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, question: str, schema: Mapping[str, Any] | None) -> str:
        if schema is None:
            return self.runtime(question)
        return json.dumps(self.runtime(question, {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"}))


@contextmanager
def serving() -> Generator[Server]:
    with Runtime(ScriptedEngine(seed=3)) as runtime, Server(runtime) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def owner(self) -> Server:
        assert isinstance(self.server, Server)
        return self.server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.owner.asked.append((self.path, None))
        if self.path in ("/get_model_info", "/model_info"):
            self._send({"model_path": "org/model", "is_generation": True})
        else:
            self._send({"detail": "Not Found"}, status=404)

    def do_POST(self) -> None:
        body: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.asked.append((self.path, body))
        if self.path == "/generate":  # SGLang's
            schema = body["sampling_params"].get("json_schema")
            text = self.owner.answer(body["text"], json.loads(schema) if schema else None)
            self._send({"text": text, "meta_info": {"prompt_tokens": 1, "completion_tokens": 1}})
        elif self.path == "/v1/chat/completions":
            self._complete(body)
        else:
            self._send({"detail": "Not Found"}, status=404)

    def _complete(self, body: Any) -> None:
        question = json.dumps(body["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": None}
        form: Any = body.get("response_format") or {}
        system = next((each["content"] for each in body["messages"] if each["role"] == "system"), None)
        if tools := body.get("tools"):
            function = tools[0]["function"]
            arguments = self.owner.answer(question, function["parameters"])
            call = {"name": function["name"], "arguments": arguments}
            message["tool_calls"] = [{"index": 0, "id": "call_1", "type": "function", "function": call}]
        elif form.get("type") == "json_schema":
            message["content"] = self.owner.answer(question, form["json_schema"]["schema"])
        elif isinstance(system, str) and "[[ ## completed ## ]]" in system:
            message["content"] = self._of_dspy(question, system)
        else:
            message["content"] = self.owner.answer(question, None)
        reason = "tool_calls" if tools else "stop"
        head = {"id": "chat-1", "created": 1, "model": body["model"]}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            self._send({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        head["object"] = "chat.completion.chunk"
        chunks = [
            {**head, "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in _pieces(message)
        ]
        chunks += [
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            {**head, "choices": [], "usage": usage},
        ]
        lines = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"
        self._send_bytes(lines.encode(), "text/event-stream", 200)

    def _of_dspy(self, question: str, system: str) -> str:
        """Answer in the form that DSPy's adapter describes: its output fields, each under a heading."""
        outputs = system[system.index("Outputs will be") :] if "Outputs will be" in system else system
        _, _, after = outputs.partition("Your output fields are:")
        names = re.findall(r"^\d+\. `(\w+)`", after, flags=re.MULTILINE)
        schemas = {found["name"]: found["schema"] for found in _FIELD.finditer(system)}
        parts = [
            f"[[ ## {name} ## ]]\n{self.owner.answer(question, json.loads(schemas[name]) if schemas.get(name) else None)}"
            for name in names
        ]
        return "\n\n".join([*parts, "[[ ## completed ## ]]"])

    def _send(self, data: Any, status: int = 200) -> None:
        self._send_bytes(json.dumps(data).encode(), "application/json", status)

    def _send_bytes(self, data: bytes, kind: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _pieces(message: Mapping[str, Any]) -> Generator[dict[str, Any]]:
    """Cut a message into the pieces of a stream."""
    for call in message.get("tool_calls", []):
        function = call["function"]
        yield {"role": "assistant", "tool_calls": [{**call, "function": {**function, "arguments": ""}}]}
        for at in range(0, len(function["arguments"]), 8):
            piece = function["arguments"][at : at + 8]
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
    content = message["content"] or ""
    for at in range(0, len(content), 8):
        yield {"content": content[at : at + 8]}
