"""`cihealing notify` against a service that checks what it is sent with the real adapter."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management.base import CommandError

from cihealing.cli import notify
from cihealing.domain.values import Failed, Passed, Result
from cihealing.ports import RawRequest
from cihealing.providers.gitlab import hook as gitlab
from cihealing.providers.jenkins import hook as jenkins
from cihealing.providers.shared import body as generic
from cihealing.providers.shared import wire as _wire
from tests.providers.ci import payloads
from tests.providers.ci.payloads import SHA, SIGNING

BASE = {"CI_HEALING_URL": "https://heal.example.com", "CI_HEALING_WEBHOOK_SECRET": "notify secret"}
NEEDED = ["--repo", "acme/shop", "--commit", SHA]


class Receiver:
    """The service at the other end; `answers` are given in turn, the last for ever."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        taken = httpx.Response(
            202, content=b'{"runId": "r1", "status": "queued", "deduplicated": false}'
        )
        self.answers = list(answers) or [taken]
        self.seen, self.slept = list[httpx.Request](), list[float]()

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def result(self, *, secret: str = "notify secret") -> Result:
        """What the generic adapter makes of the last request."""
        request = self.seen[-1]
        raw = RawRequest(
            headers={k.lower(): v for k, v in request.headers.items()},
            body=request.content,
            received_at=datetime.now(UTC),
        )
        generic.verify(raw, [secret])
        (result,) = generic.parse(raw, _wire.json_object(request.content))
        return result


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """No CI around but the one a test sets up."""
    for name in list(os.environ):
        if name.startswith(
            (
                "CI_",
                "GITHUB_",
                "GITLAB_",
                "JENKINS_",
                "GIT_",
                "CIRCLE",
                "BUILDKITE",
                "CHANGE_",
                "BRANCH_",
                "JOB_",
                "BUILD_",
            )
        ):
            monkeypatch.delenv(name)

    def set_up(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_up


def run(receiver: Receiver, *arguments: str) -> str:
    command = notify.Command(stdout=io.StringIO())
    command.transport, command.sleep = httpx.MockTransport(receiver.handle), receiver.slept.append
    parser = command.create_parser("cihealing", "notify")
    options = vars(parser.parse_args(list(arguments)))
    command.handle(**options)
    return str(command.stdout._out.getvalue())  # type: ignore[attr-defined]


def test_a_failure_is_delivered_with_its_log(bare: Any, tmp_path: Path) -> None:
    bare(BASE)
    log, receiver = tmp_path / "build.log", Receiver()
    log.write_bytes(b"\x1b[31mE assert\x00 \xff\x1b[0m\n")
    arguments = [
        "--branch",
        "fix",
        "--job",
        "unit",
        "--step",
        "pytest",
        "--command",
        "pytest -q",
        "--log",
        str(log),
        "--execution-id",
        "9",
    ]
    assert "run r1" in run(receiver, *NEEDED, *arguments)
    result = receiver.result()
    assert isinstance(result, Failed)
    assert (result.repository, result.commit, result.branch, result.job) == (
        "acme/shop",
        SHA,
        "fix",
        "unit",
    )
    assert (result.step, result.command, result.execution.job_run_id) == (
        "pytest",
        "pytest -q",
        "9",
    )
    assert result.log == "E assert<U+0000> \ufffd\n"
    assert str(receiver.seen[0].url) == "https://heal.example.com/api/v1/ci-healing/webhook"


def test_a_pass_is_delivered(bare: Any) -> None:
    bare(BASE)
    receiver = Receiver()
    run(receiver, *NEEDED, "--status", "passed")
    assert isinstance(receiver.result(), Passed)


def test_a_log_from_standard_input(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bare(BASE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"piped\n")))
    receiver = Receiver()
    run(receiver, *NEEDED, "--log", "-")
    assert receiver.result().log == "piped\n"  # type: ignore[union-attr]


@pytest.mark.parametrize("filler", [b"x", b"\x1b", b"\xff"])
def test_a_huge_log_fits_whatever_it_holds(
    filler: bytes, bare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare(BASE)
    monkeypatch.setattr(notify, "MAX_LOG", 100_000)
    monkeypatch.setattr(notify, "MAX_BODY", 160_000)
    log, receiver = tmp_path / "build.log", Receiver()
    log.write_bytes(b"first\n" + filler * 120_000 + b"\nlast")
    run(receiver, *NEEDED, "--log", str(log))
    sent = receiver.result().log or ""  # type: ignore[union-attr]
    assert len(receiver.seen[0].content) <= 160_000
    assert sent.startswith("first\n")
    assert sent.endswith("\nlast")
    assert "bytes of the log are left out" in sent


def test_every_secret_of_a_rotation_signs(bare: Any) -> None:
    bare({**BASE, "CI_HEALING_WEBHOOK_SECRET": f"{SIGNING}, old one"})
    receiver = Receiver()
    run(receiver, *NEEDED)
    for secret in (SIGNING, "old one"):
        assert receiver.result(secret=secret)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/api/v1/ci-healing/webhook"),
        ("https://x.example/heal", "https://x.example/heal/api/v1/ci-healing/webhook"),
        (
            "https://x.example/api/v1/ci-healing/webhook",
            "https://x.example/api/v1/ci-healing/webhook",
        ),
    ],
)
def test_the_url_is_a_base_or_the_webhook_itself(url: str, called: str, bare: Any) -> None:
    bare(BASE)
    receiver = Receiver()
    run(receiver, *NEEDED, "--url", url)
    assert str(receiver.seen[0].url) == called


@pytest.mark.parametrize(
    "trouble",
    [httpx.Response(503), httpx.Response(429), httpx.ConnectError("no"), httpx.ReadTimeout("slow")],
)
def test_trouble_is_waited_out_with_one_id(trouble: httpx.Response | Exception, bare: Any) -> None:
    bare(BASE)
    receiver = Receiver(
        trouble, trouble, httpx.Response(202, content=b'{"deliveryId": "d", "status": "reading"}')
    )
    assert "delivery d (reading)" in run(receiver, *NEEDED)
    assert len({request.headers["webhook-id"] for request in receiver.seen}) == 1
    assert len({request.content for request in receiver.seen}) == 1
    assert receiver.slept == [1.0, 2.0]
    assert receiver.result()


def test_a_busy_service_says_how_long(bare: Any) -> None:
    bare(BASE)
    receiver = Receiver(
        httpx.Response(503, headers={"retry-after": "7"}),
        httpx.Response(200, content=b'{"ignored": "x"}'),
    )
    assert "ignored: x" in run(receiver, *NEEDED)
    assert receiver.slept == [7.0]


def failing(receiver: Receiver, *arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as error:
        run(receiver, *arguments)
    return error.value.returncode, str(error.value)


def test_a_service_that_is_never_there(bare: Any) -> None:
    bare(BASE)
    receiver = Receiver(httpx.ConnectError("no route"))
    code, said = failing(receiver, *NEEDED)
    assert (code, len(receiver.seen)) == (notify.UNREACHED, notify.TRIES)
    assert "no route" in said


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            httpx.Response(401, content=b'{"title": "bad signature", "detail": "wrong secret"}'),
            "401.*bad signature wrong secret",
        ),
        (httpx.Response(404, content=b"<html>"), "404.*CI_HEALING_URL"),
        (httpx.Response(302, headers={"location": "https://login"}), "302"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(answer: httpx.Response, says: str, bare: Any) -> None:
    bare(BASE)
    receiver = Receiver(answer)
    with pytest.raises(CommandError, match=says) as error:
        run(receiver, *NEEDED)
    assert (error.value.returncode, len(receiver.seen)) == (notify.REFUSED, 1)


@pytest.mark.parametrize(
    ("variables", "arguments", "says"),
    [
        ({"CI_HEALING_URL": ""}, NEEDED, "CI_HEALING_URL"),
        ({"CI_HEALING_URL": "heal.example.com"}, NEEDED, "CI_HEALING_URL"),
        ({"CI_HEALING_WEBHOOK_SECRET": ""}, NEEDED, "CI_HEALING_WEBHOOK_SECRET"),
        ({"CI_HEALING_WEBHOOK_SECRET": "whsec_"}, NEEDED, "CI_HEALING_WEBHOOK_SECRET"),
        ({}, NEEDED[:2], "--commit"),
        ({}, NEEDED[2:], "--repo"),
        ({}, [*NEEDED, "--log", "/does/not/exist"], "cannot read"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(
    variables: dict[str, str], arguments: list[str], says: str, bare: Any
) -> None:
    bare({**BASE, **variables})
    receiver = Receiver()
    code, said = failing(receiver, *arguments)
    assert (code, receiver.seen) == (notify.MISUSED, [])
    assert says in said


def test_json_is_for_programs(bare: Any) -> None:
    bare(BASE)
    assert json.loads(run(Receiver(), *NEEDED, "--json")) == {
        "runId": "r1",
        "status": "queued",
        "deduplicated": False,
    }


def test_github_actions_speaks_for_itself(bare: Any, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": SHA}}}))
    bare(
        {
            **BASE,
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "77",
        }
    )
    bare(
        {
            "GITHUB_SHA": "1" * 40,
            "GITHUB_REF_NAME": "7/merge",
            "GITHUB_HEAD_REF": "fix",
            "GITHUB_BASE_REF": "main",
            "GITHUB_JOB": "unit",
        }
    )
    bare({"GITHUB_EVENT_PATH": str(event)})
    receiver = Receiver()
    run(receiver)
    result = receiver.result()
    assert isinstance(result, Failed)
    assert (result.repository, result.commit, result.branch, result.base_branch, result.job) == (
        "acme/shop",
        SHA,
        "fix",
        "main",
        "unit",
    )
    assert (result.execution.provider, result.execution.host) == ("github", "github.com")
    assert result.pipeline_url == "https://github.com/acme/shop/actions/runs/77"
    event.write_text("{")
    run(receiver)
    assert receiver.result().commit == "1" * 40  # type: ignore[union-attr]


def test_gitlab_ci_is_the_execution_its_webhook_speaks_of(bare: Any) -> None:
    page = "https://gitlab.example.com/acme/web/shop/-/jobs/1136"
    bare(
        {
            **BASE,
            "GITLAB_CI": "true",
            "CI_PROJECT_PATH": "acme/web/shop",
            "CI_COMMIT_SHA": SHA,
            "CI_COMMIT_REF_NAME": "fix-cart",
        }
    )
    bare(
        {"CI_JOB_NAME": "unit", "CI_JOB_ID": "1136", "CI_JOB_URL": page, "CI_JOB_STATUS": "success"}
    )
    receiver = Receiver()
    run(receiver)
    result, (hooked,) = (
        receiver.result(),
        gitlab.parse(payloads.raw({}), payloads.gitlab_job(build_status="success")),
    )
    assert isinstance(result, Passed)
    assert isinstance(hooked, Passed)
    assert result.execution == hooked.execution
    assert (result.repository, result.branch, result.job) == (
        hooked.repository,
        hooked.branch,
        hooked.job,
    )


def test_jenkins_is_the_execution_its_webhook_speaks_of(bare: Any) -> None:
    page = "https://jenkins.example.com/job/shop/job/fix-cart/18/"
    bare(
        {
            **BASE,
            "JENKINS_URL": "https://jenkins.example.com/",
            "GIT_URL": "git@git.example.com:acme/shop.git",
            "GIT_COMMIT": SHA,
        }
    )
    bare({"BRANCH_NAME": "fix-cart", "JOB_NAME": "shop/fix-cart", "BUILD_URL": page})
    receiver = Receiver()
    run(receiver)
    result, (hooked,) = receiver.result(), jenkins.parse(payloads.raw({}), payloads.jenkins())
    assert isinstance(result, Failed)
    assert isinstance(hooked, Failed)
    assert result.execution == hooked.execution
    assert (result.repository, result.branch, result.job) == (
        hooked.repository,
        hooked.branch,
        hooked.job,
    )


@pytest.mark.parametrize(
    "variables",
    [
        {
            "CIRCLECI": "true",
            "CIRCLE_REPOSITORY_URL": "git@github.com:acme/shop.git",
            "CIRCLE_SHA1": SHA,
            "CIRCLE_BRANCH": "fix",
            "CIRCLE_JOB": "unit",
        },
        {
            "BUILDKITE": "true",
            "BUILDKITE_REPO": "git@github.com:acme/shop.git",
            "BUILDKITE_COMMIT": SHA,
            "BUILDKITE_BRANCH": "m:fix",
            "BUILDKITE_LABEL": "unit",
        },
    ],
)
def test_the_others_speak_for_themselves(variables: dict[str, str], bare: Any) -> None:
    bare({**BASE, **variables})
    receiver = Receiver()
    run(receiver)
    result = receiver.result()
    assert isinstance(result, Failed)
    assert (result.repository, result.commit, result.branch, result.job) == (
        "acme/shop",
        SHA,
        "fix",
        "unit",
    )


def test_options_go_before_variables(bare: Any) -> None:
    bare(
        {
            **BASE,
            "GITLAB_CI": "true",
            "CI_PROJECT_PATH": "acme/other",
            "CI_COMMIT_SHA": "1" * 40,
            "CI_JOB_STATUS": "success",
        }
    )
    receiver = Receiver()
    run(receiver, *NEEDED, "--status", "failed", "--provider", "mine")
    result = receiver.result()
    assert isinstance(result, Failed)
    assert (result.repository, result.commit, result.execution.provider) == (
        "acme/shop",
        SHA,
        "mine",
    )
