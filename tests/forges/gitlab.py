"""A GitLab that keeps state, over HTTP: branches, commits with actions, merge requests bound to a
commit, notes, members, hooks.

Source of every shape: GitLab REST docs, v4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.forges.server import FakeForge, Refused, Reply, replied, sha_of


@dataclass
class Project:
    name: str
    heads: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: set[str] = field(default_factory=lambda: {"shop.py", "old.py"})
    requests: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, int] = field(default_factory=lambda: {"ann": 30, "ben": 50, "rob": 20})
    hooks: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    blocked: bool = False

    def commit(self, message: str, *, parents: list[str], actions: Any = ()) -> str:
        sha = sha_of(message, parents, actions, len(self.commits))
        self.commits[sha] = {
            "id": sha,
            "message": message,
            "parent_ids": parents,
            "actions": actions,
        }
        return sha

    def adopt(self, sha: str, message: str) -> str:
        """A commit of a real repository."""
        self.commits[sha] = {**self.commits.pop(self.commit(message, parents=[])), "id": sha}
        return sha

    def push(self, branch: str) -> str:
        self.heads[branch] = self.commit("more", parents=[self.heads[branch]])
        for request in self.requests:
            if request["source_branch"] == branch:
                request["sha"] = self.heads[branch]
        return self.heads[branch]


class FakeGitLab(FakeForge):
    def __init__(self) -> None:
        super().__init__()
        self.projects: dict[str, Project] = {}
        self.scopes = ["api"]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CI_HEALING_GITLAB_ENABLED": "true",
            "CI_HEALING_GITLAB_TOKEN": "glpat-secretsecret",
            "CI_HEALING_GITLAB_URL": self.url,
        }

    def project(self, name: str) -> Project:
        made = self.projects.setdefault(name, Project(name))
        made.heads["main"] = made.commit("first", parents=[])
        return made

    def usual(self, verb: str, path: str, query: dict[str, str], body: Any) -> Reply:
        try:
            if path == "/api/v4/personal_access_tokens/self":
                return replied(200, {"scopes": self.scopes})
            for known, pattern, work in ROUTES:
                found = re.fullmatch(r"/api/v4/projects/([^/]+)" + pattern, path)
                if known == verb and found:
                    project = self.projects.get(unquote(found[1]))
                    if project is None:
                        raise Refused(404, "404 Project Not Found")
                    parts = [unquote(part) for part in found.groups()[1:]]
                    return replied(
                        201 if verb == "POST" else 200,
                        work(self, project, *parts, query=query, body=body or {}),
                    )
            raise Refused(404, "404 Not Found")
        except Refused as error:
            return replied(error.status, {"message": error.message})


def branch(lab: FakeGitLab, project: Project, name: str, **_: Any) -> Any:
    if name not in project.heads:
        raise Refused(404, "404 Branch Not Found")
    return {"name": name, "commit": project.commits[project.heads[name]]}


def branches(lab: FakeGitLab, project: Project, *, query: dict[str, str], **_: Any) -> Any:
    prefix = query.get("search", "").removeprefix("^")
    return [branch(lab, project, name) for name in sorted(project.heads) if name.startswith(prefix)]


def drop_branch(lab: FakeGitLab, project: Project, name: str, **_: Any) -> Any:
    if project.heads.pop(name, None) is None:
        raise Refused(404, "404 Branch Not Found")
    return {}


def get_file(lab: FakeGitLab, project: Project, path: str, **_: Any) -> Any:
    if path not in project.files:
        raise Refused(404, "404 File Not Found")
    return {"file_path": path}


def make_commit(lab: FakeGitLab, project: Project, *, body: Any, **_: Any) -> Any:
    if body["branch"] in project.heads:
        raise Refused(400, "A branch called '" + body["branch"] + "' already exists.")
    for action in body["actions"]:
        if (action["action"] == "create") == (action["file_path"] in project.files):
            raise Refused(400, "A file with this name doesn't exist")
    sha = project.commit(
        body["commit_message"], parents=[body["start_sha"]], actions=body["actions"]
    )
    project.heads[body["branch"]] = sha
    return project.commits[sha]


def requests_of(lab: FakeGitLab, project: Project, *, query: dict[str, str], **_: Any) -> Any:
    state, source, target = (
        query.get("state", "all"),
        query.get("source_branch"),
        query.get("target_branch"),
    )
    found = [r for r in project.requests if state in ("all", r["state"])]
    return [
        r
        for r in found
        if source in (None, r["source_branch"]) and target in (None, r["target_branch"])
    ]


def make_request(lab: FakeGitLab, project: Project, *, body: Any, **_: Any) -> Any:
    if any(
        r["source_branch"] == body["source_branch"] and r["state"] == "opened"
        for r in project.requests
    ):
        raise Refused(409, "Another open merge request already exists for this source branch")
    number = len(project.requests) + 1
    made = {
        "iid": number,
        "state": "opened",
        "web_url": f"https://gitlab.example/{project.name}/-/merge_requests/{number}",
        "sha": project.heads[body["source_branch"]],
        "draft": body["title"].startswith("Draft: "),
        "labels": [],
        "head_pipeline": None,
        "merge_commit_sha": None,
        "merged_by": None,
        "closed_by": None,
        **body,
    }
    project.requests.append(made)
    return made


def _request(project: Project, number: str) -> dict[str, Any]:
    if int(number) > len(project.requests):
        raise Refused(404, "404 Not found")
    return project.requests[int(number) - 1]


def get_request(lab: FakeGitLab, project: Project, number: str, **_: Any) -> Any:
    return _request(project, number)


def change_request(lab: FakeGitLab, project: Project, number: str, *, body: Any, **_: Any) -> Any:
    request = _request(project, number)
    if body.get("state_event") == "close":
        request.update(state="closed", closed_by={"username": "cihealing"})
    if "title" in body:
        request.update(title=body["title"], draft=body["title"].startswith("Draft: "))
    return request


def merge_request(lab: FakeGitLab, project: Project, number: str, *, body: Any, **_: Any) -> Any:
    request = _request(project, number)
    if request["state"] != "opened" or request["draft"] or project.blocked:
        raise Refused(405, "405 Method Not Allowed")
    if body.get("sha") != request["sha"]:
        raise Refused(409, "SHA does not match HEAD of source branch: " + request["sha"])
    sha = project.commit("merge", parents=[project.heads[request["target_branch"]], request["sha"]])
    project.heads[request["target_branch"]] = sha
    request.update(state="merged", merge_commit_sha=sha, merged_by={"username": "cihealing"})
    return request


def notes(lab: FakeGitLab, project: Project, number: str, **_: Any) -> Any:
    return [n for n in project.notes if n["on"] == number]


def make_note(lab: FakeGitLab, project: Project, number: str, *, body: Any, **_: Any) -> Any:
    project.notes.append({"id": len(project.notes) + 1, "on": number, **body})
    return project.notes[-1]


def change_note(
    lab: FakeGitLab, project: Project, number: str, note: str, *, body: Any, **_: Any
) -> Any:
    project.notes[int(note) - 1].update(body)
    return project.notes[int(note) - 1]


def of_commit(lab: FakeGitLab, project: Project, sha: str, **_: Any) -> Any:
    return [r for r in project.requests if r["sha"] == sha]


def members(lab: FakeGitLab, project: Project, *, query: dict[str, str], **_: Any) -> Any:
    wanted = query.get("query", "")
    return [
        {"username": n, "access_level": level, "state": "active"}
        for n, level in project.members.items()
        if wanted in n
    ]


def jobs(lab: FakeGitLab, project: Project, number: str, **_: Any) -> Any:
    return project.jobs


def hooks(lab: FakeGitLab, project: Project, **_: Any) -> Any:
    return project.hooks


def drop_hook(lab: FakeGitLab, project: Project, number: str, **_: Any) -> Any:
    project.hooks[:] = [h for h in project.hooks if h["id"] != int(number)]
    return {}


ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", r"/repository/branches/([^/]+)", branch),
    ("GET", "/repository/branches", branches),
    ("DELETE", r"/repository/branches/([^/]+)", drop_branch),
    ("GET", r"/repository/files/([^/]+)", get_file),
    ("POST", "/repository/commits", make_commit),
    ("GET", "/merge_requests", requests_of),
    ("POST", "/merge_requests", make_request),
    ("GET", r"/merge_requests/(\d+)", get_request),
    ("PUT", r"/merge_requests/(\d+)", change_request),
    ("PUT", r"/merge_requests/(\d+)/merge", merge_request),
    ("GET", r"/merge_requests/(\d+)/notes", notes),
    ("POST", r"/merge_requests/(\d+)/notes", make_note),
    ("PUT", r"/merge_requests/(\d+)/notes/(\d+)", change_note),
    ("GET", r"/repository/commits/(\w+)/merge_requests", of_commit),
    ("GET", "/members/all", members),
    ("GET", r"/pipelines/(\d+)/jobs", jobs),
    ("GET", "/hooks", hooks),
    ("DELETE", r"/hooks/(\d+)", drop_hook),
)
