"""The reader: `read(log)` says whether a job failed and, if so, what broke. Never raises on any text; time is linear in its length."""

# ruff: noqa: E501 - a pattern is read on one line
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cihealing.domain.values import Failure, FailureClass
from cihealing.reading import clean, status
from cihealing.reading.classify import Rule, classify, rule_findings, rule_hits
from cihealing.reading.excerpt import excerpt, green_lines, ranked, shown, talk
from cihealing.reading.fingerprint import exit_code_of, strong, weak
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import frames_of
from cihealing.reading.log import Log
from cihealing.reading.masks import normalise
from cihealing.reading.parsers import findings
from cihealing.reading.redact import redact

MAX_TESTS = 2000
CERTAIN = 44
"""The rank from which a finding alone makes a log without a verdict a failed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`status` is failed, passed, cancelled or unknown; `failure` is None on a passing log and where nothing was found.

    `failed_tests` are there on a passing log too (CI may allow failures). Everything is redacted.
    """

    status: str
    failure: Failure | None
    redacted_log: str
    failed_tests: tuple[str, ...] = ()


def read(log: str, *, green: Sequence[str] = (), known_secrets: Sequence[str] = ()) -> Reading:
    """Read one job's log. `green`: logs of passing runs of the same job, whose lines count less; `known_secrets`: values to mask wherever they stand."""
    masked = redact(clean.plain(log), known_secrets)
    lines = Log(clean.lines_of(masked.text))
    found = findings(lines)
    tests = tuple(dict.fromkeys(f.test for f in found if f.test))[:MAX_TESTS]
    verdict = status.ci_status(lines)
    if verdict == status.PASSED:
        return Reading(status=verdict, failure=None, redacted_log=masked.text, failed_tests=tests)
    hits = rule_hits(lines)
    greens = green_lines([Log(clean.lines_of(clean.plain(text))) for text in green])
    weighed = ranked(lines, [*found, *rule_findings(lines, hits), *talk(lines)], green=greens)
    verdict = verdict or judged(lines, weighed)
    if verdict in (status.PASSED, status.UNKNOWN) or not weighed:
        return Reading(status=verdict, failure=None, redacted_log=masked.text, failed_tests=tests)
    failure = failure_of(lines, weighed, hits, tests=tests, masked=masked.count)
    return Reading(status=verdict, failure=failure, redacted_log=masked.text, failed_tests=tests)


def judged(log: Log, weighed: Sequence[tuple[int, Finding]]) -> str:
    """The status of a log in which CI itself says nothing."""
    best = weighed[0][0] if weighed else 0
    if any(rank >= 60 and finding.kind is not Kind.RULE for rank, finding in weighed[:50]) or status.tools_failed(log):
        return status.FAILED
    if status.tools_passed(log):
        return status.PASSED
    return status.FAILED if best >= CERTAIN else status.UNKNOWN


def failure_of(
    log: Log, weighed: Sequence[tuple[int, Finding]], hits: Sequence[tuple[Rule, int]], *, tests: tuple[str, ...], masked: int
) -> Failure:
    root = weighed[0][1]
    numbers = shown(weighed)
    frames = root.frames or frames_of(log.line(n) for n in [*root.shown, *numbers])
    verdict = classify(log, root, cited=numbers, hits=hits, frames=frames)
    return Failure(
        error_hash=strong(log, root, [f for _, f in weighed], exit_code=exit_code_of(log)), strong=True, error_type=root.error_type, summary=summary(log, root, tests),
        failure_class=verdict.failure_class, confidence=verdict.confidence, signs=verdict.signs, root_line=root.line, excerpt=excerpt(log, numbers),
        failed_tests=tests, frames=frames, command=log.command_before(root.line), secrets_masked=masked,
    )  # fmt: skip


def summary(log: Log, root: Finding, tests: Sequence[str]) -> str:
    """One line for a list of runs."""
    message = " ".join((root.message or log.line(root.line)).split())
    where = f" in {root.file}" if root.file and root.kind in (Kind.LINT, Kind.COMPILE) else ""
    what = f"{root.rule} {message}{where}" if root.rule else f"{message}{where}"
    said = (
        what
        if root.kind in (Kind.TALK, Kind.EXIT, Kind.RULE) or what.startswith(root.error_type)
        else f"{root.error_type}: {what}".rstrip(": ")
    )
    more = f" (and {len(tests) - 1} more)" if len(tests) > 1 else ""
    return (f"{root.test or tests[0]}{more}: {said}" if root.test and tests else said)[:300]


def weak_failure(*, job: str, step: str, conclusion: str, reason: str) -> Failure:
    """The failure where no log can be had. `reason` says why, and which setting would bring it."""
    texts = [redact(clean.plain(text).replace("\n", " ")) for text in (job, step, conclusion, reason)]
    job, step, conclusion, reason = (text.text for text in texts)
    where = f"{job} / {step}" if step else job
    return Failure(
        error_hash=weak(job=job, step=step, conclusion=conclusion), strong=False, error_type=normalise(conclusion) or "failure", summary=f"{where}: {conclusion}"[:300],
        failure_class=FailureClass.UNKNOWN, step=step, secrets_masked=sum(text.count for text in texts), log_missing=reason,
    )  # fmt: skip
