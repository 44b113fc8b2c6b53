"""Filters of the pages. None of them marks anything safe: what they return is escaped like all
else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from django import template
from django.utils import timezone

from cihealing.domain import proof
from cihealing.domain.values import Observation, Purpose
from cihealing.guard.explanations import explain
from cihealing.read.rows import AttemptRow, ExcerptLine
from cihealing.wording.vocabulary import CLASSES, PURPOSES
from dashboard import diff as diffs
from dashboard.charts import Segment

register = template.Library()

TONES = {
    "queued": "",
    "running": "note",
    "fixed": "good",
    "escalated": "warn",
    "resolved": "good",
    "aborted": "",
    "green": "good",
    "red": "bad",
    "unavailable": "warn",
    "timed_out": "warn",
    "succeeded": "good",
    "failed": "bad",
    "passed": "good",
    "proven": "good",
    "ci_proven": "good",
}
STATUS_WORDS = {"fixed": "fix proven", "timed_out": "timed out"}


@register.filter
def tone(word: str) -> str:
    """The class of a pill that says this word."""
    return TONES.get(str(word), "")


@register.filter
def words(value: str) -> str:
    text = str(value)
    return STATUS_WORDS.get(text, text.replace("_", " "))


@register.filter
def counted(segments: Sequence[Segment]) -> str:
    """Runs by status in words, as `1 queued, 3 escalated`."""
    return ", ".join(f"{segment.count} {words(segment.status)}" for segment in segments)


@register.filter
def explained(rule: str) -> str:
    """Why the guard has this rule."""
    return explain(str(rule))


@register.filter
def class_words(value: str) -> str:
    return CLASSES.get(str(value), str(value))


@register.filter
def purpose_words(value: str) -> str:
    return PURPOSES[value].short if value in PURPOSES else str(value)


@register.filter
def expected(purpose: str) -> str:
    """The colour a proof needs of a run with this purpose; empty where either may be."""
    return proof.expected(Purpose(purpose)) or ""


@register.filter
def percent(value: float) -> str:
    return f"{value:.0%}"


@register.filter
def usd(value: float) -> str:
    """Cents suffice, except for what is less than one."""
    return f"${value:.2f}" if value >= 0.01 or not value else f"${value:.4f}"


@register.filter
def short(digest: str) -> str:
    return str(digest)[:10]


@register.filter
def seconds(value: float | None) -> str:
    """`0.4 s`, `41 s`, `3 min 20 s`, `2 h 5 min`; a dash for None."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@register.filter
def ago(at: datetime | None) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `2 d ago`, then the date."""
    if at is None:
        return "–"
    age = (timezone.now() - at).total_seconds()
    if age < 45:
        return "just now"
    if age < 3600:
        return f"{max(1, round(age / 60))} min ago"
    if age < 36 * 3600:
        return f"{round(age / 3600)} h ago"
    return f"{round(age / 86400)} d ago" if age < 14 * 86400 else f"{at:%d %b %Y}"


@register.filter
def web_url(value: str) -> str:
    """The address if a browser may follow it, else nothing: a payload can name `javascript:` as its
    pipeline.
    """
    try:
        parts = urlsplit(str(value))
    except ValueError:
        return ""
    return str(value) if parts.scheme in ("http", "https") and parts.netloc else ""


@register.filter
def diff(patch: str) -> diffs.Diff:
    return diffs.read(patch)


@register.filter
def with_gaps(excerpt: tuple[ExcerptLine, ...]) -> list[tuple[int, ExcerptLine]]:
    """Each line with the number of lines left out before it (none are counted before the first)."""
    befores = [line.line - 1 for line in excerpt[:1]] + [line.line for line in excerpt]
    return [
        (max(0, line.line - before - 1), line)
        for before, line in zip(befores, excerpt, strict=False)
    ]


@register.filter
def key(attempt: AttemptRow) -> str:
    """The start of the ids of what belongs to an attempt, the same from one refresh to the next."""
    return f"a{attempt.generation}-{attempt.number}"


@register.filter
def tests_told(ran: Observation) -> str:
    """`5 passed, 1 failed`: by the counts, for the names of passed tests lie in an artifact; else
    by the names.
    """
    counts = {
        "passed": ran.passed or len(ran.passed_tests),
        "failed": ran.failed or len(ran.failed_tests),
        "skipped": ran.skipped or len(ran.skipped_tests),
    }
    return ", ".join(
        f"{count} {name}" for name, count in counts.items() if count or name != "skipped"
    )
