"""What a run of a command tells about itself: what was missing, its time limit, whose rules."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Callable, Sequence

from cihealing.domain.values import Failure
from cihealing.ports import Ran
from cihealing.tree import shown
from cihealing.workshop.runner.results import Tests
from cihealing.workshop.runner.tools import lint
from cihealing.workshop.runner.visit import MISSING, Visit

DENIED = re.compile(
    r"^(?:/bin/)?(?:sh|bash|dash)(?:: (?:line )?\d{1,6})?: (?:exec: )?[^\s:/][^\s:]{0,200}:"
    r" Permission denied$",
    re.MULTILINE,
)
"""A script of the tree, called by a relative path: its mode is the repository's own fault."""


def hint(output: str) -> str:
    """The last line of a failed setup, for a person."""
    lines = [line.strip() for line in output.splitlines()[-50:] if line.strip()]
    return f" ({lines[-1][:200]})" if lines else ""


def limit_in(ran: Ran) -> str:
    """Which limit the command was ended for, in words; empty where it was not."""
    return (
        f"the command was ended: it took {ran.exceeded}, beyond this repository's `limits` in the"
        " policy"
        if ran.exceeded
        else ""
    )


def missing_in(output: str, exit_code: int | None) -> str:
    """What the environment lacks, in words; empty where it lacks nothing that can be told."""
    not_found, make, module = (pattern.search(output) for pattern in MISSING)
    advice = "add it to CI_HEALING_TOOLCHAIN or to the project's `setup`"
    if exit_code == 127:
        return (
            f"the command `{not_found[1]}` is not in the sandbox: {advice}"
            if not_found
            else f"a command was not found: {advice}"
        )
    if make or module:
        return f"the sandbox lacks it: {(make or module or [''])[0].strip()}; {advice}"
    if exit_code == 126 and not DENIED.search(output):
        return "the command cannot be executed"
    return ""


def violations_of(ran: Ran, tests: Tests | None, *, changed: Sequence[str]) -> tuple[str, ...]:
    found = [f"the command changed {shown(path)[:200]} while it ran" for path in changed[:20]]
    if ran.exit_code == 0 and tests is not None and tests.failed:
        found.append(f"exit code 0 although {len(tests.failed)} tests failed")
    return tuple(found)


def environment_name(visit: Visit) -> str:
    setup = visit.project.setup
    return f"{visit.sandbox.name}/python{platform.python_version()}" + (
        f"+setup:{hashlib.sha256(setup.encode()).hexdigest()[:8]}" if setup else ""
    )


def rule_of(command: str, failure: Failure) -> str:
    """`tool:rule:file` of the first error of a tool that has no tests."""
    tool = lint.tool_of(command) or next(iter(command.split()), "")
    return f"{tool}:{failure.error_type}:{failure.frames[0].file}" if failure.frames else ""


def masker(secrets: Sequence[str]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Texts without secrets. Nearly always there is none, and one look at all of them tells."""
    from cihealing.reading import redact

    def hidden(texts: Sequence[str]) -> Sequence[str]:
        return (
            [redact(text, secrets).text for text in texts]
            if redact("\n".join(texts), secrets).count
            else texts
        )

    return hidden
