"""Payloads in the shapes the providers document, and signed requests made from them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cihealing.ports import RawRequest

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SECRET = "a secret of the hook"
SIGNING = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
SHA = "9fceb02d0ae598e95dc970b74767f19372d61af8"


def raw(
    payload: object,
    *,
    headers: Mapping[str, str] | None = None,
    token: str = "",
    now: datetime = NOW,
) -> RawRequest:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return RawRequest(headers=headers or {}, body=body, path_token=token, received_at=now)


def hub(body: bytes, *, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def circle(body: bytes, *, secret: str = SECRET) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def kite(body: bytes, *, secret: str = SECRET, at: datetime = NOW) -> str:
    stamp = str(int(at.timestamp()))
    signed = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return f"timestamp={stamp},signature={signed.hexdigest()}"


def standard(
    body: bytes, *, key: bytes = SECRET.encode(), at: datetime = NOW, message_id: str = "msg_1"
) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mappings merged."""
    both = {
        k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
        for k, v in changes.items()
    }
    return {**base, **both}


GITHUB_REPOSITORY = {"full_name": "acme/shop", "html_url": "https://github.com/acme/shop"}
PULL = {"number": 7, "head": {"ref": "fix-cart", "sha": SHA}, "base": {"ref": "main"}}


def workflow_job(**changes: Any) -> dict[str, Any]:
    job = {
        "id": 4001,
        "run_id": 77,
        "run_attempt": 2,
        "head_sha": SHA,
        "head_branch": "fix-cart",
        "name": "unit (3.11)",
        "workflow_name": "CI",
        "status": "completed",
        "conclusion": "failure",
        "completed_at": "2026-05-04T11:59:30Z",
        "html_url": "https://github.com/acme/shop/actions/runs/77/job/4001",
        "steps": [
            {"name": "Set up job", "conclusion": "success"},
            {"name": "Run pytest", "conclusion": "failure"},
        ],
    }
    return {
        "action": "completed",
        "workflow_job": merged(job, changes),
        "repository": GITHUB_REPOSITORY,
    }


def check_run(**changes: Any) -> dict[str, Any]:
    check = {
        "id": 4001,
        "name": "unit (3.11)",
        "head_sha": SHA,
        "status": "completed",
        "conclusion": "failure",
        "completed_at": "2026-05-04T11:59:30Z",
        "details_url": "https://github.com/acme/shop/actions/runs/77/job/4001",
        "html_url": "https://github.com/acme/shop/runs/4001",
        "output": {"title": "1 error", "summary": "cart.py: total is wrong", "text": None},
        "check_suite": {"id": 5, "head_branch": "fix-cart"},
        "app": {"slug": "github-actions"},
        "pull_requests": [PULL],
    }
    return {
        "action": "completed",
        "check_run": merged(check, changes),
        "repository": GITHUB_REPOSITORY,
    }


def workflow_run(**changes: Any) -> dict[str, Any]:
    run = {
        "id": 77,
        "name": "CI",
        "path": ".github/workflows/ci.yml",
        "run_attempt": 2,
        "head_branch": "fix-cart",
        "head_sha": SHA,
        "conclusion": "failure",
        "updated_at": "2026-05-04T11:59:40Z",
        "html_url": "https://github.com/acme/shop/actions/runs/77",
        "pull_requests": [PULL],
        "head_repository": {"full_name": "acme/shop"},
    }
    return {
        "action": "completed",
        "workflow_run": merged(run, changes),
        "repository": GITHUB_REPOSITORY,
    }


def check_suite(**changes: Any) -> dict[str, Any]:
    suite = {
        "id": 5,
        "head_branch": "fix-cart",
        "head_sha": SHA,
        "conclusion": "failure",
        "app": {"slug": "github-actions"},
    }
    return {
        "action": "completed",
        "check_suite": merged(suite, changes),
        "repository": GITHUB_REPOSITORY,
    }


def status(**changes: Any) -> dict[str, Any]:
    base = {
        "id": 9,
        "sha": SHA,
        "context": "ci/jenkins",
        "state": "failure",
        "target_url": "https://ci.example.com/9",
        "updated_at": "2026-05-04T11:59:30Z",
        "branches": [
            {"name": "older", "commit": {"sha": "1" * 40}},
            {"name": "fix-cart", "commit": {"sha": SHA}},
        ],
        "repository": GITHUB_REPOSITORY,
    }
    return merged(base, changes)


GITLAB_PROJECT = {
    "id": 3,
    "path_with_namespace": "acme/web/shop",
    "web_url": "https://gitlab.example.com/acme/web/shop",
}


def gitlab_job(**changes: Any) -> dict[str, Any]:
    base = {
        "object_kind": "build",
        "ref": "fix-cart",
        "sha": SHA,
        "build_id": 1136,
        "build_name": "unit",
        "build_stage": "test",
        "build_status": "failed",
        "build_allow_failure": False,
        "build_failure_reason": "script_failure",
        "build_finished_at": "2026-05-04 11:59:30 UTC",
        "pipeline_id": 62,
        "project_name": "Acme / Web / Shop",
        "project": GITLAB_PROJECT,
        "repository": {
            "homepage": GITLAB_PROJECT["web_url"],
            "git_http_url": "https://gitlab.example.com/acme/web/shop.git",
        },
    }
    return merged(base, changes)


def gitlab_pipeline(*builds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    base = {
        "object_kind": "pipeline",
        "object_attributes": {"id": 62, "ref": "fix-cart", "sha": SHA, "status": "failed"},
        "merge_request": {
            "source_project_id": 3,
            "target_project_id": 3,
            "source_branch": "fix-cart",
            "target_branch": "main",
        },
        "project": GITLAB_PROJECT,
        "builds": list(builds) or [gitlab_build()],
    }
    return merged(base, changes)


def gitlab_build(**changes: Any) -> dict[str, Any]:
    base = {
        "id": 1136,
        "name": "unit",
        "stage": "test",
        "status": "failed",
        "allow_failure": False,
        "finished_at": "2026-05-04 11:59:30 UTC",
    }
    return base | {"failure_reason": "script_failure"} | changes


def jenkins(**build: Any) -> dict[str, Any]:
    base = {
        "full_url": "https://jenkins.example.com/job/shop/job/fix-cart/18/",
        "number": 18,
        "phase": "COMPLETED",
        "status": "FAILURE",
        "url": "job/shop/job/fix-cart/18/",
        "scm": {
            "url": "git@git.example.com:acme/shop.git",
            "branch": "origin/fix-cart",
            "commit": SHA,
        },
        "log": "E   AssertionError: total is wrong\n",
    }
    return {"name": "fix-cart", "url": "job/shop/job/fix-cart/", "build": merged(base, build)}


def circleci_job(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "8bd71c28-4969-3677-8940-3e3a61c46660",
        "type": "job-completed",
        "job": {
            "id": "8b91f9a8-7975-4e60-916c-f0152ccbc937",
            "name": "unit",
            "status": "failed",
            "stopped_at": "2026-05-04T11:59:30.170Z",
        },
        "workflow": {
            "id": "fda08377-fe7e-46b1-8992-3a7aaecac9c3",
            "name": "ci",
            "url": "https://app.circleci.com/pipelines/github/acme/shop/1",
        },
        "pipeline": {
            "vcs": {
                "origin_repository_url": "https://github.com/acme/shop",
                "target_repository_url": "https://github.com/acme/shop",
                "revision": SHA,
                "branch": "fix-cart",
            }
        },
    }
    return merged(base, changes)


def buildkite_job(**changes: Any) -> dict[str, Any]:
    base = {
        "event": "job.finished",
        "job": {
            "id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "type": "script",
            "name": ":pytest: unit",
            "command": "make test",
            "state": "failed",
            "exit_status": 1,
            "soft_failed": False,
            "web_url": "https://buildkite.com/acme/shop/builds/5#01890a5d",
            "finished_at": "2026-05-04 11:59:30 UTC",
        },
        "build": {
            "id": "01890a5d-0000-774b-bcce-b302099a8057",
            "commit": SHA,
            "branch": "fix-cart",
            "pull_request": {
                "id": "7",
                "base": "main",
                "repository": "https://github.com/acme/shop.git",
            },
        },
        "pipeline": {"slug": "shop", "repository": "git@github.com:acme/shop.git"},
    }
    return merged(base, changes)


def generic(**changes: Any) -> dict[str, Any]:
    base = {
        "provider": "drone",
        "repository": "acme/shop",
        "branch": "fix-cart",
        "commitSha": SHA,
        "pipelineUrl": "https://drone.example.com/acme/shop/9",
        "errorLog": "E   AssertionError: total is wrong\n",
        "errorType": "AssertionError",
        "job": "unit",
        "step": "pytest",
        "command": "pytest -q",
        "conclusion": "failure",
        "executionId": "9.1",
    }
    return base | changes
