"""What a change, its commit and our comment say. Pure; whatever a log, a branch name or a model
wrote stays quoted.

Forges find mentions, issue numbers and closing keywords in titles, bodies and commit messages
alike, so in none of them may text of others hold one.
"""

from __future__ import annotations

import re

from cihealing.domain.run import AttemptState, RunState
from cihealing.domain.values import Diagnosis, Failure, FailureClass, Purpose
from cihealing.wording.markdown import ZERO_WIDTH, code, fence, prose, visible

MAX_TITLE = 120
MAX_BODY = 30_000
MARKS = re.compile(
    r"@(?=\S)|#(?=\d)|!(?=\d)|[~%&$](?=[\w\"])|(?<=GH)-(?=\d)|:(?=//)|^/(?=\w)|(?<=www)\.",
    re.IGNORECASE,
)
"""What makes a mention, a reference, a label, a link or a quick action at GitHub or GitLab."""
MARKER = "<!-- cihealing:{run} -->"
"""Stands in our comments, so that they are found again and edited."""


def plain(text: str, *, most: int) -> str:
    """One line of somebody else's text in which nothing is called, linked or closed."""
    return MARKS.sub(rf"\g<0>{ZERO_WIDTH}", " ".join(visible(text[: most * 2]).split()))[:most]


def title(run: RunState) -> str:
    told = run.attempt.proposed_fix if run.attempt else run.failure.summary
    return plain(f"Heal {run.failure.job or 'the build'}: {told}", most=MAX_TITLE)


def message(run: RunState) -> str:
    """For the commit: what anybody can check, without a word of others."""
    runs = len(run.attempt.observations) if run.attempt else 0
    return (
        f"Failing commit: {run.failure.commit}\n"
        f"Proof: {runs} runs, red without and green with this patch; record {run.review.proof}"
    )


def trailers(run: RunState) -> tuple[str, ...]:
    return (f"Cihealing-Failure: {run.failure.error_hash}", f"Cihealing-Proof: {run.review.proof}")


def body(run: RunState, failure: Failure, *, url: str) -> str:
    """The description of the change."""
    attempt = run.attempt
    diagnosis = attempt.diagnosis if attempt else run.diagnosis.believed
    parts = [
        (
            f"{code(run.failure.job or 'The build')} fails on {code(run.failure.branch)} at"
            f" {code(run.failure.commit[:12])}: {prose(run.failure.summary)}"
        ),
        *_diagnosed(diagnosis, attempt),
        _cited(failure, diagnosis),
        *_proven(run, attempt),
        _foot(run, url),
    ]
    return "\n\n".join(part for part in parts if part)[:MAX_BODY]


def _diagnosed(diagnosis: Diagnosis | None, attempt: AttemptState | None) -> list[str]:
    told = (
        [f"**What broke**: {prose(diagnosis.root_cause)}"]
        if diagnosis and diagnosis.root_cause
        else []
    )
    mended = (
        [f"**What this changes**: {prose(attempt.proposed_fix)} (by {code(attempt.diagnoser)})"]
        if attempt
        else []
    )
    return told + mended


def _cited(failure: Failure, diagnosis: Diagnosis | None) -> str:
    """The lines the diagnosis stands on, else the root line and its neighbours."""
    cited = {
        sign.line
        for hypothesis in (diagnosis.hypotheses if diagnosis else ())
        for sign in hypothesis.signs
    }
    wanted = cited or ({failure.root_line} if failure.root_line else set())
    lines = [f"{line.line:>6}  {line.text}" for line in failure.excerpt if line.line in wanted][:20]
    return f"**What the log says**\n\n{fence(lines)}" if lines else ""


SHOWN = {
    Purpose.RED_BEFORE: "without the patch",
    Purpose.GREEN: "with the patch",
    Purpose.RED_AFTER: "without it again",
    Purpose.CANARY: "with it and a planted failing test",
}


def _proven(run: RunState, attempt: AttemptState | None) -> list[str]:
    if attempt is None:
        return []
    seen = [s for s in attempt.observations if s.purpose in SHOWN]
    rows = [
        f"| {SHOWN[s.purpose]} | {s.seen.colour} | {s.seen.exit_code} | {s.seen.seconds:.1f} s |"
        for s in seen
    ]
    head = (
        f"**How it was proven**: {code(run.project.command)} in {code(seen[0].seen.environment)}"
        if seen
        else ""
    )
    table = (
        "\n".join(["| run | result | exit | time |", "|---|---|---|---|", *rows]) if rows else ""
    )
    person = (
        [f"**Look at this**: {'; '.join(prose(text) for text in attempt.needs_person)}"]
        if attempt.needs_person
        else []
    )
    return [part for part in (head, table) if part] + person


def _foot(run: RunState, url: str) -> str:
    who = (
        f"Approved by {code(run.review.approved_by.name)}. "
        if run.review.approved_by and run.review.approved_by.kind == "person"
        else ""
    )
    page = f"[The run]({url}). " if url else ""
    out = (
        "Closing this change, or the label `cihealing:off`, keeps the patch from being proposed"
        " again."
    )
    return f"{who}{page}{out}\n{MARKER.format(run=run.id)}"


def comment(run: RunState, failure: Failure, *, url: str) -> str:
    """The diagnosis for those who wrote the change; empty where nothing is known: silence is better
    than a guess.
    """
    known = (
        run.diagnosis.believed is not None
        and run.diagnosis.confidence > 0
        and run.diagnosis.failure_class is not FailureClass.UNKNOWN
    )
    if not known or run.diagnosis.believed is None:
        return ""
    owner = (
        f" Owner: {prose(run.blame.owner.name)} ({prose(run.blame.owner.source)})."
        if run.blame.owner
        else ""
    )
    parts = [
        f"{code(run.failure.job or 'The build')} failed: {prose(run.failure.summary)}",
        (
            f"**{run.diagnosis.failure_class}**, confidence {run.diagnosis.confidence:.0%}:"
            f" {prose(run.diagnosis.believed.root_cause)}{owner}"
        ),
        _cited(failure, run.diagnosis.believed),
        f"**Next**: {prose(run.diagnosis.believed.proposed_fix)}"
        if run.diagnosis.believed.proposed_fix
        else "",
        (f"[The run]({url})\n" if url else "") + MARKER.format(run=run.id),
    ]
    return "\n\n".join(part for part in parts if part)[:MAX_BODY]
