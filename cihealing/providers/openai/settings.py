"""Settings of models that are asked as OpenAI's are."""

from __future__ import annotations

from pydantic import SecretStr

from cihealing.settings import OutboundSettings, named, secret_named


class OpenAISettings(OutboundSettings):
    """OpenAI's models, and those that are asked alike."""

    openai_api_key: SecretStr = secret_named("OPENAI_API_KEY", "CI_HEALING_OPENAI_API_KEY")
    """OpenAI's key."""
    openai_base_url: str = named("OPENAI_BASE_URL", "CI_HEALING_OPENAI_BASE_URL")
    """Where it is asked: a server of one's own, which needs no key, or a proxy."""
    openai_default_model: str = named("OPENAI_DEFAULT_MODEL", "CI_HEALING_OPENAI_DEFAULT_MODEL")
    """The model, where policy names none."""
    gemini_api_key: SecretStr = secret_named("GEMINI_API_KEY", "CI_HEALING_GEMINI_API_KEY")
    """Gemini's key."""
    gemini_base_url: str = named("GEMINI_BASE_URL", "CI_HEALING_GEMINI_BASE_URL")
    """Where it is asked, if elsewhere than usual."""
    gemini_default_model: str = named("GEMINI_DEFAULT_MODEL", "CI_HEALING_GEMINI_DEFAULT_MODEL")
    """The model, where policy names none."""
    grok_api_key: SecretStr = secret_named("GROK_API_KEY", "CI_HEALING_GROK_API_KEY")
    """Grok's key."""
    grok_base_url: str = named("GROK_BASE_URL", "CI_HEALING_GROK_BASE_URL")
    """Where it is asked, if elsewhere than usual."""
    grok_default_model: str = named("GROK_DEFAULT_MODEL", "CI_HEALING_GROK_DEFAULT_MODEL")
    """The model, where policy names none."""


SETTINGS = OpenAISettings
