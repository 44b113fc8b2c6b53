"""JavaScript runners (jest, vitest, mocha, node --test) behind npm, yarn or pnpm: ticks and
crosses, checked against the summary.

jest lists single tests only with `--verbose` or for one file; where it does not, the count differs
and no result is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted
from cihealing.workshop.runner.results import Tests, worst_outcomes
from cihealing.workshop.runner.tools.plan import Plan, counted

name = "jest"

CALL = re.compile(
    r"\b(?:(?:npm|yarn|pnpm)\s+(?:run\s+)?test\b|npm\s+t\b|jest\b|vitest\b|mocha\b|node\s+--test\b)"
)
TEST_FILE = re.compile(r"\.(?:test|spec)\.[cm]?[jt]sx?\Z")
LINE = re.compile(
    r"^[ \t]*(?:([✓✔√])|([✕✖×])|([○﹣↓])) (\S[^\n]{0,400}?)(?: \(?\d+(?:\.\d+)? ?m?s\)?)?(?: #"
    r" SKIP)?[ \t]*$",
    re.MULTILINE,
)
TAP = re.compile(
    r"^[ \t]*(not )?ok \d+ - ([^\n#]{1,400}?)(?: # (SKIP|TODO)[^\n]*)?[ \t]*$", re.MULTILINE
)
TOTALS = (
    re.compile(r"^Tests: [^\n]{0,200}?(\d{1,7}) total", re.MULTILINE),
    re.compile(r"^(?:ℹ|#) tests (\d{1,7})$", re.MULTILINE),
    re.compile(r"^[ \t]*Tests  [^\n]{0,200}\((\d{1,7})\)", re.MULTILINE),
)
ESCAPE = re.compile(r"\x1b\[[\d;]{0,20}m")


def fits(command: str) -> bool:
    return CALL.search(command) is not None


def plan(command: str, *, variant: str) -> Plan:
    quiet = {"CI": "true", "FORCE_COLOR": "0", "NO_COLOR": "1"}
    return Plan(
        command=command,
        environment={**quiet, "npm_config_loglevel": "verbose"} if variant == "verbose" else quiet,
    )


def alone(command: str, tests: Sequence[str]) -> str | None:
    return None


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    text = ESCAPE.sub("", output)
    ticks = [
        (m[4], "passed" if m[1] else "failed" if m[2] else "skipped")
        for m in LINE.finditer(summary_cut(text))
    ]
    taps = [
        (m[2], "skipped" if m[3] else "failed" if m[1] else "passed") for m in TAP.finditer(text)
    ]
    total = next((int(m[1]) for pattern in TOTALS if (m := pattern.search(text))), None)
    return counted(worst_outcomes(ticks or taps), total=total)


def summary_cut(text: str) -> str:
    """node repeats the failures after its counts."""
    return text.split("✖ failing tests:")[0]


def plant(ground: Ground) -> Planted | None:
    for path in ground.files(TEST_FILE):
        source = ground.read(path) or ""
        word = re.search(r"^\s*(test|it)\(", source, re.MULTILINE)
        if word:
            failing = f'{word[1]}("m{ground.mark}", () => {{ throw new Error("no"); }});'
            return ground.plant(path, f"{source}\n{failing}\n")
    return None
