"""The reader: `read(log)` says whether a job failed and, if so, what broke. Never raises on any
text; time is linear in its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from cihealing.domain.values import Failure, FailureClass
from cihealing.reading import clean, sieve, status, structure
from cihealing.reading.classify import Rule, classify, rule_findings, rule_hits
from cihealing.reading.excerpt import (
    STEP_WORDS,
    TALK_WORDS,
    excerpt,
    green_lines,
    ranked,
    shown,
    talk,
)
from cihealing.reading.fingerprint import EXIT_MARKS, exit_code_of, strong, weak
from cihealing.reading.found import Finding, Kind
from cihealing.reading.frames import frames_of
from cihealing.reading.log import Log
from cihealing.reading.masks import normalise
from cihealing.reading.parsers import findings, parsers, sayings
from cihealing.reading.redact import Redacted, redact
from cihealing.reading.rulebook import in_force
from cihealing.reading.scan import BUILDING, Scanner
from cihealing.reading.sieve import KeptLines
from cihealing.reading.structure import LogStep

MAX_TESTS = 2000
CERTAIN = 44
"""The rank from which a finding alone makes a log without a verdict a failed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`status` is failed, passed, cancelled or unknown; `failure` is None on a passing log and
    where nothing was found.

    `failed_tests` are there on a passing log too (CI may allow failures). Everything is redacted.
    """

    status: str
    failure: Failure | None
    redacted_log: str
    """Empty for a log that was read in chunks."""
    failed_tests: tuple[str, ...] = ()
    steps: Sequence[LogStep] = ()


def read(log: str, *, green: Sequence[str] = (), known_secrets: Sequence[str] = ()) -> Reading:
    """Read one job's log. `green`: logs of passing runs of the same job, whose lines count less;
    `known_secrets`: values to mask wherever they stand.
    """
    masked = redact(clean.plain(log), known_secrets)
    greens = [indexed(clean.lines_of(clean.plain(text))) for text in green]
    return reading_of(indexed(clean.lines_of(masked.text)), masked, greens=greens)


def read_chunks(
    raw: Iterable[bytes],
    *,
    green: Sequence[Iterable[bytes]] = (),
    known_secrets: Sequence[str] = (),
) -> Reading:
    """The same for a log of any size, in bounded memory: of a large one the lines worth reading are
    kept (see sieve.py).
    """
    kept = sift(raw)
    masked = redact("\n".join(kept.lines), known_secrets)
    log = indexed(masked.text.split("\n"), kept)
    greens = [indexed(found.lines, found) for found in map(sift, green)]
    return replace(reading_of(log, masked, greens=greens), redacted_log="")


def sift(raw: Iterable[bytes]) -> KeptLines:
    return sieve.sifted(raw, scanner(), weak=frozenset((*TALK_WORDS, *structure.MARKS)))


def scanner() -> Scanner:
    rules = in_force()
    with BUILDING:
        if not _latest or _latest[0][0] is not rules:
            _latest[:] = [(rules, scanner_for(rules))]
        return _latest[0][1]


_latest: list[tuple[tuple[Rule, ...], Scanner]] = []
"""The rules that were in force last, and their scanner: to hash all rules takes longer than to read
a short log.
"""


@lru_cache(maxsize=2)
def scanner_for(rules: tuple[Rule, ...]) -> Scanner:
    """All that anybody asks a log for."""
    marks = [
        *(mark for parser in parsers() for mark in parser.MARKS),
        *(hint for rule in rules for hint in rule.any),
    ]
    said = [
        mark
        for verdict in ("PASSED", "FAILED")
        for saying in sayings(verdict)
        for mark in saying.marks
    ]
    return Scanner(
        [*marks, *said, *TALK_WORDS, *STEP_WORDS, *status.MARKS, *structure.MARKS, *EXIT_MARKS]
    )


def indexed(lines: Sequence[str], kept: KeptLines | None = None) -> Log:
    hits = scanner().hits("\n".join(lines).encode("utf-8", "surrogatepass"))
    numbers, total = (kept.numbers, kept.total) if kept else (None, None)
    return Log(lines, numbers=numbers, total=total, hits=hits, searched=scanner().known)


def reading_of(log: Log, masked: Redacted, *, greens: Sequence[Log]) -> Reading:
    found = findings(log)
    tests = tuple(dict.fromkeys(f.test for f in found if f.test))[:MAX_TESTS]
    verdict = status.ci_status(log)
    steps = structure.steps_of(log)
    blank = Reading(
        status=verdict, failure=None, redacted_log=masked.text, failed_tests=tests, steps=steps
    )
    if verdict == status.PASSED:
        return blank
    hits = rule_hits(log)
    weighed = ranked(
        log, [*found, *rule_findings(log, hits), *talk(log)], steps=steps, green=green_lines(greens)
    )
    verdict = verdict or judged(log, weighed)
    if verdict in (status.PASSED, status.UNKNOWN) or not weighed:
        return replace(blank, status=verdict)
    return replace(
        blank,
        status=verdict,
        failure=failure_of(log, weighed, hits, tests=tests, steps=steps, masked=masked.count),
    )


def judged(log: Log, weighed: Sequence[tuple[int, Finding]]) -> str:
    """The status of a log in which CI itself says nothing."""
    best = weighed[0][0] if weighed else 0
    if any(
        rank >= 60 and finding.kind is not Kind.RULE for rank, finding in weighed[:50]
    ) or status.tools_failed(log):
        return status.FAILED
    if status.tools_passed(log):
        return status.PASSED
    return status.FAILED if best >= CERTAIN else status.UNKNOWN


def failure_of(
    log: Log,
    weighed: Sequence[tuple[int, Finding]],
    hits: Sequence[tuple[Rule, int]],
    *,
    tests: tuple[str, ...],
    steps: Sequence[LogStep],
    masked: int,
) -> Failure:
    root = weighed[0][1]
    numbers = shown(weighed)
    frames = root.frames or frames_of(log.line(n) for n in [*root.shown, *numbers])
    step = structure.failed_step(steps, root.line)
    verdict = classify(log, root, cited=numbers, hits=hits, frames=frames)
    return Failure(
        error_hash=strong(log, root, [f for _, f in weighed], exit_code=exit_code_of(log)),
        strong=True,
        error_type=root.error_type,
        summary=summary(log, root, tests),
        failure_class=verdict.failure_class,
        confidence=verdict.confidence,
        signs=verdict.signs,
        root_line=root.line,
        excerpt=excerpt(log, numbers),
        failed_tests=tests,
        frames=frames,
        step=step.name if step else "",
        command=structure.command_at(log, step, root.line),
        secrets_masked=masked,
    )


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
    texts = [
        redact(clean.plain(text).replace("\n", " ")) for text in (job, step, conclusion, reason)
    ]
    job, step, conclusion, reason = (text.text for text in texts)
    where = f"{job} / {step}" if step else job
    return Failure(
        error_hash=weak(job=job, step=step, conclusion=conclusion),
        strong=False,
        error_type=normalise(conclusion) or "failure",
        summary=f"{where}: {conclusion}"[:300],
        failure_class=FailureClass.UNKNOWN,
        step=step,
        secrets_masked=sum(text.count for text in texts),
        log_missing=reason,
    )
