"""Values of the service's own settings that must never be stored or sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings

from cihealing import reading

SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "KEY", "WEBHOOK_URL")


def known_secrets() -> Sequence[str]:
    """Every secret value the service holds; those under 8 characters are not masked (they would mask ordinary words)."""
    values = {settings.SECRET_KEY, settings.DATABASES["default"].get("PASSWORD") or ""}
    for name, value in settings.CI_HEALING.items():
        if any(word in name for word in SECRET_WORDS):
            values.update(_strings(value))
    return sorted(v for v in values if len(v) >= 8)


def masked(text: str) -> str:
    """Text without secrets, for whatever people and error messages say."""
    return reading.redact(text, known_secrets()).text


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return [value, *(part.strip() for part in value.split(","))]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list | tuple) else []
