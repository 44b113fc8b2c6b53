"""A GitHub that keeps state, over HTTP: git data, branches, pull requests, merges bound to a
commit, checks, comments, people, hooks.

    with FakeGitHub() as hub:
        repo = hub.repository("acme/shop")
        repo.heads["main"]                                  # the commit main is at
        hub.script("POST", "/pulls", Reply(status=502))     # the next such call
        # The work is done, the answer is lost:
        hub.script("PUT", "/merge", Reply(silent=True, done=True))
        hub.made("PUT", "/merge")

Source of every shape: GitHub REST docs (2022-11-28).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

from tests.forges import described
from tests.forges.server import FakeForge, Refused, Reply, replied, sha_of


@dataclass
class Repository:
    name: str
    heads: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)
    trees: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, str] = field(
        default_factory=lambda: {"ann": "write", "ben": "admin", "rob": "read"}
    )
    hooks: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    protected: bool = False

    def commit(self, message: str, *, parents: list[str], tree: str = "") -> str:
        made = {
            "message": message,
            "parents": [{"sha": p} for p in parents],
            "tree": {"sha": tree or sha_of("tree", message)},
            "committer": {"name": "Ann", "date": "2026-11-02T09:00:00Z"},
        }
        sha = sha_of(made)
        self.commits[sha] = {**made, "sha": sha}
        return sha

    def adopt(self, sha: str, message: str) -> str:
        """A commit of a real repository."""
        self.commits[sha] = {**self.commits.pop(self.commit(message, parents=[])), "sha": sha}
        return sha

    def push(self, branch: str, message: str = "more") -> str:
        self.heads[branch] = self.commit(message, parents=[self.heads[branch]])
        for pull in self.pulls:
            if pull["head"]["ref"] == branch and pull["state"] == "open":
                pull["head"]["sha"] = self.heads[branch]
        return self.heads[branch]


class FakeGitHub(FakeForge):
    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.node: dict[str, dict[str, Any]] = {}
        self.headers = {"x-oauth-scopes": "repo"}

    @property
    def scopes(self) -> str:
        return self.headers["x-oauth-scopes"]

    @scopes.setter
    def scopes(self, scopes: str) -> None:
        self.headers["x-oauth-scopes"] = scopes

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CI_HEALING_GITHUB_ENABLED": "true",
            "CI_HEALING_GITHUB_TOKEN": "ghp_secretsecretsecret",
            "CI_HEALING_GITHUB_API_URL": self.url,
        }

    def repository(self, name: str) -> Repository:
        made = self.repositories.setdefault(name, Repository(name))
        made.heads["main"] = made.commit("first", parents=[])
        return made

    def usual(self, verb: str, path: str, query: dict[str, str], body: Any) -> Reply:
        path = unquote(path)
        try:
            for known, pattern, work in ROUTES:
                found = re.fullmatch(pattern, path)
                if known == verb and found:
                    return self._described(
                        verb, path, body, partial(self._work, work, found.groups(), query, body)
                    )
            raise Refused(404, "Not Found")
        except Refused as error:
            return replied(
                error.status,
                {"message": error.message, "documentation_url": "https://docs.github.com"},
            )

    def _described(self, verb: str, path: str, body: Any, work: Callable[[], Any]) -> Reply:
        """What GitHub's description does not allow is refused, as GitHub would; an answer it does
        not know is our own mistake.
        """
        if path == "/graphql":
            return replied(200, work())
        operation = described.operation_of(verb, path)
        if body is not None and (wrong := described.faults(operation, "request", body)):
            self.wrong.append(f"{operation}: {wrong}")
            raise Refused(422, f"Invalid request. {wrong[0]}")
        if verb == "DELETE":
            work()
            return Reply(status=204, body="")
        status = 201 if verb == "POST" else 200
        try:
            return replied(status, described.answer(operation, status, work()))
        except described.NotAsDescribed as mistake:
            self.wrong.append(str(mistake))
            raise Refused(500, str(mistake)) from None

    def _work(
        self, work: Callable[..., Any], parts: tuple[str, ...], query: dict[str, str], body: Any
    ) -> Any:
        if work in (graphql, rate_limit):
            return work(self, body)
        repo = self.repositories.get(parts[0])
        if repo is None:
            raise Refused(404, "Not Found")
        return work(self, repo, *parts[1:], query=query, body=body)

    def merge(self, repo: Repository, pull: dict[str, Any], by: str) -> str:
        sha = repo.commit(
            f"Merge {pull['number']}",
            parents=[repo.heads[pull["base"]["ref"]], pull["head"]["sha"]],
        )
        repo.heads[pull["base"]["ref"]] = sha
        pull.update(
            merged=True,
            state="closed",
            merge_commit_sha=sha,
            merged_at="2026-11-02T10:00:00Z",
            merged_by={"login": by},
        )
        return sha


def get_ref(hub: FakeGitHub, repo: Repository, branch: str, **_: Any) -> Any:
    if branch not in repo.heads:
        raise Refused(404, "Not Found")
    return {
        "ref": f"refs/heads/{branch}",
        "node_id": "x",
        "url": "u",
        "object": {"type": "commit", "sha": repo.heads[branch], "url": "u"},
    }


def make_ref(hub: FakeGitHub, repo: Repository, *, body: Any, **_: Any) -> Any:
    branch = body["ref"].removeprefix("refs/heads/")
    if branch in repo.heads:
        raise Refused(422, "Reference already exists")
    if body["sha"] not in repo.commits:
        raise Refused(422, "Object does not exist")
    repo.heads[branch] = body["sha"]
    return get_ref(hub, repo, branch)


def drop_ref(hub: FakeGitHub, repo: Repository, branch: str, **_: Any) -> Any:
    if repo.heads.pop(branch, None) is None:
        raise Refused(422, "Reference does not exist")
    return {}


def refs(hub: FakeGitHub, repo: Repository, prefix: str, **_: Any) -> Any:
    return [
        get_ref(hub, repo, branch) for branch in sorted(repo.heads) if branch.startswith(prefix)
    ]


def get_commit(hub: FakeGitHub, repo: Repository, sha: str, **_: Any) -> Any:
    if sha not in repo.commits:
        raise Refused(404, "Not Found")
    return repo.commits[sha]


def make_blob(hub: FakeGitHub, repo: Repository, *, body: Any, **_: Any) -> Any:
    sha = sha_of("blob", body["content"])
    repo.blobs[sha] = body["content"]
    return {"sha": sha, "url": "u"}


def make_tree(hub: FakeGitHub, repo: Repository, *, body: Any, **_: Any) -> Any:
    if any(entry["sha"] is not None and entry["sha"] not in repo.blobs for entry in body["tree"]):
        raise Refused(422, "tree.sha does not exist")
    sha = sha_of("tree", body)
    repo.trees[sha] = body["tree"]
    return {
        "sha": sha,
        "url": "u",
        "tree": [entry for entry in body["tree"] if entry["sha"]],
        "truncated": False,
    }


def make_commit(hub: FakeGitHub, repo: Repository, *, body: Any, **_: Any) -> Any:
    if body["tree"] not in repo.trees:
        raise Refused(422, "Tree SHA does not exist")
    made = {**body, "parents": [{"sha": p} for p in body["parents"]], "tree": {"sha": body["tree"]}}
    sha = sha_of(made)
    repo.commits[sha] = {**made, "sha": sha}
    return repo.commits[sha]


def pulls(hub: FakeGitHub, repo: Repository, *, query: dict[str, str], **_: Any) -> Any:
    state, head, base = query.get("state", "open"), query.get("head", ""), query.get("base", "")
    found = [p for p in repo.pulls if state in ("all", p["state"])]
    found = [
        p for p in found if not head or f"{repo.name.split('/')[0]}:{p['head']['ref']}" == head
    ]
    return [p for p in found if not base or p["base"]["ref"] == base]


def make_pull(hub: FakeGitHub, repo: Repository, *, body: Any, **_: Any) -> Any:
    if any(p["head"]["ref"] == body["head"] and p["state"] == "open" for p in repo.pulls):
        raise Refused(422, f"Validation Failed: A pull request already exists for {body['head']}.")
    if body["head"] not in repo.heads or body["base"] not in repo.heads:
        raise Refused(422, "Validation Failed: head")
    number = len(repo.pulls) + 1
    pull = {
        "number": number,
        "html_url": f"https://github.example/{repo.name}/pull/{number}",
        "state": "open",
        "merged": False,
        "title": body["title"],
        "body": body["body"],
        "draft": body["draft"],
        "labels": [],
        "node_id": f"PR_{number}",
        "merged_at": None,
        "head": {
            "ref": body["head"],
            "sha": repo.heads[body["head"]],
            "repo": {"full_name": repo.name},
        },
        "base": {"ref": body["base"], "sha": repo.heads[body["base"]]},
        "merge_commit_sha": None,
        "merged_by": None,
    }
    repo.pulls.append(pull)
    hub.node[pull["node_id"]] = pull
    return pull


def _pull(repo: Repository, number: str) -> dict[str, Any]:
    if int(number) > len(repo.pulls):
        raise Refused(404, "Not Found")
    return repo.pulls[int(number) - 1]


def get_pull(hub: FakeGitHub, repo: Repository, number: str, **_: Any) -> Any:
    return _pull(repo, number)


def change_pull(hub: FakeGitHub, repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    pull = _pull(repo, number)
    pull.update({name: body[name] for name in ("state", "title", "body") if name in body})
    return pull


def merge_pull(hub: FakeGitHub, repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    pull = _pull(repo, number)
    if pull["merged"] or pull["state"] != "open" or pull["draft"] or repo.protected:
        raise Refused(
            405,
            "Pull Request is not mergeable"
            if not repo.protected
            else "At least 1 approving review is required",
        )
    if body.get("sha") not in (None, pull["head"]["sha"]):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    return {
        "sha": hub.merge(repo, pull, "cihealing[bot]"),
        "merged": True,
        "message": "Pull Request successfully merged",
    }


def check_runs(
    hub: FakeGitHub, repo: Repository, sha: str, *, query: dict[str, str], **_: Any
) -> Any:
    found = [
        c
        for c in repo.checks
        if c["head_sha"] == sha and query.get("check_name", c["name"]) == c["name"]
    ]
    return {"total_count": len(found), "check_runs": found}


def make_check(hub: FakeGitHub, repo: Repository, *, body: Any, **_: Any) -> Any:
    number = len(repo.checks) + 1
    repo.checks.append(
        {"id": number, "html_url": f"https://github.example/{repo.name}/runs/{number}", **body}
    )
    return repo.checks[-1]


def change_check(hub: FakeGitHub, repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    repo.checks[int(number) - 1].update(body)
    return repo.checks[int(number) - 1]


def combined(hub: FakeGitHub, repo: Repository, sha: str, **_: Any) -> Any:
    return {
        "state": "pending",
        "statuses": [s for s in repo.statuses if s["sha"] == sha],
        "sha": sha,
    }


def pulls_of(hub: FakeGitHub, repo: Repository, sha: str, **_: Any) -> Any:
    return [p for p in repo.pulls if p["head"]["sha"] == sha]


def comments(hub: FakeGitHub, repo: Repository, number: str, **_: Any) -> Any:
    return [c for c in repo.comments if c["issue"] == number]


def all_comments(hub: FakeGitHub, repo: Repository, **_: Any) -> Any:
    return repo.comments


def make_comment(hub: FakeGitHub, repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    made = {
        "id": len(repo.comments) + 1,
        "issue": number,
        "html_url": f"https://github.example/c/{len(repo.comments) + 1}",
        **body,
    }
    repo.comments.append(made)
    return made


def change_comment(hub: FakeGitHub, repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    found = next((c for c in repo.comments if c["id"] == int(number)), None)
    if found is None:
        raise Refused(404, "Not Found")
    found.update(body)
    return found


def drop_comment(hub: FakeGitHub, repo: Repository, number: str, **_: Any) -> Any:
    repo.comments[:] = [c for c in repo.comments if c["id"] != int(number)]
    return {}


def permission(hub: FakeGitHub, repo: Repository, login: str, **_: Any) -> Any:
    if login not in repo.people:
        raise Refused(404, "ann is not a user")
    return {
        "permission": repo.people[login],
        "role_name": repo.people[login],
        "user": {"login": login},
    }


def hooks(hub: FakeGitHub, repo: Repository, **_: Any) -> Any:
    return repo.hooks


def drop_hook(hub: FakeGitHub, repo: Repository, number: str, **_: Any) -> Any:
    repo.hooks[:] = [h for h in repo.hooks if h["id"] != int(number)]
    return {}


def events(hub: FakeGitHub, repo: Repository, number: str, **_: Any) -> Any:
    return repo.events


def graphql(hub: FakeGitHub, body: Any) -> Any:
    hub.node[body["variables"]["id"]]["draft"] = False
    return {"data": {"markPullRequestReadyForReview": {"pullRequest": {"isDraft": False}}}}


def rate_limit(hub: FakeGitHub, body: Any) -> Any:
    return {"resources": {}}


R = r"/repos/([^/]+/[^/]+)"
ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", R + r"/git/ref/heads/(.+)", get_ref),
    ("POST", R + "/git/refs", make_ref),
    ("DELETE", R + r"/git/refs/heads/(.+)", drop_ref),
    ("GET", R + r"/git/matching-refs/heads/(.*)", refs),
    ("GET", R + r"/git/commits/(\w+)", get_commit),
    ("POST", R + "/git/blobs", make_blob),
    ("POST", R + "/git/trees", make_tree),
    ("POST", R + "/git/commits", make_commit),
    ("GET", R + "/pulls", pulls),
    ("POST", R + "/pulls", make_pull),
    ("GET", R + r"/pulls/(\d+)", get_pull),
    ("PATCH", R + r"/pulls/(\d+)", change_pull),
    ("PUT", R + r"/pulls/(\d+)/merge", merge_pull),
    ("GET", R + r"/commits/(\w+)/check-runs", check_runs),
    ("POST", R + "/check-runs", make_check),
    ("PATCH", R + r"/check-runs/(\d+)", change_check),
    ("GET", R + r"/commits/(\w+)/status", combined),
    ("GET", R + r"/commits/(\w+)/pulls", pulls_of),
    ("GET", R + r"/issues/(\d+)/comments", comments),
    ("GET", R + "/issues/comments", all_comments),
    ("POST", R + r"/issues/(\d+)/comments", make_comment),
    ("PATCH", R + r"/issues/comments/(\d+)", change_comment),
    ("DELETE", R + r"/issues/comments/(\d+)", drop_comment),
    ("GET", R + r"/issues/(\d+)/events", events),
    ("GET", R + r"/collaborators/([^/]+)/permission", permission),
    ("GET", R + "/hooks", hooks),
    ("DELETE", R + r"/hooks/(\d+)", drop_hook),
    ("POST", "/graphql", graphql),
    ("GET", "/rate_limit", rate_limit),
)
