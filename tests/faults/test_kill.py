"""`kill -9` anywhere in a healing: after a restart it ends as it would have, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cihealing.failpoints import ASKING, NAMES, OPENING
from cihealing.workshop.sandbox.choice import trouble_with
from cihealing.workshop.sandbox.toolchain import toolchain
from tests import forked
from tests.faults.heal import BAD, GOOD
from tests.forges.gitea import FakeGitea, file
from tests.forges.github import FakeGitHub
from tests.forges.gitlab import FakeGitLab
from tests.model_server import ModelServer, answer, edit

pytestmark = pytest.mark.skipif(
    trouble_with(toolchain({})) is not None, reason="bubblewrap does not work here"
)


def heal(
    data: Path, failpoint: str = "", *words: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "VIRTUAL_ENV", "LANG")
        if name in os.environ
    }
    environment = {
        **kept,
        **settings,
        "CI_HEALING_DATA_DIR": str(data),
        **({"CI_HEALING_FAILPOINT": failpoint} if failpoint else {}),
    }
    return forked.run("tests.faults.heal", *words, environment=environment)


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def merges(data: Path) -> int:
    log = subprocess.run(
        ["git", "-C", str(data / "origin.git"), "log", "--format=%B", "feature"],
        check=True,
        capture_output=True,
        text=True,
    )
    return log.stdout.count("Cihealing-Run:")


def check(data: Path, end: dict[str, Any]) -> None:
    assert (end["status"], end["resolution"], end["reason"]) == ("resolved", "merged", "")
    assert end["tags"].count("attempt.started.v1") <= 3
    assert end["tags"].count("change.published.v1") == end["tags"].count("run.resolved.v1") == 1
    assert merges(data) == 1
    assert end["faults"] == []
    assert end["rebuilt"]
    assert (end["deliveries"], end["executions"]) == (1, 1)


def kill(data: Path, failpoint: str, **settings: str) -> None:
    killed = heal(data, failpoint, **settings)
    assert killed.returncode == -signal.SIGKILL, (
        f"{failpoint} was never passed: {killed.stdout[-500:]}{killed.stderr[-500:]}"
    )


def test_one_healing_killed_at_every_failpoint_ends_as_it_would_have(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        # A later pass for each next one: the same effect is not killed five times, which would
        # rightly give it up.
        kill(
            tmp_path,
            name if name.startswith(("receive", "publish")) else f"{name}:{1 + number % 3}",
        )
    check(tmp_path, told(heal(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_this_failpoint_alone_changes_nothing(tmp_path: Path, name: str) -> None:
    kill(tmp_path, name)
    check(tmp_path, told(heal(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "handle.before_append:9",
        "handle.before_commit:17",
        "handle.after_commit:20",
        "capability.after:14",
        "sandbox.after_run:11",
    ],
)
def test_a_kill_in_the_middle_of_the_proof_changes_nothing(tmp_path: Path, name: str) -> None:
    kill(tmp_path, name)
    check(tmp_path, told(heal(tmp_path)))


IN_TURN = (
    "forge.after_ref",
    "forge.after_change",
    "publish.after_merge",
    "forge.after_merge",
    "publish.after_merge",
)
"""Where publishing passes: the first three on the way to an open change, the others on the way to
its merge. A fourth kill would rightly give it up.
"""


def test_the_turn_has_every_failpoint_of_a_forge() -> None:
    assert set(OPENING) < set(IN_TURN)


def test_github_has_one_branch_one_change_and_one_merge_after_a_kill_at_every_failpoint(
    tmp_path: Path,
) -> None:
    commit = heal(tmp_path, "", "make", FORGE="github").stdout.strip()
    with FakeGitHub() as hub:
        shop, settings = hub.repository("acme/shop"), {**hub.settings, "FORGE": "github"}
        shop.heads["feature"] = shop.adopt(commit, "Other imports")
        for name in IN_TURN:
            kill(tmp_path, name, **settings)
        check_opened(told(heal(tmp_path, **settings)))
        (pull,) = shop.pulls
        assert (pull["merged"], pull["base"]["ref"]) == (True, "feature")
        assert {body["ref"] for _, path, body in hub.calls if path.endswith("/git/refs")} == {
            f"refs/heads/{pull['head']['ref']}"
        }
        assert sum(commit["message"].startswith("Merge ") for commit in shop.commits.values()) == 1


@pytest.mark.slow
def test_gitlab_has_one_branch_one_change_and_one_merge_after_a_kill_at_every_failpoint(
    tmp_path: Path,
) -> None:
    commit = heal(tmp_path, "", "make", FORGE="gitlab").stdout.strip()
    with FakeGitLab() as lab:
        shop, settings = lab.project("acme/shop"), {**lab.settings, "FORGE": "gitlab"}
        shop.heads["feature"] = shop.adopt(commit, "Other imports")
        for name in IN_TURN:
            kill(tmp_path, name, **settings)
        check_opened(told(heal(tmp_path, **settings)))
        (request,) = shop.requests
        assert (request["state"], request["target_branch"]) == ("merged", "feature")
        assert sum(commit["message"] == "merge" for commit in shop.commits.values()) == 1


@pytest.mark.slow
def test_gitea_has_one_branch_one_change_and_one_merge_after_a_kill_at_every_failpoint(
    tmp_path: Path,
) -> None:
    commit = heal(tmp_path, "", "make", FORGE="gitea").stdout.strip()
    with FakeGitea() as tea:
        shop, settings = tea.repository("acme/shop"), {**tea.settings, "FORGE": "gitea"}
        shop.heads["feature"] = shop.adopt(commit, "Other imports", {"shop.py": file(BAD.encode())})
        for name in IN_TURN:
            kill(tmp_path, name, **settings)
        check_opened(told(heal(tmp_path, **settings)))
        (pull,) = shop.pulls
        assert (pull["merged"], pull["base"]["ref"]) == (True, "feature")
        assert tea.made("POST", "/contents$") == tea.made("POST", "/merge$") == 1
        assert shop.trees[shop.heads["feature"]] == {"shop.py": file(GOOD.encode())}


def check_opened(end: dict[str, Any]) -> None:
    assert (end["status"], end["resolution"], end["reason"]) == ("resolved", "merged", "")
    assert end["tags"].count("run.resolved.v1") == 1
    assert end["faults"] == []
    assert end["rebuilt"]


RIGHT = answer(
    proposed_fix="looks at the highest step first",
    edits=[edit("discount.py", "in STEPS:", "in reversed(STEPS):")],
)


@pytest.mark.slow
def test_a_kill_around_a_call_loses_neither_the_attempt_nor_the_money(tmp_path: Path) -> None:
    with ModelServer([RIGHT]) as server:
        settings = {
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": "none",
            "OPENAI_DEFAULT_MODEL": "scripted",
            "CI_HEALING_AI_PROVIDER": "openai",
        }
        for name in ASKING:
            kill(tmp_path, name, **settings)
        end = told(heal(tmp_path, **settings))
    check(tmp_path, end)
    assert end["tags"].count("attempt.started.v1") == 1
    # Killed before the call, after it, and before it was settled: one call each but for the first,
    # and one that came through.
    assert len(server.requests) == 3
    assert end["spend"] == ["answered", "swept", "swept", "swept"]
