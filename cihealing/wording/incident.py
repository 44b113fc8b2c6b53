"""The incident report of an escalated run: frozen values in, Markdown and plain data out. Pure.

It has an owner, says since when the job is red, what was tried and what each try showed, at least
one hypothesis with citations that were checked, and the next command. Whatever a log, a branch name
or a model wrote stays quoted: see `markdown`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from cihealing.domain.values import (
    Blame,
    FailureClass,
    Hypothesis,
    Line,
    Observation,
    Owner,
    Purpose,
    Sign,
    Time,
    Value,
)
from cihealing.wording.markdown import code, fence, prose
from cihealing.wording.plain import plain

MAX_NAMES = 10


class Build(Value, frozen=True, kw_only=True):
    """A commit on which the job was seen green or red."""

    commit: str
    url: str = ""
    at: Time | None = None


class IncidentStep(Value, frozen=True, kw_only=True):
    """One command that was run, and why."""

    purpose: Purpose
    observation: Observation


class Tried(Value, frozen=True, kw_only=True):
    """One attempt, or (number 0) what was run before the first."""

    number: int
    status: str = ""
    diagnosis: str = ""
    proposed_fix: str = ""
    failure_reason: str = ""
    steps: tuple[IncidentStep, ...] = ()


class Reach(Value, frozen=True, kw_only=True):
    """Whom the failure meets besides this run, as far as the service was told."""

    runs: int = 1
    """Runs of this repository with the same failure, this one among them."""
    branches: tuple[str, ...] = ()
    waiting: int = 0
    """Runs that wait for what becomes of this one."""
    cluster: int = 0
    """Further runs, of any repository, that were gathered with this one."""


class Incident(Value, frozen=True, kw_only=True):
    run_id: UUID
    repository: str
    branch: str
    commit: str
    job: str
    escalation_reason: str
    owner: Owner | None = None
    pipeline_url: str = ""
    error_type: str = ""
    summary: str = ""
    failure_class: FailureClass = FailureClass.UNKNOWN
    confidence: float = 0.0
    signs: tuple[Sign, ...] = ()
    blame: Blame = Blame.UNKNOWN
    reach: Reach = Reach()
    last_green: Build | None = None
    first_red: Build | None = None
    attempts: tuple[Tried, ...] = ()
    root_cause: str = ""
    hypotheses: tuple[Hypothesis, ...] = ()
    proposed_fix: str = ""
    look_at: tuple[str, ...] = ()
    excerpt: tuple[Line, ...] = ()
    root_line: int | None = None
    next_steps: tuple[str, ...] = ()
    next_command: str = ""
    page_url: str = ""
    change_url: str = ""


def verify(hypothesis: Hypothesis, excerpt: Sequence[Line]) -> Hypothesis | None:
    """The hypothesis with those citations whose text stands on that line; None where none is
    left.
    """
    texts = {line.line: squeezed(line.text) for line in excerpt}
    signs = tuple(
        s
        for s in hypothesis.signs
        if squeezed(s.text) and squeezed(s.text) in texts.get(s.line, "")
    )
    return msgspec.structs.replace(hypothesis, signs=signs) if signs else None


def squeezed(text: str) -> str:
    return " ".join(text.split())


def checked(incident: Incident) -> Incident:
    """The incident with citations that are true, and at least one hypothesis where there is an
    excerpt to stand on.
    """
    kept = tuple(
        h for h in (verify(h, incident.excerpt) for h in incident.hypotheses) if h is not None
    )
    if not kept and (line := root_of(incident)) is not None:
        cited = Sign(rule="root-line", line=line.line, text=line.text.strip())
        kept = (
            Hypothesis(
                text="The build stopped where the log says so; nothing explains it further",
                signs=(cited,),
            ),
        )
    return msgspec.structs.replace(incident, hypotheses=kept)


def root_of(incident: Incident) -> Line | None:
    telling = [line for line in incident.excerpt if line.text.strip()]
    return next(
        (line for line in telling if line.line == incident.root_line),
        telling[-1] if telling else None,
    )


def reproduce(commit: str, command: str, *, path: str = ".") -> str:
    """What a person types to see the failure: the exact commit, the project's directory, its
    command.
    """
    steps = [
        f"git switch --detach {shlex.quote(commit)}",
        *([f"cd {shlex.quote(path)}"] if path != "." else []),
        *([command] if command else []),
    ]
    return " && ".join(steps)


def to_dict(incident: Incident) -> dict[str, Any]:
    """Plain data, every field present."""
    data = plain(checked(incident))
    assert isinstance(data, dict)
    return data


def to_markdown(incident: Incident) -> str:
    """The report for a person, ending in one newline."""
    sound = checked(incident)
    parts = (
        head(sound),
        since(sound),
        whom(sound),
        why(sound),
        log(sound),
        tried(sound),
        then(sound),
    )
    return "\n\n".join(block for part in parts for block in part) + "\n"


def head(incident: Incident) -> Iterator[str]:
    yield f"# {code(incident.job or 'the build')} of {code(incident.repository)} is red"
    yield f"**Needs a person:** {prose(incident.escalation_reason)}"
    facts = [
        (
            "Owner",
            f"{code(incident.owner.name)} ({prose(incident.owner.source)})"
            if incident.owner
            else "nobody could be named",
        ),
        ("Branch", code(incident.branch)),
        ("Commit", code(incident.commit)),
        ("Failure", prose(incident.summary) or prose(incident.error_type) or "not known"),
        ("Class", f"{incident.failure_class.value}, confidence {incident.confidence:.2f}"),
        ("Blame", incident.blame.value),
        *([("Build", code(incident.pipeline_url))] if incident.pipeline_url else []),
        *([("Change", code(incident.change_url))] if incident.change_url else []),
        *([("Page", code(incident.page_url))] if incident.page_url else []),
        ("Run", code(str(incident.run_id))),
    ]
    yield "\n".join(f"- {name}: {text}" for name, text in facts)
    if incident.signs:
        yield "Signs of the class:\n\n" + "\n".join(
            f"- {cited(s)}" for s in incident.signs[:MAX_NAMES]
        )


def cited(sign: Sign) -> str:
    return f"line {sign.line}: {code(sign.text.strip())} ({prose(sign.rule)})"


def since(incident: Incident) -> Iterator[str]:
    yield "## Since when"
    yield f"- Last green: {build(incident.last_green)}\n- First red: {build(incident.first_red)}"


def build(seen: Build | None) -> str:
    if seen is None:
        return "not known"
    at = f" at {seen.at:%Y-%m-%d %H:%M} UTC" if seen.at else ""
    return f"{code(seen.commit)}{at}{f', {code(seen.url)}' if seen.url else ''}"


def whom(incident: Incident) -> Iterator[str]:
    reach = incident.reach
    others = [b for b in reach.branches if b != incident.branch]
    more = f" and {len(others) - MAX_NAMES} more" if len(others) > MAX_NAMES else ""
    met = [
        f"{many(reach.runs, 'run')} of {code(incident.repository)} failed so"
        if reach.runs > 1
        else "",
        f"other branches: {', '.join(map(code, others[:MAX_NAMES]))}{more}" if others else "",
        f"{many(reach.waiting, 'run')} waiting for this one" if reach.waiting else "",
        f"{many(reach.cluster, 'further run')}, of any repository, gathered with this one"
        if reach.cluster
        else "",
    ]
    yield "## Whom it meets"
    yield (
        "\n".join(f"- {text}" for text in met if text)
        or "Nobody else, as far as the service was told."
    )


def many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def believed(hypothesis: Hypothesis) -> str:
    """Who says so, how surely, and whether it was tried in vain."""
    said = [
        f"by {code(hypothesis.by)}" if hypothesis.by else "",
        f"confidence {hypothesis.confidence:.2f}" if hypothesis.confidence else "",
    ]
    said += ["a fix that stood on it was not proven"] if hypothesis.disproved else []
    return f" ({', '.join(s for s in said if s)})" if any(said) else ""


def why(incident: Incident) -> Iterator[str]:
    yield "## Why, as far as is known"
    if incident.root_cause:
        yield prose(incident.root_cause)
    for number, hypothesis in enumerate(incident.hypotheses, 1):
        lines = "\n".join(f"   - {cited(s)}" for s in hypothesis.signs)
        yield f"{number}. {prose(hypothesis.text)}{believed(hypothesis)}\n{lines}"
    if not incident.hypotheses:
        yield "There is no log to stand on, so there is no hypothesis."
    if incident.proposed_fix:
        yield f"What may help: {prose(incident.proposed_fix)}"


def log(incident: Incident) -> Iterator[str]:
    if incident.excerpt:
        width = len(str(incident.excerpt[-1].line))
        yield "## What the log says"
        yield fence(
            f"{'>' if e.line == incident.root_line else ' '} {e.line:>{width}} | {e.text}"
            for e in incident.excerpt
        )


def tried(incident: Incident) -> Iterator[str]:
    yield "## What was tried"
    if not incident.attempts:
        yield "Nothing: no attempt was made."
    for attempt in incident.attempts:
        yield (
            f"### {f'Attempt {attempt.number}' if attempt.number else 'Before the first attempt'}"
            + (f": {prose(attempt.status)}" if attempt.status else "")
        )
        said = (
            ("Diagnosis", attempt.diagnosis),
            ("Fix", attempt.proposed_fix),
            ("Ended because", attempt.failure_reason),
        )
        if facts := "\n".join(f"- {name}: {prose(text)}" for name, text in said if text):
            yield facts
        yield from proofs(attempt.steps)


def proofs(steps: Sequence[IncidentStep]) -> Iterator[str]:
    if not steps:
        yield "No command was run."
        return
    yield "\n".join(f"{number}. {outcome(step)}" for number, step in enumerate(steps, 1))
    red = [s.observation for s in steps if s.observation.log_tail and s.observation.exit_code != 0]
    if red:
        yield "End of the last red output:"
        yield fence(red[-1].log_tail.splitlines()[-20:])


def outcome(step: IncidentStep) -> str:
    """One command, one line: why, what, how it ended, what the tests said."""
    seen = step.observation
    code_said = "did not end" if seen.exit_code is None else f"exit {seen.exit_code}"
    parts = [
        f"{step.purpose.value}: {code(seen.command)}",
        f"**{seen.colour.value}**",
        code_said,
        f"{seen.seconds:.1f} s",
        counts(seen),
    ]
    if seen.failed_tests:
        more = len(seen.failed_tests) - MAX_NAMES
        parts.append(
            "failed: "
            + ", ".join(map(code, seen.failed_tests[:MAX_NAMES]))
            + (f" and {more} more" if more > 0 else "")
        )
    parts += [f"missing: {prose(seen.missing)}"] * bool(seen.missing) + [
        f"violation: {prose(v)}" for v in seen.violations[:MAX_NAMES]
    ]
    return ", ".join(p for p in parts if p)


def counts(seen: Observation) -> str:
    if not seen.counts_tests:
        return ""
    numbers = (
        seen.passed or len(seen.passed_tests),
        seen.failed or len(seen.failed_tests),
        seen.skipped or len(seen.skipped_tests),
    )
    return "{} passed, {} failed, {} skipped".format(*numbers)


def then(incident: Incident) -> Iterator[str]:
    yield "## Next"
    if incident.next_steps:
        yield "\n".join(
            f"{number}. {prose(step)}" for number, step in enumerate(incident.next_steps, 1)
        )
    if incident.look_at:
        yield "Look at:\n\n" + "\n".join(
            f"- {code(place)}" for place in incident.look_at[:MAX_NAMES]
        )
    if incident.next_command:
        yield "See it fail:"
        yield fence(incident.next_command.splitlines())
