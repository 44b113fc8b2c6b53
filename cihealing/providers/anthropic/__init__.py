"""Anthropic's models."""

from __future__ import annotations

from cihealing.ports import Provider, ServedModel, Speaking
from cihealing.providers.anthropic import model

PROVIDER = Provider(
    name="anthropic",
    speaking=Speaking(
        ask=model.ask,
        serves=(ServedModel(name="anthropic", base_url="", default_model="claude-sonnet-5-5"),),
    ),
)
