"""A Gitea that keeps state, over HTTP: branches, trees, commits of whole files, pull requests bound
to a commit, statuses, comments, people, hooks.

Source of every shape: Gitea's description of its API (`tests/forges/openapi/gitea.json`), which
questions and answers are held to; of what is refused and how: `routers/api/v1/repo`. Pages are
short and one list has none, as a server may have it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from cihealing.providers.gitea.entries import blob_of
from tests.forges.server import FakeForge, Refused, Reply, replied, sha_of

PAGE = 2
DATE = "2026-11-02T09:00:00Z"
Tree = dict[str, tuple[str, str]]
"""By path: mode and hash."""


def file(content: bytes, mode: str = "100644") -> tuple[str, str]:
    return mode, blob_of(content, like="0" * 40)


@dataclass
class Repository:
    name: str
    heads: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)
    """By commit: all its files. By hash of a directory: what lies below it."""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By commit, in the order they were said."""
    timeline: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, str] = field(
        default_factory=lambda: {"ann": "write", "ben": "admin", "olga": "owner", "rob": "read"}
    )
    hooks: list[dict[str, Any]] = field(default_factory=list)
    style: str = "merge"
    refuses: str = ""
    """Why nothing is merged."""
    attributes: Callable[[bytes], bytes] = lambda content: content
    """What the server makes of a file (LFS)."""

    def commit(self, message: str, *, parents: list[str], tree: Tree | None = None) -> str:
        sha = sha_of(message, parents, sorted((tree or {}).items()))
        self.commits[sha] = {
            "sha": sha,
            "parents": [{"sha": parent} for parent in parents],
            "commit": {"message": message, "committer": {"name": "Ann", "date": DATE}},
        }
        self.trees[sha] = dict(tree if tree is not None else self.trees[parents[0]])
        return sha

    def adopt(self, sha: str, message: str, tree: Tree) -> str:
        """A commit of a real repository."""
        made = self.commit(message, parents=[], tree=tree)
        self.commits[sha], self.trees[sha] = {**self.commits.pop(made), "sha": sha}, tree
        return sha

    def push(self, branch: str) -> str:
        self.heads[branch] = self.commit("more", parents=[self.heads[branch]])
        for pull in self.pulls:
            if pull["head"]["ref"] == branch and pull["state"] == "open":
                pull["head"]["sha"] = self.heads[branch]
        return self.heads[branch]


FILES: Tree = {
    "shop.py": file(b"bad = 1\n"),
    "old.py": file(b"old"),
    "tools/run.sh": file(b"#!/bin/sh\n", "100755"),
    "tools/deep/a.py": file(b"a"),
}


class FakeGitea(FakeForge):
    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CI_HEALING_GITEA_ENABLED": "true",
            "CI_HEALING_GITEA_TOKEN": "0123456789abcdef0123456789abcdef01234567",
            "CI_HEALING_GITEA_URL": self.url,
        }

    def repository(self, name: str) -> Repository:
        made = self.repositories.setdefault(name, Repository(name))
        made.heads["main"] = made.commit("first", parents=[], tree=FILES)
        return made

    def usual(self, verb: str, path: str, query: dict[str, str], body: Any) -> Reply:
        try:
            for known, pattern, work, asks, answers in ROUTES:
                found = re.fullmatch(r"/api/v1/repos/([^/]+/[^/]+)" + pattern, path)
                if known == verb and found:
                    return self._done(work, found, query, body, asks, answers)
            raise Refused(404, "The target couldn't be found.")
        except Refused as error:
            url = f"{self.url}/api/swagger"
            return replied(error.status, {"message": error.message, "url": url})

    def _done(
        self,
        work: Callable[..., Any],
        found: re.Match[str],
        query: dict[str, str],
        body: Any,
        asks: str,
        answers: str,
    ) -> Reply:
        repo = self.repositories.get(found[1])
        if repo is None:
            raise Refused(404, "The target couldn't be found.")
        self.wrong += faults(asks, body) if asks else []
        parts = [unquote(part) for part in found.groups()[1:]]
        status, value = work(repo, *parts, query=query, body=body)
        if value is None:
            return Reply(status=status, body="")
        for one in value if isinstance(value, list) else [value]:
            self.wrong += faults(answers, one)
        return replied(status, value)


@cache
def validator(name: str) -> Draft202012Validator:
    description = Path(__file__).parent / "openapi" / "gitea.json"
    schemas = json.loads(description.read_text())["schemas"]
    return Draft202012Validator({"$ref": f"#/schemas/{name}", "schemas": schemas})


def faults(name: str, value: Any) -> list[str]:
    """Where a value is not as Gitea describes it."""
    return [
        f"{name} {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in validator(name).iter_errors(value)
    ][:5]


def page_of(found: list[Any], query: dict[str, str]) -> list[Any]:
    first = (int(query.get("page", "1")) - 1) * PAGE
    return found[first : first + PAGE]


def get_repository(repo: Repository, **_: Any) -> Any:
    return 200, {"full_name": repo.name, "default_merge_style": repo.style}


def _branch(repo: Repository, name: str) -> dict[str, Any]:
    commit = repo.commits[repo.heads[name]]
    return {
        "name": name,
        "commit": {"id": commit["sha"], "message": commit["commit"]["message"]},
        "protected": False,
    }


def get_branch(repo: Repository, name: str, **_: Any) -> Any:
    if name not in repo.heads:
        raise Refused(404, "The target couldn't be found.")
    return 200, _branch(repo, name)


def branches(repo: Repository, *, query: dict[str, str], **_: Any) -> Any:
    return 200, [_branch(repo, name) for name in page_of(sorted(repo.heads), query)]


def drop_branch(repo: Repository, name: str, **_: Any) -> Any:
    if repo.heads.pop(name, None) is None:
        raise Refused(404, "The target couldn't be found.")
    return 204, None


def get_tree(repo: Repository, sha: str, *, query: dict[str, str], **_: Any) -> Any:
    if sha not in repo.trees:
        raise Refused(404, "object does not exist")
    names = sorted({path.partition("/")[0] for path in repo.trees[sha]})
    entries, page = [_entry(repo, sha, name) for name in names], int(query.get("page", "1"))
    return 200, {
        "sha": sha,
        "tree": page_of(entries, query),
        "page": page,
        "truncated": page * PAGE < len(entries),
        "total_count": len(entries),
    }


def _entry(repo: Repository, sha: str, name: str) -> dict[str, Any]:
    tree = repo.trees[sha]
    if name in tree:
        mode, blob = tree[name]
        return {"path": name, "mode": mode, "type": "blob", "sha": blob}
    prefix = f"{name}/"
    inner = {p.removeprefix(prefix): one for p, one in tree.items() if p.startswith(prefix)}
    directory = sha_of("tree", sorted(inner.items()))
    repo.trees[directory] = inner
    return {"path": name, "mode": "040000", "type": "tree", "sha": directory}


def get_commit(repo: Repository, sha: str, **_: Any) -> Any:
    if sha not in repo.commits:
        raise Refused(404, "object does not exist")
    return 200, repo.commits[sha]


def change_files(repo: Repository, *, body: Any, **_: Any) -> Any:
    if body["branch"] not in repo.heads:
        raise Refused(404, f"branch does not exist [repo_id: 1 name: {body['branch']}]")
    if body["new_branch"] in repo.heads:
        raise Refused(422, f"branch already exists [name: {body['new_branch']}]")
    parent = repo.heads[body["branch"]]
    tree = dict(repo.trees[parent])
    for change in body["files"]:
        _change(repo, tree, change)
    sha = repo.commit(body["message"].strip(), parents=[parent], tree=tree)
    repo.heads[body["new_branch"]] = sha
    commit = {"sha": sha, "message": body["message"], "parents": [{"sha": parent}]}
    return 201, {"commit": commit, "files": []}


def _change(repo: Repository, tree: Tree, change: dict[str, str]) -> None:
    path, operation = change["path"], change["operation"]
    mode, before = tree.get(path, ("100644", ""))
    if operation == "create" and before:
        raise Refused(422, f"repository file already exists [path: {path}]")
    if operation != "create" and not before:
        raise Refused(404, f"object does not exist [id: , rel_path: {path}]")
    if operation != "create" and change["sha"] != before:
        raise Refused(422, f"sha does not match [given: {change['sha']}, expected: {before}]")
    if operation == "delete":
        del tree[path]
    else:
        tree[path] = file(repo.attributes(base64.b64decode(change["content"])), mode)


def pulls(repo: Repository, *, query: dict[str, str], **_: Any) -> Any:
    state = query.get("state", "open")
    found = [pull for pull in repo.pulls if state in ("all", pull["state"])]
    return 200, page_of(found, query)


def make_pull(repo: Repository, *, body: Any, **_: Any) -> Any:
    if body["head"] not in repo.heads or body["base"] not in repo.heads:
        raise Refused(404, "The target couldn't be found.")
    if any(_between(pull, body["base"], body["head"]) for pull in repo.pulls if not pull["merged"]):
        raise Refused(409, "pull request already exists for these targets [id: 1, issue_id: 1]")
    number = len(repo.pulls) + 1
    made = {
        "id": 100 + number,
        "number": number,
        "html_url": f"https://git.example/{repo.name}/pulls/{number}",
        "title": body["title"],
        "body": body["body"],
        "state": "open",
        "draft": body["title"].startswith("WIP:"),
        "merged": False,
        "merge_commit_sha": None,
        "merged_by": None,
        "labels": [],
        "head": {
            "ref": body["head"],
            "sha": repo.heads[body["head"]],
            "repo": {"full_name": repo.name},
        },
        "base": {"ref": body["base"], "sha": repo.heads[body["base"]]},
    }
    repo.pulls.append(made)
    return 201, made


def _between(pull: dict[str, Any], base: str, head: str) -> bool:
    return (pull["base"]["ref"], pull["head"]["ref"]) == (base, head)


def _pull(repo: Repository, number: str) -> dict[str, Any]:
    if int(number) > len(repo.pulls):
        raise Refused(404, "The target couldn't be found.")
    return repo.pulls[int(number) - 1]


def get_pull(repo: Repository, number: str, **_: Any) -> Any:
    return 200, _pull(repo, number)


def pull_between(repo: Repository, base: str, head: str, **_: Any) -> Any:
    found = next((pull for pull in repo.pulls if _between(pull, base, head)), None)
    if found is None:
        raise Refused(404, "The target couldn't be found.")
    return 200, found


def change_pull(repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    pull = _pull(repo, number)
    if "state" in body and pull["merged"]:
        raise Refused(412, "cannot change state of this pull request, it was already merged")
    pull.update(body)
    pull["draft"] = pull["title"].startswith("WIP:")
    if body.get("state") == "closed":
        repo.timeline.append({"id": 900, "type": "close", "user": {"login": "cihealing"}})
    return 201, pull


def merge_pull(repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    pull = _pull(repo, number)
    if pull["state"] != "open":
        raise Refused(404, "The target couldn't be found.")
    if repo.refuses or pull["draft"]:
        raise Refused(405, repo.refuses or "Work in progress PRs cannot be merged")
    if body["Do"] != repo.style:
        raise Refused(405, f"{body['Do']} is not allowed an allowed merge style")
    if body["head_commit_id"] != pull["head"]["sha"]:
        raise Refused(409, "head out of date")
    base = pull["base"]["ref"]
    head = pull["head"]["sha"]
    merged = repo.commit("merge", parents=[repo.heads[base], head], tree=repo.trees[head])
    repo.heads[base] = merged
    pull.update(
        merged=True, state="closed", merge_commit_sha=merged, merged_by={"login": "cihealing"}
    )
    return 200, None


def combined(repo: Repository, sha: str, *, query: dict[str, str], **_: Any) -> Any:
    newest = {status["context"]: status for status in repo.statuses.get(sha, [])}
    return 200, {"sha": sha, "statuses": page_of(list(newest.values()), query)}


def make_status(repo: Repository, sha: str, *, body: Any, **_: Any) -> Any:
    if sha not in repo.commits:
        raise Refused(404, "object does not exist")
    made = {
        "id": 700 + len(repo.statuses),
        "status": body["state"],
        "context": body["context"],
        "description": body["description"],
        "target_url": body["target_url"],
        "url": f"https://git.example/api/v1/repos/{repo.name}/statuses/{sha}",
    }
    repo.statuses.setdefault(sha, []).append(made)
    return 201, made


def comments_of(repo: Repository, number: str, **_: Any) -> Any:
    """All of them, whatever page is asked for."""
    return 200, [one for one in repo.comments if one["issue_url"].endswith(f"/{number}")]


def comments(repo: Repository, *, query: dict[str, str], **_: Any) -> Any:
    return 200, page_of(repo.comments, query)


def make_comment(repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    issue = f"https://git.example/{repo.name}/pulls/{number}"
    made = {
        "id": 500 + len(repo.comments),
        "body": body["body"],
        "issue_url": issue,
        "html_url": f"{issue}#issuecomment-{500 + len(repo.comments)}",
    }
    repo.comments.append(made)
    return 201, made


def change_comment(repo: Repository, number: str, *, body: Any, **_: Any) -> Any:
    found = next(one for one in repo.comments if one["id"] == int(number))
    found.update(body)
    return 200, found


def drop_comment(repo: Repository, number: str, **_: Any) -> Any:
    repo.comments[:] = [one for one in repo.comments if one["id"] != int(number)]
    return 204, None


def timeline(repo: Repository, number: str, *, query: dict[str, str], **_: Any) -> Any:
    return 200, page_of(repo.timeline, query)


def permission(repo: Repository, login: str, **_: Any) -> Any:
    if login not in repo.people:
        raise Refused(404, "user does not exist")
    return 200, {"permission": repo.people[login], "role_name": repo.people[login]}


def hooks(repo: Repository, *, query: dict[str, str], **_: Any) -> Any:
    return 200, page_of(repo.hooks, query)


def drop_hook(repo: Repository, number: str, **_: Any) -> Any:
    repo.hooks[:] = [one for one in repo.hooks if one["id"] != int(number)]
    return 204, None


ROUTES: tuple[tuple[str, str, Callable[..., Any], str, str], ...] = (
    ("GET", "", get_repository, "", "Repository"),
    ("GET", r"/branches/(.+)", get_branch, "", "Branch"),
    ("GET", "/branches", branches, "", "Branch"),
    ("DELETE", r"/branches/(.+)", drop_branch, "", ""),
    ("GET", r"/git/trees/(\w+)", get_tree, "", "GitTreeResponse"),
    ("GET", r"/git/commits/(\w+)", get_commit, "", "Commit"),
    ("POST", "/contents", change_files, "ChangeFilesOptions", "FilesResponse"),
    ("GET", "/pulls", pulls, "", "PullRequest"),
    ("POST", "/pulls", make_pull, "CreatePullRequestOption", "PullRequest"),
    ("GET", r"/pulls/(\d+)", get_pull, "", "PullRequest"),
    ("GET", r"/pulls/([^/]+)/(.+)", pull_between, "", "PullRequest"),
    ("PATCH", r"/pulls/(\d+)", change_pull, "EditPullRequestOption", "PullRequest"),
    ("POST", r"/pulls/(\d+)/merge", merge_pull, "MergePullRequestOption", ""),
    ("GET", r"/commits/(\w+)/status", combined, "", "CombinedStatus"),
    ("POST", r"/statuses/(\w+)", make_status, "CreateStatusOption", "CommitStatus"),
    ("GET", r"/issues/(\d+)/comments", comments_of, "", "Comment"),
    ("GET", "/issues/comments", comments, "", "Comment"),
    ("POST", r"/issues/(\d+)/comments", make_comment, "CreateIssueCommentOption", "Comment"),
    ("PATCH", r"/issues/comments/(\d+)", change_comment, "EditIssueCommentOption", "Comment"),
    ("DELETE", r"/issues/comments/(\d+)", drop_comment, "", ""),
    ("GET", r"/issues/(\d+)/timeline", timeline, "", "TimelineComment"),
    ("GET", r"/collaborators/([^/]+)/permission", permission, "", "RepoCollaboratorPermission"),
    ("GET", "/hooks", hooks, "", "Hook"),
    ("DELETE", r"/hooks/(\d+)", drop_hook, "", ""),
)
