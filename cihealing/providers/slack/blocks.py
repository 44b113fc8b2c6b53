"""A message as Slack's Block Kit, within its limits. Text of others is `plain_text` or escaped: it
calls, links and formats nothing.

Source: Slack docs, 'Block Kit reference', 'Escaping text', 'Formatting text'.
"""

from __future__ import annotations

import re
from typing import Any

from cihealing.ports import Message

HEADER, FIELD, SECTION, FIELDS, LABEL, VALUE = 150, 1_900, 2_900, 10, 70, 1_900
"""Characters (and, for FIELDS, how many) that Slack takes, with room for what is added."""
THREAD = 30_000
TONES = {
    "good": ":large_green_circle:",
    "bad": ":red_circle:",
    "waiting": ":large_yellow_circle:",
    "neutral": ":white_circle:",
}
BROKEN = "\N{ZERO WIDTH SPACE}"
PARTED = {"@": f"@{BROKEN}", "//": f"/{BROKEN}/", ".": f"{BROKEN}."}
MENTION = re.compile(r"@(?=\w)|(?<=:)//|(?<=www)\.", re.IGNORECASE)


def visible(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def plain(text: str, most: int) -> dict[str, Any]:
    """Nothing in it is read as markup; emoji names stay names."""
    cut = harmless(visible(text))[:most] or "-"
    return {"type": "plain_text", "text": cut, "emoji": False}


def harmless(text: str) -> str:
    """Clients make links of bare URLs and addresses whatever the block says: only another character
    stops them.
    """
    return MENTION.sub(lambda found: PARTED[found.group(0)], text)


def escaped(text: str) -> str:
    """For fields of type mrkdwn and for fallback text."""
    safe = harmless(visible(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([*_~`])", rf"\1{BROKEN}", safe)


def blocks(message: Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "header", "text": plain(message.title, HEADER)}]
    if message.fields:
        texts = [plain(f"{name}\n{value}", FIELD) for name, value in message.fields[:FIELDS]]
        found.append({"type": "section", "fields": texts})
    if message.text:
        found.append({"type": "section", "text": plain(message.text, SECTION)})
    actions = [*_buttons(message), *_link(message)]
    return [*found, *([{"type": "actions", "elements": actions}] if actions else [])]


def _buttons(message: Message) -> list[dict[str, Any]]:
    return [
        {
            "type": "button",
            "action_id": f"cihealing.{button.action}",
            "text": plain(button.label, LABEL),
            "value": button.value[:VALUE],
        }
        for button in message.buttons[:4]
    ]


def _link(message: Message) -> list[dict[str, Any]]:
    """The service's own page; only a web address makes a button."""
    if not message.link.startswith(("https://", "http://")):
        return []
    return [
        {
            "type": "button",
            "action_id": "cihealing.open",
            "text": plain("Open the run", LABEL),
            "url": message.link[:3_000],
        }
    ]


def fallback(message: Message) -> str:
    """For notifications and screen readers."""
    return f"{TONES.get(message.tone, TONES['neutral'])} {escaped(message.title)[:HEADER]}"


def thread(message: Message) -> str:
    return escaped(message.details)[:THREAD]
