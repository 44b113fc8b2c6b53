"""Anthropic's models."""

from __future__ import annotations

from cihealing.ports import Provider, ServedModel, Speaking
from cihealing.providers.anthropic import model
from cihealing.providers.anthropic.settings import AnthropicSettings


def serves(settings: AnthropicSettings) -> tuple[ServedModel, ...]:
    return (
        ServedModel(
            name="anthropic",
            key=settings.anthropic_api_key,
            base_url=settings.anthropic_base_url,
            default_model=settings.anthropic_default_model or "claude-sonnet-5-5",
        ),
    )


PROVIDER = Provider(
    name="anthropic", settings=AnthropicSettings, speaking=Speaking(ask=model.ask, serves=serves)
)
