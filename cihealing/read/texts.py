"""Contents of artifacts as text, and which of them a viewer may read."""

from __future__ import annotations

import json
import logging
import zlib
from typing import Any
from uuid import UUID

from cihealing import models, store
from cihealing.domain import run as core
from cihealing.read.access import Viewer, visible, within

log = logging.getLogger(__name__)


class Texts:
    """Artifacts by digest, each fetched once."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def text(self, digest: str) -> str:
        if digest and digest not in self.known:
            self.known[digest] = artifact_text(digest) or ""
        return self.known.get(digest, "")

    def data(self, digest: str) -> Any:
        try:
            return json.loads(self.text(digest)) if self.text(digest) else None
        except ValueError:
            return None


def run_artifact(viewer: Viewer, run_id: UUID, digest: str) -> str | None:
    """Text of an artifact this run names (its log, a run's output, a patch); None where it is not
    this run's to show, or purged.
    """
    if len(digest) != 64 or not digest.isalnum():
        return None
    state = visible(viewer).filter(id=run_id).values_list("state", flat=True).first()
    named = state is not None and f'"{digest}"' in state
    return artifact_text(digest) if named or _execution_log(viewer, run_id, digest) else None


def _execution_log(viewer: Viewer, run_id: UUID, digest: str) -> bool:
    return within(
        models.Execution.objects.filter(run_id=run_id, log=digest), viewer, "repository"
    ).exists()


def patch_text(viewer: Viewer, run_id: UUID) -> str | None:
    """The proven patch of a run, else the latest attempt's; None where there is no run, empty where
    there is no patch.
    """
    state = visible(viewer).filter(id=run_id).values_list("state", flat=True).first()
    if state is None:
        return None
    decoded = core.from_json(state)
    digest = decoded.review.patch or (decoded.attempt.patch if decoded.attempt else "")
    return (artifact_text(digest) or "") if digest else ""


def exact_patch(digest: str) -> str:
    """A patch as it is applied: bytes that are no UTF-8 are as `surrogateescape` has them; empty
    where it was purged. Asks no viewer, as `artifact_text`.
    """
    return (store.artifact_bytes(digest) or b"").decode("utf-8", "surrogateescape")


def report(viewer: Viewer, run_id: UUID) -> tuple[Any, str] | None:
    """The incident report as data and as Markdown; None where there is none."""
    digest = visible(viewer).filter(id=run_id).values_list("report", flat=True).first()
    if not digest:
        return None
    texts = Texts()
    data = texts.data(digest)
    return data, data.get("markdown", "") if isinstance(data, dict) else texts.text(digest)


def artifact_text(digest: str) -> str | None:
    """Content of an artifact; None where it was purged, never stored or damaged.

    Asks no viewer: callers got the digest from a row they may see.
    """
    try:
        content = store.artifact_bytes(digest)
    except (ValueError, zlib.error):
        log.exception("artifact %s is damaged: run `cihealing audit verify`", digest)
        return None
    return None if content is None else content.decode("utf-8", "replace")
