"""Every reply of the corpus through the official SDKs: each has its outcome, nothing crashes, and
the key is in nothing that comes back.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from cihealing import secrecy
from cihealing.ports import ModelReply, ModelRequest
from cihealing.providers.shared import worker
from cihealing.providers.shared.models import question_of
from tests.model_server import Step, envelope
from tests.tables import table

KEY = "sk-test-4f1d0c9a7b6e5d38"
CORPUS = yaml.load(
    (Path(__file__).parents[2] / "corpora" / "replies" / "model.yaml").read_text(encoding="utf-8"),
    yaml.CSafeLoader,
)
ENTRIES: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in CORPUS}
GOOD: dict[str, Any] = {
    "known": True,
    "root_cause": "x",
    "failure_class": "product",
    "confidence": 0.5,
    "citations": [],
    "proposed_fix": "y",
    "edits": [],
    "diff": "",
    "test_plan": "",
}
WORDS = {"KEY": KEY, "MANY": "x" * 5_000_000, "DEEP": '{"a":' * 20_000 + "1" + "}" * 20_000}
RAW = "@@"
SPEAKERS = {"anthropic": "anthropic"} | dict.fromkeys(("openai", "gemini", "grok"), "openai")


def filled(value: Any) -> Any:
    """With the words of the corpus replaced by what they stand for."""
    if isinstance(value, str):
        for word, text in {**WORDS, "GOOD": json.dumps(GOOD)}.items():
            value = value.replace(word, text)
        return value
    if isinstance(value, list):
        return [filled(item) for item in value]
    return (
        {filled(name): filled(item) for name, item in value.items()}
        if isinstance(value, dict)
        else value
    )


def text_of(entry: dict[str, Any]) -> str:
    """What the model says."""
    if "fields" not in entry:
        return str(filled(entry.get("text", "")))
    fields = {**GOOD, **filled(entry["fields"])}
    written = [
        value[len(RAW) :] if isinstance(value, str) and value.startswith(RAW) else json.dumps(value)
        for value in fields.values()
    ]
    return (
        "{"
        + ", ".join(
            f"{json.dumps(name)}: {value}" for name, value in zip(fields, written, strict=True)
        )
        + "}"
    )


def content_of(entry: dict[str, Any], asked: dict[str, Any]) -> bytes:
    """The body of the response."""
    if "hex" in entry:
        return bytes.fromhex(entry["hex"])
    if "raw" in entry:
        return str(filled(entry["raw"])).encode()
    if "body" in entry:
        return json.dumps(filled(entry["body"])).encode()
    told = envelope(
        Step(text=text_of(entry), stop=entry.get("stop", "end"), usage=entry.get("usage")),
        entry["wire"],
        asked,
    )
    return json.dumps(
        {**told, **({"model": filled(entry["model"])} if "model" in entry else {})}
    ).encode()


class Handler(BaseHTTPRequestHandler):
    """The first part of the path is the entry."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        entry = ENTRIES[self.path.split("/")[1]]
        time.sleep(entry.get("wait", 0) / 1000)
        fault, content = entry.get("fault", ""), content_of(entry, asked)
        headers = {
            "content-type": "application/json",
            **entry.get("headers", {}),
            "connection": "close",
        }
        self.close_connection = True
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "garbage":
            self.wfile.write(b"\x16\x03\x01 SSH-2.0 what?\r\n\r\n")
        elif fault != "close":
            self._answer(entry, fault, headers, content)

    def _answer(
        self, entry: dict[str, Any], fault: str, headers: dict[str, str], content: bytes
    ) -> None:
        sent = gzip.compress(content) if fault == "gzip" else content
        length = {
            "length too large": len(sent) + 50,
            "length too small": len(sent) - 50,
            "length negative": -5,
        }.get(fault, len(sent))
        added = {
            "gzip": {"content-encoding": "gzip"},
            "gzip lie": {"content-encoding": "gzip"},
            "bad chunk": {"transfer-encoding": "chunked"},
            "huge header": {"x-much": "y" * 200_000},
        }.get(fault, {})
        lengths = (
            {}
            if fault in ("no length", "bad chunk") or entry.get("no_body")
            else {"content-length": str(length)}
        )
        self.send_response(entry.get("status", 200))
        for name, value in {**headers, **added, **lengths}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(
            b"zz\r\n" + sent
            if fault == "bad chunk"
            else sent[: len(sent) // 2]
            if fault == "half"
            else sent
        )

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            """The client had enough, or the entry closed the connection itself."""

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            """As above."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, dict[str, Any]]]:
    """What the worker makes of every entry. The SDKs' pauses before their quick retry are left
    out.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()

    def ask(entry: dict[str, Any]) -> dict[str, Any]:
        base = f"http://127.0.0.1:{server.server_address[1]}/{entry['id']}"
        request = ModelRequest(
            provider=entry["wire"],
            model="scripted",
            system="be good",
            prompt="mend it",
            timeout=float(entry.get("timeout", 10.0)),
        )
        return secrecy.masked_in(
            worker.answered(
                question_of(request, SPEAKERS[request.provider]),
                {worker.KEY: KEY, worker.BASE_URL: base},
            )
        )

    # Imported here, for they take seconds: not in every process that collects.
    import anthropic
    import openai

    secrecy.learn(KEY)  # as the parent of the subprocess does
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(4) as pool:
        for client in (anthropic._base_client.BaseClient, openai._base_client.BaseClient):
            patch.setattr(client, "_calculate_retry_timeout", lambda *_, **__: 0.01)
        futures = {name: pool.submit(ask, entry) for name, entry in ENTRIES.items()}
        yield {name: _result(future) for name, future in futures.items()}
    server.shutdown()
    server.server_close()


def _result(future: Any) -> dict[str, Any]:
    problem = future.exception()
    return {"raised": repr(problem)} if problem else dict(future.result())


def outcome_of(told: dict[str, Any]) -> str:
    """In the words of the corpus."""
    if "failed" in told:
        return (
            f"failed: {told['failed']['kind']},"
            f" {'paused' if told['failed']['again'] else 'not retried'}"
        )
    return str(told["reply"]["outcome"]) if "reply" in told else str(told)[:300]


@table("name", ENTRIES, ids=str)
def test_every_reply_has_its_outcome(name: str, told: dict[str, dict[str, Any]]) -> None:
    entry, found = ENTRIES[name], told[name]
    assert outcome_of(found) == entry["outcome"], str(found)[:600]
    assert KEY not in json.dumps(found)
    assert KEY[:10] not in json.dumps(found), "not a part of it either"
    if "retry_after" in entry:
        assert found["failed"]["retry_after"] == entry["retry_after"]
    if "failed" in found:
        assert 0 < len(found["failed"]["message"]) <= 1_000
    else:
        reply = ModelReply(**found["reply"])
        assert min(reply.input_tokens, reply.output_tokens, reply.cached_tokens) >= 0
        assert bool(reply.problem) is (reply.outcome != "answered")


def test_the_corpus_is_large_and_varied() -> None:
    assert len(CORPUS) == len(ENTRIES) >= 150
    assert max(Counter(entry["technique"] for entry in CORPUS).values()) <= 5
    assert {entry["wire"] for entry in CORPUS} == {"anthropic", "openai"}
