"""Settings of Anthropic's models."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings, named, secret_named


class AnthropicSettings(OutboundSettings):
    """Anthropic's models."""

    anthropic_api_key: SecretStr = secret_named("ANTHROPIC_API_KEY", "CI_HEALING_ANTHROPIC_API_KEY")
    """Anthropic's key."""
    anthropic_base_url: str = named("ANTHROPIC_BASE_URL", "CI_HEALING_ANTHROPIC_BASE_URL")
    """Where it is asked, if elsewhere than usual."""
    anthropic_default_model: str = named(
        "ANTHROPIC_DEFAULT_MODEL", "CI_HEALING_ANTHROPIC_DEFAULT_MODEL"
    )
    """The model, where policy names none."""


SETTINGS = AnthropicSettings
