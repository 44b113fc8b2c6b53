"""GitHub over PyGithub and a GitHub that keeps state: one branch, one change, one merge, whatever
happens in between.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from cihealing.ports import FileEdit, HeadMovedError, PermanentError, Proposal, TransientError
from cihealing.providers.github import changes, members, publishing
from cihealing.providers.github.settings import GitHubSettings
from tests.forges.bound import Bound
from tests.forges.github import FakeGitHub, Repository
from tests.forges.server import Reply
from tests.groups import holding

RUN = "5f0f5a52-6f3e-5d0e-9c3e-000000000001"


@pytest.fixture
def hub() -> Iterator[FakeGitHub]:
    with FakeGitHub() as made:
        yield made


@pytest.fixture
def repo(hub: FakeGitHub) -> Repository:
    return hub.repository("acme/shop")


def proposal(repo: Repository, **fields: Any) -> Proposal:
    told: dict[str, Any] = {
        "run_id": RUN,
        "repository": "acme/shop",
        "branch": "main",
        "head": repo.heads["main"],
        "patch": "",
        "title": "Heal unit",
        "body": "Why",
        "message": "Proof: 7 runs",
        "trailers": ("Cihealing-Proof: abc",),
        "actor": "ann",
        "files": (
            FileEdit(path="shop.py", content=b"good = 1\n"),
            FileEdit(path="old.py", content=None),
        ),
    }
    return Proposal(**{**told, **fields})


def publish(hub: FakeGitHub, asked: Proposal) -> Any:
    return Bound("github", hub.settings).publish(asked)


def once(repo: Repository) -> None:
    assert [b for b in repo.heads if b.startswith("cihealing/")] == [f"cihealing/{RUN}"]
    assert len(repo.pulls) == 1


def test_a_patch_becomes_a_branch_a_commit_and_a_draft(hub: FakeGitHub, repo: Repository) -> None:
    head = repo.heads["main"]
    done = publish(hub, proposal(repo))
    once(repo)
    (pull,) = repo.pulls
    commit = repo.commits[done.commit]
    assert (done.url, done.merged, pull["draft"], pull["base"]["ref"]) == (
        pull["html_url"],
        False,
        True,
        "main",
    )
    assert [p["sha"] for p in commit["parents"]] == [head]
    assert commit["message"].splitlines()[-3:] == [
        f"Cihealing-Run: {RUN}",
        "Cihealing-Proof: abc",
        "Approved-by: ann",
    ]
    entries = {e["path"]: e for e in repo.trees[commit["tree"]["sha"]]}
    assert base64.b64decode(repo.blobs[entries["shop.py"]["sha"]]) == b"good = 1\n"
    assert entries["old.py"]["sha"] is None
    assert repo.heads["main"] == head, "nothing is merged by opening"


def test_publishing_again_finds_what_is_there(hub: FakeGitHub, repo: Repository) -> None:
    first = publish(hub, proposal(repo))
    assert publish(hub, proposal(repo)) == first
    once(repo)
    assert hub.made("POST", "/pulls$") == 1


LOST = [
    Reply(silent=True, done=True),
    Reply(status=502, done=True),
    Reply(status=500, body="<html>", done=True),
]


@pytest.mark.parametrize("reply", LOST, ids=["reset", "502", "html"])
@pytest.mark.parametrize(
    "path", ["/git/blobs", "/git/trees", "/git/commits", "/git/refs", "/pulls$"]
)
def test_an_answer_that_is_lost_makes_nothing_twice(
    hub: FakeGitHub, repo: Repository, path: str, reply: Reply
) -> None:
    hub.script("POST", path, reply)
    with pytest.raises(TransientError):
        publish(hub, proposal(repo))
    publish(hub, proposal(repo))
    once(repo)


@pytest.mark.parametrize("name", ["forge.after_ref", "forge.after_change"])
def test_a_crash_between_the_steps_makes_nothing_twice(
    hub: FakeGitHub, repo: Repository, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(at: str) -> None:
        if at == name:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "failpoint", crash)
        with pytest.raises(KeyboardInterrupt):
            publish(hub, proposal(repo))
    publish(hub, proposal(repo))
    once(repo)


def test_a_crash_after_the_merge_does_not_merge_twice(
    hub: FakeGitHub, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = publish(hub, proposal(repo))

    def crash(at: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(changes, "failpoint", crash)
        with pytest.raises(KeyboardInterrupt):
            merge(hub, repo, done)
    assert merge(hub, repo, done).merged
    assert hub.made("PUT", "/merge") == 1


def test_a_branch_that_moved_gets_nothing(hub: FakeGitHub, repo: Repository) -> None:
    asked = proposal(repo)
    repo.push("main")
    with pytest.raises(HeadMovedError):
        publish(hub, asked)
    assert not repo.pulls
    assert list(repo.heads) == ["main"]


def test_a_branch_that_moves_while_the_commit_is_made_gets_no_change(
    hub: FakeGitHub, repo: Repository
) -> None:
    asked = proposal(repo)
    hub.script("POST", "/git/refs", Reply(silent=True, done=True))
    with pytest.raises(TransientError):
        publish(hub, asked)
    repo.push("main")
    with pytest.raises(HeadMovedError):
        publish(hub, asked)
    assert not repo.pulls


def test_a_branch_of_that_name_that_is_not_ours_is_left_alone(
    hub: FakeGitHub, repo: Repository
) -> None:
    repo.heads[f"cihealing/{RUN}"] = repo.commit(
        f"Cihealing-Run: {RUN} not a trailer", parents=[repo.heads["main"]]
    )
    with pytest.raises(PermanentError, match="not this run's"):
        publish(hub, proposal(repo))
    assert not repo.pulls


def test_while_it_is_switched_off_nothing_is_written(hub: FakeGitHub, repo: Repository) -> None:
    off = {**hub.settings, "CI_HEALING_GITHUB_ENABLED": "false"}
    with pytest.raises(PermanentError, match="CI_HEALING_GITHUB_ENABLED"):
        Bound("github", off).publish(proposal(repo))
    assert not hub.calls


def test_what_would_be_called_is_what_is_called(hub: FakeGitHub, repo: Repository) -> None:
    told = [
        (c.method, c.url.removeprefix(hub.url))
        for c in Bound("github", hub.settings).planned(proposal(repo))
    ]
    assert not hub.calls
    publish(hub, proposal(repo))
    made = [
        (verb, path)
        for verb, path, _ in hub.calls
        if not (verb == "GET" and path.endswith(("/pulls", repo.commits and "x")))
    ]
    writes = [call for call in told if call[0] != "GET"]
    assert [call for call in made if call[0] != "GET"] == writes


def merge(hub: FakeGitHub, repo: Repository, done: Any, **fields: Any) -> Any:
    sha = fields.pop("sha", done.commit)
    return Bound("github", hub.settings).merge(done.url, sha=sha)


def test_a_draft_is_made_ready_and_merged_at_the_commit_that_was_shown(
    hub: FakeGitHub, repo: Repository
) -> None:
    done = publish(hub, proposal(repo))
    merged = merge(hub, repo, done)
    assert merged.merged
    assert repo.heads["main"] == merged.commit
    (call,) = [body for verb, path, body in hub.calls if path.endswith("/merge")]
    assert call == {"sha": done.commit}


def test_a_push_to_the_change_stops_the_merge(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    repo.push(f"cihealing/{RUN}")
    with pytest.raises(HeadMovedError):
        merge(hub, repo, done)
    assert hub.made("PUT", "/merge") == 0


def test_a_push_at_the_very_moment_stops_it_too(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    hub.script("PUT", "/merge", Reply(status=409, body='{"message": "Head branch was modified"}'))
    with pytest.raises(HeadMovedError):
        merge(hub, repo, done)


def test_branch_protection_is_told_and_never_gone_around(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    repo.protected = True
    with pytest.raises(PermanentError, match="approving review"):
        merge(hub, repo, done)
    assert not repo.pulls[0]["merged"]


def test_a_merge_whose_answer_was_lost_is_found(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    hub.script("PUT", "/merge", Reply(silent=True, done=True))
    with pytest.raises(TransientError):
        merge(hub, repo, done)
    assert merge(hub, repo, done).merged
    assert hub.made("PUT", "/merge") == 1


def look(hub: FakeGitHub, url: str) -> Any:
    return Bound("github", hub.settings).look(url)


@pytest.mark.parametrize(
    ("runs", "statuses", "says"),
    [
        ([], [], "none"),
        ([("a", "completed", "success")], [], "green"),
        ([("a", "completed", "success"), ("b", "in_progress", None)], [], "pending"),
        ([("a", "completed", "failure"), ("b", "in_progress", None)], [], "red"),
        ([("a", "completed", "skipped")], [("ci/x", "failure")], "red"),
        ([], [("ci/x", "success")], "green"),
        ([], [("ci/x", "pending")], "pending"),
        ([("a", "completed", "success")], [("ci/x", "error")], "red"),
        ([("cihealing", "completed", "neutral")], [], "none"),
    ],
)
def test_checks_and_statuses_speak_together(
    hub: FakeGitHub, repo: Repository, runs: Any, statuses: Any, says: str
) -> None:
    done = publish(hub, proposal(repo))
    repo.checks = [
        {"id": 1, "name": n, "status": s, "conclusion": c, "head_sha": done.commit}
        for n, s, c in runs
    ]
    repo.statuses = [{"context": n, "state": s, "sha": done.commit} for n, s in statuses]
    assert look(hub, done.url).checks == says


def test_who_merged_or_closed_it_is_told(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    assert (look(hub, done.url).state, look(hub, done.url).head) == ("open", done.commit)
    repo.pulls[0]["state"] = "closed"
    repo.events = [{"event": "closed", "actor": {"login": "ben"}}]
    assert (look(hub, done.url).state, look(hub, done.url).by) == ("closed", "ben")
    repo.pulls[0]["state"] = "open"
    sha = hub.merge(repo, repo.pulls[0], "ann")
    seen = look(hub, done.url)
    assert (seen.state, seen.by, seen.merged_commit) == ("merged", "ann", sha)


def test_the_label_off_is_seen_on_ours_and_on_theirs(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    assert not look(hub, done.url).opted_out
    repo.pulls[0]["labels"] = [{"name": "cihealing:off"}]
    assert look(hub, done.url).opted_out
    assert Bound("github", hub.settings).opted_out(done.commit)
    assert not Bound("github", hub.settings).opted_out(repo.heads["main"])


def test_closing_says_why_once_and_deletes_the_branch(hub: FakeGitHub, repo: Repository) -> None:
    done = publish(hub, proposal(repo))
    for _ in range(2):
        Bound("github", hub.settings).close(done.url, run_id=RUN, reason="denied by @ann: fixes #3")
    assert (repo.pulls[0]["state"], list(repo.heads)) == ("closed", ["main"])
    (comment,) = repo.comments
    assert "@" not in comment["body"]
    assert "#3" not in comment["body"]


def test_a_change_that_is_gone_is_closed(hub: FakeGitHub, repo: Repository) -> None:
    Bound("github", hub.settings).close(
        "https://github.example/acme/shop/pull/77", run_id=RUN, reason="x"
    )


def test_one_comment_and_one_check_are_edited_when_said_again(
    hub: FakeGitHub, repo: Repository
) -> None:
    done = publish(hub, proposal(repo))
    for how in ("comment", "check"):
        for words in ("first", "second"):
            Bound("github", hub.settings).say(words, run_id=RUN, commit=done.commit, how=how)
    assert [c["body"].split("\n")[0] for c in repo.comments] == ["second"]
    assert [(c["conclusion"], c["output"]["summary"]) for c in repo.checks] == [
        ("neutral", "second")
    ]


def test_without_an_open_change_there_is_nowhere_to_comment(
    hub: FakeGitHub, repo: Repository
) -> None:
    said = Bound("github", hub.settings).say(
        "x", run_id=RUN, commit=repo.heads["main"], how="comment"
    )
    assert said == ""


@pytest.mark.parametrize(
    ("login", "may"),
    [("ann", True), ("ben", True), ("rob", False), ("eve", False), ("../x", False), ("", False)],
)
def test_the_persons_own_permission_is_asked(
    hub: FakeGitHub, repo: Repository, login: str, may: bool
) -> None:
    assert Bound("github", hub.settings).may(login) is may


def test_a_token_that_may_too_much_is_told(hub: FakeGitHub) -> None:
    assert members.excess(holding(GitHubSettings, hub.settings)) == []
    hub.scopes = "repo, workflow, admin:org"
    assert [
        told.rpartition(" ")[2] for told in members.excess(holding(GitHubSettings, hub.settings))
    ] == ["workflow", "admin:org"]


def test_a_github_that_does_not_answer_is_told_by_doctor_in_words(hub: FakeGitHub) -> None:
    hub.script(
        "GET",
        "/rate_limit",
        Reply(status=401, body='{"message": "Bad credentials"}'),
        Reply(status=500),
    )
    for end in (PermanentError, TransientError):
        with pytest.raises(end):
            members.excess(holding(GitHubSettings, hub.settings))


def test_leaving_takes_everything_of_ours_and_nothing_else(
    hub: FakeGitHub, repo: Repository
) -> None:
    done = publish(hub, proposal(repo))
    Bound("github", hub.settings).say("x", run_id=RUN, commit=done.commit, how="comment")
    repo.heads["feature"] = repo.heads["main"]
    repo.comments.append({"id": 99, "issue": "1", "body": "of a person", "html_url": "u"})
    repo.hooks = [
        {"id": 1, "config": {"url": "https://heal.example/api"}},
        {"id": 2, "config": {"url": "https://other.example"}},
    ]
    told = Bound("github", hub.settings).leave()
    assert len(told) == 4
    assert sorted(repo.heads) == ["feature", "main"]
    assert [c["id"] for c in repo.comments] == [99]
    assert [h["id"] for h in repo.hooks] == [2]
    assert repo.pulls[0]["state"] == "closed"


HTML = {"content-type": "text/html"}
ENDS = [
    ("401", Reply(status=401, body='{"message": "Bad credentials"}'), PermanentError),
    (
        "403",
        Reply(status=403, body='{"message": "Resource not accessible by integration"}'),
        PermanentError,
    ),
    (
        "403 sso",
        Reply(
            status=403, body='{"message": "Resource protected by organization SAML enforcement"}'
        ),
        PermanentError,
    ),
    (
        "403 secondary",
        Reply(status=403, body='{"message": "You have exceeded a secondary rate limit"}'),
        TransientError,
    ),
    (
        "403 retry-after",
        Reply(status=403, body='{"message": "wait"}', headers={"retry-after": "30"}),
        TransientError,
    ),
    (
        "403 primary",
        Reply(
            status=403,
            body='{"message": "API rate limit exceeded"}',
            headers={"x-ratelimit-remaining": "0"},
        ),
        TransientError,
    ),
    ("429", Reply(status=429, body="{}", headers={"retry-after": "30"}), TransientError),
    ("404", Reply(status=404, body='{"message": "Not Found"}'), (PermanentError, HeadMovedError)),
    ("410", Reply(status=410, body='{"message": "gone"}'), (PermanentError, HeadMovedError)),
    (
        "422",
        Reply(status=422, body='{"message": "Validation Failed", "errors": [{"code": "invalid"}]}'),
        PermanentError,
    ),
    (
        "422 strings",
        Reply(status=422, body='{"message": "Validation Failed", "errors": ["no"]}'),
        PermanentError,
    ),
    ("451", Reply(status=451, body='{"message": "Repository access blocked"}'), PermanentError),
    ("500", Reply(status=500), TransientError),
    ("502 html", Reply(status=502, body="<html>Bad gateway</html>", headers=HTML), TransientError),
    ("503 empty", Reply(status=503, body=""), TransientError),
    ("reset", Reply(silent=True), TransientError),
    ("truncated", Reply(status=200, body='{"object": {"sha": "'), TransientError),
    ("html 200", Reply(status=200, body="<html>Sign in</html>", headers=HTML), TransientError),
    ("list", Reply(status=200, body="[]"), TransientError),
    ("null", Reply(status=200, body="null"), TransientError),
    ("number", Reply(status=200, body="7"), TransientError),
    ("wrong types", Reply(status=200, body='{"object": {"sha": 7}, "ref": []}'), TransientError),
    ("empty object", Reply(status=200, body="{}"), TransientError),
    ("deep", Reply(status=200, body="[" * 3000), TransientError),
]


@pytest.mark.parametrize(
    ("reply", "end"), [pytest.param(reply, end, id=name) for name, reply, end in ENDS]
)
def test_each_answer_to_the_first_question_has_its_right_end(
    hub: FakeGitHub, repo: Repository, reply: Reply, end: Any
) -> None:
    hub.script("GET", "/git/ref/", reply, reply)
    with pytest.raises(end) as caught:
        publish(hub, proposal(repo))
    assert "ghp_" not in str(caught.value)
    assert not repo.pulls
    if reply.headers.get("retry-after"):
        assert caught.value.retry_after == 30.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "https://github.example/acme/shop",
        "https://github.example/acme/shop/pull/x",
        "javascript:1",
    ],
)
def test_what_is_no_change_is_refused(hub: FakeGitHub, url: str) -> None:
    with pytest.raises(PermanentError):
        look(hub, url)


def test_without_a_token_it_says_what_to_set(hub: FakeGitHub) -> None:
    with pytest.raises(PermanentError, match="CI_HEALING_GITHUB_TOKEN"):
        Bound("github", {**hub.settings, "CI_HEALING_GITHUB_TOKEN": ""}).may("ann")
