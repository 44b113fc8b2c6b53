"""Models over the official SDKs and the real wire formats: what comes back, what is worth trying
again, and what the process holds.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cihealing import registry
from cihealing.ports import Cancelled, ModelFailed, ModelReply, ModelRequest
from cihealing.providers.shared import prices, worker
from cihealing.providers.shared.models import SubprocessModel, environment_for, question_of
from cihealing.settings import OutboundSettings
from cihealing.workshop import process
from tests.groups import holding
from tests.model_server import (
    ModelServer,
    Step,
    answer,
    edit,
    envelope,
    error,
    raw,
    refusal,
    truncated,
)

PROVIDERS = ("anthropic", "openai", "gemini", "grok")
SECRETS = {
    "CI_HEALING_ANTHROPIC_API_KEY": "key-of-anthropic",
    "CI_HEALING_OPENAI_API_KEY": "key-of-openai",
    "CI_HEALING_GEMINI_API_KEY": "key-of-gemini",
    "CI_HEALING_GROK_API_KEY": "key-of-grok",
    "CI_HEALING_GITHUB_TOKEN": "ghp_forge",
    "CI_HEALING_WEBHOOK_SECRET": "hook-secret",
}


def settings(server: ModelServer, provider: str) -> dict[str, str]:
    return {**SECRETS, f"CI_HEALING_{provider.upper()}_BASE_URL": server.url}


def serving(variables: Mapping[str, str] | None = None) -> SubprocessModel:
    """Every service there is, where these variables are set."""
    served = {
        service.name: (name, service)
        for name, speaking in registry.offered(lambda one: one.speaking).items()
        for service in speaking.serves(holding(registry.PROVIDERS[name].settings, variables))
    }
    return SubprocessModel(served, outbound=holding(OutboundSettings, variables))


def worker_at(provider: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment that its worker is given."""
    model = serving(variables)
    return environment_for(model.served[provider][1], outbound=model.outbound)


def asked(request: ModelRequest) -> dict[str, Any]:
    return question_of(request, serving().served[request.provider][0])


def request(provider: str, **fields: Any) -> ModelRequest:
    return ModelRequest(
        **{
            "provider": provider,
            "model": "scripted",
            "system": "be good",
            "prompt": "mend it",
            "timeout": 20.0,
            **fields,
        }
    )


def here(provider: str, server: ModelServer, **fields: Any) -> ModelReply:
    """The worker's own function, without the subprocess around it."""
    told = worker.answered(
        asked(request(provider, **fields)), worker_at(provider, settings(server, provider))
    )
    if "reply" in told:
        return ModelReply(**told["reply"])
    failed = told["failed"]
    raise ModelFailed(
        failed["message"],
        kind=failed["kind"],
        again=failed["again"],
        retry_after=failed["retry_after"],
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_answers_through_a_subprocess(provider: str) -> None:
    with ModelServer([answer(edits=[edit("a.py", "1", "2")], cite_from=False)]) as server:
        reply = serving(settings(server, provider)).ask(request(provider))
    assert (reply.outcome, reply.input_tokens, reply.output_tokens, reply.model) == (
        "answered",
        1200,
        150,
        "scripted",
    )
    assert json.loads(reply.text)["edits"] == [{"path": "a.py", "search": "1", "replace": "2"}]
    (asked,) = server.requests
    assert (asked.prompt, asked.system) == ("mend it", "be good")
    assert asked.wire == ("anthropic" if provider == "anthropic" else "openai")
    key = asked.headers.get("x-api-key") or asked.headers["authorization"].removeprefix("Bearer ")
    assert key == f"key-of-{provider}"


def test_the_process_of_a_call_holds_its_own_key_and_nothing_else_of_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI_HEALING_GITHUB_TOKEN", "ghp_forge")
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "shell-secret")
    seen: dict[str, str] = {}

    def look(asked: Any) -> Step:
        for pid in children(os.getpid()):
            seen.update(environment_of(pid))
        return Step(text="{}")

    with ModelServer([look]) as server:
        serving(settings(server, "openai")).ask(request("openai"))
    assert seen[worker.KEY] == "key-of-openai"
    held = " ".join(seen.values())
    assert not [
        value
        for value in (*SECRETS.values(), "shell-secret")
        if value in held and value != "key-of-openai"
    ]
    assert set(seen) <= {
        worker.KEY,
        worker.BASE_URL,
        worker.PROXY,
        worker.CA,
        "LANG",
        "PATH",
        "LC_CTYPE",
    }


def children(parent: int) -> list[int]:
    """Living processes of which `parent` is the parent."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            facts = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(facts[1]) == parent:
            found.append(int(place.name))
    return found


def environment_of(pid: int) -> dict[str, str]:
    raw_text = Path(f"/proc/{pid}/environ").read_bytes().decode()
    pairs = dict(entry.partition("=")[::2] for entry in raw_text.split("\0") if "=" in entry)
    return pairs if worker.KEY in pairs else {}


def test_a_call_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cihealing.providers.shared.models.GRACE", 0.5)
    started = time.monotonic()
    with ModelServer([Step(text="{}", wait=30)]) as server, pytest.raises(ModelFailed) as failed:
        serving(settings(server, "openai")).ask(request("openai", timeout=1.5))
    assert (failed.value.kind, failed.value.again) == ("timeout", True)
    assert time.monotonic() - started < 25


def test_a_call_that_is_called_off_ends_soon() -> None:
    called_off = threading.Event()
    threading.Timer(1.0, called_off.set).start()
    with (
        ModelServer([Step(text="{}", wait=30)]) as server,
        process.cancelling(called_off),
        pytest.raises(Cancelled),
    ):
        serving(settings(server, "openai")).ask(request("openai"))


GOOD = json.dumps(
    {
        "known": True,
        "root_cause": "x",
        "failure_class": "product",
        "confidence": 0.5,
        "citations": [],
        "proposed_fix": "y",
        "edits": [],
        "diff": "",
        "test_plan": "",
    }
)
FAILURES = [
    ("429", error(429, "slow down", retry_after=7), "rate_limited", True),
    ("429 without a time", error(429), "rate_limited", True),
    (
        "429 of money",
        error(429, "You exceeded your current quota, insufficient_quota"),
        "spend_cap",
        False,
    ),
    ("400 of money", error(400, "Your credit balance is too low"), "spend_cap", False),
    ("402", error(402), "spend_cap", False),
    ("529", error(529, "overloaded"), "overloaded", True),
    ("503", error(503), "overloaded", True),
    ("500", error(500), "server_error", True),
    (
        "502 html",
        Step(status=502, raw=b"<html>bad gateway</html>", headers={"content-type": "text/html"}),
        "server_error",
        True,
    ),
    ("400", error(400, "max_tokens is too large"), "bad_request", False),
    ("422", error(422, "unprocessable"), "bad_request", False),
    ("401", error(401, "invalid x-api-key"), "unauthorized", False),
    ("403", error(403, "not allowed in your country"), "unauthorized", False),
    ("404", error(404, "no such model"), "unknown_model", False),
    ("413", error(413, "too large"), "bad_request", False),
    (
        "200 html",
        Step(raw=b"<html>hello</html>", headers={"content-type": "text/html"}),
        "server_error",
        True,
    ),
    ("200 empty", Step(raw=b""), "server_error", True),
    ("200 cut", Step(text=GOOD, cut=60), "unreachable", True),
    (
        "redirect",
        Step(status=307, raw=b"", headers={"location": "http://127.0.0.1:1/x"}),
        "bad_request",
        False,
    ),
]
REPLIES = [
    ("good", raw(GOOD), "answered"),
    ("in a fence", raw(f"Here you are:\n```json\n{GOOD}\n```\nGood luck!"), "answered"),
    ("prose", raw("I think you should restart the build."), "malformed"),
    ("no text", raw(""), "malformed"),
    ("half", raw(GOOD[:40]), "malformed"),
    ("cut by the limit", truncated(), "truncated"),
    ("whole though at the limit", raw(GOOD, stop="length"), "answered"),
    ("refusal", refusal(), "refused"),
    ("filter", raw("", stop="filter"), "refused"),
    ("a field too many", raw(GOOD[:-1] + ', "run": "rm -rf /"}'), "malformed"),
    ("a field too few", raw('{"known": true}'), "malformed"),
    ("a wrong type", raw(GOOD.replace("0.5", '"high"')), "malformed"),
    ("too sure", raw(GOOD.replace("0.5", "1.5")), "malformed"),
    ("not a number", raw(GOOD.replace("0.5", "NaN")), "malformed"),
    ("without end", raw(GOOD.replace("0.5", "1e999")), "malformed"),
    ("a field twice", raw(GOOD[:-1] + ', "diff": "x"}'), "malformed"),
    ("another class", raw(GOOD.replace("product", "haunted")), "malformed"),
    ("a list", raw(f"[{GOOD}, {GOOD}]"), "malformed"),
    ("deep", raw("{" + '"a":{' * 5000), "malformed"),
    ("deep and closed", raw('{"a":' * 3000 + "1" + "}" * 3000), "malformed"),
    ("surrogates", raw(GOOD.replace('"x"', '"\\ud800"')), "malformed"),
    ("huge", raw(GOOD.replace('"x"', '"' + "x" * 2_100_000 + '"')), "malformed"),
    ("html", raw("<script>alert(1)</script>"), "malformed"),
    ("nulls", raw(GOOD.replace('"x"', "null")), "malformed"),
    (
        "too many edits",
        raw(GOOD.replace('"edits": []', '"edits": ' + json.dumps([edit("a", "b", "c")] * 99))),
        "malformed",
    ),
]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize(
    ("step", "kind", "again"), [pytest.param(s, k, a, id=name) for name, s, k, a in FAILURES]
)
def test_each_failure_is_worth_trying_again_or_not(
    provider: str, step: Step, kind: str, again: bool
) -> None:
    with ModelServer([step]) as server, pytest.raises(ModelFailed) as failed:
        here(provider, server, timeout=5.0)
    assert (failed.value.kind, failed.value.again) == (kind, again)
    assert "key-of" not in str(failed.value)
    assert len(server.requests) <= 2, "one quick retry at most"
    if step.headers.get("retry-after"):
        assert failed.value.retry_after == 7.0


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize(
    ("step", "outcome"), [pytest.param(s, o, id=name) for name, s, o in REPLIES]
)
def test_each_answer_has_its_outcome_and_is_paid_for(
    provider: str, step: Step, outcome: str
) -> None:
    with ModelServer([step]) as server:
        reply = here(provider, server)
    assert reply.outcome == outcome
    assert bool(reply.problem) is (outcome != "answered")
    assert reply.input_tokens == 1200


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize(
    "usage",
    [
        {},
        [],
        "many",
        {"input_tokens": -5, "prompt_tokens": -5},
        {"input_tokens": 1e30, "prompt_tokens": True},
        7,
    ],
)
def test_a_provider_that_counts_nonsense_crashes_nothing(provider: str, usage: Any) -> None:
    with ModelServer([raw(GOOD, usage=usage or [0])]) as server:
        reply = here(provider, server)
    assert reply.outcome == "answered"
    assert reply.input_tokens >= 0


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"content": [7]}',
        b'{"choices": [{"message": 7}], "content": "x"}',
    ],
)
def test_an_envelope_of_another_shape_is_an_answer_of_no_use(provider: str, body: bytes) -> None:
    with ModelServer([Step(raw=body)]) as server:
        assert here(provider, server).outcome == "malformed"


def test_a_server_without_structured_output_is_asked_in_plain_words() -> None:
    with ModelServer(
        [
            error(400, "response_format json_schema is not supported"),
            error(400, "response_format is unknown"),
            raw(GOOD),
        ]
    ) as server:
        assert here("openai", server).outcome == "answered"
    forms = [asked.body.get("response_format", {}).get("type") for asked in server.requests]
    assert forms == ["json_schema", "json_object", None]
    assert '"root_cause"' in server.requests[2].system


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_a_base_url_may_leave_its_version_out(suffix: str) -> None:
    with ModelServer([raw(GOOD)]) as server:
        told = worker_at("openai", {"CI_HEALING_OPENAI_BASE_URL": server.url + suffix})
        assert worker.answered(asked(request("openai")), told)["reply"]["outcome"] == "answered"
    assert server.requests[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("provider", "says"),
    [("openai", "OPENAI_API_KEY"), ("offline", "offline"), ("other", "no AI provider")],
)
def test_what_cannot_be_asked_says_what_to_set(provider: str, says: str) -> None:
    assert says in serving().configured(provider)
    with pytest.raises(ModelFailed) as failed:
        serving().ask(request(provider))
    assert failed.value.kind == "not_configured"


def test_prices_are_known_for_the_usual_models_and_for_no_others() -> None:
    model = serving()
    for provider in PROVIDERS:
        usual = model.default_model(provider)
        assert model.price(provider, usual, input_tokens=1_000_000, output_tokens=0) > 0  # type: ignore[operator]
    assert prices.usd("openai", "a-model-of-ones-own", input_tokens=1, output_tokens=1) is None
    assert prices.usd("anthropic", "claude-sonnet-4-5", input_tokens=-5, output_tokens=-5) == 0


@pytest.mark.parametrize(
    ("no_proxy", "proxied"),
    [
        ("", True),
        ("example.org", False),
        (".example.org", False),
        ("*", False),
        ("other.org", True),
    ],
)
def test_the_proxy_is_used_but_for_what_needs_none(no_proxy: str, proxied: bool) -> None:
    told = {
        "CI_HEALING_OPENAI_BASE_URL": "https://ai.example.org",
        "CI_HEALING_HTTPS_PROXY": "http://p:3128",
        "CI_HEALING_NO_PROXY": no_proxy,
    }
    assert (worker.PROXY in worker_at("openai", told)) is proxied


def test_the_scripted_server_speaks_as_the_sdks_read() -> None:
    # Imported here, for they take seconds: not in every process that collects.
    from anthropic.types import Message
    from openai.types.chat import ChatCompletion

    for make, wire in ((Message, "anthropic"), (ChatCompletion, "openai")):
        for step in (raw(GOOD), refusal(), truncated()):
            make.model_validate(envelope(step, wire, {"model": "m"}), strict=False)
