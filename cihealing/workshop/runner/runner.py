"""Runs a project's command over an exact tree in the sandbox and tells what was seen, test by
test.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from functools import cache

from cihealing.domain.policy import Project, RepositoryPolicy
from cihealing.domain.values import Colour, Observation
from cihealing.ports import PermanentError, Ran, Tree
from cihealing.scratch import scratch
from cihealing.secrecy import known
from cihealing.settings import SandboxSettings
from cihealing.tree import TooLarge
from cihealing.workshop.runner import projects
from cihealing.workshop.runner.canary import Ground, Planted, mark_of
from cihealing.workshop.runner.results import (
    Tests,
    junit_files,
    plain_name,
    pytest_name,
    read_junit,
    remove_stale,
)
from cihealing.workshop.runner.telling import (
    environment_name,
    hint,
    limit_in,
    masker,
    missing_in,
    rule_of,
    violations_of,
)
from cihealing.workshop.runner.tools import Plan, Tool, pytest, tool_for
from cihealing.workshop.runner.tools.plan import quoted
from cihealing.workshop.runner.visit import LogReading, ReadsLog, Visit, VisitResult
from cihealing.workshop.sandbox import Room, choose
from cihealing.workshop.trees import GitTrees

TAIL = 2000
GUARDED = re.compile(
    r"(?:\A|/)(?:test_[^/]*|[^/]*_tests?\.(?:py|go)|[^/]*\.(?:test|spec)\.[cm]?[jt]sx?|conftest\.py|sitecustomize\.py|usercustomize\.py|[^/]*\.pth"
    r"|pytest\.ini|\.?pytest\.toml|tox\.ini|setup\.cfg|pyproject\.toml|noxfile\.py|package\.json|(?:jest|vitest)\.config\.[^/]*|Makefile|\.?ruff\.toml"
    r"|\.cihealing\.yml)\Z|(?:\A|/)tests?/[^/]+\.py\Z"
)
"""Files that decide what a test run says: a command that changes them while it runs proves
nothing.
"""


class ProjectRunner:
    """`sandbox_for` says where a repository's code runs, and
    within which limits.
    """

    def __init__(
        self,
        trees: GitTrees,
        *,
        settings: SandboxSettings,
        sandbox_for: Callable[[RepositoryPolicy], Room] | None = None,
        read: ReadsLog | None = None,
    ) -> None:
        self.trees = trees
        self.sandbox_for = sandbox_for or (lambda policy: choose(settings, policy=policy))
        self._read = read

    def project(
        self,
        repository: str,
        commit: str,
        *,
        base: str,
        job: str,
        command_hint: str,
        policy: RepositoryPolicy,
    ) -> Project | None:
        """`base` is a commit id or a branch of the origin. Raises PermanentError for a
        `.cihealing.yml` that is not valid.
        """
        at = base or policy.target_branch or commit
        found = projects.select(policy.projects, job=job, hint=command_hint)
        if (
            found is None
            and (text := self.trees.read_file(repository, at, projects.FILE, policy=policy))
            is not None
        ):
            found = projects.select(
                projects.parse(text, where=f"{projects.FILE} at {at[:100]}"),
                job=job,
                hint=command_hint,
            )
        if found is not None and found.command:
            return found
        return self._usual(
            repository, at, found or Project(), job=job, hint=command_hint, policy=policy
        )

    def _usual(
        self,
        repository: str,
        at: str,
        project: Project,
        *,
        job: str,
        hint: str,
        policy: RepositoryPolicy,
    ) -> Project | None:
        """The project with the usual command of what lies at its path."""
        prefix = "" if project.path in (".", "") else project.path.rstrip("/") + "/"
        files = [
            f.removeprefix(prefix)
            for f in self.trees.files(repository, at, policy=policy)
            if f.startswith(prefix)
        ]
        found = projects.usual(
            files,
            lambda p: self.trees.read_file(repository, at, prefix + p, policy=policy),
            job=job,
            hint=hint,
        )
        return None if found is None else project.model_copy(update={"command": found.command})

    def observe(
        self,
        repository: str,
        commit: str,
        *,
        project: Project,
        policy: RepositoryPolicy,
        patch: str = "",
        canary: bool = False,
        variant: str = "",
        tests: Sequence[str] = (),
    ) -> tuple[Observation, str]:
        sandbox = self.sandbox_for(policy)
        with (
            self.trees.at(repository, commit, policy=policy, patch=patch) as tree,
            scratch("results") as results,
        ):
            visit = Visit(tree=tree, project=project, sandbox=sandbox, results=Tree(root=results))
            plan = plan_of(project, variant=variant, tests=tests)
            try:
                seen = self._set_up(visit) or self._run(visit, plan, canary=canary, tests=tests)
            except TooLarge as error:
                raise PermanentError(
                    f"what the command left in the tree cannot be looked at: {error}"
                ) from error
            return self._observation(visit, plan, seen)

    def _set_up(self, visit: Visit) -> VisitResult | None:
        """None where there is nothing to set up or it went well."""
        if not visit.project.setup:
            return None
        ran = visit.run(visit.project.setup, environment=visit.environment({}))
        if ran.exit_code == 0:
            return None
        why = limit_in(ran) or (
            "it did not end in time"
            if ran.timed_out
            else f"it failed with exit code {ran.exit_code}{hint(ran.output)}"
        )
        missing = (
            f"the setup `{visit.project.setup[:200]}` did not go well: {why}; it runs without"
            " network"
        )
        return VisitResult(
            ran=Ran(exit_code=ran.exit_code or 1, output=ran.output, seconds=ran.seconds),
            output=ran.output,
            missing=missing,
        )

    def _run(self, visit: Visit, plan: Plan, *, canary: bool, tests: Sequence[str]) -> VisitResult:
        tool = tool_for(visit.project.command)
        planted = plant(visit, tool, tests=tests) if canary else None
        remove_stale(visit.tree, visit.project.junit, place=visit.project.path)
        command = (
            pytest.also(plan.command, planted.select)
            if planted and planted.select
            else plan.command
        )
        ran = visit.run(command, environment=visit.environment(plan.environment))
        output = pytest.without_note(ran.output)
        found = results_of(visit, tool, output)
        missing = "" if ran.exit_code == 0 else limit_in(ran) or missing_in(output, ran.exit_code)
        if canary and planted is None:
            missing = (
                f"no place for a canary: `{visit.project.command[:100]}` has no test file of a kind"
                f" that is known ({tool.name})"
            )
        violations = violations_of(ran, found, changed=self._meddled(visit, planted))
        return VisitResult(
            ran=ran,
            output=output,
            tests=found,
            missing=missing,
            planted=planted,
            violations=violations,
        )

    def _meddled(self, visit: Visit, planted: Planted | None) -> list[str]:
        changed = self.trees.changed(visit.tree)
        expected = {planted.file} if planted else set()
        return [path for path in changed if GUARDED.search(path) and path not in expected]

    def _observation(self, visit: Visit, plan: Plan, seen: VisitResult) -> tuple[Observation, str]:
        reading = self._reading(seen.output)
        hidden = masker(known())
        failure = reading.failure if seen.colour is not Colour.GREEN else None
        tests, log = (seen.tests or Tests()).renamed(hidden), reading.redacted_log
        observation = Observation(
            colour=seen.colour,
            exit_code=seen.ran.exit_code,
            command=plan.command,
            commit=visit.tree.commit,
            tree=visit.tree.tree,
            environment=environment_name(visit),
            seconds=round(seen.ran.seconds, 3),
            error_hash=failure.error_hash if failure else "",
            error_type=failure.error_type if failure else "",
            rule=rule_of(visit.project.command, failure) if failure and not tests.failed else "",
            counts_tests=seen.tests is not None,
            passed_tests=tests.passed,
            failed_tests=tests.failed,
            skipped_tests=tests.skipped,
            collected=tests.collected,
            log_tail=log[-TAIL:],
            missing=hidden([seen.missing])[0],
            canary_red=seen.canary_red,
            violations=tuple(hidden(seen.violations)),
        )
        return observation, log

    def _reading(self, output: str) -> LogReading:
        if self._read is None:
            # Late: the parsers are loaded by whoever reads a log, not by whoever names this module.
            from cihealing.reading import read

            self._read = read
        return self._read(output, known_secrets=known())


def plan_of(project: Project, *, variant: str, tests: Sequence[str]) -> Plan:
    tool = tool_for(project.command)
    if variant == "isolated" and tests:
        return tool.plan(
            isolated(project, tests) or tool.alone(project.command, tests) or project.command,
            variant=variant,
        )
    if variant == "verbose" and project.verbose:
        return tool.plan(project.verbose, variant=variant)
    return tool.plan(project.command, variant=variant)


def isolated(project: Project, tests: Sequence[str]) -> str:
    """The policy's own command, once for each test; red if one of them is."""
    if "{test}" not in project.isolated:
        return project.isolated
    each = (
        project.isolated.replace("{test}", name)
        for name in shlex.split(quoted(tests))
        for name in [shlex.quote(name)]
    )
    return "rc=0; " + " ".join(f"( {command} ) || rc=$?;" for command in each) + " exit $rc"


def plant(visit: Visit, tool: Tool, *, tests: Sequence[str]) -> Planted | None:
    mark = mark_of(tree=visit.tree.tree, commit=visit.tree.commit, purpose="canary")
    return tool.plant(
        Ground(
            tree=visit.tree,
            workdir=visit.project.path,
            command=visit.project.command,
            mark=mark,
            tests=tests,
        )
    )


def results_of(visit: Visit, tool: Tool, output: str) -> Tests | None:
    """Per-test results: pytest's file outside the tree, else the policy's JUnit files, else what
    the tool says.
    """

    modules = python_files(visit.tree)

    def exists(path: str) -> bool:
        return any(below(place, path) in modules() for place in (visit.project.path, "."))

    found = pytest.read_results(visit.results, exists=exists)
    if found is None and visit.project.junit:
        files = junit_files(visit.tree, visit.project.junit, place=visit.project.path)
        found = read_junit(
            files,
            tree=visit.tree,
            name=lambda c: pytest_name(c, exists=exists) if tool is pytest else plain_name(c),
        )
    return (
        found if found is not None else tool.read(output, tree=visit.tree, place=visit.project.path)
    )


def python_files(tree: Tree) -> Callable[[], frozenset[str]]:
    """The tree's Python files, looked for once, when they are asked for: names of tests ask for
    them very often.
    """
    return cache(
        lambda: frozenset(
            e.path
            for e in tree.walk(leave_out=".git".__eq__)
            if e.is_file and e.path.endswith(".py")
        )
    )


def below(place: str, path: str) -> str:
    return path if place in ("", ".") else f"{place.rstrip('/')}/{path}"
