"""The fake speaks as GitHub's published description says, and finds out who does not."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.forges import described
from tests.forges.github import ROUTES, FakeGitHub
from tests.forges.openapi.extract import WANTED


def ask(hub: FakeGitHub, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        hub.url + path, data=data, method=verb, headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_every_described_operation_is_one_the_fake_has_and_the_other_way_round() -> None:
    assert len(ROUTES) == len(WANTED) + 1  # GraphQL is described elsewhere
    assert set(described.description()["operations"]) == set(WANTED)


def test_an_answer_has_all_that_github_requires() -> None:
    with FakeGitHub() as hub:
        shop = hub.repository("acme/shop")
        shop.heads["fix"] = shop.heads["main"]
        status, pull = ask(
            hub,
            "POST",
            "/repos/acme/shop/pulls",
            {"title": "t", "body": "b", "head": "fix", "base": "main", "draft": True},
        )
    assert status == 201
    assert (pull["draft"], pull["state"], pull["head"]["ref"]) == (True, "open", "fix")
    assert {"diff_url", "author_association", "commits_url", "maintainer_can_modify"} <= set(pull)
    assert described.faults("POST /repos/{owner}/{repo}/pulls", "response", pull, "201") == []


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", "/repos/acme/shop/git/refs", {"ref": "refs/heads/x"}),
        ("POST", "/repos/acme/shop/git/blobs", {"encoding": "base64"}),
        ("POST", "/repos/acme/shop/git/trees", {"tree": [{"path": "a", "mode": "100600"}]}),
        ("POST", "/repos/acme/shop/git/commits", {"tree": "x"}),
        ("POST", "/repos/acme/shop/pulls", {"title": "t", "body": "b"}),
        (
            "POST",
            "/repos/acme/shop/pulls",
            {"title": "t", "head": "a", "base": "b", "draft": "yes"},
        ),
        ("PUT", "/repos/acme/shop/pulls/1/merge", {"merge_method": "fast"}),
    ],
)
def test_a_question_github_would_not_take_is_refused_and_remembered(
    verb: str, path: str, body: Any
) -> None:
    with FakeGitHub() as hub:
        hub.repository("acme/shop")
        assert ask(hub, verb, path, body)[0] == 422
        assert len(hub.wrong) == 1
        hub.wrong.clear()


@pytest.mark.parametrize(
    ("operation", "status", "value"),
    [
        ("GET /repos/{owner}/{repo}/pulls/{pull_number}", 200, {"number": "7"}),
        ("GET /repos/{owner}/{repo}/pulls/{pull_number}", 200, {"state": "merged"}),
        ("GET /repos/{owner}/{repo}/git/ref/{ref}", 200, {"object": {"type": "commit"}, "ref": 1}),
        ("GET /repos/{owner}/{repo}/git/ref/{ref}", 204, {}),
    ],
)
def test_an_answer_github_would_not_give_is_our_mistake(
    operation: str, status: int, value: Any
) -> None:
    with pytest.raises(described.NotAsDescribed):
        described.answer(operation, status, value)


def test_what_is_not_described_is_not_spoken() -> None:
    with pytest.raises(described.NotAsDescribed, match="describes no PATCH"):
        described.operation_of("PATCH", "/repos/acme/shop/nothing")
    assert (
        described.operation_of("GET", "/repos/acme/shop/git/ref/heads/a/b")
        == "GET /repos/{owner}/{repo}/git/ref/{ref}"
    )
