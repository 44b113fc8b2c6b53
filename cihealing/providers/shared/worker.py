"""The other end of the subprocess: one question on stdin, one answer on stdout, one key in the
environment. Imports no Django.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cihealing.discovery import exported
from cihealing.ports import ModelFailed, ModelReply, Provider

KEY, BASE_URL, PROXY, CA = "MODEL_API_KEY", "MODEL_BASE_URL", "MODEL_PROXY", "MODEL_CA_BUNDLE"
"""Names in the worker's environment."""


def main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(answered(request, os.environ)))


def answered(request: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """`{"reply": …}` or `{"failed": …}`, whatever the provider does."""
    started = time.monotonic()
    try:
        return {
            "reply": {**asdict(_ask(request, environment)), "seconds": time.monotonic() - started}
        }
    except ModelFailed as failed:
        told = {
            "message": str(failed),
            "kind": failed.kind,
            "again": failed.again,
            "retry_after": failed.retry_after,
        }
        return {"failed": {**told, "seconds": time.monotonic() - started}}


def _ask(request: Mapping[str, Any], environment: Mapping[str, str]) -> ModelReply:
    key, base_url = environment.get(KEY, ""), environment.get(BASE_URL, "")
    # That one alone is loaded: the others' libraries have nothing to do beside this key.
    spoken = exported(
        f"cihealing.providers.{request['speaker']}.provider", "PROVIDER", Provider
    ).speaking
    if spoken is None:
        raise ModelFailed(f"{request['speaker']} serves no model", kind="crashed", again=False)
    return spoken.ask(request, key=key, base_url=base_url, client=_client(request, environment))


def _client(request: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """The SDKs' own client speaks httpx2; ours adds the proxy and the company's CA and trusts no
    environment.
    """
    import httpx2

    context = ssl.create_default_context()
    if environment.get(CA):
        context.load_verify_locations(environment[CA])
    timeout = httpx2.Timeout(request["timeout"], connect=min(10.0, request["timeout"]))
    return httpx2.Client(
        proxy=environment.get(PROXY) or None,
        verify=context,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    )


if __name__ == "__main__":
    main()
