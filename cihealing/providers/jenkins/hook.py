"""Jenkins' Notification plugin (JSON over HTTP). It signs nothing: the secret is the last part of
the URL it is given.

Source: jenkinsci/notification-plugin, README and Phase.java. Keep the URL in a Jenkins secret ("URL
source: Secret").
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from cihealing.domain.values import ExecutionRef, Ignored, JobFacts, Result
from cihealing.http.client import Conversation
from cihealing.ports import BadSignature, PermanentError, RawRequest, TransientError
from cihealing.providers.jenkins import names
from cihealing.providers.jenkins.hosts import HOSTS
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import results as _results
from cihealing.providers.shared import signing as _signing
from cihealing.providers.shared import wire as _wire

name = "jenkins"

ENDED = ("COMPLETED", "FINALIZED")
RED = ("FAILURE", "UNSTABLE")


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
    return JobFacts(
        execution=ExecutionRef(
            provider=name, host=_wire.host_of(page), job_run_id=_run_id(body, build)
        ),
        repository=scm.cloned("url"),
        branch="" if branch == "detached" else branch,
        commit=scm.commit("commit"),
        job=names.job_of(body.label("url") or body.title("name"), branch=branch),
        pipeline_url=page,
    )


def _run_id(body: _wire.Fields, build: _wire.Fields) -> str:
    return names.run_of(build.label("full_url")) or f"{body.title('name')}/{build.ident('number')}"


USER = "CI_HEALING_JENKINS_USER"
_JENKINS = _outbound.RestApi(
    title="Jenkins",
    hosts=HOSTS,
    token="CI_HEALING_JENKINS_TOKEN",  # noqa: S106 - the name of the setting
    headers={},
    credential=lambda token: {
        "Authorization": f"Basic {base64.b64encode(token.encode()).decode()}"
    },
    same=lambda api, host: api == host,
    example="https://{host}, or http:// where it has no other; several are separated by commas",
)
_RUN = re.compile(r"(?P<job>(?:[\x21-\x7e]+/)?job/[\x21-\x7e]+)/(?P<number>[0-9]{1,10})")
_LOG_LINES = ", or set 'Log lines' of the notification endpoint (loglines) to some thousand"
_BUILD = (
    "number,queueId,url,building,result,timestamp,duration,"
    "actions[lastBuiltRevision[SHA1,branch[name]],remoteUrls]"
)
MAX_BUILDS = 50


def fetch_log(
    failed: Result, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> str:
    """The build's console as plain text, at most 64 MB of it (head and tail). Source: Jenkins,
    'Remote Access API' (`consoleText`).
    """
    facts = _results.facts_of(failed)
    host, otherwise = facts.execution.host, _LOG_LINES + _outbound.SEND
    with (
        _outbound.no_log(),
        _talk(
            settings, host=host, need="Job/Read", transport=transport, otherwise=otherwise
        ) as conversation,
    ):
        job, number = _run(conversation, facts.execution.job_run_id)
        asked = _asked(f"build {number} of {job}", "Job/Read")
        return _outbound.whole_log(conversation, f"{job}/{number}/consoleText", asked=asked)


def signed_in(
    settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> list[str]:
    """Where a token is not known at one of the base URLs, in words. Raises TransientError,
    PermanentError. Source: `whoAmI/api/json`.
    """
    found = []
    for url in filter(
        None, (part.strip() for part in settings.get("CI_HEALING_JENKINS_URL", "").split(","))
    ):
        host = urlsplit(url).netloc
        with _talk(settings, host=host, need="Overall/Read", transport=transport) as conversation:
            asked = _asked("who we are", "Overall/Read")
            who = asked.fields(conversation.get("whoAmI/api/json"))
            with asked.readable():
                if who.flag("anonymous") or not who.flag("authenticated"):
                    found.append(
                        f"{host} does not know the user: check {USER} and {_JENKINS.token}"
                    )
    return found


def rerun(
    execution: Mapping[str, str],
    *,
    settings: Mapping[str, str],
    transport: httpx.BaseTransport | None = None,
) -> str:
    """Build the job again with the parameters of the build. A later build of the same commit, one
    more than were asked for, is adopted.

    Jenkins builds the head of the job's branch: where that has moved, the result names the other
    commit. The handle names host, build and the queue item (`q`) or the build (`b`) of the new try.
    Sources: 'Remote Access API', 'Parameterized Build', 'CSRF Protection'.
    """
    host, need = execution.get("host", ""), "Job/Build"
    with _talk(
        settings, host=host, need=need, transport=transport, otherwise=_outbound.NOT_HERE
    ) as conversation:
        run = execution.get("jobRunId", "")
        job, number = _run(conversation, run)
        asked = _asked(f"a new build of {job}", need)
        with asked.readable():
            later, before = (
                _later(
                    conversation,
                    job,
                    number=number,
                    commit=execution.get("commit", ""),
                    asked=asked,
                ),
                _outbound.asked_before(execution),
            )
            mark = (
                f"b{later[before]}"
                if len(later) > before
                else _build_again(conversation, job, number=number, asked=asked)
            )
        return _outbound.handle(conversation.side.base.target.authority, run, mark)


def rerun_result(
    handle: str, *, settings: Mapping[str, str], transport: httpx.BaseTransport | None = None
) -> Result | None:
    """The result of the new build; TransientError until it has ended, None without a token."""
    if not settings.get(_JENKINS.token, "").strip():
        return None
    host, run, mark = _outbound.parts_of(handle, r"[\x21-\x7e]+", _RUN.pattern, r"[qb][0-9]{1,10}")
    with _talk(settings, host=host, need="Job/Read", transport=transport) as conversation:
        job, _ = _run(conversation, run)
        asked = _asked(f"the builds of {job}", "Job/Read")
        with asked.readable():
            key = "queueId" if mark.startswith("q") else "number"
            found = [
                build
                for build in _builds(conversation, job, asked=asked)
                if build.number(key) == int(mark[1:])
            ]
            over = [
                build for build in found if not build.flag("building") and build.label("result")
            ]
            page = f"{conversation.side.base.url}/{job}"
            return _outbound.ended(_built(over[0], job=job, page=page, host=host) if over else None)


def _talk(
    settings: Mapping[str, str],
    *,
    host: str,
    need: str,
    transport: httpx.BaseTransport | None,
    otherwise: str = "",
) -> Conversation:
    user, token = settings.get(USER, "").strip(), settings.get(_JENKINS.token, "").strip()
    if token and not user:
        raise PermanentError(
            f"set {USER}: {_JENKINS.token} is of no use without the user it is a token of"
        )
    both = f"{user}:{token}" if token else ""
    side = _JENKINS.side(
        settings, token=both, host=host, need=need, wanted="logs and reruns", otherwise=otherwise
    )
    return _outbound.talk(side, settings=settings, transport=transport)


def _asked(subject: str, need: str) -> _outbound.Asked:
    return _outbound.Asked(api=_JENKINS, subject=subject, need=need)


def _run(conversation: Conversation, run: str) -> tuple[str, int]:
    """Path of the job below the base URL, and number of the build. Raises PermanentError for what
    is no build of this Jenkins.
    """
    found, context = _RUN.fullmatch(run), conversation.side.base.target.path.strip("/")
    if found is None or (context and not run.startswith(f"{context}/job/")):
        raise PermanentError(
            f"{run[:100]!r} is no build at {conversation.side.base.url}: check {HOSTS.setting}"
        )
    return found["job"].removeprefix(context).strip("/"), int(found["number"])


def _builds(conversation: Conversation, job: str, *, asked: _outbound.Asked) -> list[_wire.Fields]:
    """The newest builds of the job, newest first."""
    return asked.fields(
        conversation.get(f"{job}/api/json", params={"tree": f"builds[{_BUILD}]{{0,{MAX_BUILDS}}}"})
    ).children("builds")


def _later(
    conversation: Conversation, job: str, *, number: int, commit: str, asked: _outbound.Asked
) -> list[int]:
    """Numbers of the later builds of this commit, oldest first. Raises TransientError while one of
    them has not checked out yet.
    """
    later = [
        build
        for build in _builds(conversation, job, asked=asked)
        if int(build.ident("number")) > number
    ]
    if any(build.flag("building") and not _revision(build, "") for build in later):
        raise TransientError(
            "a build of the job has just begun, its commit is not known yet", retry_after=30.0
        )
    same = [
        build
        for build in later
        if (found := _revision(build, "")) and found.label("SHA1").lower() == commit
    ]
    return sorted(int(build.ident("number")) for build in same)


def _revision(build: _wire.Fields, repository: str) -> _wire.Fields | None:
    """What was checked out: of several checkouts (shared libraries have their own) the one of
    `repository`, else the first.
    """
    actions = [action for action in build.children("actions") if "lastBuiltRevision" in action]
    own = [action for action in actions if repository and repository in _repositories(action)]
    return (own or actions)[0].child("lastBuiltRevision") if actions else None


def _repositories(action: _wire.Fields) -> list[str]:
    return [_wire.repository_of(url) for url in action.texts("remoteUrls")[:20]]


def _build_again(
    conversation: Conversation, job: str, *, number: int, asked: _outbound.Asked
) -> str:
    """The queue item of the new build. Identical builds that wait in the queue are one to
    Jenkins.
    """
    old = asked.fields(
        conversation.get(
            f"{job}/{number}/api/json", params={"tree": "actions[parameters[name,value]]"}
        )
    )
    form = dict(
        _parameter(one)
        for action in old.children("actions")
        for one in action.children("parameters")
    )
    path = f"{job}/buildWithParameters" if form else f"{job}/build"
    answer = conversation.send("POST", path, form=form, headers=_crumb(conversation, asked=asked))
    if answer.status not in (302, 303):  # older ones redirect to the job
        asked.check(answer)
    item = re.search(r"/queue/item/([0-9]{1,10})/?$", answer.headers.get("location", ""))
    if item is None:
        raise TransientError(
            "Jenkins took the build and did not say where it waits", retry_after=30.0
        )
    return f"q{item[1]}"


def _parameter(one: _wire.Fields) -> tuple[str, str]:
    """Raises PermanentError for a secret or a file: what it was is not told."""
    value = one.scalar("value")
    if value is None:
        raise PermanentError(
            f"the build's parameter {one.label('name')!r} is not told by Jenkins: build it again"
            " there"
        )
    return one.raw("name"), str(value).lower() if isinstance(value, bool) else str(value)


def _crumb(conversation: Conversation, *, asked: _outbound.Asked) -> dict[str, str]:
    """The headers against forged requests, none where they are not protected against. A crumb holds
    for the session it was given in.
    """
    answer = conversation.get("crumbIssuer/api/json")
    if answer.status == 404:
        return {}
    crumb = asked.fields(answer)
    field, value = crumb.ident("crumbRequestField"), crumb.ident("crumb")
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,60}", field) or field.lower() in (
        "authorization",
        "host",
        "cookie",
        "content-length",
    ):
        raise PermanentError("Jenkins names no header for its crumb")
    cookies = [
        given.partition(";")[0].strip() for given in answer.headers.get_list("set-cookie")[:10]
    ]
    return {field: value} | ({"Cookie": "; ".join(cookies)} if cookies else {})


def _built(build: _wire.Fields, *, job: str, page: str, host: str) -> Result:
    """From a build as the REST API shows it."""
    number, revision = build.ident("number"), _revision(build, "")
    if revision is None:
        return Ignored(reason=f"build {number} of {job} checked nothing out")
    branch = _wire.plain_branch(
        next((one.label("name") for one in revision.children("branch")), "")
    )
    facts = JobFacts(
        execution=ExecutionRef(
            provider=name, host=host, job_run_id=names.run_of(f"{page}/{number}/")
        ),
        repository=next(
            (
                found
                for action in build.children("actions")
                for found in _repositories(action)
                if found
            ),
            "",
        ),
        branch="" if branch == "detached" or not _wire.is_branch(branch) else branch,
        commit=revision.commit("SHA1"),
        job=names.job_of(job, branch=branch),
        pipeline_url=f"{page}/{number}/",
    )
    status = build.label("result").upper()
    if status == "SUCCESS":
        return _results.passed(facts)
    return (
        _results.failed(facts, conclusion=status.lower())
        if status in RED
        else Ignored(reason=f"status {status} is neither red nor green")
    )
