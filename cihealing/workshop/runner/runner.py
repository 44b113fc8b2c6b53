"""Runs a project's command over an exact tree in the sandbox and tells what was seen, test by
test.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cihealing.domain.policy import Project, RepositoryPolicy
from cihealing.domain.values import Colour, Failure, Observation
from cihealing.ports import PermanentError, Ran, Tree
from cihealing.secrecy import known
from cihealing.tree import TooLarge, scratch, shown
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
from cihealing.workshop.runner.tools import Plan, Tool, lint, pytest, tool_for
from cihealing.workshop.runner.tools.plan import quoted
from cihealing.workshop.sandbox import Room, choose
from cihealing.workshop.trees import GitTrees

TAIL = 2000
MISSING = (
    re.compile(
        r"^(?:/bin/)?(?:sh|bash|dash)(?:: (?:line )?\d{1,6})?: (?:exec: )?([^\s:]{1,200}):"
        r" (?:command )?not found",
        re.MULTILINE,
    ),
    re.compile(r"^make(?:\[\d{1,3}\])?: ([^\s:]{1,200}): No such file or directory", re.MULTILINE),
    re.compile(r"^\S{0,200}python[\d.]{0,6}: (No module named [\w.]{1,200})$", re.MULTILINE),
)
GUARDED = re.compile(
    r"(?:\A|/)(?:test_[^/]*|[^/]*_tests?\.(?:py|go)|[^/]*\.(?:test|spec)\.[cm]?[jt]sx?|conftest\.py|sitecustomize\.py|usercustomize\.py|[^/]*\.pth"
    r"|pytest\.ini|\.?pytest\.toml|tox\.ini|setup\.cfg|pyproject\.toml|noxfile\.py|package\.json|(?:jest|vitest)\.config\.[^/]*|Makefile|\.?ruff\.toml"
    r"|\.cihealing\.yml)\Z|(?:\A|/)tests?/[^/]+\.py\Z"
)
"""Files that decide what a test run says: a command that changes them while it runs proves
nothing.
"""


class Reading(Protocol):
    @property
    def failure(self) -> Failure | None: ...

    @property
    def redacted_log(self) -> str: ...


class Read(Protocol):
    def __call__(
        self, log: str, *, green: Sequence[str] = (), known_secrets: Sequence[str] = ()
    ) -> Reading: ...


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One tree with everything that is needed to run a command over it."""

    tree: Tree
    project: Project
    sandbox: Room
    results: Tree

    def run(self, command: str, *, environment: Mapping[str, str]) -> Ran:
        return self.sandbox.run(
            command,
            tree=self.tree.root,
            workdir=self.project.path,
            environment=environment,
            timeout=self.project.timeout,
            results=self.results.root,
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """PYTHONHASHSEED stays random: a flake must stay one."""
        given = {
            "CI": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.project.environment,
            **{k: v for k, v in more.items() if k != ADDOPTS},
        }
        own = " ".join(
            filter(None, (self.project.environment.get(ADDOPTS, ""), more.get(ADDOPTS, "")))
        )
        return {
            **given,
            ADDOPTS: pytest.options(
                self.sandbox.inside(self.results.root), environment={ADDOPTS: own}
            ),
        }


ADDOPTS = "PYTEST_ADDOPTS"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one run of the command gave; `missing` where it could not be run as meant."""

    ran: Ran
    output: str
    tests: Tests | None = None
    missing: str = ""
    planted: Planted | None = None
    violations: tuple[str, ...] = ()

    @property
    def canary_red(self) -> bool:
        return self.planted is not None and self.planted.reported(
            tests=self.tests, output=self.output, exit_code=self.ran.exit_code
        )

    @property
    def colour(self) -> Colour:
        if self.ran.timed_out:
            return Colour.TIMED_OUT
        if self.ran.exceeded:
            return Colour.UNAVAILABLE
        if self.missing and self.ran.exit_code != 0:
            return Colour.UNAVAILABLE
        return Colour.GREEN if self.ran.exit_code == 0 else Colour.RED


class ProjectRunner:
    """`settings`: CI_HEALING_* by name. `sandbox_for` says where a repository's code runs, and
    within which limits.
    """

    def __init__(
        self,
        trees: GitTrees,
        *,
        settings: Mapping[str, str],
        sandbox_for: Callable[[RepositoryPolicy], Room] | None = None,
        read: Read | None = None,
    ) -> None:
        self.trees = trees
        self.settings = dict(settings)
        self.sandbox_for = sandbox_for or (lambda policy: choose(self.settings, policy=policy))
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

    def _set_up(self, visit: Visit) -> Seen | None:
        """None where there is nothing to set up or it went well."""
        if not visit.project.setup:
            return None
        ran = visit.run(visit.project.setup, environment=visit.environment({}))
        if ran.exit_code == 0:
            return None
        why = limit_in(ran) or (
            "it did not end in time"
            if ran.timed_out
            else f"it failed with exit code {ran.exit_code}{_hint(ran.output)}"
        )
        missing = (
            f"the setup `{visit.project.setup[:200]}` did not go well: {why}; it runs without"
            " network"
        )
        return Seen(
            ran=Ran(exit_code=ran.exit_code or 1, output=ran.output, seconds=ran.seconds),
            output=ran.output,
            missing=missing,
        )

    def _run(self, visit: Visit, plan: Plan, *, canary: bool, tests: Sequence[str]) -> Seen:
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
        return Seen(
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

    def _observation(self, visit: Visit, plan: Plan, seen: Seen) -> tuple[Observation, str]:
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

    def _reading(self, output: str) -> Reading:
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


def _hint(output: str) -> str:
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
    return "the command cannot be executed" if exit_code == 126 else ""


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
