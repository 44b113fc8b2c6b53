"""Models that are asked as OpenAI's are."""

from __future__ import annotations

from cihealing.ports import Provider, ServedModel, Speaking
from cihealing.providers.openai import model
from cihealing.providers.openai.settings import OpenAISettings

GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/"
GROK = "https://api.x.ai/v1"


def serves(settings: OpenAISettings) -> tuple[ServedModel, ...]:
    return (
        ServedModel(
            name="openai",
            key=settings.openai_api_key,
            base_url=settings.openai_base_url,
            default_model=settings.openai_default_model or "gpt-5.4-mini",
            needs_key=not settings.openai_base_url,
        ),
        ServedModel(
            name="gemini",
            key=settings.gemini_api_key,
            base_url=settings.gemini_base_url or GEMINI,
            default_model=settings.gemini_default_model or "gemini-3.7-flash",
        ),
        ServedModel(
            name="grok",
            key=settings.grok_api_key,
            base_url=settings.grok_base_url or GROK,
            default_model=settings.grok_default_model or "grok-4.7",
        ),
    )


PROVIDER = Provider(
    name="openai", settings=OpenAISettings, speaking=Speaking(ask=model.ask, serves=serves)
)
