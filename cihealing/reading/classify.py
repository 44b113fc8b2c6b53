"""Which failure class the signs speak for. Rules are data (rules/*.yaml, one file a class); every verdict cites the lines it stands on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from cihealing.domain.values import FailureClass, Frame, Sign
from cihealing.reading.found import Finding, Kind
from cihealing.reading.log import Log

THRESHOLD = 0.5
"""Below this confidence a class is not said."""
ELSEWHERE = 0.8
"""Weight of a sign in the excerpt that is not on the root line."""
MAX_HITS = 400
MODULE = re.compile(r"No module named '?(?P<name>[A-Za-z_]\w*)(?P<rest>[\w.]*)'?")
STANDARD = {
    Kind.TEST: (FailureClass.PRODUCT, 0.6), Kind.COMPILE: (FailureClass.PRODUCT, 0.8), Kind.LINT: (FailureClass.PRODUCT, 0.9),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    failure_class: FailureClass
    type: str
    confidence: float
    root: int
    any: tuple[str, ...]
    pattern: re.Pattern[str]
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    failure_class: FailureClass
    confidence: float
    signs: tuple[Sign, ...]


@cache
def rules() -> tuple[Rule, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    folder = files("cihealing.reading") / "rules"
    return tuple(
        Rule(
            raw["id"],
            FailureClass(name),
            raw["type"],
            raw["confidence"],
            raw["root"],
            tuple(raw["any"]),
            re.compile(raw["pattern"]),
            tuple(raw["samples"]),
        )
        for name in ("automation", "data", "env", "flaky", "infra", "product")
        for raw in yaml.load((folder / f"{name}.yaml").read_text(encoding="utf-8"), loader)  # noqa: S506 - a safe loader
    )


def rule_hits(log: Log) -> list[tuple[Rule, int]]:
    """Every rule with the lines it matches, but for the lines on which CI repeats a script."""
    return [(rule, number) for rule in rules() for number in matching(log, rule)]


def matching(log: Log, rule: Rule) -> Iterator[int]:
    numbers = [n for n in log.having(*rule.any) if n not in log.echoed]
    return (n for n in numbers[-MAX_HITS:] if rule.pattern.search(log.line(n)))


def rule_findings(log: Log, hits: Iterable[tuple[Rule, int]]) -> list[Finding]:
    return [
        Finding(
            kind=Kind.RULE,
            tool=rule.failure_class.value,
            line=number,
            error_type=rule.type,
            message=log.line(number).removeprefix("##[error]").strip(),
            weight=rule.root,
        )
        for rule, number in hits
        if rule.root
    ]


def classify(log: Log, root: Finding, *, cited: Iterable[int], hits: Sequence[tuple[Rule, int]], frames: Sequence[Frame]) -> Verdict:
    """The class with the best sign; a missing module and the kind of the root finding speak too."""
    shown = set(cited)
    near = [
        (rule, n, rule.confidence * (1 if n in (root.line, root.line + 1) else ELSEWHERE))
        for rule, n in hits
        if n in shown or n == root.line
    ]
    votes = [(rule.failure_class, score, sign(log, rule.id, n)) for rule, n, score in near]
    if module := missing_module(root, log, frames):
        votes.append(module)
    if root.kind in STANDARD:
        failure_class, confidence = STANDARD[root.kind]
        votes.append((failure_class, confidence, sign(log, f"{root.tool}-{root.kind.value}", root.line)))
    best = max(votes, key=lambda vote: vote[1], default=None)
    if best is None or best[1] < THRESHOLD:
        return Verdict(FailureClass.UNKNOWN, round(best[1], 2) if best else 0.0, (best[2],) if best else ())
    signs = dict.fromkeys(vote[2] for vote in sorted(votes, key=lambda vote: -vote[1]) if vote[0] is best[0])
    return Verdict(best[0], round(best[1], 2), tuple(signs)[:5])


def sign(log: Log, rule: str, number: int) -> Sign:
    return Sign(rule=rule, line=number, text=log.line(number).strip()[:300])


def missing_module(root: Finding, log: Log, frames: Sequence[Frame]) -> tuple[FailureClass, float, Sign] | None:
    """A module of the standard library or of the repository is the code's fault, any other is missing in the environment."""
    match = MODULE.search(root.message or log.line(root.line))
    if not match or root.error_type not in ("ModuleNotFoundError", "ImportError"):
        return None
    name = match["name"]
    if name in sys.stdlib_module_names or name in own_packages(frames):
        return FailureClass.PRODUCT, 0.88, sign(log, "module-of-the-code", root.line)
    if match["rest"]:  # the package was found, a module in it was not: its own code or another version of it, more likely the former
        return FailureClass.PRODUCT, 0.65, sign(log, "module-not-in-package", root.line)
    return FailureClass.ENV, 0.88, sign(log, "module-not-installed", root.line)


def own_packages(frames: Sequence[Frame]) -> set[str]:
    """Names of folders and modules of the repository that the frames show."""
    return {
        part.removesuffix(".py")
        for frame in frames
        if not frame.file.startswith(("/", "<")) and "site-packages" not in frame.file
        for part in frame.file.split("/")
    }
