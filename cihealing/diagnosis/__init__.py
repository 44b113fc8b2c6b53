"""The offline diagnoser: says why a build broke from what was read, without a model. Pure; every
claim cites lines of the excerpt.

It knows patterns, not the program: its confidence never goes above 0.9, and where it knows nothing
it says so with 0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cihealing.diagnosis.known import PATTERNS
from cihealing.diagnosis.pattern import Pattern
from cihealing.domain.values import (
    Diagnosis,
    Failure,
    FailureClass,
    Frame,
    Hypothesis,
    Line,
    Owner,
    Sign,
)
from cihealing.wording.incident import verify

MAX_HYPOTHESES = 4
MAX_LOOK_AT = 8
MAX_TEXT = 1_000
MAX_SAID = 300
NEAR = 3
"""Excerpt lines in which the second half of a pattern is looked for."""
HIGHEST = 0.9
I_DO_NOT_KNOW = "I do not know"


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A pattern that matches lines of the excerpt."""

    pattern: Pattern
    lines: tuple[Line, ...]
    groups: dict[str, str]
    on_root: bool

    @property
    def cause(self) -> str:
        return filled(self.pattern.cause, self.groups)

    @property
    def fix(self) -> str:
        return filled(self.pattern.fix, self.groups)


def diagnose(
    failure: Failure, *, changed_files: Sequence[str] = (), owner: Owner | None = None
) -> Diagnosis:
    """The best explanation the excerpt supports; "I do not know" (confidence 0, no hypothesis)
    where there is no excerpt.
    """
    if not failure.excerpt:
        return unknown(failure, owner)
    hits = find(failure)
    suspects = [f for f in failure.frames if named_by(f.file, changed_files)]
    best = hits[0] if hits else None
    return Diagnosis(
        root_cause=best.cause
        if best
        else f"{I_DO_NOT_KNOW} this failure; the log says: {summary_of(failure)}",
        failure_class=class_of(failure, best),
        confidence=confidence_of(failure, best, suspected=bool(suspects)),
        hypotheses=tuple(hypotheses(failure, hits, suspects)),
        proposed_fix=best.fix if best else "",
        look_at=look_at(failure, suspects, owner),
    )


def find(failure: Failure) -> list[Hit]:
    """Hits, the one on the root line first, then in the order of patterns; one of each name."""
    hits = [
        hit for at in range(len(failure.excerpt)) if (hit := first_hit(failure, at)) is not None
    ]
    hits.sort(key=lambda h: (not h.on_root, -h.pattern.confidence, h.lines[0].line))
    return list({hit.pattern.name: hit for hit in reversed(hits)}.values())[::-1] if hits else []


def first_hit(failure: Failure, at: int) -> Hit | None:
    line = failure.excerpt[at]
    for pattern in PATTERNS:
        if (match := pattern.first.search(line.text[:MAX_TEXT])) is None:
            continue
        groups, lines = named(match), [line]
        if pattern.second is not None:
            found = second_half(pattern.second, failure.excerpt[at + 1 : at + 1 + NEAR])
            if found is None:
                continue
            groups, lines = groups | named(found[1]), [line, found[0]]
        on_root = failure.root_line in {cited.line for cited in lines}
        return Hit(pattern=pattern, lines=tuple(lines), groups=groups, on_root=on_root)
    return None


def second_half(
    pattern: re.Pattern[str], lines: Sequence[Line]
) -> tuple[Line, re.Match[str]] | None:
    return next(((line, m) for line in lines if (m := pattern.search(line.text[:MAX_TEXT]))), None)


def named(match: re.Match[str]) -> dict[str, str]:
    return {name: value.strip() for name, value in match.groupdict().items() if value}


def filled(template: str, groups: dict[str, str]) -> str:
    """The template with the groups; a group without a value leaves no empty brackets."""
    text = template.format_map(defaultdict(str, groups))
    return " ".join(text.replace("()", "").split()).removesuffix(":")


def hypotheses(
    failure: Failure, hits: Sequence[Hit], suspects: Sequence[Frame]
) -> Iterator[Hypothesis]:
    """At least one; each citation is checked before it is given out."""
    drafts = [
        Hypothesis(text=h.cause, signs=tuple(sign(h.pattern.name, line) for line in h.lines))
        for h in hits
    ]
    drafts += [d for d in (changed(failure, f) for f in suspects[:1]) if d is not None]
    if not drafts:
        drafts = [
            Hypothesis(
                text="The build stopped where the log says so",
                signs=(sign("root-line", root_of(failure)),),
            )
        ]
    checked = (verify(draft, failure.excerpt) for draft in drafts[:MAX_HYPOTHESES])
    yield from (h for h in checked if h is not None)


def changed(failure: Failure, frame: Frame) -> Hypothesis | None:
    """The failing code was touched by this very change: said only where a line of the log names the
    file.
    """
    line = next((one for one in failure.excerpt if frame.file in one.text), None)
    text = f"{frame.file} stands in the trace and was changed by this commit"
    return Hypothesis(text=text, signs=(sign("changed-file", line),)) if line is not None else None


def sign(rule: str, line: Line) -> Sign:
    return Sign(rule=f"diagnosis:{rule}", line=line.line, text=line.text.strip()[:MAX_SAID])


def root_of(failure: Failure) -> Line:
    """The root line; else the last one that says anything."""
    telling = [line for line in failure.excerpt if line.text.strip()] or list(failure.excerpt)
    return next((line for line in telling if line.line == failure.root_line), telling[-1])


def summary_of(failure: Failure) -> str:
    return (failure.summary or root_of(failure).text).strip()[:MAX_SAID]


def class_of(failure: Failure, best: Hit | None) -> FailureClass:
    if failure.failure_class is not FailureClass.UNKNOWN or best is None:
        return failure.failure_class
    return best.pattern.failure_class if best.on_root else FailureClass.UNKNOWN


def confidence_of(failure: Failure, best: Hit | None, *, suspected: bool) -> float:
    """A pattern on the root line counts in full, elsewhere 0.7 of it.

    The read class adds 0.1 where it agrees and takes 0.2 where it does not; a changed file in the
    trace adds 0.1.
    """
    if best is None:
        return 0.2 if failure.root_line is not None else 0.1
    value = best.pattern.confidence * (1 if best.on_root else 0.7) + 0.1 * suspected
    if failure.failure_class is not FailureClass.UNKNOWN:
        value += 0.1 if failure.failure_class is best.pattern.failure_class else -0.2
    return round(min(HIGHEST, max(0.1, value)), 2)


def look_at(failure: Failure, suspects: Sequence[Frame], owner: Owner | None) -> tuple[str, ...]:
    """Places to look at, the changed ones first, then whom to ask."""
    frames = [f"{f.file}:{f.line} (changed by this commit)" for f in suspects]
    # A trace ends where it broke; of a linter's findings the first is as good as any.
    rest = failure.frames[::-1] if failure.failed_tests else failure.frames
    frames += [f"{f.file}:{f.line}" for f in rest if f not in suspects]
    tests = [f"the test {name[:MAX_SAID]}" for name in failure.failed_tests[:3]]
    places = list(dict.fromkeys([*frames[: MAX_LOOK_AT - 4], *tests]))
    if not places and failure.excerpt:
        places = [f"line {root_of(failure).line} of the log"]
    return (*places, *([f"ask {owner.name} ({owner.source})"] if owner else []))


def unknown(failure: Failure, owner: Owner | None) -> Diagnosis:
    why = failure.log_missing or "the log says nothing that can be read as a failure"
    return Diagnosis(
        root_cause=f"{I_DO_NOT_KNOW}: {why}"[:MAX_TEXT],
        failure_class=failure.failure_class,
        confidence=0.0,
        look_at=look_at(failure, (), owner),
    )


def named_by(file: str, changed_files: Sequence[str]) -> bool:
    """A frame's path may carry the build directory in front."""
    return any(file == c or file.endswith(f"/{c}") for c in changed_files)
