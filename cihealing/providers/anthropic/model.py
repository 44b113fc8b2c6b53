"""Anthropic's Messages API by the official SDK. Source: Anthropic docs, 'Structured outputs',
'Errors', 'Handling stop reasons'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cihealing.diagnosis.prompting.answer import Answer
from cihealing.ports import ModelFailed, ModelReply
from cihealing.providers.shared import answers

RETRIES = 1
"""Quick ones by the SDK, for what passes in seconds; longer waits are the outbox's."""


def ask(request: Mapping[str, Any], *, key: str, base_url: str, client: Any = None) -> ModelReply:
    """`request` holds the fields of ModelRequest. `client`: a ready `httpx2` client (proxy, CA).
    Raises ModelFailed.
    """
    import anthropic
    from anthropic.lib._parse._transform import transform_schema

    speaker = anthropic.Anthropic(
        api_key=key,
        base_url=base_url or None,
        max_retries=RETRIES,
        timeout=request["timeout"],
        http_client=client,
    )
    try:
        raw = speaker.messages.with_raw_response.create(
            model=request["model"],
            max_tokens=request["max_output_tokens"],
            system=request["system"],
            messages=[{"role": "user", "content": request["prompt"]}],
            output_config={"format": {"type": "json_schema", "schema": transform_schema(Answer)}},
        )
        return reply(answers.body_of(raw.http_response.content), model=request["model"])
    except anthropic.APIStatusError as error:
        message = _message(error.body) or str(error.message)
        code = answers.text_at(error.body, "error", "type")
        raise answers.failed(
            error.status_code, message, headers=error.response.headers, code=code
        ) from None
    except anthropic.APITimeoutError:
        raise ModelFailed(
            "the provider did not answer in time", kind="timeout", again=True
        ) from None
    except anthropic.APIConnectionError as error:
        raise ModelFailed(
            f"the provider cannot be reached: {answers.short(str(error.__cause__ or error))}",
            kind="unreachable",
            again=True,
        ) from None


def _message(body: object) -> str:
    return answers.text_at(body, "error", "message")


def reply(body: Any, *, model: str) -> ModelReply:
    """A message as sent; whatever is missing or of another shape counts as empty."""
    blocks = answers.dig(body, "content")
    texts = (
        [answers.text_at(block, "text") for block in blocks if answers.dig(block, "type") == "text"]
        if isinstance(blocks, list)
        else []
    )
    stop = answers.text_at(body, "stop_reason")
    usage = answers.dig(body, "usage")
    cached = answers.tokens(answers.dig(usage, "cache_read_input_tokens"))
    written = answers.tokens(answers.dig(usage, "cache_creation_input_tokens"))
    return answers.judged(
        "".join(texts),
        complete=stop not in ("max_tokens", "model_context_window_exceeded", "pause_turn"),
        refused="stop_reason is refusal" if stop == "refusal" else "",
        facts={
            "model": answers.text_at(body, "model") or model,
            "cached_tokens": cached,
            "input_tokens": answers.tokens(answers.dig(usage, "input_tokens")) + cached + written,
            "output_tokens": answers.tokens(answers.dig(usage, "output_tokens")),
        },
    )
