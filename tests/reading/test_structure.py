"""Steps, commands, exit codes and durations in the forms of the CIs."""

from __future__ import annotations

import pytest

from cihealing.reading import read
from cihealing.reading.clean import lines_of, plain
from cihealing.reading.log import Log
from cihealing.reading.structure import LogStep, steps_of

GITHUB = """2026-01-02T03:04:05.0000000Z ##[group]Run actions/checkout@v4
2026-01-02T03:04:05.1000000Z with:
2026-01-02T03:04:05.1000000Z   repository: acme/shop
2026-01-02T03:04:05.2000000Z ##[endgroup]
2026-01-02T03:04:05.3000000Z [command]/usr/bin/git version
2026-01-02T03:04:06.0000000Z ##[group]Run cd app
2026-01-02T03:04:06.0000000Z \x1b[36;1mcd app\x1b[0m
2026-01-02T03:04:06.0000000Z \x1b[36;1mpytest -q\x1b[0m
2026-01-02T03:04:06.0000000Z shell: /usr/bin/bash -e {0}
2026-01-02T03:04:06.0000000Z env:
2026-01-02T03:04:06.0000000Z   PATH: /usr/bin
2026-01-02T03:04:06.0000000Z ##[endgroup]
2026-01-02T03:04:18.0000000Z FAILED tests/test_a.py::test_b - ValueError: x
2026-01-02T03:04:18.5000000Z ##[error]Process completed with exit code 1.
2026-01-02T03:04:18.6000000Z Post job cleanup.
2026-01-02T03:04:18.7000000Z Cleaning up orphan processes
"""
GITLAB = (
    "section_start:1700000000:prepare_executor\r\x1b[0KPreparing\nsection_end:1700000002:prepare_executor\r\x1b[0K\nsection_start:1700000002:step_script\r\x1b[0K\x1b[0K\x1b[36;1mExecuting\n\x1b[32;1m$"
    " npm ci\x1b[0;m\nadded 3 packages\n\x1b[32;1m$ npm test\x1b[0;m\nError: no"
    " tests\nsection_end:1700000010:step_script\r\x1b[0K\nERROR: Job failed: exit code 4\n"
)
JENKINS = (
    "[Pipeline] { (Build)\n[Pipeline] sh\n+ make all\nok\n[Pipeline] }\n[Pipeline] {"
    " (Test)\n[Pipeline] sh\n+ cd app\n+ make test\nmake: broken\n[Pipeline] }\nERROR: script"
    " returned exit code 2\nFinished: FAILURE\n"
)
TRAVIS = (
    "travis_fold:start:install\rtravis_time:start:0a\r$ pip install"
    " .\nfine\ntravis_time:end:0a:start=1,finish=2,duration=2500000000\r\x1b[0K\ntravis_time:"
    "start:0b\r$"
    " pytest\nfatal: x\ntravis_time:end:0b:start=1,finish=2,duration=500000000\r\x1b[0K\nThe"
    ' command "pytest" exited with 3.\n\nDone. Your build exited with 1.\n'
)
AZURE = (
    "2026-01-02T03:04:05.0000000Z ##[section]Starting: Build\n2026-01-02T03:04:05.0000000Z"
    " ##[command]dotnet build\n2026-01-02T03:04:09.0000000Z ##[error]Bash exited with code"
    " '5'.\n2026-01-02T03:04:09.0000000Z ##[section]Finishing: Build\n"
)
BUILDKITE = (
    "~~~ Preparing\n$ git clone x\n--- :rspec: Specs\n$ bundle exec rspec\nboom\n🚨 Error: The"
    " command exited with status 7\n"
)


def steps(text: str) -> list[tuple[str, str, int | None, float | None]]:
    return [
        (s.name, s.command, s.exit_code, s.seconds) for s in steps_of(Log(lines_of(plain(text))))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            GITHUB,
            [("actions/checkout@v4", "", None, 0.3), ("cd app", "cd app\npytest -q", 1, 12.6)],
        ),
        (
            GITLAB,
            [
                ("prepare_executor", "", None, 2.0),
                ("step_script", "npm ci", None, None),
                ("step_script", "npm test", 4, None),
            ],
        ),
        (JENKINS, [("Build", "make all", None, None), ("Test", "make test", 2, None)]),
        (TRAVIS, [("", "pip install .", None, 2.5), ("", "pytest", 3, 0.5)]),
        (AZURE, [("Build", "dotnet build", 5, 4.0)]),
        (
            BUILDKITE,
            [
                ("Preparing", "git clone x", None, None),
                (":rspec: Specs", "bundle exec rspec", 7, None),
            ],
        ),
        ("+ set -e\n+ make\nx\n[ci] exit code 9\n", [("", "make", 9, None)]),
        (
            "+ go test ./...\n--- FAIL: TestTotal (0.00s)\n+++ b/shop.go\n[ci] exit code 1\n",
            [("", "go test ./...", 1, None)],
        ),
        ("nothing\n", []),
    ],
    ids=["github", "gitlab", "jenkins", "travis", "azure", "buildkite", "traced", "go", "none"],
)
def test_steps(text: str, expected: list[tuple[str, str, int | None, float | None]]) -> None:
    assert steps(text) == expected


@pytest.mark.parametrize(
    ("text", "step", "command"),
    [
        (GITHUB, "cd app", "cd app\npytest -q"),
        (GITLAB, "step_script", "npm test"),
        (JENKINS, "Test", "make test"),
        (TRAVIS, "", "pytest"),
        (BUILDKITE, ":rspec: Specs", "bundle exec rspec"),
    ],
    ids=["github", "gitlab", "jenkins", "travis", "buildkite"],
)
def test_the_failed_step_and_the_command_to_run_again(text: str, step: str, command: str) -> None:
    failure = read(text).failure
    assert failure is not None
    assert (failure.step, failure.command) == (step, command)


def test_an_error_in_a_step_that_went_well_is_not_the_root() -> None:
    text = (
        "+ ./warm-up\nE: a.c:1:1: error: expected ';'\na.c:1:1: error: expected ';'\n+"
        " ./check\nfatal: ref is not a tree\nBuild step 'Execute shell' marked build as"
        " failure\nFinished: FAILURE\n"
    )
    failure = read(text).failure
    assert failure is not None
    assert failure.root_line == 5
    assert [line.line for line in failure.excerpt] == [5]


def test_many_steps_that_went_well_hide_none() -> None:
    """Each of 5,000 commands says what sounds like an error, and only the last one failed."""
    text = (
        "".join(f"+ run {i}\na.c:{i}:1: error: expected ';'\n" for i in range(5000))
        + "+ last\nfatal: ref is not a tree\n[ci] exit code 1\n"
    )
    failure = read(text).failure
    assert failure is not None
    assert failure.root_line == 10_002


def test_lines_of_a_step_are_the_files() -> None:
    found = steps_of(Log(lines_of(plain(GITHUB))))
    assert [(step.first, step.last, step.failed) for step in found] == [
        (1, 5, False),
        (6, 15, True),
    ]


@pytest.mark.parametrize("number", [0, 3])
def test_a_day_that_does_not_exist_has_no_duration(number: int) -> None:
    text = GITHUB.replace("2026-01-02T03:04:06", "2026-02-31T03:04:06")
    assert all(
        isinstance(step, LogStep) for step in steps_of(Log(lines_of(plain(text * (number + 1)))))
    )
