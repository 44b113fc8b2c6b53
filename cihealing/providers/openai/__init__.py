"""Models that are asked as OpenAI's are."""

from __future__ import annotations

from cihealing.ports import Provider, ServedModel, Speaking
from cihealing.providers.openai import model

OPENAI = ServedModel(name="openai", base_url="", default_model="gpt-5.4-mini", own_server=True)
GEMINI = ServedModel(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta/openai/",
    default_model="gemini-3.7-flash",
)
GROK = ServedModel(name="grok", base_url="https://api.x.ai/v1", default_model="grok-4.7")
PROVIDER = Provider(name="openai", speaking=Speaking(ask=model.ask, serves=(OPENAI, GEMINI, GROK)))
