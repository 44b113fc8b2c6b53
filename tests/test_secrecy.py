"""One list of secrets, by type and form, and one function: whatever stores or sends, no secret of
the service comes out (I9).
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from django.core.management.base import CommandError
from pydantic import BaseModel, SecretStr

from cihealing import policy_file, secrecy, service, store
from cihealing.__main__ import Masked
from cihealing.cli import doctor, notify
from cihealing.cli.shared.findings import bad
from cihealing.cli.shared.found import call_command
from cihealing.diagnosis.prompting.prompt import Prompt
from cihealing.domain import effects as f
from cihealing.domain.policy import Policy, RepositoryPolicy
from cihealing.domain.values import Colour, Purpose
from cihealing.effects import publish, say, tell
from cihealing.effects.shared import asking
from cihealing.models import Artifact, Run, StoredEvent
from cihealing.ports import Message, ModelFailed, ModelRequest, PermanentError
from cihealing.providers.openai.provider import serves
from cihealing.providers.openai.settings import OpenAISettings
from cihealing.providers.shared import models
from cihealing.service import policies
from cihealing.settings import Group, OutboundSettings, SandboxSettings, Settings
from cihealing.web import chat_in, problems
from cihealing.web.api import errors
from cihealing.wording import changes
from cihealing.workshop import git
from cihealing.workshop.runner import ProjectRunner
from config import logs
from dashboard import views
from tests import canaries
from tests.canaries import canary, in_url, leaked
from tests.domain.world import COMMIT, seen
from tests.fakes.service import LOG, NOW, Bench, failed, receive
from tests.integration.test_nothing_unredacted import everything, exported

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[Callable[..., Any], list[str]]:
    monkeypatch.setattr(policy_file, "current", lambda: (Policy(), None))
    return canaries.everywhere(settings, monkeypatch, tmp_path)


def text_of(secrets: list[str]) -> str:
    """Bare, so that nothing about their place gives them away."""
    return "\n".join(f"a word {secret} and another" for secret in secrets)


def stored(text: str, _patch: pytest.MonkeyPatch) -> str:
    """Events, rows, artifacts and exports of a healing in which everybody says it: log, names,
    note, crash, model, runner.
    """
    bench = Bench()
    short = text[:400]
    receive(failed(log=f"{text}\n{LOG}\n{text}", step=text[:120], command=short), key=text[:120])
    run = Run.objects.get()
    bench.runner.hash = run.error_hash
    red = lambda purpose: Colour.GREEN if purpose is Purpose.GREEN else Colour.RED  # noqa: E731
    bench.runner.answer = lambda purpose, _: msgspec.structs.replace(
        seen(purpose, red(purpose)), log_tail=text, missing=short
    )
    bench.drain(6)
    store.put(text, kind="log", now=NOW)
    service.perform(
        run.id, "abort", note=text, by=service.Cause(source="t").actor, tools=bench.tools
    )
    return everything() + exported(run.id)


def logged(text: str, _patch: pytest.MonkeyPatch) -> str:
    """By a handler of others, and by our own of either style; with arguments, a traceback and extra
    fields.
    """
    out, logger = io.StringIO(), logging.getLogger("somebody.else")
    handlers = [logging.StreamHandler(out), logging.StreamHandler(out)]
    handlers[1].setFormatter(logs.json_formatter())
    for handler in handlers:
        logger.addHandler(handler)
    try:
        logger.warning("cannot reach %s", text, extra={"detail": {"deep": [text]}})
        raise RuntimeError(text)
    except RuntimeError:
        logger.exception(text, stack_info=True)
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
    assert len(out.getvalue()) > 1000
    return out.getvalue()


def windows(text: str, *, step: int, size: int) -> Iterator[str]:
    """Overlapping parts of a text that cut none of its lines."""
    for start in range(0, len(text), step):
        end = text.find("\n", start + size)
        yield text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else None]


def answered(text: str, patch: pytest.MonkeyPatch) -> str:
    """By the API, on a page, in a chat."""
    told = list[str]()
    patch.setattr(chat_in.httpx, "post", lambda *_, json, **__: told.append(json["text"]))
    patch.setattr(chat_in, "_of_slack", lambda _: True)
    for part in windows(text, step=700, size=900):
        chat_in._answer({"response_url": "https://hooks.slack.com/x"}, part)
    patch.setattr(views, "_page_context", lambda *_: {})
    patch.setattr(views, "_existing", lambda *_: None)
    patch.setattr(
        views, "page", lambda _request, _template, context, **_: told.append(context["lost"])
    )
    views._run_page(None, None, lost=text)  # type: ignore[arg-type]
    answers = (
        problems.problem("x", status=409, title="t", detail=text, more=[text]),
        errors.handle(PermanentError(text)),
    )
    return "\n".join([*told, *(answer.content.decode() for answer in answers if answer)])


def told(text: str, patch: pytest.MonkeyPatch) -> str:
    """To chats and forges: what a run's own words would have held before its secrets were known."""
    receive(failed(), key="1")
    run, bench, said = service.get(Run.objects.get().id), Bench(), list[str]()
    chat = SimpleNamespace(
        name="c",
        configured=lambda **_: True,
        tell=lambda message, **_: said.append(repr(message)) or "",
    )
    bench.use(chats=(chat,))
    patch.setattr(
        tell.telling,
        "message_of",
        lambda *_, **__: Message(run_id="r", title=text, text=text, details=text),
    )
    tell.tell(f.Tell(kind="escalated"), run=run, policy=Policy(), tools=bench.tools)
    for name in ("comment", "body", "title", "message"):
        patch.setattr(changes, name, lambda *_, **__: text)
    patch.setattr(publish, "edits", lambda *_: ())
    for name in ("text", "patch"):
        patch.setattr(type(bench.tools.artifacts), name, lambda *_: "")
    patch.setattr(say, "failure_of", lambda *_: None)
    patch.setattr(publish, "failure_of", lambda *_: None)
    voice = SimpleNamespace(say=lambda text, **_: said.append(text))
    forge = replace(bench.forge.offered(), voice=lambda _site: voice)
    bench.tools = replace(bench.tools, forges={"local_git": forge})
    say.say(f.Say(), run=run, policy=Policy(), tools=bench.tools)
    said.append(repr(publish.proposal_of(run, policy=Policy(), tools=bench.tools)))
    assert len(said) == 3
    return "\n".join(said)


def complained(text: str, _patch: pytest.MonkeyPatch) -> str:
    """By git, whose first kilobyte is told."""
    found = list[str]()
    for part in windows(text, step=700, size=1_100):
        with pytest.raises(git.GitFailed) as refused:
            git._call(
                ["sh", "-c", "cat >&2; exit 1"],
                "sh",
                environment=dict(os.environ),
                data=part.encode(),
                timeout=20,
                entries=None,
            )
        found.append(refused.value.text)
    return "\n".join(found)


def printed(text: str, _patch: pytest.MonkeyPatch) -> str:
    """By a command, in the sandbox."""
    return ProjectRunner(None, settings=SandboxSettings())._reading(text).redacted_log  # type: ignore[arg-type]


def asked(text: str, patch: pytest.MonkeyPatch) -> str:
    """Of a model, and by it."""
    sent = asking._masked(Prompt(system=text, user=text, version="1"))
    patch.setattr(
        models,
        "_ask_subprocess",
        lambda *_: {
            "failed": {
                "message": text,
                "kind": "k",
                "again": False,
                "retry_after": None,
                "seconds": 0.0,
            }
        },
    )
    request = ModelRequest(
        provider="openai", model="m", system="", prompt="", max_output_tokens=1, timeout=1
    )
    with pytest.raises(ModelFailed) as failure:
        models.SubprocessModel(
            {
                "openai": (
                    "openai",
                    serves(OpenAISettings(openai_api_key=canary("openai_api_key")))[0],
                )
            },
            outbound=OutboundSettings(),
        ).ask(request)
    return sent.system + sent.user + str(failure.value)


def examined(text: str, patch: pytest.MonkeyPatch) -> str:
    """By `doctor`."""
    patch.setattr(doctor, "CHECKS", (lambda: bad("x", text),))
    out = io.StringIO()
    for as_json in (True, False):
        with pytest.raises(SystemExit):
            call_command("doctor", json=as_json, stdout=out)
    return out.getvalue()


def died(text: str, patch: pytest.MonkeyPatch) -> str:
    """With a traceback, and with an error that a command tells on stderr."""
    out = io.StringIO()
    patch.setattr(sys, "stderr", out)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        secrecy.last_words(*sys.exc_info())  # type: ignore[arg-type]
    Masked(out).write(f"CommandError: {text}\n")
    return out.getvalue()


WAYS_OUT = (stored, logged, answered, told, complained, printed, asked, examined, died)


@pytest.mark.parametrize("way", WAYS_OUT, ids=lambda way: way.__name__)
def test_no_secret_of_any_source_comes_out(
    way: Callable[[str, pytest.MonkeyPatch], str],
    held: dict[Callable[..., Any], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = [secret for of_source in held.values() for secret in of_source]
    found = way(text_of(secrets), monkeypatch)
    assert "[redacted:known:" in found
    assert leaked(found, secrets) == []


@pytest.mark.parametrize("source", secrecy.SOURCES, ids=lambda source: source.__name__)
def test_without_one_source_its_secrets_are_seen(
    source: Callable[..., Any],
    held: dict[Callable[..., Any], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test above can fail: every canary is found by its source alone."""
    monkeypatch.setattr(
        secrecy, "SOURCES", tuple(other for other in secrecy.SOURCES if other is not source)
    )
    bare = [secret for secret in held[source] if secret.startswith("bird")]
    assert bare
    assert leaked(secrecy.masked(text_of(bare)), bare) == bare


@pytest.mark.parametrize("way", WAYS_OUT, ids=lambda way: way.__name__)
def test_a_new_secret_setting_is_covered_by_itself(
    way: Callable[[str, pytest.MonkeyPatch], str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Vault(BaseModel):
        unseal: SecretStr = SecretStr(canary("unseal"))
        mirror: str = in_url("mirror")

    class Pager(Group):
        pager_key: SecretStr = SecretStr(canary("pager"))
        vault: Vault = Vault()

    monkeypatch.setattr(policy_file, "current", lambda: (Policy(), None))
    settings.ENVIRONMENT = Settings(providers={**canaries.held({}).providers, "pager": Pager()})
    secrets = [canary("pager"), canary("unseal"), *canaries.shown("mirror")]
    found = way("\n".join([text_of(secrets)] * 3), monkeypatch)
    assert leaked(found, secrets) == []
    assert "[redacted:known:" in found


def test_passwords_of_redis_and_of_the_proxy_do_not_stand(settings: Any) -> None:
    """They stood: neither was among the settings whose names say that they are secret."""
    given = {
        "redis_url": SecretStr("redis://:ofredisalone@cache:6379/0"),
        "https_proxy": "http://ann:oftheproxy@proxy:3128",
    }
    settings.ENVIRONMENT = canaries.held(given)
    told = secrecy.masked("WRONGPASS ofredisalone was sent, 407 for oftheproxy")
    assert leaked(told, ["ofredisalone", "oftheproxy"]) == []
    assert "WRONGPASS [redacted:known:" in told


@pytest.mark.parametrize(
    ("setting", "said", "stands"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0 and localhost", True),
        ("postgresql:///billing-archive", "the database billing-archive", True),
        ("postgresql://cihealing:cihealing@db/heal", "branch cihealing/4f2a", True),
        ("postgresql://heal:short@db/heal", "a short word", True),
        ("postgresql://heal:short@db/heal", "to heal:short is refused", False),
        ("redis://one:6379/0;redis://:second-password@two:6379/0", "a second-password here", False),
        ("postgresql://db/heal?user=u&password=in-the-query", "with in-the-query", False),
        ("https://hooks.example/in", "https://hooks.example/in answered", False),
        ("https://hooks.example/incoming", "incoming messages", True),
        ("first-secret , second-secret", "now second-secret", False),
        ("a%2Fquoted%40value", "a/quoted@value is wrong", False),
    ],
)
def test_what_of_a_secret_setting_is_masked(
    settings: Any, setting: str, said: str, stands: bool
) -> None:
    settings.ENVIRONMENT = canaries.held({"gitlab_token": SecretStr(setting)})
    assert (secrecy.masked_in(said) == said) is stands


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("the rest of it was cut: Zq7-wre4Kt", "the rest of it was cut: ["),
        ("3Vn-p8Lw2 ends it", "] ends it"),
        ("Zq7-wre4Kt\n[... 17 bytes of output left out ...]\n3Vn-p8Lw2", "left out ...]\n["),
        ("too little: Zq7-wre", "too little: Zq7-wre"),
    ],
)
def test_what_a_limit_left_of_a_secret_is_masked(said: str, told: str) -> None:
    secrecy.learn("Zq7-wre4KtMm3Vn-p8Lw2")
    hidden = secrecy.masked_in(said)
    assert told in hidden
    assert (
        leaked(hidden.replace("too little: Zq7-wre", ""), ["Zq7-wre4", "4KtMm3Vn", "Vn-p8Lw2"])
        == []
    )


def test_structures_keep_their_shape_and_members() -> None:
    secrecy.learn("succeeded", "a-private-value")
    seen = {
        "colour": Colour.GREEN,
        "texts": ("a-private-value", 3, None),
        b"": b"x a-private-value \xff",
    }
    hidden = secrecy.masked_in(seen)
    assert hidden["colour"] is Colour.GREEN
    assert hidden["texts"][1:] == (3, None)
    assert leaked(repr(hidden), ["a-private-value"]) == []
    assert secrecy.masked_in(one := {"a": ["plain"]}) is one


def test_the_pinned_policy_holds_no_credential_and_the_run_still_reaches_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret, bare = in_url("clone"), "https://clone.example/0"
    policy = Policy(repositories=(RepositoryPolicy(match="acme/*", clone_url=secret),))
    monkeypatch.setattr(policy_file, "current", lambda: (policy, None))
    receive(failed(), key="1")
    assert leaked(everything(), [canary("clone")]) == []
    run = service.get(Run.objects.get().id)
    assert policies.of(run).repository("acme/shop").clone_url == secret
    moved = Policy(
        repositories=(
            RepositoryPolicy(match="acme/*", clone_url="https://ann:other@elsewhere.example/0"),
        )
    )
    monkeypatch.setattr(policy_file, "current", lambda: (moved, None))
    assert policies.of(run).repository("acme/shop").clone_url == bare


def test_what_became_secret_later_is_masked_in_an_export_and_said() -> None:
    receive(failed(job="unit of-later-days"), key="1")
    secrecy.learn("unit of-later-days")
    out = io.StringIO()
    call_command("audit", "export", stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert "of-later-days" not in out.getvalue()
    assert [line.get("masked", False) for line in lines] == [
        "of-later-days" in row.data for row in StoredEvent.objects.order_by("id")
    ]
    assert any(line.get("masked") for line in lines)


def test_a_patch_that_holds_a_secret_is_stored_without_it() -> None:
    secrecy.learn("a-private-value")
    digest = store.put(b"+key = 'a-private-value'\n", kind="patch", now=NOW)
    assert b"a-private-value" not in (store.artifact_bytes(digest) or b"")
    assert Artifact.objects.filter(digest=digest).count() == 1


def test_a_log_record_keeps_its_arguments_apart() -> None:
    """Formatters of servers take them one by one."""
    secrecy.learn("a-private-value")
    record = logs.masked_record(
        "uvicorn.access", 20, "f", 1, '%s - "%s" %d', ("::1", "/hook/a-private-value", 404), None
    )
    assert isinstance(record.args, tuple)
    assert (record.args[0], record.args[2]) == ("::1", 404)
    assert "a-private-value" not in record.getMessage()
    broken = logs.masked_record("x", 20, "f", 1, "%d", ("a-private-value",), None)
    assert "a-private-value" not in broken.getMessage()


def test_notify_tells_no_credential_of_where_it_sends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise notify.httpx.ConnectError(f"proxy {in_url('notify')} said no")

    monkeypatch.setattr(notify.httpx.Client, "post", refused)
    command = notify.Command()
    command.sleep = lambda _: None
    monkeypatch.setenv("CI_HEALING_WEBHOOK_SECRET", canary("hook"))
    with pytest.raises(CommandError) as problem:
        call_command(
            command, url=in_url("notify"), repo="acme/shop", commit=COMMIT, stdout=io.StringIO()
        )
    assert "was not reached" in str(problem.value)
    assert leaked(str(problem.value), [canary("notify"), canary("hook")]) == []


def test_learnt_secrets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrecy, "MAX_LEARNT", 3)
    secrecy.learn(*(f"issued-token-{n}" for n in range(5)))
    assert [f"issued-token-{n}" in secrecy.known() for n in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert django_settings.SECRET_KEY in secrecy.known()
