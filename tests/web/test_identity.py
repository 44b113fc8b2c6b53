"""Whose build a delivery tells of: signed, as each provider sends it, and what becomes of the runs
there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone
from msgspec import structs

from cihealing import service
from cihealing.domain.values import Failed, Passed
from cihealing.models import Run
from cihealing.ports import HeadMovedError
from cihealing.web import ingest, secret_paths
from tests.domain.world import ANN, BASE, COMMIT
from tests.fakes.forge import OpenForge
from tests.fakes.service import LOG, Bench
from tests.providers.ci import payloads
from tests.providers.ci.payloads import circle, hub, kite

pytestmark = pytest.mark.django_db
SECRET = "the-secret-of-all"
LATER = "2027-01-01T00:00:00Z"
NEWER = "e" * 40
SIGNED: dict[str, Callable[[bytes], dict[str, str]]] = {
    "github": lambda body: {"x-hub-signature-256": hub(body, secret=SECRET)},
    "generic": lambda body: {"x-hub-signature-256": hub(body, secret=SECRET)},
    "gitlab": lambda body: {"x-gitlab-token": SECRET},
    "buildkite": lambda body: {
        "x-buildkite-signature": kite(body, secret=SECRET, at=timezone.now())
    },
    "circleci": lambda body: {"circleci-signature": circle(body, secret=SECRET)},
    "gitea": lambda body: {"x-gitea-signature": hub(body, secret=SECRET)[7:]},
    "jenkins": lambda body: {},
}


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "WEBHOOK_SECRETS": {"": SECRET, "jenkins": SECRET},
    }


@pytest.fixture
def bench(asking: Callable[..., Bench]) -> Bench:
    made = asking(forge=OpenForge({"main": COMMIT}))
    made.ci.log = LOG
    made.tools = replace(made.tools, logs=dict.fromkeys(SIGNED, made.ci))
    return made


def post(provider: str, payload: Any, event: str = "workflow_job") -> Any:
    body = json.dumps(payload).encode()
    named = {"x-github-event": event} if provider == "github" else {"x-gitea-event": event}
    request = RequestFactory().post(
        "/webhook",
        data=body,
        content_type="application/json",
        headers=SIGNED[provider](body) | named,
    )
    request.META[secret_paths.TOKEN] = SECRET if provider == "jenkins" else ""
    answer = ingest.webhook(request, provider=provider)
    assert answer.status_code < 300, answer.content
    return json.loads(answer.content)


def run() -> Run:
    return Run.objects.get()


def github(**job: Any) -> dict[str, Any]:
    return payloads.workflow_job(**{"head_branch": "main", "run_attempt": 1, **job})


def green(**job: Any) -> dict[str, Any]:
    steps = [{"name": "Run pytest", "conclusion": "success"}]
    facts = {"id": 5000, "run_id": 90, "conclusion": "success", "completed_at": LATER}
    return github(**{**facts, "head_sha": NEWER, "steps": steps, **job})


class Telling:
    """`ports.Identifying`: what the provider tells when asked."""

    def __init__(self, **told: Any) -> None:
        self.told = told

    def identify(self, result: Failed | Passed) -> Failed | Passed:
        return structs.replace(result, partial=False, **self.told)


def asked(bench: Bench, **told: Any) -> None:
    bench.tools = replace(bench.tools, identifying={"github": Telling(**told)})


def escalated(bench: Bench, provider: str, payload: Any, **said: Any) -> None:
    """A run of this failure that waits for people."""
    post(provider, payload, **said)
    bench.drain()
    if run().status == "fixed":
        service.perform(run().id, "deny", version=run().version, by=ANN, tools=bench.tools)
        bench.drain()
    assert run().status == "escalated", run().status


def test_github_a_forks_green_job_says_nothing_of_the_base(bench: Bench) -> None:
    asked(bench)
    escalated(bench, "github", github())
    asked(bench, fork=True, head_repository="acme-fan/shop")
    post("github", green())
    bench.drain()
    assert run().status == "escalated"


def test_github_the_bases_own_green_job_does(bench: Bench) -> None:
    asked(bench)
    escalated(bench, "github", github())
    post("github", green())
    bench.drain()
    assert run().resolution == "green_later"


def test_github_without_a_token_a_commit_that_its_branch_does_not_hold_stands_apart(
    bench: Bench,
) -> None:
    asked(bench)
    escalated(bench, "github", github())
    bench.tools = replace(bench.tools, identifying={})
    post("github", green())
    bench.drain()
    assert run().status == "escalated"
    post("github", green(id=5001, head_sha=BASE))
    bench.drain()
    assert run().resolution == "green_later", "the branch holds this commit"


def test_github_another_workflows_job_of_the_same_name_says_nothing(bench: Bench) -> None:
    asked(bench)
    escalated(bench, "github", github())
    post("github", green(workflow_name="Docs"))
    bench.drain()
    assert run().status == "escalated"


def test_a_green_rerun_of_the_same_commit_resolves_and_is_said(bench: Bench) -> None:
    asked(bench)
    escalated(bench, "github", github())
    post("github", green(run_id=77, run_attempt=2, head_sha=payloads.SHA))
    bench.drain()
    assert run().resolution == "rerun_green"
    assert run().blame == "flake"


def workflow(conclusion: str, **changes: Any) -> dict[str, Any]:
    payload = payloads.workflow_run(conclusion=conclusion, head_branch="main", **changes)
    payload["workflow_run"].update(id=77, run_attempt=changes.get("run_attempt", 1))
    return payload


def test_github_a_job_that_may_fail_ends_with_its_green_workflow(bench: Bench) -> None:
    post("github", github())
    bench.drain(2)
    post("github", workflow("success"), "workflow_run")
    assert (run().status, state()["abort_reason"]) == ("aborted", "allowed")


def test_github_a_job_whose_workflow_is_green_already_begins_no_run(bench: Bench) -> None:
    post("github", workflow("success"), "workflow_run")
    post("github", github())
    bench.drain()
    assert not Run.objects.exists()


def test_github_a_workflows_other_attempt_says_nothing_of_its_job(bench: Bench) -> None:
    post("github", workflow("success", run_attempt=2), "workflow_run")
    post("github", github())
    bench.drain(2)
    assert Run.objects.count() == 1


def state() -> Any:
    return json.loads(run().state)


def test_github_a_job_that_never_started_is_infrastructure(bench: Bench) -> None:
    post("github", github(steps=[], runner_id=0))
    bench.drain(3)
    assert (run().failure_class, run().error_type) == ("infra", "JobNeverStarted")
    assert "billing" in run().error_summary
    assert bench.runner.ran == [], "no code is run"


def test_gitlab_a_job_that_no_runner_took_is_infrastructure(bench: Bench) -> None:
    job = payloads.gitlab_job(build_failure_reason="no_matching_runner", build_started_at=None)
    post("gitlab", job)
    bench.drain(3)
    assert (run().failure_class, run().error_type) == ("infra", "JobNeverStarted")


def test_github_a_merge_queues_ref_is_no_branch(bench: Bench) -> None:
    queue = f"gh-readonly-queue/main/pr-12-{'b' * 40}"
    job = payloads.workflow_job(head_branch=queue)
    post("github", job)
    bench.drain(2)
    told = state()
    assert (run().branch, told["target"], told["change_number"]) == ("", "main", "12")
    assert told["ref"] == "gh-readonly-queue/main/pr-12"


@pytest.mark.parametrize(
    ("provider", "payload"),
    [
        ("gitlab", payloads.gitlab_job(ref="v2.1.0", tag=True)),
        ("buildkite", payloads.buildkite_job(build={"tag": "v2.1.0", "branch": "v2.1.0"})),
        (
            "circleci",
            payloads.circleci_job(pipeline={"vcs": {"tag": "v2.1.0", "branch": "v2.1.0"}}),
        ),
        ("generic", payloads.generic(branch="v2.1.0", tag="v2.1.0")),
    ],
)
def test_a_tag_is_no_branch(provider: str, payload: Any, bench: Bench) -> None:
    post(provider, payload)
    bench.drain(2)
    assert (run().branch, state()["ref"]) == ("", "refs/tags/v2.1.0")


FORKS = [
    ("buildkite", lambda **c: payloads.buildkite_job(**c), {"build": {"branch": "fan:fix-cart"}}),
    (
        "circleci",
        lambda **c: payloads.circleci_job(**c),
        {"pipeline": {"vcs": {"origin_repository_url": "https://github.com/fan/shop"}}},
    ),
    ("generic", lambda **c: payloads.generic(**c), {"headRepository": "fan/shop"}),
]


@pytest.mark.parametrize(("provider", "make", "fork"), FORKS)
def test_a_forks_branch_of_the_same_name_is_another(
    provider: str, make: Any, fork: Any, bench: Bench
) -> None:
    escalated(bench, provider, make())
    changes = {
        "buildkite": {
            "job": {"id": "01890a5d-ffff", "state": "passed", "finished_at": LATER},
            "build": {"commit": NEWER},
        },
        "circleci": {
            "job": {"id": "8b91f9a8-ffff", "status": "success", "stopped_at": LATER},
            "pipeline": {"vcs": {"revision": NEWER}},
        },
        "generic": {
            "executionId": "77",
            "conclusion": "success",
            "commitSha": NEWER,
            "finishedAt": LATER,
        },
    }[provider]
    post(provider, make(**payloads.merged(changes, fork)))
    assert run().status == "escalated"
    post(provider, make(**changes | ({"executionId": "78"} if provider == "generic" else {})))
    assert run().resolution == "green_later"


def test_our_own_change_is_known_under_other_refs(bench: Bench) -> None:
    asked(bench)
    post("github", github())
    bench.drain()
    Run.objects.update(
        change_commit=NEWER, pr_url="https://gitlab.example.com/x/-/merge_requests/7"
    )
    own = payloads.gitlab_job(ref="refs/merge-requests/7/head", sha="d" * 40)
    own["project"] = {**own["project"], "path_with_namespace": "acme/shop"}
    jenkins = payloads.jenkins(scm={"branch": "PR-7", "commit": "d" * 40})
    jenkins["url"] = "job/shop/job/PR-7/"
    queue = f"gh-readonly-queue/main/pr-7-{'b' * 40}"
    post("gitlab", own)
    post("jenkins", jenkins)
    post("github", payloads.workflow_job(id=1, head_branch=queue, head_sha="d" * 40))
    post("github", payloads.workflow_job(id=2, head_branch="copied", head_sha=NEWER))
    bench.drain()
    assert Run.objects.count() == 1


def test_jenkins_multibranch_names_are_decoded_as_often_as_they_are_encoded(bench: Bench) -> None:
    job = payloads.jenkins(
        full_url="https://jenkins.example.com/job/team/job/shop/job/feature%252Fx/18/",
        scm={"branch": "feature/x"},
    )
    post("jenkins", job | {"name": "feature%2Fx", "url": "job/team/job/shop/job/feature%252Fx/"})
    assert (run().job, run().branch) == ("team/shop", "feature/x")


def test_a_run_whose_branch_is_gone_ends_and_says_why(bench: Bench) -> None:
    asked(bench)
    post("github", github())
    bench.drain()
    assert run().status == "fixed"
    bench.trees.heads = {}
    with pytest.raises(HeadMovedError):
        service.perform(
            run().id, "approve", act="publish", version=run().version, by=ANN, tools=bench.tools
        )
    assert (run().status, state()["abort_reason"]) == ("aborted", "gone")


@pytest.mark.parametrize("context", ["DCO", "license/cla", "codecov/patch", "coverage/coveralls"])
def test_github_informational_checks_are_only_noted(context: str, bench: Bench) -> None:
    assert "only noted" in str(post("github", payloads.status(context=context), "status"))
    check = payloads.check_run(name=context, app={"slug": "dco"}, details_url=None)
    assert "only noted" in str(post("github", check, "check_run"))
    bench.drain()
    assert not Run.objects.exists()
