"""A CI server as small as can be: it checks out a commit of a repository on this machine and runs
the command its `.local-ci.yml` names.

The demo's builds come from here, and so do their reruns. It is a CI, not the service's sandbox: it
runs what the repository says, as this user, so it serves only the bare repositories below its root
(`CI_HEALING_LOCAL_CI_ROOT`, else `demo/` in the data directory).

    # .local-ci.yml
    jobs:
      unit: {command: python -m pytest -q, environment: {TZ: UTC}}
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

import yaml

from cihealing.domain.values import ExecutionRef, Failed, JobFacts, Passed, Result
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.local.settings import LocalSettings
from cihealing.workshop.git import Git, GitFailed, is_commit

name = "local"
HOST = ""
"""Results that come by webhook carry no host either: there is one local CI."""
CONFIGURATION = ".local-ci.yml"
TIMEOUT = 300.0
"""Seconds one build may take."""
MAX_LOG = 4 * 1024 * 1024
"""Bytes of output kept: the last ones, where a failure says why."""
MAX_HANDLE = 200
FACTS = ("repository", "jobRunId", "commit", "job", "branch")


@dataclass(frozen=True, kw_only=True)
class Job:
    command: str
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Built:
    """One build as it happened. `exit_code` is None where it had to be stopped; `log` is what a CI
    would show.
    """

    exit_code: int | None
    log: str
    command: str
    finished_at: datetime

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True)
class LocalReruns:
    """`ports.Reruns` of the local CI."""

    settings: LocalSettings

    def rerun(self, execution: Mapping[str, str]) -> str:
        """A handle that holds the whole order: the same order is the same execution, however often
        it is carried out.

        `execution` says repository, branch, commit, job, jobRunId and attempt; `rerun` tells one
        rerun of it from another. Raises PermanentError where a fact is missing, the repository is
        none of this CI's, or the names are too long to hold.
        """
        missing = [fact for fact in FACTS if not execution.get(fact)]
        if missing:
            raise PermanentError(
                f"the local CI cannot rerun a job without its {', '.join(missing)}"
            )
        origin(execution["repository"], root=self.settings.root)
        mark = hashlib.sha256(execution.get("rerun", "").encode()).hexdigest()[:8]
        order = {**execution, "jobRunId": f"{execution['jobRunId']}-{mark}"}
        handle = " ".join(
            [
                str(int(execution.get("attempt") or 1) + 1),
                *(quote(order[fact], safe="/") for fact in FACTS),
            ]
        )
        if len(handle) > MAX_HANDLE:
            raise PermanentError(f"the names of this build do not fit into {MAX_HANDLE} characters")
        return handle

    def rerun_result(self, handle: str) -> Result | None:
        """Build now and say what came of it. Raises PermanentError and TransientError, as `build`
        does.
        """
        attempt, *facts = handle.split(" ")
        order = dict(zip(FACTS, map(unquote, facts), strict=True))
        built = build(
            order["repository"],
            commit=order["commit"],
            job=order["job"],
            branch=order["branch"],
            root=self.settings.root,
        )
        return result(order, attempt=int(attempt), built=built)


def result(order: Mapping[str, str], *, attempt: int, built: Built) -> Result:
    execution = ExecutionRef(
        provider=name, host=HOST, job_run_id=order["jobRunId"], attempt=attempt
    )
    facts = JobFacts(
        execution=execution,
        repository=order["repository"],
        branch=order["branch"],
        commit=order["commit"],
        job=order["job"],
        finished_at=built.finished_at,
    )
    shared = {field: getattr(facts, field) for field in facts.__struct_fields__}
    if built.passed:
        return Passed(**shared, log=built.log)
    conclusion = "timed_out" if built.exit_code is None else "failure"
    return Failed(
        **shared, log=built.log, command=built.command, step=order["job"], conclusion=conclusion
    )


def origin(repository: str, *, root: Path) -> Path:
    """The bare repository behind `demo/NAME`. Raises PermanentError for any other, whatever its
    name tries to reach.
    """
    found = re.fullmatch(r"demo/([A-Za-z0-9][A-Za-z0-9_-]{0,99})", repository)
    path = root / f"{found[1]}.git" if found else None
    if path is None or not path.is_dir():
        raise PermanentError(
            f"{repository} is not a repository of the local CI (it serves demo/* below {root})"
        )
    return path


def build(
    repository: str, *, commit: str, job: str, branch: str, root: Path, timeout: float = TIMEOUT
) -> Built:
    """Check out exactly `commit` afresh and run the job's command.

    Raises PermanentError (unknown repository, commit or job), TransientError (no room to check
    out).
    """
    source = origin(repository, root=root)
    with tempfile.TemporaryDirectory(prefix="local-ci-") as directory:
        tree = Path(directory) / source.stem
        check_out(source, commit=commit, tree=tree)
        work = job_of(tree, job=job)
        exit_code, output = run(work, tree=tree, home=Path(directory), timeout=timeout)
    log = render_log(
        output,
        job=job,
        repository=repository,
        branch=branch,
        commit=commit,
        command=work.command,
        exit_code=exit_code,
    )
    return Built(exit_code=exit_code, log=log, command=work.command, finished_at=datetime.now(UTC))


def check_out(source: Path, *, commit: str, tree: Path) -> None:
    if not is_commit(commit):
        raise PermanentError(f"{commit[:80]!r} is not a full commit hash")
    git = Git(environment={"GIT_ALLOW_PROTOCOL": "file"})
    try:
        git("clone", "--quiet", "--no-checkout", "--no-hardlinks", str(source), str(tree))
        if git.quiet("-C", str(tree), "cat-file", "-t", commit) != "commit":
            raise PermanentError(f"{source.stem} has no commit {commit}")
        git("-C", str(tree), "checkout", "--quiet", "--detach", commit)
    except GitFailed as error:
        raise TransientError(f"the local CI could not check out: {error.text[:300]}") from error


def job_of(tree: Path, *, job: str) -> Job:
    try:
        content = yaml.safe_load((tree / CONFIGURATION).read_text())
        found = content["jobs"][job]
        return Job(
            command=str(found["command"]),
            environment={str(k): str(v) for k, v in (found.get("environment") or {}).items()},
        )
    except (
        OSError,
        yaml.YAMLError,
        KeyError,
        TypeError,
        AttributeError,
        UnicodeDecodeError,
    ) as error:
        raise PermanentError(
            f"{CONFIGURATION} names no command for the job {job!r}: {type(error).__name__}"
        ) from None


def run(work: Job, *, tree: Path, home: Path, timeout: float) -> tuple[int | None, str]:
    """Exit code (None: stopped) and output. The service's own environment, with its secrets, is not
    the build's.
    """
    tools = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {
        "PATH": tools,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CI": "true",
        **work.environment,
    }
    # A file, not a pipe: a child that outlives its shell would hold a pipe open and us with it.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", work.command],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        exit_code = ended(process, timeout=timeout)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - MAX_LOG))
        return exit_code, output.read(MAX_LOG).decode("utf-8", "replace")


def ended(process: subprocess.Popen[bytes], *, timeout: float) -> int | None:
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # The whole session: what a build leaves running would otherwise outlive it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def render_log(
    output: str,
    *,
    job: str,
    repository: str,
    branch: str,
    commit: str,
    command: str,
    exit_code: int | None,
) -> str:
    head = (
        f"Running job {job} of {repository}\nChecking out {commit[:8]} as {branch}\n$ {command}\n"
    )
    if exit_code == 0:
        last = "Job succeeded"
    elif exit_code is None:
        last = "ERROR: Job failed: execution took longer than the limit"
    else:
        last = f"ERROR: Job failed: exit code {exit_code}"
    return f"{head}{output.rstrip()}\n{last}\n"
