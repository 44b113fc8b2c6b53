from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import PermanentError
from cihealing.settings import SandboxSettings
from cihealing.workshop.sandbox import choose
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.plain import Plain
from cihealing.workshop.sandbox.walls import ACCEPTABLE, Walls
from tests.groups import holding


@pytest.mark.parametrize(
    ("trouble", "setting", "trusted", "name"),
    [
        (None, "", False, "bubblewrap"),
        (None, "plain", True, "bubblewrap"),
        ("forbidden", "plain", True, "plain"),
        ("forbidden", "plain", False, "none"),
        ("forbidden", "", True, "none"),
        ("forbidden", "bubblewrap", True, "none"),
    ],
)
def test_repository_code_runs_where_policy_and_machine_allow_it(
    monkeypatch: pytest.MonkeyPatch, trouble: str | None, setting: str, trusted: bool, name: str
) -> None:
    monkeypatch.setattr("cihealing.workshop.sandbox.choice.trouble_with", lambda _paths: trouble)
    assert (
        choose(
            holding(SandboxSettings, {"CI_HEALING_SANDBOX": setting}),
            policy=RepositoryPolicy(match="*", trusted=trusted),
        ).name
        == name
    )


def test_where_there_is_no_sandbox_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "cihealing.workshop.sandbox.choice.trouble_with", lambda _paths: "forbidden here"
    )
    sandbox = choose(SandboxSettings(), policy=RepositoryPolicy(match="*"))
    with pytest.raises(
        PermanentError,
        match=r"no sandbox: repository code is not run; install bubblewrap .*forbidden here",
    ):
        sandbox.run("touch ran", tree=tmp_path, workdir=".", environment={}, timeout=5)
    assert not (tmp_path / "ran").exists()


def test_the_plain_runner_takes_trusted_repositories_only() -> None:
    with pytest.raises(PermanentError, match="trusted"):
        Plain(trusted=False)


def test_the_probe_of_this_machine_says_why() -> None:
    answer = Bubblewrap().available()
    assert answer is None or "bubblewrap" in answer


LACKING = {"own_uid": "no spare user ids here"}


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "none"),
        ("syscalls", "none"),
        ("own_uid", "bubblewrap"),
        (" syscalls , own_uid ", "bubblewrap"),
    ],
)
def test_a_wall_that_is_missing_is_accepted_by_name_or_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, accept: str, name: str
) -> None:
    monkeypatch.setattr("cihealing.workshop.sandbox.choice.trouble_with", lambda _paths: None)
    monkeypatch.setattr(Bubblewrap, "lacking", lambda _self: LACKING)
    settings = holding(SandboxSettings, {"CI_HEALING_SANDBOX_ACCEPT": accept})
    sandbox = choose(settings, policy=RepositoryPolicy(match="*"))
    assert sandbox.name == name
    if isinstance(sandbox, Bubblewrap):
        assert sandbox.walls == Walls(own_uid=False)
    else:
        with pytest.raises(
            PermanentError, match=r"own_uid: no spare user ids here.*CI_HEALING_SANDBOX_ACCEPT"
        ):
            sandbox.run("true", tree=None)  # type: ignore[call-arg, arg-type]


def test_limits_come_from_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cihealing.workshop.sandbox.choice.trouble_with", lambda _paths: None)
    sandbox = choose(
        SandboxSettings(sandbox_accept=("own_uid", "syscalls")),
        policy=RepositoryPolicy.model_validate(POLICY),
    )
    assert isinstance(sandbox, Bubblewrap)
    assert (sandbox.limits.memory_mb, sandbox.limits.processes) == (4096, 512)


POLICY = {"match": "*", "limits": {"memory_mb": 4096}}


def test_the_setting_knows_the_walls_that_can_be_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only walls some machines cannot have can be accepted: a name that is none is refused at
    start, in one line, and not on the first page that looks.
    """
    monkeypatch.setenv("CI_HEALING_SANDBOX_ACCEPT", ", ".join(ACCEPTABLE))
    assert SandboxSettings.read().sandbox_accept == tuple(ACCEPTABLE)
    monkeypatch.setenv("CI_HEALING_SANDBOX_ACCEPT", "network")
    with pytest.raises(ImproperlyConfigured, match=r"CI_HEALING_SANDBOX_ACCEPT_0: .*'own_uid'"):
        SandboxSettings.read()


def test_a_sandbox_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_HEALING_SANDBOX", "PLAIN ")
    with pytest.raises(ImproperlyConfigured, match="CI_HEALING_SANDBOX: "):
        SandboxSettings.read()
