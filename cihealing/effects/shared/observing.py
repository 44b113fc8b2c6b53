"""One run of the project's command, its output and its test list kept as artifacts: shared by the
capabilities that run it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cihealing.domain.policy import Policy, Project
from cihealing.domain.run import RunState
from cihealing.domain.values import Observation
from cihealing.failpoints import failpoint
from cihealing.ports import PermanentError, Tools

MAX_NAMES = 200
"""Failed tests named on an event; the whole list is in the artifact."""


def project_of(run: RunState, tools: Tools) -> Project:
    """Raises PermanentError where the run has none."""
    if not run.project.artifact:
        raise PermanentError(run.project.reason or "no command is known for this job")
    return Project.model_validate_json(tools.artifacts.text(run.project.artifact))


def observe(
    run: RunState,
    commit: str,
    *,
    policy: Policy,
    tools: Tools,
    patch: str = "",
    canary: bool = False,
    variant: str = "",
    tests: Sequence[str] = (),
) -> Observation:
    """Raises TransientError, PermanentError, Cancelled."""
    project = project_of(run, tools)
    bounded = project.model_copy(update={"timeout": min(project.timeout, policy.command_timeout)})
    rules = policy.repository(run.failure.repository)
    seen, output = tools.runner.observe(
        run.failure.repository,
        commit,
        project=bounded,
        policy=rules,
        patch=patch,
        canary=canary,
        variant=variant,
        tests=tests,
    )
    failpoint("sandbox.after_run")
    return _stored(seen, output, tools)


def _stored(seen: Observation, output: str, tools: Tools) -> Observation:
    """The observation as it goes on an event: long lists and the output are artifacts."""
    names = {
        "passed": seen.passed_tests,
        "failed": seen.failed_tests,
        "skipped": seen.skipped_tests,
    }
    return msgspec.structs.replace(
        seen,
        log=tools.artifacts.put(output, kind="log"),
        log_tail=output[-2000:],
        tests=tools.artifacts.put(msgspec.json.encode(names), kind="tests")
        if seen.counts_tests
        else "",
        passed=len(seen.passed_tests),
        skipped=len(seen.skipped_tests),
        failed=len(seen.failed_tests),
        passed_tests=(),
        skipped_tests=(),
        failed_tests=seen.failed_tests[:MAX_NAMES],
    )


def whole(seen: Observation, tools: Tools) -> Observation:
    """The observation with its whole test lists."""
    if not seen.tests:
        return seen
    names = msgspec.json.decode(tools.artifacts.text(seen.tests), type=dict[str, tuple[str, ...]])
    return msgspec.structs.replace(
        seen,
        passed_tests=names["passed"],
        failed_tests=names["failed"],
        skipped_tests=names["skipped"],
    )
