"""`ports.Model`: every call is a subprocess that holds the key of its own provider and nothing else
of the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cihealing import providers, secrecy
from cihealing.ports import ModelFailed, ModelReply, ModelRequest, ServedModel
from cihealing.providers.shared import prices, worker
from cihealing.scratch import scratch
from cihealing.workshop.process import flood, kill_group, supervise

MAX_REPLY = 8 * 1024 * 1024
GRACE = 15.0
"""Seconds the subprocess may take beyond the call itself: to start, and to end."""
ROOT = Path(__file__).resolve().parents[3]
START = (
    "import sys; sys.path.insert(0, sys.argv.pop());"
    " from cihealing.providers.shared.worker import main; main()"
)
LACKS = {"offline": "CI_HEALING_AI_PROVIDER is `offline`"}


class SubprocessModel:
    """Stateless. `settings` are named as in `Tools.settings`."""

    none_configured = (
        "set ANTHROPIC_API_KEY or OPENAI_API_KEY (or OPENAI_BASE_URL for a model of your own)"
    )

    def names(self) -> tuple[str, ...]:
        return tuple(_served())

    def ask(self, request: ModelRequest, *, settings: Mapping[str, str]) -> ModelReply:
        if lacking := self.configured(request.provider, settings=settings):
            raise ModelFailed(lacking, kind="not_configured", again=False)
        # Servers quote the key in what they answer, and what comes back is stored and shown.
        secrecy.learn(_setting(settings, request.provider, "API_KEY"))
        told = secrecy.masked_in(
            _told(request, environment_for(request.provider, settings=settings))
        )
        if "reply" in told:
            return ModelReply(**told["reply"])
        failed = told["failed"]
        raise ModelFailed(
            failed["message"],
            kind=failed["kind"],
            again=failed["again"],
            retry_after=failed["retry_after"],
            seconds=failed["seconds"],
        )

    def configured(self, provider: str, *, settings: Mapping[str, str]) -> str:
        if provider in LACKS:
            return LACKS[provider]
        served = _served()
        if provider not in served:
            known = ", ".join(served)
            return f"there is no AI provider {provider[:40]}: one of {known} or offline"
        own_server = served[provider][1].own_server and _setting(settings, provider, "BASE_URL")
        return (
            ""
            if own_server or _setting(settings, provider, "API_KEY")
            else f"{provider.upper()}_API_KEY is not set"
        )

    def default_model(self, provider: str, *, settings: Mapping[str, str]) -> str:
        named, usual = _setting(settings, provider, "DEFAULT_MODEL"), _served().get(provider)
        return named or (usual[1].default_model if usual else "")

    def price(
        self,
        provider: str,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
    ) -> float | None:
        return prices.usd(
            provider,
            model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
        )


@cache
def _served() -> dict[str, tuple[str, ServedModel]]:
    """By the name policy calls it: the provider whose protocol it is asked in, and the service."""
    return {
        one.name: (name, one)
        for name, provider in providers.known().items()
        if provider.speaking is not None
        for one in provider.speaking.serves
    }


def _setting(settings: Mapping[str, str], provider: str, name: str) -> str:
    return settings.get(f"CI_HEALING_{provider.upper()}_{name}", "")


def environment_for(provider: str, *, settings: Mapping[str, str]) -> dict[str, str]:
    """All that the subprocess is given."""
    base_url = _setting(settings, provider, "BASE_URL") or _served()[provider][1].base_url
    proxy = settings.get("CI_HEALING_HTTPS_PROXY", "")
    host = urlsplit(base_url).hostname or f"api.{provider}.com"
    given = {
        worker.KEY: _setting(settings, provider, "API_KEY"),
        worker.BASE_URL: base_url,
        worker.PROXY: "" if _direct(host, settings.get("CI_HEALING_NO_PROXY", "")) else proxy,
        worker.CA: settings.get("CI_HEALING_CA_BUNDLE", ""),
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
    }
    return {name: value for name, value in given.items() if value}


def _direct(host: str, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names this host or a domain it is in."""
    names = [name.strip().lstrip(".").lower() for name in no_proxy.split(",") if name.strip()]
    return any(
        name == "*" or host == name or host.endswith(f".{name}") or fnmatchcase(host, name)
        for name in names
    )


def question_of(request: ModelRequest) -> dict[str, Any]:
    """What the subprocess is told: the question, and whose protocol it is asked in."""
    return {**asdict(request), "speaker": _served()[request.provider][0]}


def _told(request: ModelRequest, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the subprocess wrote. Raises ModelFailed, Cancelled."""
    with (
        tempfile.TemporaryFile() as question,
        tempfile.TemporaryFile() as output,
        scratch("ai") as home,
    ):
        question.write(json.dumps(question_of(request)).encode())
        question.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", START, str(ROOT)],
            stdin=question,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=home,
            start_new_session=True,
            close_fds=True,
        )
        ended = supervise(
            process,
            timeout=request.timeout + GRACE,
            stop=lambda: kill_group(process),
            exceeded=flood(output),
        )
        output.seek(0)
        raw = output.read(MAX_REPLY + 1)
    if ended.timed_out:
        raise ModelFailed(
            f"no answer in {request.timeout:.0f} s",
            kind="timeout",
            again=True,
            seconds=ended.seconds,
        )
    return _parsed(raw, ended.exit_code, ended.seconds)


def _parsed(raw: bytes, exit_code: int | None, seconds: float) -> dict[str, Any]:
    try:
        told = json.loads(raw) if exit_code == 0 and len(raw) <= MAX_REPLY else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ModelFailed(
            f"the call's process ended with {exit_code} and no answer",
            kind="crashed",
            again=False,
            seconds=seconds,
        )
    return told
