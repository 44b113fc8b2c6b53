"""Jobs, built again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from cihealing.domain.values import Result
from cihealing.http.client import Conversation
from cihealing.ports import PermanentError, TransientError
from cihealing.providers.jenkins.api import RUN, asked_about, builds_of, run_at, talk
from cihealing.providers.jenkins.results import build_result, revision_of
from cihealing.providers.jenkins.settings import JenkinsSettings
from cihealing.providers.shared import outbound as _outbound
from cihealing.providers.shared import wire as _wire


@dataclass(frozen=True)
class JenkinsReruns:
    """`ports.Reruns` at Jenkins."""

    settings: JenkinsSettings
    transport: httpx.BaseTransport | None = None

    def rerun(self, execution: Mapping[str, str]) -> str:
        """Build the job again with the parameters of the build. A later build of the same commit,
        one more than were asked for, is adopted.

        Jenkins builds the head of the job's branch: where that has moved, the result names the
        other commit. The handle names host, build and the queue item (`q`) or the build (`b`) of
        the new try. Sources: 'Remote Access API', 'Parameterized Build', 'CSRF Protection'.
        """
        host, need = execution.get("host", ""), "Job/Build"
        with talk(
            self.settings,
            host=host,
            need=need,
            transport=self.transport,
            otherwise=_outbound.NOT_HERE,
        ) as conversation:
            run = execution.get("jobRunId", "")
            job, number = run_at(conversation, run)
            asked = asked_about(f"a new build of {job}", need)
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

    def rerun_result(self, handle: str) -> Result | None:
        """The result of the new build; TransientError until it has ended, None without a token."""
        if not self.settings.token:
            return None
        host, run, mark = _outbound.parts_of(
            handle, r"[\x21-\x7e]+", RUN.pattern, r"[qb][0-9]{1,10}"
        )
        with talk(
            self.settings, host=host, need="Job/Read", transport=self.transport
        ) as conversation:
            job, _ = run_at(conversation, run)
            asked = asked_about(f"the builds of {job}", "Job/Read")
            with asked.readable():
                key = "queueId" if mark.startswith("q") else "number"
                found = [
                    build
                    for build in builds_of(conversation, job, asked=asked)
                    if build.number(key) == int(mark[1:])
                ]
                over = [
                    build for build in found if not build.flag("building") and build.label("result")
                ]
                page = f"{conversation.side.base.url}/{job}"
                return _outbound.ended(
                    build_result(over[0], job=job, page=page, host=host) if over else None
                )


def _later(
    conversation: Conversation, job: str, *, number: int, commit: str, asked: _outbound.Subject
) -> list[int]:
    """Numbers of the later builds of this commit, oldest first. Raises TransientError while one of
    them has not checked out yet.
    """
    later = [
        build
        for build in builds_of(conversation, job, asked=asked)
        if int(build.ident("number")) > number
    ]
    if any(build.flag("building") and not revision_of(build, "") for build in later):
        raise TransientError(
            "a build of the job has just begun, its commit is not known yet", retry_after=30.0
        )
    same = [
        build
        for build in later
        if (found := revision_of(build, "")) and found.label("SHA1").lower() == commit
    ]
    return sorted(int(build.ident("number")) for build in same)


def _build_again(
    conversation: Conversation, job: str, *, number: int, asked: _outbound.Subject
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


def _crumb(conversation: Conversation, *, asked: _outbound.Subject) -> dict[str, str]:
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
