"""OpenAI's Chat Completions by the official SDK, and whoever speaks it: Gemini, Grok, a model of
one's own.

Source: OpenAI docs, 'Structured model outputs', 'Error codes'; Google's and xAI's pages on OpenAI
compatibility. Servers that know no JSON schema are asked again for any JSON object, then for plain
text; the schema then stands in the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cihealing.diagnosis.prompting.answer import Answer
from cihealing.ports import ModelFailed, ModelReply
from cihealing.providers.shared import answers

RETRIES = 1
UNUSED_KEY = "none"
"""Servers of one's own want no key, the SDK wants one."""
FORMATS = ("json_schema", "json_object", "text")


def ask(request: Mapping[str, Any], *, key: str, base_url: str, client: Any = None) -> ModelReply:
    """`request` holds the fields of ModelRequest. Raises ModelFailed."""
    import openai

    speaker = openai.OpenAI(
        api_key=key or UNUSED_KEY,
        base_url=versioned(base_url) if base_url else None,
        max_retries=RETRIES,
        timeout=request["timeout"],
        http_client=client,
    )
    for position, form in enumerate(FORMATS):
        try:
            raw = speaker.chat.completions.with_raw_response.create(
                **_asked(request, form, own=bool(base_url))
            )
            return reply(answers.body_of(raw.http_response.content), model=request["model"])
        except openai.APIStatusError as error:
            message = _message(error.body) or str(error.message)
            if not _no_format(error.status_code, message) or position == len(FORMATS) - 1:
                raise answers.failed(
                    error.status_code,
                    message,
                    headers=error.response.headers,
                    code=_code(error.body),
                ) from None
        except openai.APITimeoutError:
            raise ModelFailed(
                "the provider did not answer in time", kind="timeout", again=True
            ) from None
        except openai.APIConnectionError as error:
            told = answers.short(str(error.__cause__ or error))
            raise ModelFailed(
                f"the provider cannot be reached: {told}", kind="unreachable", again=True
            ) from None
    raise AssertionError("the last form either answers or raises")


def versioned(base_url: str) -> str:
    """With the `/v1` that people leave out."""
    bare = base_url.rstrip("/")
    return bare if bare.count("/") > 2 else f"{bare}/v1"


def _asked(request: Mapping[str, Any], form: str, *, own: bool) -> dict[str, Any]:
    system = (
        request["system"]
        if form == "json_schema"
        else f"{request['system']}\n\nThe schema:\n{json.dumps(Answer.model_json_schema())}"
    )
    # Only OpenAI's own reasoning models refuse the older name; nobody else knows the newer one for
    # sure.
    limit = "max_tokens" if own else "max_completion_tokens"
    asked: dict[str, Any] = {
        "model": request["model"],
        limit: request["max_output_tokens"],
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": request["prompt"]},
        ],
    }
    return asked if form == "text" else {**asked, "response_format": _format(form)}


def _format(form: str) -> Any:
    from openai.lib._pydantic import to_strict_json_schema

    schema = {"name": "answer", "strict": True, "schema": to_strict_json_schema(Answer)}
    return (
        {"type": "json_schema", "json_schema": schema} if form == "json_schema" else {"type": form}
    )


def _no_format(status: int, message: str) -> bool:
    said = message.lower()
    return status in (400, 422, 501) and any(
        word in said
        for word in (
            "response_format",
            "json_schema",
            "json schema",
            "structured output",
            "grammar",
        )
    )


def _message(body: object) -> str:
    return (
        answers.text_at(body, "message")
        or answers.text_at(body, "error", "message")
        or answers.text_at(body, "error")
    )


def _code(body: object) -> str:
    """The SDK unwraps `error` where there is one."""
    return " ".join(
        answers.text_at(body, name) or answers.text_at(body, "error", name)
        for name in ("code", "type")
    )


def reply(body: Any, *, model: str) -> ModelReply:
    choice = answers.dig(body, "choices", 0)
    content, finish = (
        answers.dig(choice, "message", "content"),
        answers.text_at(choice, "finish_reason"),
    )
    refused = answers.text_at(choice, "message", "refusal") or (
        "its filter" if finish == "content_filter" else ""
    )
    usage = answers.dig(body, "usage")
    return answers.judged(
        _text(content),
        complete=finish != "length",
        refused=refused,
        facts={
            "model": answers.text_at(body, "model") or model,
            "input_tokens": answers.tokens(answers.dig(usage, "prompt_tokens")),
            "output_tokens": answers.tokens(answers.dig(usage, "completion_tokens")),
            "cached_tokens": answers.tokens(
                answers.dig(usage, "prompt_tokens_details", "cached_tokens")
            ),
        },
    )


def _text(content: object) -> str:
    """A string, or a list of parts as some servers send it."""
    if isinstance(content, list):
        return "".join(answers.text_at(part, "text") for part in content)
    return content if isinstance(content, str) else ""
