"""Jenkins' Notification plugin (JSON over HTTP). It signs nothing: the secret is the last part of
the URL it is given.

Source: jenkinsci/notification-plugin, README and Phase.java. Keep the URL in a Jenkins secret ("URL
source: Secret").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.ports import BadSignature, RawRequest
from cihealing.providers.jenkins import names
from cihealing.providers.jenkins.results import RED, name
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

ENDED = ("COMPLETED", "FINALIZED")


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    if not request.path_token:
        raise BadSignature("the URL must end with the secret token: /webhook/jenkins/TOKEN")
    if not _signing.one_of(request.path_token, known):
        raise BadSignature("the token in the URL is not a secret known here")
    return _signing.delivery_id("", body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    build = body.child("build")
    phase, status = build.label("phase").upper(), build.label("status").upper()
    if phase not in ENDED:
        return [Ignored(reason=f"phase {phase or 'unknown'} is not the end of a build")]
    if status == "SUCCESS":
        return [_results.passed(_facts(body, build), log=build.raw("log") or None)]
    if status in RED:
        return [
            _results.failed(
                _facts(body, build), log=build.raw("log") or None, conclusion=status.lower()
            )
        ]
    return [Ignored(reason=f"status {status or 'unknown'} is neither red nor green")]


def _facts(body: _wire.Fields, build: _wire.Fields) -> JobFacts:
    """Both end phases of a build are one execution: its page's path names it."""
    scm, page = build.child("scm"), build.link("full_url")
    if "commit" not in scm:
        raise scm.bad(
            "commit",
            "Jenkins names no commit (no git checkout in this build): send the result with"
            " `cihealing notify` instead",
        )
    branch = _wire.plain_branch(scm.branch("branch"))
    job = body.label("url") or body.title("name")
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=_wire.host_of(page), job_run_id=_run_id(body, build)
        ),
        repository=scm.cloned("url"),
        branch="" if branch == "detached" else branch,
        commit=scm.commit("commit"),
        job=names.job_of(job, branch=branch),
        pipeline_url=page,
    )
    return names.of_change(facts, job)


def _run_id(body: _wire.Fields, build: _wire.Fields) -> str:
    return names.run_of(build.label("full_url")) or f"{body.title('name')}/{build.ident('number')}"
