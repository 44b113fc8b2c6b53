"""What is asked of Jenkins. Samples after its Remote Access API and the Git plugin's build data."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from cihealing.domain.values import ExecutionRef, Failed, Ignored, Passed, Result
from cihealing.ports import NoLog, PermanentError, TransientError
from cihealing.providers.jenkins import hook as jenkins
from cihealing.providers.jenkins.logs import JenkinsLogs
from cihealing.providers.jenkins.reruns import JenkinsReruns
from cihealing.providers.jenkins.settings import JenkinsSettings
from tests.groups import holding
from tests.http.servers import serving
from tests.providers.ci import payloads
from tests.providers.ci.api import PASSING, STAYING, Api, Route, ended
from tests.providers.ci.payloads import SHA

SETTINGS = {
    "CI_HEALING_JENKINS_URL": "https://jenkins.example.com, http://10.1.2.3:8080/ci",
    "CI_HEALING_JENKINS_USER": "bot",
    "CI_HEALING_JENKINS_TOKEN": "11aa22bb",
}
RUN, HOST = "job/shop/job/fix-cart/18", "jenkins.example.com"
JOB = Failed(
    execution=ExecutionRef(provider="jenkins", host=HOST, job_run_id=RUN),
    repository="acme/shop",
    branch="fix-cart",
    commit=SHA,
    job="shop",
)
EXECUTION = {
    "repository": "acme/shop",
    "host": HOST,
    "jobRunId": RUN,
    "commit": SHA,
    "attempt": "1",
    "rerun": "r-0-1",
}
CONSOLE, JOB_API = f"GET /{RUN}/consoleText", "GET /job/shop/job/fix-cart/api/json"
BUILD, WITH_PARAMETERS = (
    "POST /job/shop/job/fix-cart/build",
    "POST /job/shop/job/fix-cart/buildWithParameters",
)


def build(
    number: int,
    status: str | None = "FAILURE",
    *,
    sha: str | None = SHA,
    queue: int = 0,
    **more: Any,
) -> dict[str, Any]:
    library = {
        "lastBuiltRevision": {"SHA1": "f" * 40},
        "remoteUrls": ["https://git.example.com/acme/library.git"],
    }
    data = {
        "_class": "hudson.plugins.git.util.BuildData",
        "lastBuiltRevision": {
            "SHA1": sha,
            "branch": [{"SHA1": sha, "name": "refs/remotes/origin/fix-cart"}],
        },
        "remoteUrls": ["git@git.example.com:acme/shop.git"],
    }
    actions = [{}, {"_class": "hudson.model.CauseAction"}, *([data, library] if sha else [])]
    return {
        "number": number,
        "queueId": queue,
        "building": status is None,
        "result": status,
        "actions": actions,
    } | more


def jenkins_of(*builds: dict[str, Any], parameters: Any = None, **routes: Any) -> Api:
    waiting = httpx.Response(201, headers={"location": f"https://{HOST}/queue/item/77/"})
    old = {"actions": [{}, {"parameters": parameters}] if parameters else [{}]}
    usual: dict[str, Route] = {
        JOB_API: {"builds": list(builds)},
        f"GET /{RUN}/api/json": old,
        BUILD: waiting,
        WITH_PARAMETERS: waiting,
    }
    return Api(usual | routes)


def fetch(api: Api, failed: Failed = JOB, settings: dict[str, str] = SETTINGS) -> str:
    return JenkinsLogs(holding(JenkinsSettings, settings), api.transport).fetch_log(failed)


def rerun(api: Api, **more: str) -> str:
    return JenkinsReruns(holding(JenkinsSettings, SETTINGS), api.transport).rerun(
        {**EXECUTION, **more}
    )


def result(api: Api, handle: str = f"{HOST} {RUN} q77") -> Result | None:
    return ended(
        lambda: JenkinsReruns(holding(JenkinsSettings, SETTINGS), api.transport).rerun_result(
            handle
        )
    )


def test_the_console_is_fetched_as_the_user() -> None:
    api = Api({CONSOLE: "+ make test\nE  assert\n"})
    assert fetch(api) == "+ make test\nE  assert\n"
    assert (
        api.seen[0].headers["authorization"]
        == "Basic " + base64.b64encode(b"bot:11aa22bb").decode()
    )


def test_a_private_jenkins_below_a_path_is_asked_where_a_setting_names_it() -> None:
    api = Api({"GET /ci/job/shop/18/consoleText": "log"})
    private = replace(
        JOB, execution=replace(JOB.execution, host="10.1.2.3:8080", job_run_id="ci/job/shop/18")
    )
    assert fetch(api, private) == "log"
    assert str(api.seen[0].url) == "http://10.1.2.3:8080/ci/job/shop/18/consoleText"
    with pytest.raises(NoLog, match="no build at http://10"):
        fetch(
            api,
            replace(private, execution=replace(private.execution, job_run_id="other/job/shop/18")),
        )


def test_a_jenkins_that_no_setting_names_is_not_asked() -> None:
    api = Api({CONSOLE: "log"})
    with pytest.raises(NoLog, match="set CI_HEALING_JENKINS_URL"):
        fetch(api, replace(JOB, execution=replace(JOB.execution, host="10.9.9.9:8080")))
    with pytest.raises(NoLog, match="set CI_HEALING_JENKINS_URL"):
        fetch(api, settings={**SETTINGS, "CI_HEALING_JENKINS_URL": ""})
    assert api.seen == []


def test_a_branch_with_a_slash_keeps_its_escapes() -> None:
    api = Api({"GET /job/shop/job/feature%252Fcart/18/consoleText": "log"})
    assert (
        fetch(
            api,
            replace(
                JOB, execution=replace(JOB.execution, job_run_id="job/shop/job/feature%252Fcart/18")
            ),
        )
        == "log"
    )


@pytest.mark.parametrize(
    "run_id",
    [
        "",
        "18",
        "shop/18",
        "job/shop/lastBuild",
        "job/../script/18",
        "job/shop/%2e%2e/18",
        "script/x/job/y",
    ],
)
def test_what_is_no_build_is_not_asked_for(run_id: str) -> None:
    api = jenkins_of(build(18))
    with pytest.raises(NoLog, match=r"no build at|dot_segments"):
        fetch(api, replace(JOB, execution=replace(JOB.execution, job_run_id=run_id)))
    with pytest.raises(PermanentError, match=r"no build at|dot_segments"):
        rerun(api, jobRunId=run_id)
    assert api.seen == []


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("TOKEN", "set CI_HEALING_JENKINS_TOKEN .*'Log lines'.*cihealing notify"),
        ("USER", "set CI_HEALING_JENKINS_USER"),
    ],
)
def test_what_is_missing_is_named(missing: str, says: str) -> None:
    with pytest.raises(NoLog, match=says):
        fetch(Api({}), settings={**SETTINGS, f"CI_HEALING_JENKINS_{missing}": " "})


@pytest.mark.parametrize("status", STAYING)
def test_what_stays_away_names_the_setting(status: int) -> None:
    with pytest.raises(NoLog, match=r"Jenkins answered .*CI_HEALING_JENKINS_TOKEN"):
        fetch(Api({CONSOLE: httpx.Response(status, text="<html>")}))


@pytest.mark.parametrize(("answer", "seconds"), PASSING)
def test_what_passes_is_tried_again(answer: Route, seconds: float | None) -> None:
    with pytest.raises(TransientError) as busy:
        fetch(Api({CONSOLE: answer}))
    assert busy.value.retry_after == seconds
    with pytest.raises(TransientError):
        rerun(jenkins_of(build(18), **{BUILD: answer}))


def test_a_login_page_elsewhere_is_not_followed() -> None:
    api = Api({CONSOLE: httpx.Response(302, headers={"location": "https://sso.example.com/login"})})
    with pytest.raises(NoLog, match=r"host\.not_allowed"):
        fetch(api)
    assert len(api.seen) == 1


def test_the_job_is_built_again() -> None:
    api = jenkins_of(build(18), build(17))
    assert rerun(api) == f"{HOST} {RUN} q77"
    assert api.written == ["POST /job/shop/job/fix-cart/build"]


def test_the_old_parameters_and_the_crumb_of_the_session_go_with_it() -> None:
    parameters = [
        {"name": "TARGET", "value": "a b"},
        {"name": "FAST", "value": True},
        {"name": "N", "value": 3},
    ]
    crumb = httpx.Response(
        200,
        json={"crumb": "abc123", "crumbRequestField": "Jenkins-Crumb"},
        headers={"set-cookie": "JSESSIONID=node0; Path=/; HttpOnly"},
    )
    api = jenkins_of(build(18), parameters=parameters, **{"GET /crumbIssuer/api/json": crumb})
    rerun(api)
    sent = api.seen[-1]
    assert (sent.url.path, sent.read()) == (
        "/job/shop/job/fix-cart/buildWithParameters",
        b"TARGET=a+b&FAST=true&N=3",
    )
    assert (sent.headers["jenkins-crumb"], sent.headers["cookie"]) == ("abc123", "JSESSIONID=node0")


@pytest.mark.parametrize("field", ["Authorization", "Host", "a b", "X\r\nY"])
def test_a_crumb_never_takes_another_headers_place(field: str) -> None:
    api = jenkins_of(
        build(18), **{"GET /crumbIssuer/api/json": {"crumb": "abc", "crumbRequestField": field}}
    )
    with pytest.raises((PermanentError, TransientError)):
        rerun(api)
    assert api.written == []


def test_a_parameter_that_is_not_told_is_not_made_up() -> None:
    api = jenkins_of(build(18), parameters=[{"name": "PASSWORD"}])
    with pytest.raises(PermanentError, match="'PASSWORD' is not told"):
        rerun(api)
    assert api.written == []


@pytest.mark.parametrize("status", [None, "FAILURE", "SUCCESS"])
def test_a_later_build_of_the_commit_is_adopted(status: str | None) -> None:
    api = jenkins_of(build(20, status), build(19, sha="e" * 40), build(18))
    assert rerun(api) == f"{HOST} {RUN} b20"
    assert api.written == []


def test_a_second_rerun_builds_again() -> None:
    api = jenkins_of(build(20), build(18))
    assert rerun(api, rerun="r-0-2") == f"{HOST} {RUN} q77"
    assert len(api.written) == 1


def test_a_build_that_has_not_checked_out_yet_is_waited_for() -> None:
    api = jenkins_of(build(19, None, sha=None), build(18))
    with pytest.raises(TransientError) as later:
        rerun(api)
    assert later.value.retry_after == 30.0
    assert api.written == []


@pytest.mark.parametrize("location", ["", "https://jenkins.example.com/job/shop/"])
def test_a_build_that_waits_nowhere_is_looked_for_again(location: str) -> None:
    with pytest.raises(TransientError, match="did not say where"):
        rerun(jenkins_of(build(18), **{BUILD: httpx.Response(201, headers={"location": location})}))


@pytest.mark.parametrize("status", STAYING)
def test_a_refused_build_says_why(status: int) -> None:
    with pytest.raises(
        PermanentError,
        match=rf"answered {status} .*CI_HEALING_JENKINS_TOKEN needs Job/Build|expired or revoked",
    ):
        rerun(jenkins_of(build(18), **{BUILD: httpx.Response(status)}))


@pytest.mark.parametrize(
    ("builds", "kind"),
    [
        ([], None),
        ([build(19, None, queue=77)], None),
        ([build(19, "FAILURE", queue=76)], None),
        ([build(19, "SUCCESS", queue=77)], Passed),
        ([build(19, "FAILURE", queue=77)], Failed),
        ([build(19, "UNSTABLE", queue=77)], Failed),
        ([build(19, "ABORTED", queue=77)], Ignored),
        ([build(19, "SUCCESS", queue=77, sha=None)], Ignored),
    ],
)
def test_the_result_of_a_build_is_told_without_any_delivery(
    builds: list[dict[str, Any]], kind: type | None
) -> None:
    assert type(result(jenkins_of(*builds))) is (kind or type(None))


def test_a_result_is_what_the_builds_own_event_says() -> None:
    found = result(jenkins_of(build(18)), f"{HOST} {RUN} b18")
    (told,) = jenkins.parse(payloads.raw({}), payloads.jenkins())
    assert isinstance(found, Failed)
    assert isinstance(told, Failed)
    assert replace(found, log=told.log) == told


@pytest.mark.parametrize("handle", ["", f"{HOST} {RUN}", f"{HOST} {RUN} x1", f"{HOST} script q1"])
def test_a_handle_of_another_make_is_refused(handle: str) -> None:
    with pytest.raises(PermanentError, match="cannot be looked up"):
        result(jenkins_of(), handle)


def test_a_jenkins_on_this_machine_is_asked_over_the_wire() -> None:
    with serving(lambda seen: (200, {}, f"console of {seen.path}".encode())) as server:
        host = server.url.removeprefix("http://")
        failed = replace(JOB, execution=replace(JOB.execution, host=host))
        log = JenkinsLogs(
            holding(JenkinsSettings, {**SETTINGS, "CI_HEALING_JENKINS_URL": server.url})
        ).fetch_log(failed)
    assert log == f"console of /{RUN}/consoleText"
