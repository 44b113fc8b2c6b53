"""The local CI runs what a commit's `.local-ci.yml` names, and only in repositories of its own."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from cihealing.domain.values import ExecutionRef, Failed, Passed
from cihealing.ports import PermanentError
from cihealing.providers.local import ci as local
from cihealing.providers.local.settings import LocalSettings

COMMANDS = {
    "green": "echo all well",
    "red": "echo broken >&2; exit 3",
    "slow": "sleep 30 & sleep 30",
    "loud": "head -c 6000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1",
    "environment": "env | sort",
    "tools": "command -v python",
    "where": "git rev-parse HEAD; cat file.txt",
    "closed": "cat",
    "bytes": "printf 'caf\\351\\n'",
    "stays": "sleep 300 & echo $!",
}


def git(*arguments: str) -> str:
    person = {
        f"GIT_{who}_{what}": "x@example.com"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **person}
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("local-ci")
    work = root / "work"
    git("init", "-q", "-b", "main", str(work))
    jobs = "".join(
        f"  {job}:\n    command: {command!r}\n    environment: {{COLOUR: {job}}}\n"
        for job, command in COMMANDS.items()
    )
    for number in (1, 2):
        (work / ".local-ci.yml").write_text("jobs:\n" + jobs)
        (work / "file.txt").write_text(f"commit {number}\n")
        git("-C", str(work), "add", "--all")
        git("-C", str(work), "commit", "-q", "-m", str(number))
    git("clone", "-q", "--bare", str(work), str(root / "shop.git"))
    return root


@pytest.fixture(scope="module")
def commits(root: Path) -> list[str]:
    return git("-C", str(root / "shop.git"), "rev-list", "main").splitlines()


def built(root: Path, commit: str, job: str, *, timeout: float = 20) -> local.Built:
    return local.build(
        "demo/shop", commit=commit, job=job, branch="main", root=root, timeout=timeout
    )


@pytest.mark.parametrize(
    ("job", "code", "last"),
    [("green", 0, "Job succeeded"), ("red", 3, "ERROR: Job failed: exit code 3")],
)
def test_the_exit_code_is_the_commands_own(
    root: Path, commits: list[str], job: str, code: int, last: str
) -> None:
    done = built(root, commits[0], job)
    assert (done.exit_code, done.passed, done.log.splitlines()[-1]) == (code, code == 0, last)
    assert f"$ {COMMANDS[job]}" in done.log


def test_exactly_the_named_commit_is_built(root: Path, commits: list[str]) -> None:
    older = built(root, commits[1], "where").log
    assert commits[1] in older
    assert "commit 1" in older


def test_a_build_that_hangs_is_stopped_with_everything_it_started(
    root: Path, commits: list[str]
) -> None:
    began = time.monotonic()
    done = built(root, commits[0], "slow", timeout=1)
    assert done.exit_code is None
    assert "longer than the limit" in done.log
    assert time.monotonic() - began < 10


def test_nothing_is_left_running(root: Path, commits: list[str]) -> None:
    process = int(built(root, commits[0], "stays").log.splitlines()[3])
    deadline = time.monotonic() + 5
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(process)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_of_a_long_log_the_end_is_kept(root: Path, commits: list[str]) -> None:
    done = built(root, commits[0], "loud")
    assert "the end" in done.log
    assert len(done.log) < local.MAX_LOG + 1000


def test_a_build_sees_none_of_the_services_environment(
    root: Path, commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_HEALING_WEBHOOK_SECRET", "planted-secret")
    log = built(root, commits[0], "environment").log
    assert "planted-secret" not in log
    assert "COLOUR=environment" in log
    assert "CI=true" in log


def test_the_services_own_python_is_on_the_path(root: Path, commits: list[str]) -> None:
    import sys

    assert str(Path(sys.executable).parent / "python") in built(root, commits[0], "tools").log


def test_a_build_that_reads_gets_nothing(root: Path, commits: list[str]) -> None:
    assert built(root, commits[0], "closed").passed


def test_output_that_is_no_utf8_is_shown_as_well_as_can_be(root: Path, commits: list[str]) -> None:
    assert "caf\ufffd" in built(root, commits[0], "bytes").log


@pytest.mark.parametrize(
    "repository",
    [
        "acme/shop",
        "demo/../shop",
        "demo/none",
        "demo/.git",
        "demo/shop.git/x",
        "/etc",
        "demo/-x",
        "demo/shop\n",
    ],
)
def test_only_repositories_of_its_own_are_built(
    root: Path, commits: list[str], repository: str
) -> None:
    with pytest.raises(PermanentError, match="not a repository of the local CI"):
        local.build(repository, commit=commits[0], job="green", branch="main", root=root)


@pytest.mark.parametrize("commit", ["main", "--upload-pack=x", "", "a" * 39, "0" * 40])
def test_a_commit_it_does_not_have_is_a_permanent_error(root: Path, commit: str) -> None:
    with pytest.raises(PermanentError):
        built(root, commit, "green")


def test_a_job_without_a_command_is_a_permanent_error(root: Path, commits: list[str]) -> None:
    with pytest.raises(PermanentError, match="no command for the job 'deploy'"):
        built(root, commits[0], "deploy")


def execution(commit: str, job: str, **changed: str) -> dict[str, str]:
    facts = {
        "repository": "demo/shop",
        "branch": "feature/ä b",
        "commit": commit,
        "job": job,
        "jobRunId": "shop-1",
        "attempt": "1",
    }
    return {**facts, "rerun": "r-1-1", **changed}


@pytest.fixture
def reruns(root: Path) -> local.LocalReruns:
    return local.LocalReruns(LocalSettings(local_ci_root=root))


def test_a_rerun_that_is_green(commits: list[str], reruns: local.LocalReruns) -> None:
    result = reruns.rerun_result(reruns.rerun(execution(commits[0], "green")))
    assert isinstance(result, Passed)
    assert (result.repository, result.branch, result.commit, result.job) == (
        "demo/shop",
        "feature/ä b",
        commits[0],
        "green",
    )
    assert "all well" in (result.log or "")


def test_a_rerun_that_is_red(commits: list[str], reruns: local.LocalReruns) -> None:
    result = reruns.rerun_result(reruns.rerun(execution(commits[0], "red")))
    assert isinstance(result, Failed)
    assert (result.execution.provider, result.execution.attempt, result.command) == (
        "local",
        2,
        COMMANDS["red"],
    )
    assert "broken" in (result.log or "")


def test_carrying_out_one_rerun_twice_is_one_execution(
    commits: list[str], reruns: local.LocalReruns
) -> None:
    handles = [reruns.rerun(execution(commits[0], "green")) for _ in range(2)]
    assert len({execution_of(handle, reruns) for handle in handles}) == 1


def test_two_reruns_are_two_executions_and_neither_is_the_first_build(
    commits: list[str], reruns: local.LocalReruns
) -> None:
    handles = [reruns.rerun(execution(commits[0], "green", rerun=f"r-1-{n}")) for n in (1, 2)]
    found = {execution_of(handle, reruns) for handle in handles}
    assert len(found) == 2
    assert ExecutionRef(provider="local", host="", job_run_id="shop-1", attempt=1) not in found


def execution_of(handle: str, reruns: local.LocalReruns) -> ExecutionRef:
    result = reruns.rerun_result(handle)
    assert isinstance(result, Passed)
    return result.execution


def test_a_handle_fits_where_handles_are_stored(
    commits: list[str], reruns: local.LocalReruns
) -> None:
    assert len(reruns.rerun(execution(commits[0], "green"))) <= 200
    with pytest.raises(PermanentError, match="do not fit"):
        reruns.rerun(execution(commits[0], "green", branch="b" * 200))


@pytest.mark.parametrize("missing", ["repository", "branch", "commit", "job", "jobRunId"])
def test_a_rerun_needs_every_fact(
    commits: list[str], reruns: local.LocalReruns, missing: str
) -> None:
    with pytest.raises(PermanentError, match=missing):
        reruns.rerun({**execution(commits[0], "green"), missing: ""})


def test_a_rerun_of_a_strangers_repository_is_refused_before_it_begins(
    commits: list[str], reruns: local.LocalReruns
) -> None:
    with pytest.raises(PermanentError, match="acme/shop"):
        reruns.rerun(execution(commits[0], "green", repository="acme/shop"))


def test_without_a_root_its_repositories_are_the_demos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_HEALING_DATA_DIR", str(tmp_path))
    assert LocalSettings().root == tmp_path / "demo"
    assert LocalSettings(local_ci_root=Path("/srv/demo")).root == Path("/srv/demo")
