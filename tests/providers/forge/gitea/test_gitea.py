"""A Gitea that keeps state: one branch, one change, one merge, whatever happens in between, and
nothing in it that was not proven.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cihealing import registry
from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import FileEdit, HeadMovedError, PermanentError, Proposal, TransientError
from cihealing.providers.gitea import changes, client, publishing
from cihealing.providers.gitea.entries import blob_of
from cihealing.providers.gitea.settings import GiteaSettings
from tests.forges.bound import Bound
from tests.forges.gitea import FakeGitea, Repository, faults, file
from tests.forges.server import Reply
from tests.groups import holding

RUN = "5f0f5a52-6f3e-5d0e-9c3e-000000000001"
OURS = f"cihealing/{RUN}"
NAME = "acme/shop"


def bound(settings: Mapping[str, str]) -> Bound:
    return Bound("gitea", settings, repository=NAME)


@pytest.fixture
def tea() -> Iterator[FakeGitea]:
    with FakeGitea() as made:
        yield made


@pytest.fixture
def shop(tea: FakeGitea) -> Repository:
    return tea.repository(NAME)


def proposal(shop: Repository, **fields: Any) -> Proposal:
    told: dict[str, Any] = {
        "run_id": RUN,
        "repository": NAME,
        "branch": "main",
        "head": shop.heads["main"],
        "patch": "",
        "title": "Heal unit",
        "body": "Why",
        "message": "Proof: 7 runs",
        "actor": "ann",
        "files": (
            FileEdit(path="shop.py", content=b"good = 1\n"),
            FileEdit(path="old.py", content=None),
            FileEdit(path="tools/run.sh", content=b"#!/bin/sh\nset -e\n", mode="100755"),
            FileEdit(path="new/deep/a.py", content=b""),
        ),
    }
    return Proposal(**{**told, **fields})


def publish(tea: FakeGitea, asked: Proposal) -> Any:
    return bound(tea.settings).publish(asked)


def merge(tea: FakeGitea, done: Any) -> Any:
    return bound(tea.settings).merge(done.url, sha=done.commit)


def once(shop: Repository) -> None:
    assert [branch for branch in shop.heads if branch.startswith("cihealing/")] == [OURS]
    assert len(shop.pulls) == 1


def test_a_patch_becomes_a_branch_a_commit_and_a_draft(tea: FakeGitea, shop: Repository) -> None:
    head = shop.heads["main"]
    done = publish(tea, proposal(shop))
    once(shop)
    commit, (pull,) = shop.commits[done.commit], shop.pulls
    assert ([parent["sha"] for parent in commit["parents"]], done.merged) == ([head], False)
    assert (pull["title"], pull["draft"], pull["body"]) == ("WIP: Heal unit", True, "Why")
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (OURS, "main")
    assert commit["commit"]["message"].splitlines()[-2:] == [
        f"Cihealing-Run: {RUN}",
        "Approved-by: ann",
    ]
    assert shop.trees[done.commit] == {
        "shop.py": file(b"good = 1\n"),
        "tools/run.sh": file(b"#!/bin/sh\nset -e\n", "100755"),
        "tools/deep/a.py": file(b"a"),
        "new/deep/a.py": file(b""),
    }
    assert shop.heads["main"] == head


def test_what_is_planned_is_what_is_asked(tea: FakeGitea, shop: Repository) -> None:
    asked = proposal(shop)
    planned = bound(tea.settings).planned(asked)
    assert not tea.calls
    publish(tea, asked)
    writes = [(call.method, call.url) for call in planned if call.method == "POST"]
    assert writes == [(verb, tea.url + path) for verb, path, _ in tea.calls if verb == "POST"]
    (content,) = [call.body for call in planned if call.url.endswith("/contents")]
    assert "good" not in json.dumps(content)
    assert base64.b64encode(b"good = 1\n").decode() not in json.dumps(content)


LOST = [
    Reply(silent=True, done=True),
    Reply(status=502, done=True),
    Reply(status=500, body="<html>", done=True),
    Reply(status=201, body='{"sha": "12', done=True),
]


@pytest.mark.parametrize("reply", LOST, ids=["reset", "502", "html", "half"])
@pytest.mark.parametrize("path", ["/contents$", "/pulls$"])
def test_an_answer_that_is_lost_makes_nothing_twice(
    tea: FakeGitea, shop: Repository, path: str, reply: Reply
) -> None:
    tea.script("POST", path, reply)
    with pytest.raises(TransientError):
        publish(tea, proposal(shop))
    assert publish(tea, proposal(shop)) == publish(tea, proposal(shop))
    once(shop)


@pytest.mark.parametrize("name", ["forge.after_ref", "forge.after_change", "forge.after_merge"])
def test_a_crash_between_the_steps_makes_nothing_twice(
    tea: FakeGitea, shop: Repository, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = shop.heads["main"]

    def crash(at: str) -> None:
        if at == name:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        for module in (publishing, changes):
            patched.setattr(module, "failpoint", crash)
        with pytest.raises(KeyboardInterrupt):
            merge(tea, publish(tea, proposal(shop)))
    done = publish(tea, proposal(shop, head=head))
    assert merge(tea, done).merged
    once(shop)
    assert tea.made("POST", "/merge$") == 1


@pytest.mark.parametrize(("path", "made"), [("/contents$", OURS), ("/pulls$", 1)])
def test_another_try_that_was_faster_is_adopted(
    tea: FakeGitea, shop: Repository, path: str, made: Any
) -> None:
    """The work is done, and the answer is what a second one would get."""
    status = 422 if path == "/contents$" else 409
    tea.script("POST", path, Reply(status=status, body='{"message": "exists"}', done=True))
    assert publish(tea, proposal(shop)).commit == shop.heads[OURS]
    once(shop)


def test_a_branch_that_moved_gets_nothing(tea: FakeGitea, shop: Repository) -> None:
    asked = proposal(shop)
    shop.push("main")
    with pytest.raises(HeadMovedError):
        publish(tea, asked)
    assert (tea.made("POST", "."), list(shop.heads)) == (0, ["main"])


def test_a_branch_that_moves_while_the_commit_is_made_leaves_nothing(
    tea: FakeGitea, shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gitea says of no commit where it must stand."""
    asked, looked = proposal(shop), publishing._require_head
    monkeypatch.setattr(
        publishing, "_require_head", lambda *given: (looked(*given), shop.push("main"))
    )
    with pytest.raises(HeadMovedError) as caught:
        publish(tea, asked)
    assert (caught.value.expected, caught.value.found) == (asked.head, shop.heads["main"])
    assert (list(shop.heads), shop.pulls) == (["main"], [])


@pytest.mark.parametrize("parents", ["of the head", "of nothing"])
def test_a_branch_of_that_name_that_is_not_ours_is_left_alone(
    tea: FakeGitea, shop: Repository, parents: str
) -> None:
    head = shop.heads["main"]
    message = "of somebody" if parents == "of the head" else f"x\n\nCihealing-Run: {RUN}"
    shop.heads[OURS] = shop.commit(
        message, parents=[head] if parents == "of the head" else [], tree=shop.trees[head]
    )
    with pytest.raises(PermanentError, match="not this run's"):
        publish(tea, proposal(shop))
    assert (OURS in shop.heads, shop.pulls) == (True, [])


def test_nothing_is_opened_that_holds_something_else_than_was_proven(
    tea: FakeGitea, shop: Repository
) -> None:
    """What LFS makes of a file, or somebody of our commit."""
    shop.attributes = lambda content: b"version https://git-lfs.github.com/spec/v1\n" + content
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"shop\.py' than was proven"):
            publish(tea, proposal(shop))
    assert shop.pulls == []


def test_a_file_that_should_be_gone_and_is_there_is_not_what_was_proven(
    tea: FakeGitea, shop: Repository
) -> None:
    head = shop.heads["main"]
    shop.heads[OURS] = shop.commit(f"x\n\nCihealing-Run: {RUN}", parents=[head])
    with pytest.raises(PermanentError, match=r"old\.py' than was proven"):
        publish(tea, proposal(shop, files=(FileEdit(path="old.py", content=None),)))


@pytest.mark.parametrize(
    ("path", "mode"), [("new.sh", "100755"), ("shop.py", "100755"), ("tools/run.sh", "100644")]
)
def test_a_mode_that_gitea_cannot_give_is_told_before_anything_is_made(
    tea: FakeGitea, shop: Repository, path: str, mode: str
) -> None:
    edits = (FileEdit(path=path, content=b"x", mode=mode),)
    with pytest.raises(PermanentError, match=f"{path}' would get the mode {mode}"):
        publish(tea, proposal(shop, files=edits))
    assert list(shop.heads) == ["main"]


def test_a_hash_is_as_long_as_the_repositorys() -> None:
    assert blob_of(b"hello\n", like="0" * 40) == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert (
        blob_of(b"hello\n", like="0" * 64)
        == "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4"
    )


def test_while_it_is_switched_off_nothing_is_written(tea: FakeGitea, shop: Repository) -> None:
    off = bound({**tea.settings, "CI_HEALING_GITEA_ENABLED": ""})
    asks: list[Callable[[], Any]] = [
        lambda: off.publish(proposal(shop)),
        lambda: off.merge("https://git.example/acme/shop/pulls/1", sha="c" * 40),
        lambda: off.close("https://git.example/acme/shop/pulls/1", run_id=RUN, reason=""),
        lambda: off.say("x", run_id=RUN, commit="c" * 40, how="check"),
        off.leave,
    ]
    for ask in asks:
        with pytest.raises(PermanentError, match="CI_HEALING_GITEA_ENABLED"):
            ask()
    assert not tea.calls


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
def test_a_change_is_merged_as_the_repository_usually_does(
    tea: FakeGitea, shop: Repository, style: str
) -> None:
    shop.style = style
    done = publish(tea, proposal(shop))
    assert merge(tea, done).commit == shop.heads["main"]
    assert shop.pulls[0]["title"] == "Heal unit"
    assert merge(tea, done) == merge(tea, done)
    assert tea.made("POST", "/merge$") == 1


def test_a_push_to_the_change_stops_the_merge(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    shop.push(OURS)
    with pytest.raises(HeadMovedError):
        merge(tea, done)
    assert tea.made("POST", "/merge$") == 0


def test_a_push_just_before_the_merge_stops_it_too(
    tea: FakeGitea, shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = publish(tea, proposal(shop, draft=False))
    style = changes._style
    monkeypatch.setattr(changes, "_style", lambda api: (shop.push(OURS), style(api))[1])
    with pytest.raises(HeadMovedError) as caught:
        merge(tea, done)
    assert (caught.value.found, shop.pulls[0]["merged"]) == (shop.heads[OURS], False)


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("not allowed to merge [reason: Does not have enough approvals]", PermanentError),
        ("User not allowed to merge PR", PermanentError),
        ("Please try again later", TransientError),
    ],
)
def test_what_gitea_insists_on_is_told(
    tea: FakeGitea, shop: Repository, reason: str, end: type[Exception]
) -> None:
    done = publish(tea, proposal(shop))
    shop.refuses = reason
    with pytest.raises(end) as caught:
        merge(tea, done)
    assert reason in str(caught.value)


@pytest.mark.parametrize("reply", LOST[:3], ids=["reset", "502", "html"])
def test_a_merge_whose_answer_is_lost_is_found(
    tea: FakeGitea, shop: Repository, reply: Reply
) -> None:
    done = publish(tea, proposal(shop))
    tea.script("POST", "/merge$", reply)
    with pytest.raises(TransientError):
        merge(tea, done)
    assert merge(tea, done).commit == shop.heads["main"]
    assert tea.made("POST", "/merge$") == 1


def test_a_merge_of_somebody_faster_is_a_merge(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    tea.script("POST", "/merge$", Reply(status=405, body='{"message": ""}', done=True))
    assert merge(tea, done).commit == shop.heads["main"]


def status(number: int, context: str, state: str) -> dict[str, Any]:
    return {"id": number, "context": context, "status": state}


@pytest.mark.parametrize(
    ("states", "says", "failing"),
    [
        ([], "none", ()),
        (["success", "success", "success"], "green", ()),
        (["success", "skipped", "warning"], "green", ()),
        (["success", "success", "pending"], "pending", ()),
        (["success", "pending", "failure"], "red", ("job 3",)),
        (["error", "success", "failure"], "red", ("job 1", "job 3")),
        (["success", "success", "of a later version"], "red", ("job 3",)),
    ],
)
def test_all_statuses_of_the_head_speak_but_ours(
    tea: FakeGitea, shop: Repository, states: list[str], says: str, failing: tuple[str, ...]
) -> None:
    done = publish(tea, proposal(shop))
    told = [status(number, f"job {number}", state) for number, state in enumerate(states, 1)]
    shop.statuses = {done.commit: [status(9, "cihealing", "failure"), *told]}
    seen = bound(tea.settings).look(done.url)
    assert (seen.checks, seen.failing, seen.head, seen.state) == (
        says,
        failing,
        done.commit,
        "open",
    )


def test_a_change_is_seen_as_it_is(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    shop.pulls[0]["labels"] = [{"id": 1, "name": "cihealing:off"}]
    seen = bound(tea.settings).look(done.url)
    assert (seen.opted_out, seen.by, seen.target_head) == (True, "", shop.heads["main"])
    shop.pulls[0].update(state="closed")
    shop.timeline = [
        {"id": number, "type": kind, "user": {"login": login}}
        for number, (kind, login) in enumerate(
            [("close", "rob"), ("reopen", "rob"), ("close", "ann"), ("comment", "ben")]
        )
    ]
    seen = bound(tea.settings).look(done.url)
    assert (seen.state, seen.by, seen.checks) == ("closed", "ann", "none")
    shop.pulls[0].update(merged=True, merge_commit_sha="d" * 40, merged_by={"login": "olga"})
    seen = bound(tea.settings).look(done.url)
    assert (seen.state, seen.by, seen.merged_commit) == ("merged", "olga", "d" * 40)


def test_closing_says_why_once_and_deletes_the_branch(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    for _ in range(2):
        bound(tea.settings).close(done.url, run_id=RUN, reason="denied by @ann, closes #1")
    assert (shop.pulls[0]["state"], list(shop.heads), len(shop.comments)) == ("closed", ["main"], 1)
    assert not {"@", "#"} & set(shop.comments[0]["body"].partition("\n")[0])


def test_a_change_that_is_gone_is_closed(tea: FakeGitea, shop: Repository) -> None:
    bound(tea.settings).close("https://git.example/acme/shop/pulls/7", run_id=RUN, reason="x")


def test_a_branch_of_the_same_name_in_a_fork_is_not_ours(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    shop.pulls[0]["head"]["repo"] = {"full_name": "eve/shop"}
    bound(tea.settings).close(done.url, run_id=RUN, reason="x")
    assert OURS in shop.heads


def test_one_comment_is_edited_when_said_again(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    shop.comments = [
        {"id": number, "body": "me too", "issue_url": "https://git.example/acme/shop/pulls/1"}
        for number in range(3)
    ]
    said = [
        bound(tea.settings).say(words, run_id=RUN, commit=done.commit, how="comment")
        for words in ("first", "second")
    ]
    assert [one["body"].split("\n")[0] for one in shop.comments] == ["me too"] * 3 + ["second"]
    assert said == [shop.comments[-1]["html_url"]] * 2


def test_without_an_open_change_there_is_no_place_to_comment(
    tea: FakeGitea, shop: Repository
) -> None:
    assert not bound(tea.settings).say("x", run_id=RUN, commit=shop.heads["main"], how="comment")
    assert tea.made("POST", ".") == 0


def test_a_check_is_a_commit_status_that_is_neither_red_nor_green(
    tea: FakeGitea, shop: Repository
) -> None:
    commit = shop.heads["main"]
    bound(tea.settings).say(
        "`unit` failed: 4 is not 5\n\nmore", run_id=RUN, commit=commit, how="check"
    )
    (made,) = shop.statuses[commit]
    assert (made["context"], made["status"]) == ("cihealing", "warning")
    assert made["description"] == "unit failed: 4 is not 5"
    assert made["target_url"] == f"https://heal.example/runs/{RUN}"


@pytest.mark.parametrize(
    ("login", "may"),
    [
        ("ann", True),
        ("ben", True),
        ("olga", True),
        ("rob", False),
        ("eve", False),
        ("", False),
        ("a/b", False),
        ("..", False),
    ],
)
def test_the_persons_own_permission_is_asked(
    tea: FakeGitea, shop: Repository, login: str, may: bool
) -> None:
    assert bound(tea.settings).may(login) is may


def test_that_only_administrators_are_told_of_permissions_is_told(
    tea: FakeGitea, shop: Repository
) -> None:
    tea.script(
        "GET", "/permission$", Reply(status=403, body='{"message": "Only admins can query"}')
    )
    with pytest.raises(PermanentError, match="administrators alone"):
        bound(tea.settings).may("ann")


def test_leaving_takes_everything_of_ours_out(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    bound(tea.settings).say("x", run_id=RUN, commit=done.commit, how="comment")
    shop.heads |= {"ünï": shop.heads["main"], "feature": shop.heads["main"]}
    shop.hooks = [
        {"id": number, "config": {"url": url}}
        for number, url in enumerate(
            ["https://heal.example/x", "https://a.example", "https://b.example"]
        )
    ]
    said = bound(tea.settings).leave()
    assert len(said) == 4
    assert sorted(shop.heads) == ["feature", "main", "ünï"]
    assert (shop.comments, [one["id"] for one in shop.hooks]) == ([], [1, 2])
    assert shop.pulls[0]["state"] == "closed"


def test_an_open_change_of_the_developers_can_opt_out(tea: FakeGitea, shop: Repository) -> None:
    done = publish(tea, proposal(shop))
    assert not bound(tea.settings).opted_out(done.commit)
    shop.pulls[0]["labels"] = [{"id": 1, "name": "cihealing:off"}]
    assert bound(tea.settings).opted_out(done.commit)
    assert not bound(tea.settings).opted_out(shop.heads["main"])


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (Reply(status=401, body='{"message": "user does not exist"}'), PermanentError),
        (
            Reply(status=403, body='{"message": "token does not have required scope"}'),
            PermanentError,
        ),
        (Reply(status=404, body='{"message": "x"}'), (PermanentError, HeadMovedError)),
        (Reply(status=423, body='{"message": "archived"}'), PermanentError),
        (Reply(status=429, body="Retry later"), TransientError),
        (Reply(status=500), TransientError),
        (Reply(status=502, body="<html>", headers={"content-type": "text/html"}), TransientError),
        (Reply(silent=True), TransientError),
        (Reply(status=200, body='{"commit": {"id": "'), TransientError),
        (Reply(status=200, body="<html>Sign in</html>"), TransientError),
        (Reply(status=200, body="[]"), TransientError),
        (Reply(status=200, body="null"), TransientError),
        (Reply(status=200, body=""), TransientError),
        (Reply(status=200, body='{"commit": 7}'), TransientError),
        (Reply(status=200, body="[" * 3000), TransientError),
    ],
)
def test_each_answer_to_the_first_question_has_its_right_end(
    tea: FakeGitea, shop: Repository, reply: Reply, end: Any
) -> None:
    tea.script("GET", "/branches/", reply, reply)
    with pytest.raises(end) as caught:
        publish(tea, proposal(shop))
    assert "0123456789abcdef" not in str(caught.value)
    assert not shop.pulls


@pytest.mark.parametrize(
    "url", ["", "x", "https://git.example/acme/shop", "https://git.example/acme/shop/pulls/x"]
)
def test_what_is_no_change_is_refused(tea: FakeGitea, url: str) -> None:
    with pytest.raises(PermanentError):
        bound(tea.settings).look(url)


@pytest.mark.parametrize("name", ["shop", "acme/team/shop", "acme/..", "../../admin"])
def test_what_is_no_repository_is_asked_nothing(tea: FakeGitea, name: str) -> None:
    with pytest.raises(PermanentError):
        Bound("gitea", tea.settings, repository=name).opted_out("c" * 40)
    assert not tea.calls


def test_of_several_giteas_the_one_of_the_clone_url_is_asked(
    tea: FakeGitea, shop: Repository
) -> None:
    urls = f"http://127.0.0.1:9,{tea.url}"
    policy = RepositoryPolicy(match="*", forge="gitea", clone_url=f"{tea.url}/acme/shop.git")
    several = {**tea.settings, "CI_HEALING_GITEA_URL": urls}
    assert not Bound("gitea", several, policy=policy).opted_out("c" * 40)
    assert tea.made("GET", "/pulls$") == 1


@pytest.mark.parametrize(
    ("url", "more", "token"),
    [
        ("https://git.example/acme/shop.git", {}, "s3cret"),
        ("https://ann@git.example/acme/shop.git", {}, "s3cret"),
        ("https://other.example/git.example/shop.git", {}, ""),
        ("https://git.example.evil.example/shop.git", {}, ""),
        ("https://git.example:8443/acme/shop.git", {}, ""),
        ("http://git.example/acme/shop.git", {}, ""),
        ("git@git.example:acme/shop.git", {}, ""),
        ("https://git.example/acme/shop.git", {"CI_HEALING_GIT_TOKEN": "clones"}, ""),
        ("https://git.example/acme/shop.git", {"CI_HEALING_GITEA_TOKEN": ""}, ""),
    ],
)
def test_the_token_fetches_from_its_own_server_alone(
    url: str, more: Mapping[str, str], token: str
) -> None:
    settings = {
        "CI_HEALING_GITEA_URL": "https://git.example",
        "CI_HEALING_GITEA_TOKEN": "s3cret",
        **more,
    }
    credentials = registry.PROVIDERS["gitea"].credentials
    assert credentials is not None
    assert credentials(holding(GiteaSettings, settings)).clone_token(NAME, url) == token


def test_a_list_ends_where_nothing_new_comes(tea: FakeGitea, shop: Repository) -> None:
    """The server's pages are shorter than what is asked for."""
    shop.heads = {f"b{number}": shop.heads["main"] for number in range(5)}
    policy = RepositoryPolicy(match="*", forge="gitea")
    site = client.Site(repository=NAME, policy=policy)
    with client.connected(holding(GiteaSettings, tea.settings), site) as api:
        assert len(list(api.listed("branches", key="name"))) == 5
    assert tea.made("GET", "/branches$") == 4


def test_the_fake_knows_what_gitea_does_not_describe() -> None:
    assert faults("MergePullRequestOption", {"Do": "merge", "head_commit_id": "x"}) == []
    assert faults("MergePullRequestOption", {"do": "merge"})
    assert faults("ChangeFilesOptions", {"files": [{"path": "a"}]})
    assert faults("PullRequest", {"labels": [{"titel": "x"}]})
