"""CircleCI outbound webhooks: job-completed, workflow-completed.

Source: CircleCI docs, 'Outbound webhooks' > 'Validate webhooks' and 'Outbound webhooks reference'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
from msgspec import structs

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.http.client import Conversation
from cihealing.ports import BadSignature, NoLog, PermanentError, RawRequest
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

name = "circleci"

RED = ("failed", "error")


def verify(request: RawRequest, secrets: Sequence[str]) -> str:
    known = _signing.require_secret(secrets, provider=name)
    given = _signing.required_header(request.headers, "circleci-signature")
    if not _signing.hex_signed(
        given, message=request.body, secrets=known, schemes={"v1": "sha256"}
    ):
        raise BadSignature("circleci-signature is not of a secret known here")
    # The event's own id stands in the body alone, and a retry sends the same body.
    return _signing.delivery_id("", body=request.body)


def parse(request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
    body = _wire.Fields(payload)
    match body.text("type"):
        case "job-completed":
            return [_job(body)]
        case "workflow-completed":
            return [_workflow(body)]
        case kind:
            return [Ignored(reason=f"{kind} events say nothing of a job's result")]


def _job(body: _wire.Fields) -> Result:
    job = body.child("job")
    facts = _facts(body, job, run=job.ident("id"), coarse=False)
    return _result(facts, status=job.label("status"))


def _workflow(body: _wire.Fields) -> Result:
    workflow = body.child("workflow")
    facts = _facts(body, workflow, run=f"workflow-{workflow.ident('id')}", coarse=True)
    return _result(facts, status=workflow.label("status"))


def _result(facts: JobFacts, *, status: str) -> Result:
    if status == "success":
        return _wire.passed(facts)
    if status in RED:
        return _wire.failed(facts)
    return Ignored(reason=f"{facts.job}: {status or 'no status'} is neither red nor green")


def _facts(body: _wire.Fields, part: _wire.Fields, *, run: str, coarse: bool) -> JobFacts:
    workflow = body.maybe("workflow")
    repository, branch, commit, fork = _source(body.child("pipeline"))
    return JobFacts(
        execution=ExecutionRef(
            provider=name, host=_wire.host_of("", provider=name), job_run_id=run
        ),
        repository=repository,
        branch=branch,
        commit=commit,
        job=part.title("name"),
        pipeline_url=workflow.link("url"),
        fork=fork,
        parent_id=workflow.maybe_ident("id"),
        coarse=coarse,
        finished_at=part.moment("stopped_at"),
    )


def _source(pipeline: _wire.Fields) -> tuple[str, str, str, bool]:
    """Repository, branch, commit, fork. GitHub OAuth and Bitbucket projects have `vcs`, the others
    `trigger_parameters.git`.
    """
    if "vcs" in pipeline:
        vcs = pipeline.child("vcs")
        target, origin = (
            vcs.cloned("target_repository_url"),
            vcs.optional("origin_repository_url", limit=2_000),
        )
        return (
            target,
            vcs.branch("branch"),
            vcs.commit("revision"),
            bool(origin) and _wire.repository_of(origin) != target,
        )
    git = pipeline.child("trigger_parameters").child("git")
    return git.cloned("checkout_url"), git.branch("branch"), git.commit("checkout_sha"), False


_CIRCLECI = _outbound.Provider(
    name=name,
    title="CircleCI",
    token="CI_HEALING_CIRCLECI_TOKEN",  # noqa: S106 - the name of the setting
    headers={"Accept": "application/json"},
    credential=lambda token: {"Circle-Token": token},
    # Ids are unique over all of CircleCI.
    same=lambda _api, _host: True,
)
_ID = r"[0-9a-fA-F-]{1,36}"
_NEED = "a personal API token of someone who follows the project"
MAX_OUTPUTS = 40
ENDED = (
    "success",
    "failed",
    "error",
    "canceled",
    "unauthorized",
    "not_run",
    "infrastructure_fail",
    "timedout",
)


def fetch_log(
    failed: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> str:
    """The output of the job's steps, at most 64 MB of it (head and tail).

    Source: API v2 'Get a workflow's jobs'; API v1.1 'Single job', whose actions name the
    short-lived addresses of their output.
    """
    facts = _wire.facts_of(failed)
    job = facts.execution.job_run_id
    with (
        _outbound.no_log(),
        _talk(settings, transport=transport, otherwise=_outbound.SEND) as conversation,
    ):
        asked = _asked(f"job {job[:50]} of {facts.repository}")
        with asked.readable():
            found = [
                one
                for one in _jobs(conversation, _known(facts.parent_id), asked=asked)
                if one.label("id") == job
            ]
            if not found or "job_number" not in found[0]:
                raise NoLog(
                    f"{facts.job!r} ran no steps CircleCI has the output of: send the log with"
                    " `cihealing notify --log build.log`"
                )
            path = f"api/v1.1/project/{_slug(found[0])}/{found[0].ident('job_number')}"
            actions = _actions(asked.fields(conversation.get(path)))
        chunks = (
            chunk for action in actions for chunk in _output(conversation, action, asked=asked)
        )
        return _outbound.kept(chunks)


def expand(
    coarse: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> list[Result]:
    """The red and green jobs of a workflow. Source: API v2 'Get a workflow's jobs'."""
    facts = _wire.facts_of(coarse)
    with (
        _outbound.no_log(),
        _talk(settings, transport=transport, otherwise=_outbound.EVENTS) as conversation,
    ):
        asked = _asked(f"workflow {facts.parent_id} of {facts.repository}")
        jobs = _jobs(conversation, _known(facts.parent_id), asked=asked)
        with asked.readable():
            return _outbound.results([_listed(job, facts) for job in jobs])


def rerun(
    execution: Mapping[str, str],
    *,
    settings: Mapping[str, str],
    transport: httpx.BaseTransport | None = None,
) -> str:
    """Rerun the job's workflow from what failed. A later run of it, one more than were asked for
    before, is adopted.

    The handle names the new workflow, the old one and the job (`-`: the workflow itself). Source:
    API v2 'Rerun a workflow'.
    """
    with _talk(settings, transport=transport, otherwise=_outbound.NOT_HERE) as conversation:
        workflow, asked = _workflow_of(execution), _asked("the rerun of a workflow")
        job = execution.get("jobRunId", "")
        with asked.readable():
            later, before = (
                _later(conversation, workflow, asked=asked),
                _outbound.asked_before(execution),
            )
            if len(later) <= before:
                answer = conversation.send(
                    "POST",
                    f"api/v2/workflow/{[workflow, *later][-1]}/rerun",
                    content={"from_failed": True},
                )
                later.append(_known(asked.fields(answer).ident("workflow_id")))
        return _outbound.handle(
            later[min(before, len(later) - 1)],
            workflow,
            "-" if job.startswith("workflow-") else _known(job),
        )


def rerun_result(
    handle: str, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> Result | None:
    """The result of the job in the new workflow; TransientError until it has ended, None without a
    token.
    """
    if not settings.get(_CIRCLECI.token, "").strip():
        return None
    new, old, job = _outbound.parts_of(handle, _ID, _ID, rf"-|{_ID}")
    asked = _asked("the rerun of a workflow")
    with _talk(settings, transport=transport) as conversation, asked.readable():
        workflow = asked.fields(conversation.get(f"api/v2/workflow/{new}"))
        facts = _workflow_facts(conversation, workflow, asked=asked)
        if job == "-":
            return _outbound.ended(
                _result(facts, status=workflow.label("status"))
                if workflow.label("status") in ENDED
                else None
            )
        names = [
            one.label("name")
            for one in _jobs(conversation, old, asked=asked)
            if one.label("id") == job
        ]
        again = [
            one
            for one in _jobs(conversation, new, asked=asked)
            if one.label("name") in names and one.label("id") != job
        ]
        return _outbound.ended(
            _listed(again[0], facts) if again and again[0].label("status") in ENDED else None
        )


def _talk(
    settings: Mapping[str, str], *, transport: httpx.BaseTransport | None, otherwise: str = ""
) -> Conversation:
    token = settings.get(_CIRCLECI.token, "").strip()
    side = _CIRCLECI.side(
        settings, token=token, host="", need=_NEED, wanted="logs and reruns", otherwise=otherwise
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def _asked(subject: str) -> _outbound.Asked:
    return _outbound.Asked(provider=_CIRCLECI, subject=subject, need=f"to be {_NEED}")


def _known(text: str) -> str:
    if not re.fullmatch(_ID, text):
        raise PermanentError(
            f"{text[:50]!r} is no id of CircleCI: send the log with `cihealing notify --log"
            " build.log`"
        )
    return text


def _slug(job: _wire.Fields) -> str:
    found = job.text("project_slug")
    if not re.fullmatch(r"[A-Za-z]{2,20}(?:/[A-Za-z0-9._-]{1,100}){2}", found):
        raise job.bad("project_slug", "a slug as gh/owner/name is expected")
    return found


def _workflow_of(execution: Mapping[str, str]) -> str:
    """The workflow a job is part of: by its own id, by `parentId`, or by the address of its
    page.
    """
    page = re.search(rf"/workflows/({_ID})", execution.get("pipelineUrl", ""))
    own = execution.get("jobRunId", "")
    found = (
        own.removeprefix("workflow-")
        if own.startswith("workflow-")
        else execution.get("parentId") or (page[1] if page else "")
    )
    if not re.fullmatch(_ID, found):
        raise PermanentError(
            "the workflow of this job is not known: it cannot be rerun from here, run it again at"
            " CircleCI"
        )
    return found


def _paged(conversation: Conversation, path: str, *, asked: _outbound.Asked) -> list[_wire.Fields]:
    items: list[_wire.Fields] = []
    token = ""
    for _ in range(_outbound.MAX_PAGES):
        page = asked.fields(conversation.get(path, params={"page-token": token} if token else None))
        items += page.children("items")
        token = page.optional("next_page_token", limit=2_000)
        if not token:
            break
    return items


def _jobs(
    conversation: Conversation, workflow: str, *, asked: _outbound.Asked
) -> list[_wire.Fields]:
    with asked.readable():
        return _paged(conversation, f"api/v2/workflow/{workflow}/job", asked=asked)


def _later(conversation: Conversation, workflow: str, *, asked: _outbound.Asked) -> list[str]:
    """Ids of the later runs of the same workflow in its pipeline, oldest first."""
    first = asked.fields(conversation.get(f"api/v2/workflow/{workflow}"))
    began = first.moment("created_at")
    others = _paged(
        conversation, f"api/v2/pipeline/{_known(first.ident('pipeline_id'))}/workflow", asked=asked
    )
    later = [
        (moment, one.ident("id"))
        for one in others
        if one.label("name") == first.label("name") and (moment := one.moment("created_at"))
    ]
    return [_known(found) for moment, found in sorted(later) if began and moment > began]


def _workflow_facts(
    conversation: Conversation, workflow: _wire.Fields, *, asked: _outbound.Asked
) -> JobFacts:
    """Of the workflow itself, with what its pipeline says of the source."""
    pipeline = asked.fields(
        conversation.get(f"api/v2/pipeline/{_known(workflow.ident('pipeline_id'))}")
    )
    page = {
        "id": workflow.ident("id"),
        "url": f"https://app.circleci.com/pipelines/workflows/{workflow.ident('id')}",
    }
    body = _wire.Fields.of(workflow=_wire.Fields(page), pipeline=pipeline)
    return _facts(body, workflow, run=f"workflow-{workflow.ident('id')}", coarse=True)


def _listed(job: _wire.Fields, workflow: JobFacts) -> Result:
    """From a job as the REST API lists it, and what is known of its workflow."""
    execution = structs.replace(workflow.execution, job_run_id=job.ident("id"))
    facts = {field: getattr(workflow, field) for field in JobFacts.__struct_fields__}
    facts |= {
        "execution": execution,
        "job": job.title("name"),
        "coarse": False,
        "finished_at": job.moment("stopped_at"),
    }
    status = job.label("status")
    return _result(
        JobFacts(**facts),
        status="failed" if status in ("timedout", "infrastructure_fail") else status,
    )


def _actions(build: _wire.Fields) -> list[_wire.Fields]:
    """The steps' actions that have output, in their order; of too many the failed ones."""
    found = [
        action
        for step in build.children("steps")
        for action in step.children("actions")
        if action.link("output_url")
    ]
    failed = [
        action
        for action in found
        if action.flag("failed") or action.label("status") in ("failed", "timedout")
    ]
    return (found if len(found) <= MAX_OUTPUTS else failed)[:MAX_OUTPUTS]


def _output(
    conversation: Conversation, action: _wire.Fields, *, asked: _outbound.Asked
) -> Iterator[bytes]:
    """What one action wrote, under its name and command."""
    answer = conversation.get(action.link("output_url"), limit=_outbound.MAX_LOG)
    asked.check(answer)
    yield f"==> {action.label('name')}\n".encode()
    yield from (text.encode("utf-8", "replace") for text in _messages(answer.body))
    yield b"\n"


def _messages(body: bytes) -> list[str]:
    """A list of `{message, …}`: a log may hold any characters, so it is not read as strictly as
    what decides. Else the text itself.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return [body.decode("utf-8", errors="replace")]
    return (
        [str(one["message"]) for one in found if isinstance(one, dict) and "message" in one]
        if isinstance(found, list)
        else []
    )
