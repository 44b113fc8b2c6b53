"""Rules are data: the project's own in rules/*.yaml and, laid over them, those of a local
directory.

A file holds a list of rules. Of each:

`id`, a name; a local rule takes the place of the project's rule of its id, one with `off: true`
takes it away;
`class`, left out where the file is named after its class; `type`, the error type it gives (its id
where left out);
`confidence`, how often the class is right where the sign is there (0.8); `in_test`, the same where
a failing test says it;
`root`, how well the line states a failure, from 0, a sign only, to 100 (70);
`any`, literals of which a line must hold one; `pattern`, a regular expression searched in such a
line (left out: a literal is enough);
`consequence`, whether the sign is often only what trouble with the network, told shortly before,
has led to;
`samples` and `never`, lines that it must and must not match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import yaml

from cihealing.domain.values import FailureClass
from cihealing.reading.linear import objection

MAX_TEXT = 2000
"""Characters of a line that a pattern is searched in."""
MAX_FILE = 256 * 1024
MAX_RULES = 1000
MAX_HINTS = 24
MIN_HINT = 4
KEYS = {
    "id",
    "class",
    "type",
    "confidence",
    "in_test",
    "root",
    "any",
    "pattern",
    "consequence",
    "samples",
    "never",
    "off",
}
CLASSES = tuple(each.value for each in FailureClass if each is not FailureClass.UNKNOWN)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")


class RuleSource(Protocol):
    """A file: `pathlib.Path` and what `importlib.resources` gives are both."""

    @property
    def name(self) -> str: ...
    def is_file(self) -> bool: ...
    def read_bytes(self) -> bytes: ...


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
    never: tuple[str, ...] = ()
    in_test: float = 0.0
    consequence: bool = False
    file: str = ""

    def on(self, line: str) -> bool:
        text = line[:MAX_TEXT]
        return any(hint in text for hint in self.any) and bool(self.pattern.search(text))


@dataclass(frozen=True, slots=True)
class RefusedRule:
    """A rule, or a whole file (`rule` is empty), that is left out, and why."""

    file: str
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{f', rule {self.rule}' if self.rule else ''}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Rulebook:
    rules: tuple[Rule, ...]
    refused: tuple[RefusedRule, ...] = ()


class BadRule(ValueError):
    """Why a rule is refused, in words for whoever wrote it."""


@cache
def rules() -> tuple[Rule, ...]:
    """The project's own; they are checked by its tests and not again when it starts."""
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    places = yaml_files(files("cihealing.reading") / "rules")
    return tuple(
        rule_of(raw, name=place.name)
        for place in places
        for raw in yaml.load(place.read_bytes(), fast)  # noqa: S506 - a safe loader
    )


_chosen: list[tuple[Rule, ...]] = []


def in_force() -> tuple[Rule, ...]:
    """What logs are read with: the project's own rules, unless a process chose others when it
    started.
    """
    return _chosen[-1] if _chosen else rules()


def put_in_force(directory: Path) -> tuple[RefusedRule, ...]:
    """Read all logs of this process with the rules of a local directory over the project's own.
    Gives what was left out, and why.
    """
    book = rules_from(directory)
    _chosen[:] = [book.rules]
    return book.refused


def own_again() -> None:
    """Back to the project's own rules."""
    _chosen.clear()


def rules_from(directory: Path) -> Rulebook:
    """The project's rules with those of a local directory laid over them. Whatever is wrong with
    one of these leaves it out and is told.
    """
    refused: list[RefusedRule] = []
    chosen = {rule.id: rule for rule in rules()}
    for rule, muted in local_rules(directory, refused):
        if muted:
            chosen.pop(muted, None)
        elif rule:
            chosen[rule.id] = rule
    return Rulebook(tuple(chosen.values()), tuple(refused))


def local_rules(directory: Path, refused: list[RefusedRule]) -> Iterator[tuple[Rule | None, str]]:
    """Rules, and ids of rules that are taken away, in the order of files and lines."""
    seen: set[str] = set()
    for place in readable_files(directory, refused):
        for raw in rows_of(place, refused):
            name = render_scalar(raw.get("id")) if isinstance(raw, Mapping) else ""
            try:
                yield checked(raw, name=place.name, seen=seen)
            except BadRule as error:
                refused.append(RefusedRule(place.name, name, str(error)))


def checked(raw: object, *, name: str, seen: set[str]) -> tuple[Rule | None, str]:
    entries = shaped(raw)
    if entries["id"] in seen:
        raise BadRule("a second rule of this id")
    if len(seen) >= MAX_RULES:
        raise BadRule(f"there are more than {MAX_RULES} rules")
    seen.add(entries["id"])
    if entries.get("off"):
        return None, entries["id"]
    validate(entries, name=name)
    rule = rule_of(entries, name=name)
    if problem := sample_problem(rule):
        raise BadRule(problem)
    return rule, ""


def readable_files(directory: Path, refused: list[RefusedRule]) -> list[Any]:
    try:
        return yaml_files(directory)
    except OSError as error:
        refused.append(
            RefusedRule(directory.name, "", f"the directory cannot be read: {error.strerror}")
        )
        return []


def yaml_files(directory: Any) -> list[Any]:
    return sorted(
        (place for place in directory.iterdir() if place.name.endswith((".yaml", ".yml"))),
        key=lambda place: place.name,
    )


def rows_of(place: RuleSource, refused: list[RefusedRule]) -> list[Any]:
    """The rows of one file; none where it cannot be read as a list of rules."""
    try:
        if not place.is_file():
            raise BadRule("this is no file")
        content = place.read_bytes()
        if len(content) > MAX_FILE:
            raise BadRule(f"the file is larger than {MAX_FILE // 1024} KiB")
        rows = parsed(content)
        if not isinstance(rows, list):
            raise BadRule("the file is no list of rules (each begins with `- id: NAME`)")
    except OSError as error:
        refused.append(RefusedRule(place.name, "", f"the file cannot be read: {error.strerror}"))
    except (yaml.YAMLError, BadRule, UnicodeDecodeError, ValueError, RecursionError) as error:
        refused.append(
            RefusedRule(place.name, "", " ".join(str(error).split())[:300] or type(error).__name__)
        )
    else:
        return rows
    return []


def parsed(content: bytes) -> Any:
    """Read by the loader in Python: that in C ends the process on deeply nested input."""
    return yaml.load(content.decode("utf-8"), yaml.SafeLoader) or []


def shaped(raw: object) -> dict[str, Any]:
    """The entries of one rule, whose keys are known and whose id is a name."""
    if not isinstance(raw, Mapping):
        raise BadRule(
            "this is no rule: entries such as `id:`, `class:`, `any:` and `samples:` are expected"
        )
    entries = {
        "off" if key is False else key: value for key, value in raw.items()
    }  # to YAML 1.1 a plain `off` is false
    if unknown := [key for key in entries if key not in KEYS]:
        raise BadRule(
            f"unknown entry {render_scalar(unknown[0])!r}; known are {', '.join(sorted(KEYS))}"
        )
    if not isinstance(entries.get("id"), str) or not NAME.match(entries["id"]):
        raise BadRule("`id` must be a name of letters, digits, dots and dashes")
    if not isinstance(entries.get("off", False), bool):
        raise BadRule("`off` must be true or false")
    return entries


def render_scalar(value: object) -> str:
    """A scalar for a message; anything else may be of any size."""
    return str(value)[:80] if isinstance(value, str | int | float | bool) else ""


def validate(raw: Mapping[str, Any], *, name: str) -> None:
    if class_name(raw, name) not in CLASSES:
        raise BadRule(
            f"unknown class {render_scalar(class_name(raw, name))!r};"
            f" known are {', '.join(CLASSES)}"
        )
    for key in ("confidence", "in_test"):
        if (
            not isinstance(raw.get(key, 0.5), int | float)
            or isinstance(raw.get(key), bool)
            or not 0 <= raw.get(key, 0.5) <= 1
        ):
            raise BadRule(f"`{key}` must be a number from 0 to 1")
    if not isinstance(raw.get("root", 0), int) or not 0 <= raw.get("root", 0) <= 100:
        raise BadRule("`root` must be a whole number from 0 to 100")
    if not isinstance(raw.get("type", ""), str) or not isinstance(
        raw.get("consequence", False), bool
    ):
        raise BadRule("`type` must be a text and `consequence` true or false")
    hints(texts(raw, "any"))
    texts(raw, "never")
    if not texts(raw, "samples"):
        raise BadRule("`samples` must hold at least one line that the rule matches")
    if "pattern" in raw and (problem := objection(raw["pattern"], length=MAX_TEXT)):
        raise BadRule(f"`pattern` {problem}")


def texts(raw: Mapping[str, Any], key: str) -> list[str]:
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise BadRule(f"`{key}` must be a list of texts")
    return value


def hints(literals: Sequence[str]) -> None:
    """Every literal is searched in the whole of every log: few and selective ones."""
    if not literals:
        raise BadRule("`any` must hold at least one literal that a line of the rule has")
    if len(literals) > MAX_HINTS:
        raise BadRule(f"`any` holds more than {MAX_HINTS} literals")
    for literal in literals:
        if len(literal.strip()) < MIN_HINT or len(literal) > 200 or "\n" in literal:
            raise BadRule(
                f"`any` holds {literal[:40]!r}: a literal has {MIN_HINT} to 200 characters of one"
                " line"
            )


def class_name(raw: Mapping[str, Any], name: str) -> Any:
    return raw.get("class", name.rpartition(".")[0])


def rule_of(raw: Mapping[str, Any], *, name: str) -> Rule:
    confidence = float(raw.get("confidence", 0.8))
    return Rule(
        id=raw["id"],
        failure_class=FailureClass(class_name(raw, name)),
        type=raw.get("type") or raw["id"],
        confidence=confidence,
        root=raw.get("root", 70),
        any=tuple(raw["any"]),
        pattern=re.compile(
            raw["pattern"] if "pattern" in raw else "|".join(map(re.escape, raw["any"]))
        ),
        samples=tuple(raw["samples"]),
        never=tuple(raw.get("never", ())),
        in_test=float(raw.get("in_test", confidence)),
        consequence=raw.get("consequence", False),
        file=name,
    )


def sample_problem(rule: Rule) -> str:
    """Which of its own samples the rule does not keep; empty when all is well."""
    for sample in rule.samples:
        if not rule.on(sample):
            hinted = any(hint in sample[:MAX_TEXT] for hint in rule.any)
            why = "does not match its pattern" if hinted else "holds none of the literals in `any`"
            return f"the sample {sample[:80]!r} {why}"
    matched = next((line for line in rule.never if rule.on(line)), None)
    return f"it matches {matched[:80]!r}, which stands under `never`" if matched else ""


def problems(chosen: Iterable[Rule]) -> Iterator[RefusedRule]:
    """Rules whose pattern may be slow or whose samples are not kept: what the loader refuses, asked
    of rules that are loaded.
    """
    for rule in chosen:
        if problem := objection(rule.pattern.pattern, length=MAX_TEXT):
            yield RefusedRule(rule.file, rule.id, f"`pattern` {problem}")
        elif problem := sample_problem(rule):
            yield RefusedRule(rule.file, rule.id, problem)


__all__ = [
    "BadRule",
    "RefusedRule",
    "Rule",
    "Rulebook",
    "problems",
    "rules",
    "rules_from",
    "sample_problem",
]
