"""A model that follows a script, over HTTP: the wire formats of Anthropic's Messages and of
OpenAI's Chat Completions.

As a fixture:

    with ModelServer([answer(edits=[edit("a.py", "1", "2")]), error(429, retry_after=1), refusal()])
    as server:
        server.url       # OPENAI_BASE_URL, ANTHROPIC_BASE_URL
        server.requests  # what was asked, in order

The last step answers everything that comes after it. A step may be a function of the request. As a
program, for benchmarks and for trying the service without a key: `python -m tests.model_server
--script FILE.json --port 9999`, where the file holds a list of answers (`{"edits": […],
"root_cause": …}`) or of `{"status": 429}`.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call as it came in. `wire` is `anthropic` or `openai`."""

    wire: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][-1]["content"])

    @property
    def system(self) -> str:
        return str(self.body.get("system") or self.body["messages"][0]["content"])


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is answered: a text in the wire format of whoever asks, or `raw` bytes with a status, as
    they are.
    """

    text: str = ""
    stop: str = "end"
    """`end`, `length`, `refusal` or `filter`."""
    status: int = 200
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: int | None = None
    """Bytes of the body after which the connection is closed."""
    input_tokens: int = 1200
    output_tokens: int = 150
    usage: Any = None
    """Instead of the two above, in the wire's own shape."""


Script = Sequence[Step | Callable[[Request], Step]]


def edit(path: str, search: str, replace: str) -> dict[str, str]:
    return {"path": path, "search": search, "replace": replace}


def answer(*, cite_from: bool = True, **fields: Any) -> Callable[[Request], Step]:
    """A valid answer. Without `citations` it cites the last line of the excerpt that it was shown,
    as an honest model would.
    """

    def step(request: Request) -> Step:
        told: dict[str, Any] = {
            "known": True,
            "root_cause": "The code is wrong.",
            "failure_class": "product",
            "confidence": 0.8,
            "citations": cited(request.prompt) if cite_from else [],
            "proposed_fix": "Mends it.",
            "edits": [],
            "diff": "",
            "test_plan": "The failing test.",
        }
        return Step(text=json.dumps({**told, **fields}))

    return step


def cited(prompt: str) -> list[dict[str, Any]]:
    """The last numbered line of the excerpt in a prompt."""
    lines = prompt.partition("DATA log-excerpt")[2].partition(">>>")[0].splitlines()[1:-1]
    found = [
        (number, text)
        for number, bar, text in (line.partition(" | ") for line in lines)
        if bar and number.strip().isdigit()
    ]
    filled = [pair for pair in found if pair[1].strip()]
    return [{"line": int(filled[-1][0]), "text": filled[-1][1]}] if filled else []


def raw(text: str, **fields: Any) -> Step:
    """Text instead of an answer, in a good envelope."""
    return Step(text=text, **fields)


def error(
    status: int,
    message: str = "something is wrong",
    *,
    retry_after: float | None = None,
    kind: str = "error",
) -> Step:
    body = json.dumps(
        {"type": "error", "error": {"type": kind, "code": kind, "message": message}}
    ).encode()
    return Step(
        status=status,
        raw=body,
        headers={"retry-after": str(retry_after)} if retry_after is not None else {},
    )


def refusal(text: str = "I cannot help with that.") -> Step:
    return Step(text=text, stop="refusal")


def truncated(text: str = '{"known": true, "root_cause": "The') -> Step:
    return Step(text=text, stop="length")


class ModelServer:
    """Context manager; `url` is good from the start. Requests are recorded in the order in which
    they came.
    """

    def __init__(self, script: Script, *, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._script, self._lock = list(script), threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        self._server.serve_forever()

    def step(self, request: Request) -> Step:
        with self._lock:
            self.requests.append(request)
            step = self._script[min(len(self.requests), len(self._script)) - 1]
        return step(request) if callable(step) else step


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            wire = "anthropic" if self.path.endswith("/messages") else "openai"
            headers = {name.lower(): value for name, value in self.headers.items()}
            step = server.step(Request(wire=wire, path=self.path, headers=headers, body=body))
            time.sleep(step.wait)
            self._send(
                step,
                step.raw
                if step.raw is not None
                else json.dumps(envelope(step, wire, body)).encode(),
            )

        def _send(self, step: Step, content: bytes) -> None:
            self.send_response(step.status)
            for name, value in {"content-type": "application/json", **step.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if step.cut is None else content[: step.cut])
            if step.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler


def envelope(step: Step, wire: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as this provider wraps it. Source: the SDKs' own response types, which a test
    holds it against.
    """
    if wire == "anthropic":
        stop = {
            "end": "end_turn",
            "length": "max_tokens",
            "refusal": "refusal",
            "filter": "refusal",
        }[step.stop]
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [{"type": "text", "text": step.text}],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": step.usage
            or {"input_tokens": step.input_tokens, "output_tokens": step.output_tokens},
        }
    finish = {"end": "stop", "length": "length", "refusal": "stop", "filter": "content_filter"}[
        step.stop
    ]
    refused = step.text if step.stop == "refusal" else None
    message = {"role": "assistant", "content": None if refused else step.text, "refusal": refused}
    counted = {
        "prompt_tokens": step.input_tokens,
        "completion_tokens": step.output_tokens,
        "total_tokens": step.input_tokens + step.output_tokens,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": step.usage or counted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9999)
    asked = parser.parse_args()
    script = [
        error(step["status"]) if "status" in step else answer(**step)
        for step in json.loads(asked.script.read_text())
    ]
    server = ModelServer(script, port=asked.port)
    print(server.url, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
