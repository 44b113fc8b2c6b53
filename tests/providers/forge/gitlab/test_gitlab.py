"""GitLab over python-gitlab and a GitLab that keeps state: one branch, one change, one merge,
whatever happens in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cihealing.ports import FileEdit, HeadMovedError, PermanentError, Proposal, TransientError
from cihealing.providers.gitlab import changes, members, publishing
from cihealing.providers.gitlab.settings import GitLabSettings
from tests.forges.bound import Bound
from tests.forges.gitlab import FakeGitLab, Project
from tests.forges.server import Reply
from tests.groups import holding

RUN = "5f0f5a52-6f3e-5d0e-9c3e-000000000001"
NAME = "acme/team/shop"


def bound(settings: Mapping[str, str]) -> Bound:
    return Bound("gitlab", settings, repository=NAME)


@pytest.fixture
def lab() -> Iterator[FakeGitLab]:
    with FakeGitLab() as made:
        yield made


@pytest.fixture
def project(lab: FakeGitLab) -> Project:
    return lab.project(NAME)


def proposal(project: Project, **fields: Any) -> Proposal:
    told: dict[str, Any] = {
        "run_id": RUN,
        "repository": NAME,
        "branch": "main",
        "head": project.heads["main"],
        "patch": "",
        "title": "Heal unit",
        "body": "Why",
        "message": "Proof: 7 runs",
        "actor": "ann",
        "files": (
            FileEdit(path="shop.py", content=b"x"),
            FileEdit(path="old.py", content=None),
            FileEdit(path="new/a.sh", content=b"y", mode="100755"),
        ),
    }
    return Proposal(**{**told, **fields})


def publish(lab: FakeGitLab, asked: Proposal) -> Any:
    return bound(lab.settings).publish(asked)


def merge(lab: FakeGitLab, project: Project, done: Any) -> Any:
    return bound(lab.settings).merge(done.url, sha=done.commit)


def once(project: Project) -> None:
    assert [b for b in project.heads if b.startswith("cihealing/")] == [f"cihealing/{RUN}"]
    assert len(project.requests) == 1


def test_a_patch_becomes_a_branch_a_commit_and_a_draft(lab: FakeGitLab, project: Project) -> None:
    head = project.heads["main"]
    done = publish(lab, proposal(project))
    once(project)
    commit = project.commits[done.commit]
    assert (commit["parent_ids"], project.requests[0]["title"], done.merged) == (
        [head],
        "Draft: Heal unit",
        False,
    )
    assert commit["message"].splitlines()[-2:] == [f"Cihealing-Run: {RUN}", "Approved-by: ann"]
    assert [(a["action"], a.get("execute_filemode", False)) for a in commit["actions"]] == [
        ("update", False),
        ("delete", False),
        ("create", True),
    ]
    assert project.heads["main"] == head


LOST = [
    Reply(silent=True, done=True),
    Reply(status=502, done=True),
    Reply(status=500, body="<html>", done=True),
]


@pytest.mark.parametrize("reply", LOST, ids=["reset", "502", "html"])
@pytest.mark.parametrize("path", ["/repository/commits$", "/merge_requests$"])
def test_an_answer_that_is_lost_makes_nothing_twice(
    lab: FakeGitLab, project: Project, path: str, reply: Reply
) -> None:
    lab.script("POST", path, reply)
    with pytest.raises(TransientError):
        publish(lab, proposal(project))
    assert publish(lab, proposal(project)) == publish(lab, proposal(project))
    once(project)


@pytest.mark.parametrize("name", ["forge.after_ref", "forge.after_change", "forge.after_merge"])
def test_a_crash_between_the_steps_makes_nothing_twice(
    lab: FakeGitLab, project: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(at: str) -> None:
        if at == name:
            raise KeyboardInterrupt

    def both() -> None:
        merge(lab, project, publish(lab, proposal(project)))

    with monkeypatch.context() as patched:
        for module in (publishing, changes):
            patched.setattr(module, "failpoint", crash)
        with pytest.raises(KeyboardInterrupt):
            both()
    done = publish(
        lab,
        proposal(project, head=project.commits[project.heads[f"cihealing/{RUN}"]]["parent_ids"][0]),
    )
    assert merge(lab, project, done).merged
    once(project)
    assert lab.made("PUT", "/merge$") == 1


def test_a_branch_that_moved_gets_nothing(lab: FakeGitLab, project: Project) -> None:
    asked = proposal(project)
    project.push("main")
    with pytest.raises(HeadMovedError):
        publish(lab, asked)
    assert not project.requests


def test_a_branch_of_that_name_that_is_not_ours_is_left_alone(
    lab: FakeGitLab, project: Project
) -> None:
    project.heads[f"cihealing/{RUN}"] = project.commit(
        "of somebody", parents=[project.heads["main"]]
    )
    with pytest.raises(PermanentError, match="not this run's"):
        publish(lab, proposal(project))


def test_while_it_is_switched_off_nothing_is_written(lab: FakeGitLab, project: Project) -> None:
    with pytest.raises(PermanentError, match="CI_HEALING_GITLAB_ENABLED"):
        bound({**lab.settings, "CI_HEALING_GITLAB_ENABLED": ""}).publish(proposal(project))
    assert not lab.calls


def test_a_push_to_the_change_stops_the_merge(lab: FakeGitLab, project: Project) -> None:
    done = publish(lab, proposal(project))
    project.push(f"cihealing/{RUN}")
    with pytest.raises(HeadMovedError):
        merge(lab, project, done)
    assert lab.made("PUT", "/merge$") == 0


def test_what_gitlab_insists_on_is_told(lab: FakeGitLab, project: Project) -> None:
    done = publish(lab, proposal(project))
    project.blocked = True
    with pytest.raises(PermanentError, match="does not merge"):
        merge(lab, project, done)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("success", "green"),
        ("skipped", "green"),
        ("running", "pending"),
        ("manual", "pending"),
        ("failed", "red"),
        ("canceled", "red"),
    ],
)
def test_the_pipeline_of_the_head_speaks(
    lab: FakeGitLab, project: Project, status: str, says: str
) -> None:
    done = publish(lab, proposal(project))
    project.jobs = [{"name": "windows", "allow_failure": False}]
    project.requests[0]["head_pipeline"] = {"id": 1, "sha": done.commit, "status": status}
    seen = bound(lab.settings).look(done.url)
    assert (seen.checks, seen.head, seen.state) == (says, done.commit, "open")
    assert seen.failing == (("windows",) if says == "red" else ())
    project.requests[0]["head_pipeline"]["sha"] = "0" * 40
    assert bound(lab.settings).look(done.url).checks == "none"


def test_closing_says_why_once_and_deletes_the_branch(lab: FakeGitLab, project: Project) -> None:
    done = publish(lab, proposal(project))
    for _ in range(2):
        bound(lab.settings).close(done.url, run_id=RUN, reason="denied by @ann /close")
    assert (project.requests[0]["state"], list(project.heads), len(project.notes)) == (
        "closed",
        ["main"],
        1,
    )
    assert "@" not in project.notes[0]["body"]


def test_one_note_is_edited_when_said_again(lab: FakeGitLab, project: Project) -> None:
    done = publish(lab, proposal(project))
    for words in ("first", "second"):
        bound(lab.settings).say(words, run_id=RUN, commit=done.commit, how="comment")
    assert [n["body"].split("\n")[0] for n in project.notes] == ["second"]


@pytest.mark.parametrize(
    ("login", "may"),
    [("ann", True), ("ben", True), ("rob", False), ("eve", False), ("", False), ("a/b", False)],
)
def test_the_persons_own_role_is_asked(
    lab: FakeGitLab, project: Project, login: str, may: bool
) -> None:
    assert bound(lab.settings).may(login) is may


def test_labels_scopes_and_leaving(lab: FakeGitLab, project: Project) -> None:
    done = publish(lab, proposal(project))
    project.requests[0]["labels"] = ["cihealing:off"]
    assert bound(lab.settings).opted_out(done.commit)
    assert members.excess(holding(GitLabSettings, lab.settings)) == []
    lab.scopes = ["api", "sudo"]
    assert members.excess(holding(GitLabSettings, lab.settings)) == [
        "the GitLab token may do more than is needed: sudo"
    ]
    project.hooks = [
        {"id": 1, "url": "https://heal.example/x"},
        {"id": 2, "url": "https://other.example"},
    ]
    assert len(bound(lab.settings).leave()) == 3
    assert (list(project.heads), [h["id"] for h in project.hooks]) == (["main"], [2])


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (Reply(status=401, body='{"message": "401 Unauthorized"}'), PermanentError),
        (Reply(status=403, body='{"message": "403 Forbidden"}'), PermanentError),
        (
            Reply(status=404, body='{"message": "404 Project Not Found"}'),
            (PermanentError, HeadMovedError),
        ),
        (Reply(status=400, body='{"message": {"base": ["no"]}}'), PermanentError),
        (Reply(status=422, body='{"error": "x"}'), PermanentError),
        (Reply(status=429, body="Retry later"), TransientError),
        (Reply(status=500), TransientError),
        (Reply(status=502, body="<html>", headers={"content-type": "text/html"}), TransientError),
        (Reply(silent=True), TransientError),
        (Reply(status=200, body='{"commit": {"id": "'), TransientError),
        (Reply(status=200, body="<html>Sign in</html>"), TransientError),
        (Reply(status=200, body="[]"), TransientError),
        (Reply(status=200, body="null"), TransientError),
        (Reply(status=200, body='{"commit": 7}'), TransientError),
        (Reply(status=200, body="[" * 3000), TransientError),
    ],
)
def test_each_answer_to_the_first_question_has_its_right_end(
    lab: FakeGitLab, project: Project, reply: Reply, end: Any
) -> None:
    lab.script("GET", "/repository/branches/", reply, reply)
    with pytest.raises(end) as caught:
        publish(lab, proposal(project))
    assert "glpat" not in str(caught.value)
    assert not project.requests


@pytest.mark.parametrize(
    "url",
    ["", "x", "https://gitlab.example/acme/shop", "https://gitlab.example/a/-/merge_requests/x"],
)
def test_what_is_no_change_is_refused(lab: FakeGitLab, url: str) -> None:
    with pytest.raises(PermanentError):
        bound(lab.settings).look(url)
