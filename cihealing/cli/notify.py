"""`cihealing notify`: a step of any CI tells the service how a job ended, with its log. Signed
after Standard Webhooks.

It needs no database and no settings but CI_HEALING_URL and CI_HEALING_WEBHOOK_SECRET, and knows the
variables of the usual CIs. Exit codes: 0 taken, 1 refused by the service, 2 used wrongly, 3 not
reached.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import httpx
from django.core.management.base import CommandError, CommandParser

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.ports import BadPayload
from cihealing.providers.jenkins import names as jenkins_names
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire
from cihealing.reading import clean
from cihealing.secrecy import learn, learn_from, masked

PATH = "/api/v1/ci-healing/webhook"
MAX_LOG = 10 * 1024 * 1024
MAX_BODY = 16 * 1024 * 1024
"""The service takes 20 MB; JSON escapes make a log longer than it is."""
CHUNK = 256 * 1024
TRIES = 5
MAX_PAUSE = 30.0

REFUSED, MISUSED, UNREACHED = 1, 2, 3

FIELDS = {
    "provider": "provider",
    "repo": "repository",
    "commit": "commitSha",
    "branch": "branch",
    "base_branch": "baseBranch",
    "job": "job",
    "step": "step",
    "ci_command": "command",
    "error_type": "errorType",
    "execution_id": "executionId",
    "pipeline_url": "pipelineUrl",
    "status": "conclusion",
}
"""Option -> field of the generic body."""


class Command(ProductCommand, needs=Needs.NOTHING):
    help = "Tell the service how a CI job ended: cihealing notify --status failed --log build.log"
    transport: httpx.BaseTransport | None = None
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_build(parser)
        self.add_result(parser)
        parser.add_argument("--url", help="base URL of the service (default: CI_HEALING_URL)")
        parser.add_argument(
            "--secret",
            help=(
                "webhook secret (default, and better: CI_HEALING_WEBHOOK_SECRET, which no process"
                " list shows)"
            ),
        )
        parser.add_argument(
            "--json", action="store_true", help="print the service's answer as it is"
        )

    def add_build(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repo", help="owner/name (default: the CI's own variables, also for what follows)"
        )
        parser.add_argument(
            "--commit", help="full hash of the commit that was built; of a pull request its head"
        )
        parser.add_argument("--branch", help="the branch that was built")
        parser.add_argument("--base-branch", help="the branch a pull request would be merged into")
        parser.add_argument("--job", help="name of the CI job")
        parser.add_argument("--step", help="name of the failing step")
        parser.add_argument(
            "--command",
            dest="ci_command",
            help="what was run; it selects among configured commands and is never executed",
        )

    def add_result(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--status", choices=["failed", "passed"], help="default: what the CI says, else failed"
        )
        parser.add_argument(
            "--log",
            help=(
                "file with the log, - for standard input; at most 10 MB of it are sent, its"
                " beginning and end"
            ),
        )
        parser.add_argument("--error-type", help="e.g. AssertionError, where it is known")
        parser.add_argument(
            "--execution-id",
            help=(
                "the CI's own id of the job run, so that its other messages are seen to be the same"
            ),
        )
        parser.add_argument("--pipeline-url", help="page of the job or pipeline")
        parser.add_argument("--provider", help="name of the CI, e.g. github")

    def handle(self, *args: Any, **options: Any) -> None:
        url = _endpoint(options["url"] or os.environ.get("CI_HEALING_URL", ""))
        secrets = _secrets(options["secret"] or os.environ.get("CI_HEALING_WEBHOOK_SECRET", ""))
        learn(*secrets)
        learn_from(url)
        body = _encoded(_fields(options, environment=os.environ), log=options["log"])
        answer = _deliver(url, body, secrets=secrets, transport=self.transport, sleep=self.sleep)
        self.stdout.write(json.dumps(answer) if options["json"] else _render_answer(answer))


def _endpoint(url: str) -> str:
    """The webhook of the service at a base URL; a full webhook URL is taken as it is."""
    if not _wire.web(url):
        raise CommandError(
            "set CI_HEALING_URL (or --url) to the base URL of the service, e.g."
            " https://heal.example.com",
            returncode=MISUSED,
        )
    base = url.rstrip("/")
    return base if base.endswith("/webhook") else base + PATH


def _secrets(given: str) -> list[str]:
    found = [secret.strip() for secret in given.split(",") if _signing.standard_key(secret.strip())]
    if not found:
        raise CommandError(
            "set CI_HEALING_WEBHOOK_SECRET (or --secret) to the secret of the service's webhook",
            returncode=MISUSED,
        )
    return found


def _fields(options: Mapping[str, Any], *, environment: Mapping[str, str]) -> dict[str, str]:
    """The generic body without its log: options first, then what the CI's variables say."""
    known = from_environment(environment)
    found = {field: options[option] or known.get(option, "") for option, field in FIELDS.items()}
    for option, field in (("--repo", "repository"), ("--commit", "commitSha")):
        if not found[field]:
            raise CommandError(
                f"{option} is needed: this CI's variables do not tell it", returncode=MISUSED
            )
    return {"conclusion": "failed"} | {field: value for field, value in found.items() if value}


def _encoded(fields: Mapping[str, str], *, log: str | None) -> bytes:
    """The body; the log is cut once more where escaping makes it too long (a log of control
    characters grows sixfold).

    It holds no secrets: the service masks them too, but what never leaves the CI cannot be lost on
    the way.
    """
    raw = masked(clean.plain(_read(log).decode("utf-8", "replace"))).encode() if log else b""
    told = {name: masked(text) for name, text in fields.items()}
    limit = MAX_LOG
    while True:
        text = _wire.head_and_tail([raw], limit=limit).decode("utf-8", "replace")
        body = json.dumps(
            {**told, **({"errorLog": text} if text else {})}, ensure_ascii=False
        ).encode()
        if len(body) <= MAX_BODY:
            return body
        limit //= 2


def _read(log: str) -> bytes:
    if log == "-":
        return _wire.head_and_tail(_chunks(sys.stdin.buffer), limit=MAX_LOG)
    try:
        with Path(log).open("rb") as file:
            return _wire.head_and_tail(_chunks(file), limit=MAX_LOG)
    except OSError as error:
        raise CommandError(f"cannot read {log}: {error.strerror}", returncode=MISUSED) from None


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the variables of a known CI say, by option; empty elsewhere."""
    for mark, read in _KNOWN.items():
        if environment.get(mark):
            return {option: value for option, value in read(environment).items() if value}
    return {}


def _github(env: Mapping[str, str]) -> dict[str, str]:
    """Source: GitHub docs, 'Variables reference'. GITHUB_SHA of a pull request is a merge commit;
    the event holds its head.

    No execution id: GITHUB_JOB is one name for all jobs of a matrix. Pass `--execution-id` with
    `job.check_run_id` for that.
    """
    server, repo, run = (
        env.get("GITHUB_SERVER_URL", ""),
        env.get("GITHUB_REPOSITORY", ""),
        env.get("GITHUB_RUN_ID", ""),
    )
    return {
        "provider": "github",
        "repo": repo,
        "commit": _head_of_event(env.get("GITHUB_EVENT_PATH", "")) or env.get("GITHUB_SHA", ""),
        "branch": env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME", ""),
        "base_branch": env.get("GITHUB_BASE_REF", ""),
        "job": env.get("GITHUB_JOB", ""),
        "pipeline_url": f"{server}/{repo}/actions/runs/{run}" if server and repo and run else "",
    }


def _head_of_event(path: str) -> str:
    try:
        event = (
            _wire.Fields(_wire.json_object(Path(path).read_bytes())) if path else _wire.Fields({})
        )
        return event.maybe("pull_request").maybe("head").label("sha")
    except (OSError, BadPayload):
        return ""


def _gitlab(env: Mapping[str, str]) -> dict[str, str]:
    """Source: GitLab docs, 'Predefined CI/CD variables reference'. In a merged-results pipeline
    CI_COMMIT_SHA is a merge commit.
    """
    return {
        "provider": "gitlab",
        "repo": env.get("CI_PROJECT_PATH", ""),
        "commit": env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or env.get("CI_COMMIT_SHA", ""),
        "branch": (
            env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or env.get("CI_COMMIT_REF_NAME", "")
        ),
        "base_branch": env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
        "job": env.get("CI_JOB_NAME", ""),
        "execution_id": env.get("CI_JOB_ID", ""),
        "pipeline_url": env.get("CI_JOB_URL", ""),
        "status": {"success": "passed", "failed": "failed"}.get(env.get("CI_JOB_STATUS", ""), ""),
    }


def _jenkins(env: Mapping[str, str]) -> dict[str, str]:
    """Source: Jenkins docs, 'Using environment variables'; the Git and Branch API plugins."""
    branch = _wire.plain_branch(
        env.get("CHANGE_BRANCH") or env.get("BRANCH_NAME") or env.get("GIT_BRANCH", "")
    )
    return {
        "provider": "jenkins",
        "repo": _wire.repository_of(env.get("GIT_URL", "")),
        "commit": env.get("GIT_COMMIT", ""),
        "branch": branch,
        "base_branch": env.get("CHANGE_TARGET", ""),
        "job": jenkins_names.job_of(env.get("JOB_NAME", ""), branch=branch),
        "execution_id": jenkins_names.run_of(env.get("BUILD_URL", "")),
        "pipeline_url": env.get("BUILD_URL", ""),
    }


def _circleci(env: Mapping[str, str]) -> dict[str, str]:
    """Source: CircleCI docs, 'Project values and variables'."""
    return {
        "provider": "circleci",
        "repo": _wire.repository_of(env.get("CIRCLE_REPOSITORY_URL", "")),
        "commit": env.get("CIRCLE_SHA1", ""),
        "branch": env.get("CIRCLE_BRANCH", ""),
        "job": env.get("CIRCLE_JOB", ""),
        "execution_id": env.get("CIRCLE_WORKFLOW_JOB_ID", ""),
        "pipeline_url": env.get("CIRCLE_BUILD_URL", ""),
    }


def _buildkite(env: Mapping[str, str]) -> dict[str, str]:
    """Source: Buildkite docs, 'Environment variables'. BUILDKITE_PULL_REQUEST_BASE_BRANCH is empty
    outside pull requests.
    """
    return {
        "provider": "buildkite",
        "repo": _wire.repository_of(env.get("BUILDKITE_REPO", "")),
        "commit": env.get("BUILDKITE_COMMIT", ""),
        "branch": env.get("BUILDKITE_BRANCH", "").rpartition(":")[2],
        "base_branch": env.get("BUILDKITE_PULL_REQUEST_BASE_BRANCH", ""),
        "job": env.get("BUILDKITE_LABEL", ""),
        "execution_id": env.get("BUILDKITE_JOB_ID", ""),
        "pipeline_url": env.get("BUILDKITE_BUILD_URL", ""),
    }


_KNOWN: Mapping[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    "GITHUB_ACTIONS": _github,
    "GITLAB_CI": _gitlab,
    "JENKINS_URL": _jenkins,
    "CIRCLECI": _circleci,
    "BUILDKITE": _buildkite,
}


def _deliver(
    url: str,
    body: bytes,
    *,
    secrets: list[str],
    transport: httpx.BaseTransport | None,
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """Post until it is taken or refused; every try has the same id, so that the service takes it
    once.
    """
    message_id, problem = f"msg_{uuid4().hex}", ""
    with httpx.Client(timeout=httpx.Timeout(60.0, connect=10.0), transport=transport) as client:
        for number in range(TRIES):
            try:
                response = client.post(
                    url, content=body, headers=_signed(body, message_id=message_id, secrets=secrets)
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem, pause = f"{type(error).__name__}: {error}", 2.0**number
            else:
                if response.status_code < 500 and response.status_code != 429:
                    return _answer(response)
                problem, pause = (
                    f"it answered {response.status_code}",
                    _pause(response, number=number),
                )
            if number < TRIES - 1:
                sleep(pause)
    raise CommandError(
        masked(f"{url} was not reached in {TRIES} tries ({problem}): the result was not delivered"),
        returncode=UNREACHED,
    )


def _signed(body: bytes, *, message_id: str, secrets: list[str]) -> dict[str, str]:
    """Signed anew at each try, because the timestamp ages; under every secret there is, for the
    time of a rotation.
    """
    timestamp = str(int(time.time()))
    signatures = [
        _signing.standard_signature(s, message_id=message_id, timestamp=timestamp, body=body)
        for s in secrets
    ]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _pause(response: httpx.Response, *, number: int) -> float:
    given = response.headers.get("retry-after", "")
    return min(float(given), MAX_PAUSE) if re.fullmatch(r"[0-9]{1,6}", given) else 2.0**number


def _answer(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = _wire.json_object(response.content)
    except BadPayload:
        answer = {}
    if response.is_success:
        return answer
    said = (
        " ".join(str(answer.get(part, "")) for part in ("title", "detail")).strip()
        or "is CI_HEALING_URL the service's base URL?"
    )
    raise CommandError(
        masked(f"the service refused the result ({response.status_code}): {said}"),
        returncode=REFUSED,
    )


def _render_answer(answer: Mapping[str, Any]) -> str:
    if "ignored" in answer:
        return f"taken and ignored: {answer['ignored']}"
    if "runId" in answer:
        again = ", the same failure as before" if answer.get("deduplicated") else ""
        return f"taken: run {answer['runId']} ({answer.get('status', '')}{again})"
    return f"taken: delivery {answer.get('deliveryId', '')} ({answer.get('status', '')})"
