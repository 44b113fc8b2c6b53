from __future__ import annotations

from pathlib import Path

import pytest

from cihealing.adapters.sandbox import choose
from cihealing.adapters.sandbox.bubblewrap import Bubblewrap
from cihealing.adapters.sandbox.plain import Plain
from cihealing.domain.policy import RepositoryPolicy
from cihealing.ports import PermanentError


@pytest.mark.parametrize(
    ("trouble", "setting", "trusted", "name"),
    [
        (None, "", False, "bubblewrap"),
        (None, "plain", True, "bubblewrap"),
        ("forbidden", "plain", True, "plain"),
        ("forbidden", "plain", False, "none"),
        ("forbidden", "", True, "none"),
        ("forbidden", "bubblewrap", True, "none"),
        ("forbidden", "PLAIN ", True, "none"),
    ],
)
def test_repository_code_runs_where_policy_and_machine_allow_it(
    monkeypatch: pytest.MonkeyPatch, trouble: str | None, setting: str, trusted: bool, name: str
) -> None:
    monkeypatch.setattr("cihealing.adapters.sandbox.choice.trouble_with", lambda _paths: trouble)
    assert choose({"CI_HEALING_SANDBOX": setting}, policy=RepositoryPolicy(match="*", trusted=trusted)).name == name


def test_where_there_is_no_sandbox_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cihealing.adapters.sandbox.choice.trouble_with", lambda _paths: "forbidden here")
    sandbox = choose({}, policy=RepositoryPolicy(match="*"))
    with pytest.raises(PermanentError, match=r"no sandbox: repository code is not run; install bubblewrap .*forbidden here"):
        sandbox.run("touch ran", tree=tmp_path, workdir=".", environment={}, timeout=5)
    assert not (tmp_path / "ran").exists()


def test_the_plain_runner_takes_trusted_repositories_only() -> None:
    with pytest.raises(PermanentError, match="trusted"):
        Plain(trusted=False)


def test_the_probe_of_this_machine_says_why() -> None:
    answer = Bubblewrap().available()
    assert answer is None or "bubblewrap" in answer
