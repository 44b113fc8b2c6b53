"""Prompts: the parts of a context ordered by worth, cut to a budget, around versioned texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from cihealing.diagnosis.prompting.context import Context, Snippet, TriedFix
from cihealing.diagnosis.prompting.untrusted import fence, harmless, numbered

VERSION = "v1"
LANGUAGES = ("en", "ru")
CHARS_PER_TOKEN = 3.2
"""A cautious estimate for code and logs; nothing hangs on it but how much is left out."""
MAX_PART = 0.4
"""No part but the excerpt takes more of the budget than this: one huge file must not push out the
rest.
"""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Exactly what is sent. `left_out` names what the budget had no room for."""

    system: str
    user: str
    version: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptPart:
    name: str
    text: str


def fix_prompt(context: Context, *, language: str, budget: int) -> Prompt:
    """Ask for a diagnosis and a patch. `budget` in tokens, over system and user text together."""
    return _prompt("fix", context, language, budget)


def explain_prompt(context: Context, *, language: str, budget: int) -> Prompt:
    """Ask for a diagnosis alone."""
    return _prompt("explain", context, language, budget)


def _prompt(purpose: str, context: Context, language: str, budget: int) -> Prompt:
    spoken = language if language in LANGUAGES else "en"
    system = text_of(purpose, spoken)
    room = int(budget * CHARS_PER_TOKEN) - len(system)
    shown, left = _fitting(list(parts(context)), room)
    user = "\n\n".join(fence(part.name, part.text) for part in shown)
    return Prompt(
        system=system, user=user, version=f"{purpose}.{VERSION}.{spoken}", left_out=tuple(left)
    )


@cache
def text_of(purpose: str, language: str) -> str:
    return (
        (
            resources.files("cihealing.diagnosis.prompting")
            / "texts"
            / f"{purpose}.{VERSION}.{language}.md"
        )
        .read_text(encoding="utf-8")
        .strip()
    )


def _fitting(found: list[PromptPart], room: int) -> tuple[list[PromptPart], list[str]]:
    """Parts in order while there is room; one that is too large is cut, and named."""
    shown: list[PromptPart] = []
    left: list[str] = []
    largest = int(room * MAX_PART)
    for position, part in enumerate(found):
        most = room if position < 2 else min(room, largest)
        text = _cut(part.text, most)
        if not text:
            left.append(part.name)
            continue
        if len(text) < len(part.text):
            left.append(f"{part.name} (cut)")
        shown.append(PromptPart(name=part.name, text=text))
        room -= len(text) + 100
    return shown, left


def _cut(text: str, most: int) -> str:
    """Whole lines from the start that fit; empty where less than 200 characters would be left of
    it.
    """
    if len(text) <= most:
        return text
    return text[: max(0, most)].rpartition("\n")[0] if most >= 200 else ""


def parts(context: Context) -> Iterator[PromptPart]:
    """By worth: what failed, where, what was tried, the code, what changed, what healed the like,
    what the repository says.
    """
    yield PromptPart(name="failure", text=_failure(context))
    if context.failure.excerpt:
        yield PromptPart(
            name="log-excerpt",
            text="\n".join(f"{line.line:>5} | {line.text}" for line in context.failure.excerpt),
        )
    yield from (
        PromptPart(name=f"earlier-attempt-{tried.number}", text=_tried(tried))
        for tried in context.tried
    )
    yield from (
        PromptPart(name=f"file {_named(snippet)}", text=_snippet(snippet))
        for snippet in context.snippets
    )
    if context.diff:
        yield PromptPart(name="diff-of-the-failing-commit", text=context.diff)
    yield from (
        PromptPart(name="similar-fix", text=f"{fix.summary}\n{fix.patch}")
        for fix in context.similar
    )
    if context.notes:
        yield PromptPart(name="notes-for-contributors", text=context.notes)


def _failure(context: Context) -> str:
    failure = context.failure
    facts = {
        "repository": context.repository,
        "job": context.job,
        "command": context.command,
        "error type": failure.error_type,
        "summary": failure.summary,
        "class by rules": str(failure.failure_class),
        "failed tests": ", ".join(failure.failed_tests[:20]),
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value)


def _tried(tried: TriedFix) -> str:
    told = (
        f"proposed: {tried.proposed_fix}\nfailed:"
        f" {tried.how_it_failed}\npatch:\n{tried.patch or '(none)'}"
    )
    return f"{told}\nend of its log:\n{tried.log_tail}" if tried.log_tail else told


def _named(snippet: Snippet) -> str:
    """A path on one line, short, without what could look like the end of the fence's own line."""
    return "".join(c if c.isalnum() or c in "._-/+@" else "?" for c in harmless(snippet.path))[:200]


def _snippet(snippet: Snippet) -> str:
    encoding = f"encoding: {snippet.encoding}\n" if snippet.encoding else ""
    return f"why: {snippet.why}\n{encoding}{numbered(snippet.first_line, snippet.text)}"
