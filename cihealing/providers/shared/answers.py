"""What providers send, judged alike: a reply of use or not, or a failure worth trying again or not.
Nothing they send can crash this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cihealing.diagnosis.prompting.answer import Answer
from cihealing.ports import ModelFailed, ModelReply

MAX_TEXT = 2_000_000
MAX_TOKENS = 10_000_000
MAX_PROBLEM = 500
QUOTA = (
    "insufficient_quota",
    "billing",
    "credit balance",
    "spend limit",
    "spending limit",
    "spend cap",
    "quota exceeded",
    "usage limit",
    "hard limit",
)
"""How providers say in a 429 (or 400, 403) that money, not pace, is what is lacking."""


def judged(text: str, *, complete: bool, refused: str, facts: Mapping[str, Any]) -> ModelReply:
    """The reply for a text that came back; `facts` are the further fields of ModelReply."""
    if refused:
        return ModelReply(
            outcome="refused",
            text=text[:MAX_TEXT],
            problem=f"the model refused: {short(refused)}",
            **facts,
        )
    found, problem = extracted(text)
    if found is None and not complete:
        return ModelReply(
            outcome="truncated",
            text=text[:MAX_TEXT],
            problem="the answer was cut off before its end",
            **facts,
        )
    if found is None:
        return ModelReply(outcome="malformed", text=text[:MAX_TEXT], problem=problem, **facts)
    return ModelReply(outcome="answered", text=found, **facts)


def extracted(text: str) -> tuple[str | None, str]:
    """(the answer as canonical JSON, or None; what is wrong). Servers without structured output
    wrap it in prose or fences.
    """
    if len(text) > MAX_TEXT:
        return None, f"the answer is longer than {MAX_TEXT} characters"
    inner = text[text.find("{") : text.rfind("}") + 1]
    if not inner:
        return None, "the answer holds no JSON object"
    try:
        value = json.loads(inner, parse_constant=_refuse, object_pairs_hook=_once)
        return Answer.model_validate(value, strict=False).model_dump_json(), ""
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return None, short(
            f"the answer is not of the schema: {'.'.join(str(p) for p in first['loc'])}:"
            f" {first['msg']}"
        )
    except (ValueError, RecursionError, TypeError) as error:
        return None, short(f"the answer is not JSON: {error}")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields with one name nobody can say which is meant."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a field stands twice")
    return dict(pairs)


def tokens(value: object) -> int:
    """A count as a provider sent it; what is none counts as 0."""
    return (
        min(max(int(value), 0), MAX_TOKENS)
        if isinstance(value, int) and not isinstance(value, bool)
        else 0
    )


def short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_PROBLEM]


def dig(value: object, *path: str | int) -> Any:
    """What stands at the path of a JSON value; None where the value has another shape."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def text_at(value: object, *path: str | int) -> str:
    found = dig(value, *path)
    return found if isinstance(found, str) else ""


def body_of(raw: bytes) -> Any:
    """JSON of a 200 that may be anything. Raises ModelFailed."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ModelFailed(
            short(f"the provider answered 200 without JSON: {error}"),
            kind="server_error",
            again=True,
        ) from None


KINDS = {
    400: "bad_request",
    401: "unauthorized",
    402: "spend_cap",
    403: "unauthorized",
    404: "unknown_model",
    408: "timeout",
    413: "bad_request",
    422: "bad_request",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}
AGAIN = ("rate_limited", "overloaded", "server_error", "timeout", "unreachable")


def failed(status: int, message: str, *, headers: Mapping[str, str], code: str = "") -> ModelFailed:
    """By status, and by what a 4xx says of money in its message or its `code`."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "bad_request")
    if status in (400, 403, 429) and any(sign in f"{code} {message}".lower() for sign in QUOTA):
        kind = "spend_cap"
    told = f"answered {status}: {short(message)}" if message else f"answered {status}"
    return ModelFailed(
        told,
        kind=kind,
        again=kind in AGAIN,
        retry_after=_retry_after(headers) if kind in AGAIN else None,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date or nonsense counts as not named."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if 0 <= seconds <= 86_400:
            return seconds
    return None
