"""A model that answers from a list, without a subprocess."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cihealing.ports import ModelFailed, ModelReply, ModelRequest
from cihealing.providers.shared.models import SubprocessModel
from tests.model_server import cited

Answer = Callable[[ModelRequest], ModelReply]


def answered(**fields: Any) -> Answer:
    """A good answer that cites the last line it was shown."""

    def reply(request: ModelRequest) -> ModelReply:
        told = {
            "known": True,
            "root_cause": "bad is wrong",
            "failure_class": "product",
            "confidence": 0.8,
            "citations": cited(request.prompt),
            "proposed_fix": "renames bad to good",
            "edits": [],
            "diff": "--- a/shop.py\n+++ b/shop.py\n@@ -1 +1 @@\n-bad = 1\n+good = 1\n",
            "test_plan": "",
        }
        return ModelReply(
            outcome="answered",
            text=json.dumps({**told, **fields}),
            model=request.model,
            input_tokens=1000,
            output_tokens=100,
        )

    return reply


def failing(kind: str, *, again: bool, retry_after: float | None = None) -> Answer:
    def reply(request: ModelRequest) -> ModelReply:
        raise ModelFailed(
            f"{request.provider} says {kind}", kind=kind, again=again, retry_after=retry_after
        )

    return reply


def useless(outcome: str) -> Answer:
    return lambda request: ModelReply(
        outcome=outcome,
        text="",
        model=request.model,
        input_tokens=1000,
        problem=f"it was {outcome}",
    )


@dataclass
class FakeModel:
    """The last answer is given to all later questions. A call costs `usd`, and is asked of
    `providers`.
    """

    script: list[Answer] = field(default_factory=lambda: [answered()])
    usd: float | None = 0.1
    providers: tuple[str, ...] = ("anthropic",)
    asked: list[ModelRequest] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    none_configured = SubprocessModel.none_configured

    def names(self) -> tuple[str, ...]:
        return self.providers

    def ask(self, request: ModelRequest) -> ModelReply:
        with self.lock:
            self.asked.append(request)
            answer = self.script[min(len(self.asked), len(self.script)) - 1]
        return answer(request)

    def configured(self, provider: str) -> str:
        return "" if provider in self.providers else f"{provider.upper()}_API_KEY is not set"

    def default_model(self, provider: str) -> str:
        return f"{provider}-model"

    def price(self, provider: str, model: str, **_: int) -> float | None:
        return self.usd
