"""Code of repositories is run, bounded and looked at here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cihealing.domain.policy import Project, RepositoryPolicy
from cihealing.domain.values import Observation


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One process in the sandbox. `output` is bounded; `seconds` is wall clock."""

    exit_code: int | None
    output: str
    seconds: float
    timed_out: bool = False
    truncated: bool = False
    exceeded: str = ""
    """Which of the repository's limits was exceeded, in words; the command was ended for it and
    says nothing about the code.
    """


class Sandbox(Protocol):
    """Runs a shell command over a tree with nothing else to see or to reach."""

    name: str

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
    ) -> Ran:
        """Run `command` with /bin/sh in `workdir` below `tree`. Raises TransientError where the
        sandbox itself could not start.
        """


class Runner(Protocol):
    """Runs a project's command over a tree and says what was seen."""

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
        """The project a job stands for: policy, else `.cihealing.yml` at `base`, else the project
        type; None where none fits.
        """

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
        """One run in the sandbox: the observation (its `log` still empty) and the redacted, bounded
        output.

        `variant` is "", "verbose" or "isolated" (then `tests` are run alone). Raises
        TransientError, PermanentError.
        """
