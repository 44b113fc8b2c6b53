"""`ports.Model`: every call is a subprocess that holds the key of its own provider and nothing else
of the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cihealing import secrecy
from cihealing.ports import ModelFailed, ModelReply, ModelRequest, ServedModel
from cihealing.providers.shared import prices, worker
from cihealing.scratch import scratch
from cihealing.settings import OutboundSettings
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
    """`served`: the services by the name policy calls them, each with the provider in whose
    protocol it is asked.
    """

    none_configured = (
        "set ANTHROPIC_API_KEY or OPENAI_API_KEY (or OPENAI_BASE_URL for a model of your own)"
    )

    def __init__(
        self, served: Mapping[str, tuple[str, ServedModel]], *, outbound: OutboundSettings
    ) -> None:
        self.served, self.outbound = served, outbound

    def names(self) -> tuple[str, ...]:
        return tuple(self.served)

    def ask(self, request: ModelRequest) -> ModelReply:
        if lacking := self.configured(request.provider):
            raise ModelFailed(lacking, kind="not_configured", again=False)
        speaker, service = self.served[request.provider]
        # Servers quote the key in what they answer, and what comes back is stored and shown.
        secrecy.learn(service.key.get_secret_value())
        told = secrecy.masked_in(
            _ask_subprocess(request, speaker, environment_for(service, outbound=self.outbound))
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

    def configured(self, provider: str) -> str:
        if provider in LACKS:
            return LACKS[provider]
        if provider not in self.served:
            known = ", ".join(self.served)
            return f"there is no AI provider {provider[:40]}: one of {known} or offline"
        service = self.served[provider][1]
        usable = service.key.get_secret_value() or not service.needs_key
        return "" if usable else f"{provider.upper()}_API_KEY is not set"

    def default_model(self, provider: str) -> str:
        return self.served[provider][1].default_model if provider in self.served else ""

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


def environment_for(service: ServedModel, *, outbound: OutboundSettings) -> dict[str, str]:
    """All that the subprocess is given."""
    host = urlsplit(service.base_url).hostname or f"api.{service.name}.com"
    given = {
        worker.KEY: service.key.get_secret_value(),
        worker.BASE_URL: service.base_url,
        worker.PROXY: "" if _direct(host, outbound.no_proxy) else outbound.https_proxy,
        worker.CA: outbound.ca_bundle,
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
    }
    return {name: value for name, value in given.items() if value}


def _direct(host: str, no_proxy: Sequence[str]) -> bool:
    """Whether `NO_PROXY` names this host or a domain it is in."""
    names = [name.lstrip(".").lower() for name in no_proxy]
    return any(
        name == "*" or host == name or host.endswith(f".{name}") or fnmatchcase(host, name)
        for name in names
    )


def question_of(request: ModelRequest, speaker: str) -> dict[str, Any]:
    """What the subprocess is told: the question, and whose protocol it is asked in."""
    return {**asdict(request), "speaker": speaker}


def _ask_subprocess(
    request: ModelRequest, speaker: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """What the subprocess wrote. Raises ModelFailed, Cancelled."""
    with (
        tempfile.TemporaryFile() as question,
        tempfile.TemporaryFile() as output,
        scratch("ai") as home,
    ):
        question.write(json.dumps(question_of(request, speaker)).encode())
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
