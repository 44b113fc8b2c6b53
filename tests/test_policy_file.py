"""A bad policy file never loosens anything, and says what is wrong."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from cihealing.domain.policy import Policy
from cihealing.policy_file import MAX_BYTES, BadPolicy, PolicyFile, current, load

GOOD = (
    "version: 1\nmax_attempts: 2\nrepositories:\n  - {match: 'acme/*', mode: open, target_branch:"
    " main}\n"
)


def written(path: Path, text: str | bytes) -> Path:
    """Write so that the change is seen whatever the file system's clock grain."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.yml"


def test_no_file_is_the_default_policy(path: Path) -> None:
    assert load(path) == Policy()


def test_an_empty_file_is_the_default_policy(path: Path) -> None:
    assert load(written(path, "# nothing yet\n")) == Policy()


def test_a_good_file_is_the_policy(path: Path) -> None:
    policy = load(written(path, GOOD))
    assert (policy.max_attempts, policy.repository("acme/shop").target_branch) == (2, "main")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nmax_atempts: 2\n", "max_atempts"),
        ("version: 2\n", "version"),
        ("max_attempts: 0\n", "max_attempts"),
        ("repositories: [{mode: open}]\n", "repositories.0.match"),
        ("repositories: [{match: a/b, projects: [{path: ../x}]}]\n", "stay inside"),
        ("- a\n- b\n", "mapping"),
        ("1: 2\n", "mapping"),
        ("version: [\n", "not YAML"),
        ("!!python/object/apply:os.system ['true']\n", "not YAML"),
        ("[" * 5000, "not YAML"),
        (b"a: \x00\x07", "not YAML"),
        (b"\xff\xfe\x00bad", "mapping"),
        ("#" * (MAX_BYTES + 1), "larger"),
    ],
)
def test_a_bad_file_is_refused_and_the_message_says_where(
    path: Path, text: str | bytes, says: str
) -> None:
    with pytest.raises(BadPolicy, match=says):
        load(written(path, text))


def test_a_message_does_not_repeat_values(path: Path) -> None:
    with pytest.raises(BadPolicy) as caught:
        load(written(path, "max_attempts: hunter2-secret\n"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "overrides", "field", "value"),
    [
        ("max_attempts: 2\n", {"max_attempts": 1}, "max_attempts", 1),
        ("max_attempts: 2\n", {}, "max_attempts", 2),
        ("safe_mode: false\n", {}, "safe_mode", False),
        ("safe_mode: false\n", {"safe_mode": True}, "safe_mode", True),
        ("enabled: false\n", {"enabled": True}, "enabled", False),
        ("enabled: true\n", {"enabled": False}, "enabled", False),
        ("", {"auto_rerun": False}, "auto_rerun", False),
    ],
)
def test_the_environment_goes_before_the_file_and_either_may_stop(
    path: Path, file: str, overrides: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(load(written(path, file), overrides=overrides), field) == value


def test_an_override_out_of_bounds_is_refused(path: Path) -> None:
    with pytest.raises(BadPolicy, match="max_attempts"):
        load(path, overrides={"max_attempts": 99})


def test_a_changed_file_is_read_again(path: Path) -> None:
    file = PolicyFile(written(path, "max_attempts: 2\n"), overrides={})
    assert file.current()[0].max_attempts == 2
    written(path, "max_attempts: 1\n")
    assert file.current()[0].max_attempts == 1


def test_a_bad_change_keeps_the_last_good_policy_and_is_told_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = PolicyFile(written(path, "max_attempts: 2\n"), overrides={})
    file.current()
    written(path, "max_attempts: many\n")
    with caplog.at_level(logging.ERROR):
        seen = [file.current() for _ in range(3)]
    assert {policy.max_attempts for policy, _ in seen} == {2}
    assert all("last good policy" in (problem or "") for _, problem in seen)
    assert len(caplog.records) == 1


def test_a_mended_file_ends_the_problem(path: Path) -> None:
    file = PolicyFile(written(path, "max_attempts: many\n"), overrides={})
    file.current()
    written(path, "max_attempts: 1\n")
    assert file.current() == (Policy(max_attempts=1), None)


def test_a_file_that_is_bad_from_the_start_stops_all_effects(path: Path) -> None:
    policy, problem = PolicyFile(written(path, "protected_paths: 7\n"), overrides={}).current()
    assert not policy.enabled
    assert "nothing is done" in (problem or "")


def test_a_file_that_vanishes_means_the_defaults_again(path: Path) -> None:
    file = PolicyFile(written(path, "max_attempts: 2\n"), overrides={})
    file.current()
    path.unlink()
    assert file.current() == (Policy(), None)


def test_the_process_reads_the_file_its_settings_name(path: Path, settings: Any) -> None:
    written(path, "max_attempts: 2\n")
    settings.CI_HEALING = {
        **settings.CI_HEALING,
        "POLICY_FILE": path,
        "POLICY_OVERRIDES": {"max_attempts": 1},
    }
    assert current()[0].max_attempts == 1
