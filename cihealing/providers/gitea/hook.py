"""Gitea Actions and Forgejo Actions, as Gitea's own kind of webhook with JSON as its content.

Source: Gitea's source, `services/webhook/deliver.go` (headers, the signature over what is sent),
`modules/structs/hook.go` and `repo_actions.go` (payloads).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.domain.values import Ignored, Result
from cihealing.ports import BadPayload, BadSignature, RawRequest
from cihealing.providers.gitea.results import job_result, name, run_result
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    given = _signing.required_header(request.headers, "x-gitea-signature")
    if not _signing.hex_signed(given, message=request.body, secrets=known, schemes={"": "sha256"}):
        raise BadSignature("X-Gitea-Signature is not of a secret known here")
    return _signing.delivery_id(request.headers.get("x-gitea-delivery", ""), body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body, event = _wire.Fields(payload), request.headers.get("x-gitea-event", "")
    match event:
        case "workflow_job":
            return [_result_of(body, "workflow_job")]
        case "workflow_run":
            return [_result_of(body, "workflow_run")]
        case "":
            raise BadPayload("the header X-Gitea-Event is missing")
        case _:
            kind = re.sub("[^a-z_]", "", event[:50])
            return [Ignored(reason=f"{kind} events say nothing of a job's result")]


def own_change(payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """(repository, branch) of a change of the service's own that a `pull_request` tells of."""
    return _results.own_change(
        _results.at(payload, "repository", "full_name"),
        _results.at(payload, "pull_request", "head", "ref"),
    )


def _result_of(body: _wire.Fields, kind: str) -> Result:
    action = body.label("action")
    if action != "completed":
        return Ignored(reason=f"{action or 'no action'}: not completed yet")
    source = body.child("repository")
    repository, pull = source.repository("full_name"), body.maybe("pull_request")
    make = job_result if kind == "workflow_job" else run_result
    return make(
        body.child(kind),
        repository=repository,
        host=_wire.host_of(source.link("html_url")),
        base_branch=pull.maybe("base").branch("ref"),
        fork=_of_fork(pull, repository),
    )


def _of_fork(pull: _wire.Fields, repository: str) -> bool:
    """A deleted fork leaves a head without a repository."""
    head = pull.maybe("head")
    return "ref" in head and head.maybe("repo").label("full_name") != repository
