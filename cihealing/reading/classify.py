"""Which failure class the signs speak for. Rules are data (see rulebook.py); every verdict cites
the lines it stands on.

What the root line says comes first. Where the root is a failing test, a compile or a lint error,
the code is taken to be wrong unless the root's own lines hold a sign of something else; signs
elsewhere in the excerpt, such as a warning about the network that failed nothing, say nothing then.
A confidence is how often the class is right where the sign stands: bench/READING.md has the table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cihealing.domain.values import FailureClass, Frame, Sign
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log
from cihealing.reading.rulebook import Rule, Rulebook, in_force, rules, rules_from

__all__ = [
    "THRESHOLD",
    "Rule",
    "Rulebook",
    "Verdict",
    "classify",
    "matching",
    "rule_findings",
    "rule_hits",
    "rules",
    "rules_from",
]

THRESHOLD = 0.6
"""Below this confidence a class is not said: of what is said, nineteen in twenty must be right (see
bench/classes.py).
"""
ELSEWHERE = 0.85
"""Weight of a sign in the excerpt that is not on the root's own lines."""
WARNED = 0.7
"""Weight of a sign on a line that is a warning or tells of another try."""
CALMER = 30
"""What such a line loses as a candidate for the root."""
BESIDE = 0.97
"""Weight of a sign on the root's own lines but not on the line itself."""
BESIDE_IN_TEST = 0.75
"""The same of a failing test, which tells what it logged and tried as well as why it failed."""
ASSERTED = 0.5
"""Weight of a sign in an assertion's message: it tells what the code gave back."""
CAUSE_WITHIN = 80
"""Lines before a consequence in which its cause is looked for."""
MAX_HITS = 400
MAX_SIGNS = 5
MODULE = re.compile(r"No module named '?(?P<name>[A-Za-z_]\w*)(?P<rest>[\w.]*)'?")
STANDARD = {
    Kind.TEST: (FailureClass.PRODUCT, 0.85),
    Kind.COMPILE: (FailureClass.PRODUCT, 0.92),
    Kind.LINT: (FailureClass.PRODUCT, 0.95),
}
MILD = re.compile(
    r"\s{0,8}(?:##\[(?:warning|debug|notice)\]|::(?:warning|notice)|\[?(?:WARN|WARNING|INFO|DEBUG|TRACE|NOTICE|warn|warning|info)\b\]?|[WN]:"
    r" |npm (?:WARN|warn|notice)\b)"
    r"|.{0,400}(?:\bRetry(?:ing)?\b|\bretrying\b|(?:[Rr]etry|[Tt]ry)(?:ing)?"
    r" (?:again|in|after)\b|tries remaining|other mirror\b|[Ff]ailed to (?:upload|save|restore)"
    r" (?:the )?(?:\w{1,20}"
    r" )?(?:artifact|cache|report|coverage)|\bIgnoring\b|\bignored\b|\bskipping\b)"
)
QUOTED = re.compile(
    r"\$ |\+{1,3}"
    r" |>?\s{2,60}(?:raise|throw|return|assert|except|catch|with|if|elif|for|def"
    r"|self\.assert\w{0,30})\b"
)
"""Lines of a command, a difference or source code: they do not say that something happened."""
ASSERTION = re.compile(r"assert|Assert|ComparisonFailure|ExpectationNotMet|expect\(")


@dataclass(frozen=True, slots=True)
class Verdict:
    failure_class: FailureClass
    confidence: float
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    failure_class: FailureClass
    confidence: float
    sign: Sign


def rule_hits(log: Log, chosen: Sequence[Rule] | None = None) -> list[tuple[Rule, int]]:
    """Every rule with the lines it matches, without those on which CI repeats a script. `chosen`:
    other rules than those in force.
    """
    return [
        (rule, n)
        for rule in (in_force() if chosen is None else chosen)
        if log.present(rule.any)
        for n in matching(log, rule)
    ]


def matching(log: Log, rule: Rule) -> Iterator[int]:
    numbers = [n for n in log.having(*rule.any)[-MAX_HITS:] if n not in log.echoed]
    return (n for n in numbers if rule.on(log.line(n)) and not QUOTED.match(log.line(n)))


def mild(text: str) -> bool:
    """Whether a line is a warning or tells of another try."""
    return bool(MILD.match(text))


def rule_findings(log: Log, hits: Iterable[tuple[Rule, int]]) -> list[Finding]:
    return [
        Finding(
            kind=Kind.RULE,
            tool=rule.failure_class.value,
            line=number,
            error_type=rule.type,
            message=log.line(number).removeprefix("##[error]").strip(),
            weight=max(1, rule.root - CALMER) if mild(log.line(number)) else rule.root,
        )
        for rule, number in hits
        if rule.root
    ]


def classify(
    log: Log,
    root: Finding,
    *,
    cited: Iterable[int],
    hits: Sequence[tuple[Rule, int]],
    frames: Sequence[Frame],
) -> Verdict:
    """The class that the root's own lines speak for; where they are silent, the best sign in the
    excerpt.
    """
    own = own_lines(root)
    votes = [
        vote_of(log, root, rule, n)
        for rule, n in hits
        if n in own and not (root.kind in STANDARD and is_product(rule))
    ]
    if module := missing_module(root, log, frames):
        votes.append(module)
    if root.kind in STANDARD:
        votes.append(standard(log, root, votes))
    elif not votes:
        votes = [elsewhere(log, rule, n) for rule, n in hits if n in set(cited)]
    best = max(votes, key=lambda vote: vote.confidence, default=None)
    if best and (cause := cause_of(log, best, hits)):
        votes, best = [cause, *votes], cause
    return verdict_of(best, votes)


def is_product(rule: Rule) -> bool:
    """A test, a compile or a lint error speaks for the code by itself."""
    return rule.failure_class is FailureClass.PRODUCT


def own_lines(root: Finding) -> set[int]:
    """The lines on which the root itself speaks: a test's or an error's own, and what follows at
    once.
    """
    return (
        {root.line, root.line + 1, root.line + 2, *root.shown}
        if root.kind is not Kind.TEST
        else {root.line, *root.shown}
    )


def verdict_of(best: Vote | None, votes: Sequence[Vote]) -> Verdict:
    if best is None:
        return Verdict(FailureClass.UNKNOWN, 0.0, ())
    confidence = round(best.confidence, 2)
    if confidence < THRESHOLD:
        return Verdict(FailureClass.UNKNOWN, confidence, (best.sign,))
    ordered = sorted(votes, key=lambda vote: -vote.confidence)
    signs = dict.fromkeys(
        vote.sign for vote in [best, *ordered] if vote.failure_class is best.failure_class
    )
    return Verdict(best.failure_class, confidence, tuple(signs)[:MAX_SIGNS])


def vote_of(log: Log, root: Finding, rule: Rule, number: int) -> Vote:
    """A sign on one of the root's own lines; a little less where it is not the line itself."""
    text = log.line(number)
    confidence = rule.in_test if root.kind is Kind.TEST else rule.confidence
    if (
        rule.failure_class is not FailureClass.PRODUCT
        and root.kind is Kind.TEST
        and ASSERTION.search(f"{root.error_type} {text[:200]}")
    ):
        confidence *= ASSERTED
    if number != root.line:
        confidence *= (BESIDE_IN_TEST if root.kind is Kind.TEST else BESIDE) * (
            WARNED if mild(text) else 1
        )
    return Vote(rule.failure_class, confidence, sign(log, rule.id, number))


def standard(log: Log, root: Finding, votes: Sequence[Vote]) -> Vote:
    """The code is wrong, the less surely the more its own lines speak for something else."""
    failure_class, confidence = STANDARD[root.kind]
    against = max(
        (vote.confidence for vote in votes if vote.failure_class is not failure_class), default=0.0
    )
    return Vote(
        failure_class,
        min(confidence, 1 - against),
        sign(log, f"{root.tool}-{root.kind.value}", root.line),
    )


def elsewhere(log: Log, rule: Rule, number: int) -> Vote:
    weight = ELSEWHERE * (WARNED if mild(log.line(number)) else 1)
    return Vote(rule.failure_class, rule.confidence * weight, sign(log, rule.id, number))


def cause_of(log: Log, best: Vote, hits: Sequence[tuple[Rule, int]]) -> Vote | None:
    """Trouble with the network shortly before a sign that is often only its consequence: what could
    not be asked for was not found.
    """
    if not any(rule.consequence and rule.id == best.sign.rule for rule, _ in hits):
        return None
    near = [
        (rule, n)
        for rule, n in hits
        if rule.failure_class is FailureClass.INFRA
        and best.sign.line - CAUSE_WITHIN <= n < best.sign.line
        and rule.root
    ]
    rule, number = max(near, key=lambda hit: hit[0].confidence, default=(None, 0))
    return (
        Vote(FailureClass.INFRA, rule.confidence * 0.95, sign(log, rule.id, number))
        if rule
        else None
    )


def sign(log: Log, rule: str, number: int) -> Sign:
    return Sign(rule=rule, line=number, text=log.line(number).strip()[:300])


def missing_module(root: Finding, log: Log, frames: Sequence[Frame]) -> Vote | None:
    """A module of the standard library or of the repository is the code's fault, any other is
    missing in the environment.
    """
    match = MODULE.search(root.message or log.line(root.line))
    if not match or root.error_type not in ("ModuleNotFoundError", "ImportError"):
        return None
    name = match["name"]
    if name in sys.stdlib_module_names or name in own_packages(frames):
        return Vote(FailureClass.PRODUCT, 0.88, sign(log, "module-of-the-code", root.line))
    if match[
        "rest"
        # the package was found, a module in it was not: its own code or another version of it, more
        # likely the former
    ]:
        return Vote(FailureClass.PRODUCT, 0.7, sign(log, "module-not-in-package", root.line))
    return Vote(FailureClass.ENV, 0.88, sign(log, "module-not-installed", root.line))


def own_packages(frames: Sequence[Frame]) -> set[str]:
    """Names of folders and modules of the repository that the frames show."""
    return {
        part.removesuffix(".py")
        for frame in frames
        if not frame.file.startswith(("/", "<")) and "site-packages" not in frame.file
        for part in frame.file.split("/")
    }
