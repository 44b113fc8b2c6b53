"""Requests as senders sign them, to try a verification with. The delivery says that it is one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from cihealing.ports import RawRequest


def request(body: bytes, headers: Mapping[str, str], path_token: str = "") -> RawRequest:
    return RawRequest(
        headers=dict(headers), body=body, path_token=path_token, received_at=datetime.now(UTC)
    )


def mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def hub(secret: str, body: bytes) -> RawRequest:
    return request(
        body, {"x-hub-signature-256": f"sha256={mac(secret, body)}", "x-github-delivery": "doctor"}
    )


def standard(secret: str, body: bytes) -> RawRequest:
    """Source: Standard Webhooks, 'Signature scheme'."""
    key, at = (
        base64.b64decode(secret.removeprefix("whsec_")),
        str(int(datetime.now(UTC).timestamp())),
    )
    mac = base64.b64encode(
        hmac.new(key, b"doctor." + at.encode() + b"." + body, hashlib.sha256).digest()
    ).decode()
    return request(
        body, {"webhook-id": "doctor", "webhook-timestamp": at, "webhook-signature": f"v1,{mac}"}
    )
