"""GitLab, Jenkins, CircleCI, Buildkite and the generic body: what they send, and what it means."""

from __future__ import annotations

from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from cihealing import registry
from cihealing.domain.values import ExecutionRef, Failed, Ignored, JobFacts, Passed, Result
from cihealing.ports import BadPayload, NoLog, PermanentError
from cihealing.providers.buildkite import hook as buildkite
from cihealing.providers.circleci import hook as circleci
from cihealing.providers.gitlab import hook as gitlab
from cihealing.providers.jenkins import hook as jenkins
from cihealing.providers.jenkins.logs import JenkinsLogs
from cihealing.providers.jenkins.settings import JenkinsSettings
from cihealing.providers.shared import body as generic
from tests.groups import holding
from tests.providers.ci import payloads
from tests.providers.ci.payloads import (
    SHA,
    buildkite_job,
    circleci_job,
    gitlab_build,
    gitlab_job,
    gitlab_pipeline,
    raw,
)
from tests.tables import table

ENDED = datetime(2026, 5, 4, 11, 59, 30, tzinfo=UTC)


def parse(adapter: ModuleType, payload: dict[str, Any], **headers: str) -> Result:
    (result,) = adapter.parse(
        raw(payload, headers={name.replace("_", "-"): value for name, value in headers.items()}),
        payload,
    )
    assert isinstance(result, Failed | Passed | Ignored)
    return result


def facts(result: Result) -> JobFacts:
    assert isinstance(result, JobFacts)
    return result


def test_a_failed_gitlab_job() -> None:
    assert parse(gitlab, gitlab_job()) == Failed(
        execution=ExecutionRef(provider="gitlab", host="gitlab.example.com", job_run_id="1136"),
        repository="acme/web/shop",
        branch="fix-cart",
        commit=SHA,
        job="unit",
        pipeline_url="https://gitlab.example.com/acme/web/shop/-/jobs/1136",
        parent_id="62",
        partial=True,
        definition="test",
        finished_at=ENDED,
    )


def test_job_and_pipeline_speak_of_one_execution() -> None:
    job, of_pipeline = facts(parse(gitlab, gitlab_job())), facts(parse(gitlab, gitlab_pipeline()))
    assert job.execution == of_pipeline.execution
    assert (job.parent_id, job.pipeline_url, job.finished_at) == (
        of_pipeline.parent_id,
        of_pipeline.pipeline_url,
        of_pipeline.finished_at,
    )
    assert (of_pipeline.base_branch, of_pipeline.fork, of_pipeline.coarse) == ("main", False, False)


def test_a_pipeline_fans_out_to_its_ended_jobs() -> None:
    statuses = ["failed", "success", "running", "skipped", "canceled", "manual", "created"]
    payload = gitlab_pipeline(
        *(gitlab_build(id=n, status=s) for n, s in enumerate(statuses)),
        gitlab_build(id=9, allow_failure=True),
    )
    results = gitlab.parse(raw(payload), payload)
    assert [(type(r), facts(r).execution.job_run_id) for r in results] == [
        (Failed, "0"),
        (Passed, "1"),
    ]


def test_a_pipeline_without_ended_jobs_is_ignored() -> None:
    payload = gitlab_pipeline(
        gitlab_build(status="running"), object_attributes={"status": "running"}
    )
    assert parse(gitlab, payload) == Ignored(
        reason="pipeline 62 is running: no job of it is red or green yet"
    )


def test_a_merge_request_from_a_fork_is_seen() -> None:
    assert (
        facts(parse(gitlab, gitlab_pipeline(merge_request={"source_project_id": 99}))).fork is True
    )


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"build_status": "success"}, Passed),
        ({"build_status": "failed"}, Failed),
        ({"build_status": "failed", "build_allow_failure": True}, Ignored),
        ({"build_status": "canceled"}, Ignored),
        ({"build_status": None}, Ignored),
        ({"object_kind": "job"}, Failed),
    ],
)
def test_gitlab_job_states(changes: dict[str, Any], kind: type) -> None:
    assert type(parse(gitlab, gitlab_job(**changes))) is kind


def test_an_older_job_hook_names_its_project_by_clone_url() -> None:
    job = gitlab_job()
    del job["project"]
    assert facts(parse(gitlab, job)).repository == "acme/web/shop"
    assert facts(parse(gitlab, job)).execution.host == "gitlab.example.com"


def test_what_broke_outside_the_script_is_an_error_type() -> None:
    result = parse(gitlab, gitlab_job(build_failure_reason="runner_system_failure"))
    assert isinstance(result, Failed)
    assert result.error_type == "runner_system_failure"


@pytest.mark.parametrize(
    "payload",
    [{"object_kind": "push"}, {"object_kind": "merge_request"}, {"event_name": "project_create"}],
)
def test_other_gitlab_events_are_ignored(payload: dict[str, Any]) -> None:
    assert isinstance(parse(gitlab, payload), Ignored)


def test_a_failed_jenkins_build_brings_its_log() -> None:
    assert parse(jenkins, payloads.jenkins()) == Failed(
        execution=ExecutionRef(
            provider="jenkins", host="jenkins.example.com", job_run_id="job/shop/job/fix-cart/18"
        ),
        repository="acme/shop",
        branch="fix-cart",
        commit=SHA,
        job="shop",
        pipeline_url="https://jenkins.example.com/job/shop/job/fix-cart/18/",
        log="E   AssertionError: total is wrong\n",
    )


def test_both_ends_of_a_jenkins_build_are_one_execution() -> None:
    completed, finalized = (
        parse(jenkins, payloads.jenkins()),
        parse(jenkins, payloads.jenkins(phase="FINALIZED")),
    )
    assert facts(completed).execution == facts(finalized).execution


@pytest.mark.parametrize(
    ("phase", "status", "kind"),
    [
        ("COMPLETED", "SUCCESS", Passed),
        ("COMPLETED", "UNSTABLE", Failed),
        ("FINALIZED", "FAILURE", Failed),
        ("COMPLETED", "ABORTED", Ignored),
        ("FINALIZED", "NOT_BUILT", Ignored),
        ("STARTED", "FAILURE", Ignored),
        ("QUEUED", None, Ignored),
    ],
)
def test_jenkins_phases(phase: str, status: str | None, kind: type) -> None:
    assert type(parse(jenkins, payloads.jenkins(phase=phase, status=status))) is kind


def test_a_jenkins_build_without_log_lines_has_no_log() -> None:
    assert parse(jenkins, payloads.jenkins(log="")).log is None  # type: ignore[union-attr]
    with pytest.raises(NoLog, match=r"Log lines.*cihealing notify --log"):
        JenkinsLogs(holding(JenkinsSettings)).fetch_log(parse(jenkins, payloads.jenkins(log="")))


def test_a_jenkins_build_without_checkout_says_what_to_do() -> None:
    with pytest.raises(BadPayload, match=r"build\.scm\.commit: .*cihealing notify"):
        parse(jenkins, payloads.jenkins(scm={"commit": None}))


def test_a_jenkins_without_root_url_still_names_the_build() -> None:
    assert facts(parse(jenkins, payloads.jenkins(full_url=None))).execution == ExecutionRef(
        provider="jenkins", host="", job_run_id="fix-cart/18"
    )


def test_a_failed_circleci_job() -> None:
    result = parse(circleci, circleci_job())
    assert isinstance(result, Failed)
    assert result.execution == ExecutionRef(
        provider="circleci", host="circleci.com", job_run_id="8b91f9a8-7975-4e60-916c-f0152ccbc937"
    )
    assert (result.repository, result.branch, result.commit, result.job) == (
        "acme/shop",
        "fix-cart",
        SHA,
        "unit",
    )
    assert (result.parent_id, result.coarse, result.fork) == (
        "fda08377-fe7e-46b1-8992-3a7aaecac9c3",
        False,
        False,
    )


def test_circleci_projects_without_vcs_name_their_source_in_the_trigger() -> None:
    git = {
        "checkout_url": "git@gitlab.com:acme/shop.git",
        "checkout_sha": SHA,
        "branch": "fix-cart",
        "tag": "",
    }
    result = facts(
        parse(circleci, circleci_job(pipeline={"vcs": None, "trigger_parameters": {"git": git}}))
    )
    assert (result.repository, result.branch, result.commit) == ("acme/shop", "fix-cart", SHA)


def test_a_circleci_workflow_is_coarse() -> None:
    result = facts(
        parse(circleci, circleci_job(type="workflow-completed", workflow={"status": "failed"}))
    )
    assert (result.coarse, result.job, result.parent_id) == (
        True,
        "ci",
        "fda08377-fe7e-46b1-8992-3a7aaecac9c3",
    )
    assert result.execution.job_run_id == "workflow-fda08377-fe7e-46b1-8992-3a7aaecac9c3"


def test_a_circleci_fork_is_seen() -> None:
    assert (
        facts(
            parse(
                circleci,
                circleci_job(
                    pipeline={"vcs": {"origin_repository_url": "https://github.com/m/shop"}}
                ),
            )
        ).fork
        is True
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("success", Passed),
        ("failed", Failed),
        ("canceled", Ignored),
        ("unauthorized", Ignored),
        (None, Ignored),
    ],
)
def test_circleci_states(status: str | None, kind: type) -> None:
    assert type(parse(circleci, circleci_job(job={"status": status}))) is kind


def test_a_failed_buildkite_job() -> None:
    assert parse(buildkite, buildkite_job()) == Failed(
        execution=ExecutionRef(
            provider="buildkite",
            host="buildkite.com",
            job_run_id="01890a5d-ac96-774b-bcce-b302099a8057",
        ),
        repository="acme/shop",
        branch="fix-cart",
        commit=SHA,
        job=":pytest: unit",
        pipeline_url="https://buildkite.com/acme/shop/builds/5#01890a5d",
        base_branch="main",
        parent_id="01890a5d-0000-774b-bcce-b302099a8057",
        definition="shop",
        change="7",
        finished_at=ENDED,
        command="make test",
        conclusion="failed",
    )


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        ({"state": "passed"}, Passed),
        ({"state": "timed_out"}, Failed),
        ({"state": "finished", "exit_status": 0}, Passed),
        ({"state": "finished", "exit_status": 2}, Failed),
        ({"state": "failed", "soft_failed": True}, Ignored),
        ({"state": "canceled"}, Ignored),
        ({"state": "broken"}, Ignored),
        ({"type": "trigger"}, Ignored),
        ({"type": "waiter"}, Ignored),
    ],
)
def test_buildkite_states(job: dict[str, Any], kind: type) -> None:
    assert type(parse(buildkite, buildkite_job(job=job))) is kind


@pytest.mark.parametrize(
    "build",
    [
        {"branch": "mallory:fix-cart"},
        {"pull_request": {"repository": "https://github.com/mallory/shop.git"}},
    ],
)
def test_a_buildkite_fork_is_seen(build: dict[str, Any]) -> None:
    result = facts(parse(buildkite, buildkite_job(build=build)))
    assert (result.branch, result.fork) == ("fix-cart", True)


@pytest.mark.parametrize(
    "event", ["ping", "build.finished", "build.scheduled", "job.started", "agent.connected"]
)
def test_other_buildkite_events_are_ignored(event: str) -> None:
    assert isinstance(parse(buildkite, buildkite_job(event=event)), Ignored)


def test_a_buildkite_build_of_head_names_no_commit() -> None:
    assert isinstance(parse(buildkite, buildkite_job(build={"commit": "HEAD"})), Ignored)


def test_a_failed_generic_result() -> None:
    assert parse(generic, payloads.generic()) == Failed(
        execution=ExecutionRef(provider="drone", host="drone.example.com", job_run_id="9.1"),
        repository="acme/shop",
        branch="fix-cart",
        commit=SHA,
        job="unit",
        pipeline_url="https://drone.example.com/acme/shop/9",
        log="E   AssertionError: total is wrong\n",
        step="pytest",
        command="pytest -q",
        error_type="AssertionError",
    )


def test_the_least_a_generic_result_says() -> None:
    result = parse(
        generic, {"repository": "acme/shop", "commitSha": SHA.upper()[:7]}, webhook_id="msg_7"
    )
    assert isinstance(result, Failed)
    assert (result.commit, result.branch, result.job, result.log) == (SHA[:7], "", "build", None)
    assert result.execution == ExecutionRef(
        provider="generic", host="", job_run_id="delivery:msg_7"
    )


def test_a_result_without_execution_id_is_one_execution_a_delivery() -> None:
    payload = payloads.generic(executionId=None)
    first, again, second = (
        facts(parse(generic, payload, webhook_id=key)).execution for key in ("m1", "m1", "m2")
    )
    assert first == again != second
    assert (
        facts(parse(generic, payload | {"deliveryId": "d1"}, webhook_id="m1")).execution.job_run_id
        == "delivery:d1"
    )


@pytest.mark.parametrize(
    ("conclusion", "kind"),
    [
        ("success", Passed),
        ("passed", Passed),
        ("Failure", Failed),
        ("failed", Failed),
        ("timed_out", Failed),
        (None, Failed),
        ("cancelled", Ignored),
        ("skipped", Ignored),
    ],
)
def test_generic_conclusions(conclusion: str | None, kind: type) -> None:
    assert type(parse(generic, payloads.generic(conclusion=conclusion))) is kind


def test_a_green_generic_result_brings_its_log_too() -> None:
    assert (
        parse(generic, payloads.generic(conclusion="success", errorLog="all good")).log
        == "all good"
    )  # type: ignore[union-attr]


def test_a_notified_job_is_the_one_its_provider_speaks_of() -> None:
    notified = payloads.generic(
        provider="gitlab",
        executionId="1136",
        pipelineUrl="https://gitlab.example.com/acme/web/shop/-/jobs/1136",
    )
    assert facts(parse(generic, notified)).execution == facts(parse(gitlab, gitlab_job())).execution
    notified = payloads.generic(
        provider="circleci",
        executionId=circleci_job()["job"]["id"],
        pipelineUrl="https://circleci.com/gh/acme/shop/1",
    )
    assert (
        facts(parse(generic, notified)).execution
        == facts(parse(circleci, circleci_job())).execution
    )


@table(
    ("field", "value"),
    [
        ("repository", "shop"),
        ("repository", None),
        ("repository", 7),
        ("repository", "https://github.com/acme/shop"),
        ("branch", "-x"),
        ("branch", "a\x00b"),
        ("branch", "a" * 256),
        ("branch", ["main"]),
        ("commitSha", "abcdef"),
        ("commitSha", "a" * 65),
        ("commitSha", None),
        ("commitSha", 1234567),
        ("pipelineUrl", "javascript:alert(1)"),
        ("pipelineUrl", "https://x/" + "a" * 2_000),
        ("pipelineUrl", 1),
        ("errorLog", {"lines": []}),
        ("errorLog", 5),
        ("errorType", "a\nb"),
        ("errorType", "x" * 301),
        ("job", "unit\x1b[31m"),
        ("job", {}),
        ("step", "x" * 301),
        ("command", "x" * 4_001),
        ("conclusion", "perhaps"),
        ("conclusion", True),
        ("provider", "No Such"),
        ("provider", "../x"),
        ("executionId", ""),
        ("executionId", 1.5),
        ("deliveryId", "a b"),
        ("baseBranch", "a..b"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    payload = payloads.generic(**{field: value}) | (
        {"executionId": None} if field == "deliveryId" else {}
    )
    with pytest.raises(BadPayload, match=f"^{field}: "):
        parse(generic, payload)


@pytest.mark.parametrize("name", registry.offered(lambda one: one.logs))
def test_who_is_not_set_up_for_logs_says_so(name: str) -> None:
    logs = registry.made(lambda one: one.logs)[name]
    with pytest.raises(NoLog, match="cihealing notify --log"):
        logs.fetch_log(parse(generic, payloads.generic()))


@pytest.mark.parametrize("name", registry.offered(lambda one: one.expanding))
def test_who_is_not_set_up_for_lists_of_jobs_says_so(name: str) -> None:
    expanding = registry.made(lambda one: one.expanding)[name]
    with pytest.raises(NoLog, match=r"job events|set CI_HEALING_\w+_TOKEN"):
        expanding.expand(parse(generic, payloads.generic()))


@pytest.mark.parametrize("name", ["buildkite", "circleci", "gitlab", "jenkins"])
def test_who_is_not_set_up_for_reruns_says_so(name: str) -> None:
    reruns = registry.made(lambda one: one.reruns)[name]
    with pytest.raises(PermanentError, match="not rerun from here"):
        reruns.rerun({})
    assert reruns.rerun_result("handle") is None
