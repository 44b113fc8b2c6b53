"""`cargo test`: one line a test, checked against its own summary. Source: rustc book "Tests"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cihealing.tree import Tree
from cihealing.workshop.runner.canary import Ground, Planted
from cihealing.workshop.runner.results import Tests, worst_outcomes
from cihealing.workshop.runner.tools.plan import Plan, counted, quoted

name = "cargo"

CALL = re.compile(r"\bcargo\s+test\b")
LINE = re.compile(r"^test (\S+(?: - [^\n]{1,300}?)?) \.\.\. (ok|FAILED|ignored)\b", re.MULTILINE)
TOTAL = re.compile(
    r"^test result: \w+\. (\d{1,7}) passed; (\d{1,7}) failed; (\d{1,7}) ignored", re.MULTILINE
)
OUTCOMES = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}


def fits(command: str) -> bool:
    return CALL.search(command) is not None


def plan(command: str, *, variant: str) -> Plan:
    return Plan(
        command=command, environment={"RUST_BACKTRACE": "full"} if variant == "verbose" else {}
    )


def alone(command: str, tests: Sequence[str]) -> str | None:
    call = CALL.search(command)
    return f"{command[: call.end()]} -- --exact {quoted(tests)}" if call and quoted(tests) else None


def read(output: str, *, tree: Tree, place: str) -> Tests | None:
    totals = [sum(map(int, t)) for t in TOTAL.findall(output)]
    tests = worst_outcomes((m[1], OUTCOMES[m[2]]) for m in LINE.finditer(output))
    return counted(tests, total=sum(totals) if totals else None)


def plant(ground: Ground) -> Planted | None:
    for file in ("src/lib.rs", "src/main.rs"):
        source = ground.read(ground.at(file))
        if source is not None:
            return ground.plant(
                ground.at(file),
                f"{source}\n#[cfg(test)]\n#[test]\nfn m{ground.mark}() {{ panic!(); }}\n",
            )
    return None
