"""Whose code a job's build was, and of which definition it is: what the provider tells when it is
asked.
"""

from __future__ import annotations

from typing import Any

from cihealing.domain.values import Failed, Passed, Result
from cihealing.providers.gitea import hook as gitea
from cihealing.providers.gitea.logs import GiteaLogs
from cihealing.providers.gitea.settings import GiteaSettings
from cihealing.providers.github import hook as github
from cihealing.providers.github.logs import GitHubLogs
from cihealing.providers.github.settings import GitHubSettings
from cihealing.providers.gitlab import hook as gitlab
from cihealing.providers.gitlab.logs import GitLabLogs
from cihealing.providers.gitlab.settings import GitLabSettings
from tests.groups import holding
from tests.providers.ci import payloads
from tests.providers.ci.api import Api

GITLAB = "/api/v4/projects/acme%2Fweb%2Fshop"
GITEA_JOB = {
    "id": 41,
    "run_id": 7,
    "run_attempt": 1,
    "name": "unit",
    "head_branch": "main",
    "head_sha": payloads.SHA,
    "conclusion": "success",
}


def partial(results: list[Result]) -> Failed | Passed:
    (result,) = results
    assert isinstance(result, Failed | Passed)
    assert result.partial
    return result


def at_github(**changes: Any) -> Failed | Passed:
    settings = {"CI_HEALING_GITHUB_TOKEN": "ghp_token"}
    headers = {"x-github-event": "workflow_job"}
    told = partial(github.parse(payloads.raw({}, headers=headers), payloads.workflow_job()))
    run = payloads.workflow_run(**changes)["workflow_run"]
    api = Api({"GET /repos/acme/shop/actions/runs/77": run})
    return GitHubLogs(holding(GitHubSettings, settings), api.transport).identify(told)


def test_github_tells_it_by_the_workflow_run() -> None:
    own = at_github()
    assert (own.partial, own.fork, own.definition, own.change) == (False, False, "CI", "7")
    fork = at_github(head_repository={"full_name": "fan/shop"})
    assert (fork.partial, fork.fork, fork.head_repository) == (False, True, "fan/shop")


def at_gitlab(told: Failed | Passed, source: str, **request: Any) -> Failed | Passed:
    settings = {
        "CI_HEALING_GITLAB_TOKEN": "glpat",
        "CI_HEALING_GITLAB_URL": "https://gitlab.example.com",
    }
    api = Api(
        {
            f"GET {GITLAB}/pipelines/62": {"id": 62, "source": source},
            f"GET {GITLAB}/merge_requests/7": {"iid": 7, "target_branch": "main", **request},
        }
    )
    return GitLabLogs(holding(GitLabSettings, settings), api.transport).identify(told)


def test_gitlab_a_child_pipeline_stands_apart() -> None:
    told = partial(gitlab.parse(payloads.raw({}), payloads.gitlab_job()))
    assert not at_gitlab(told, "push").partial
    assert at_gitlab(told, "parent_pipeline").partial


def test_gitlab_tells_the_branch_of_a_merge_request_and_whose_it_is() -> None:
    job = payloads.gitlab_job(ref="refs/merge-requests/7/head")
    told = partial(gitlab.parse(payloads.raw({}), job))
    assert (told.branch, told.ref, told.change) == ("", "refs/merge-requests/7/head", "7")
    kind, ids = "merge_request_event", {"source_project_id": 3, "target_project_id": 3}
    own = at_gitlab(told, kind, source_branch="fix-cart", **ids)
    assert (own.branch, own.ref, own.base_branch, own.fork) == ("fix-cart", "", "main", False)
    fork = at_gitlab(told, kind, source_branch="main", **ids | {"source_project_id": 9})
    assert (fork.branch, fork.fork, fork.head_repository) == ("", True, "project 9")


def test_gitea_tells_it_by_the_workflow_run() -> None:
    settings = {"CI_HEALING_GITEA_URL": "https://git.example", "CI_HEALING_GITEA_TOKEN": "s3cret"}
    body = {
        "action": "completed",
        "workflow_job": GITEA_JOB,
        "repository": {"full_name": "acme/shop", "html_url": "https://git.example/acme/shop"},
    }
    headers = {"x-gitea-event": "workflow_job"}
    told = partial(gitea.parse(payloads.raw({}, headers=headers), body))
    run = {
        "id": 7,
        "path": "ci.yml@refs/heads/main",
        "head_sha": payloads.SHA,
        "head_branch": "main",
        "head_repository": {"full_name": "fan/shop"},
    }
    api = Api({"GET /api/v1/repos/acme/shop/actions/runs/7": run})
    found = GiteaLogs(holding(GiteaSettings, settings), api.transport).identify(told)
    assert (found.partial, found.fork, found.head_repository) == (False, True, "fan/shop")
    assert found.definition == "ci.yml"
