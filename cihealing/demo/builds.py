"""The demo's day: every repository is built for real, and every result goes through the signed
webhook over HTTP like that of any CI.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import stamina

from cihealing.demo import mirror, repositories
from cihealing.demo.repositories import DemoBuild, Made
from cihealing.providers.local import ci as local

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds the demo keeps trying to deliver one result."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """Where results are sent to, and the secret they are signed with."""

    url: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Day:
    """One demo in one data directory. `stopping` ends it between two builds; what was delivered is
    not built again.
    """

    root: Path
    policy: Path
    post: Post
    stopping: threading.Event
    tell: Callable[[str], None]

    def run(self) -> None:
        """Make what is missing, build and deliver what was not delivered yet. Safe to call again
        after a crash at any point.
        """
        try:
            self._run()
        except httpx.HTTPError as error:
            # While the service stops, a refused connection is no news.
            if not self.stopping.is_set():
                logger.warning(
                    "demo: a result could not be delivered (%s); the next start goes on from here",
                    error,
                )

    def _run(self) -> None:
        port = mirror.chosen_port(self.root)
        now = datetime.now(UTC)
        made = [
            repositories.make(name, root=self.root, now=now, mirror_port=port)
            for name in repositories.ORDER
        ]
        if not repositories.write_policy(self.policy, repositories=made):
            return self.tell(
                f"demo: {self.policy} is your own and does not name the demo's repositories; they"
                " are left alone"
            )
        for one in made:
            self._build_all(one, port=port)
        if not self.stopping.is_set():
            self.tell("demo: all builds are delivered")
        return None

    def _build_all(self, made: Made, *, port: int) -> None:
        for number, build in enumerate(made.history.builds, 1):
            mark = f"{made.name}-{number}"
            if self.stopping.is_set():
                return
            if mark not in delivered(self.root):
                red = self._build(made, build, mark=mark)
                record(self.root, mark)
                self.tell(
                    f"demo: {made.repository} {made.branch(build.layer)} is"
                    f" {'red' if red else 'green'} ({made.history.title.lower()})"
                )
        if any(build.mirror == "down" for build in made.history.builds):
            mirror.start(port)

    def _build(self, made: Made, build: DemoBuild, *, mark: str) -> bool:
        """Whether it ended red. A build that may repeat is a new job run each time, and each is
        delivered.
        """
        for repeat in range(1, build.until_red + 1):
            built = local.build(
                made.repository,
                commit=made.commits[build.layer],
                job=made.history.job,
                branch=made.branch(build.layer),
                root=self.root,
            )
            execution = mark if build.until_red == 1 else f"{mark}-{repeat}"
            deliver(
                body_of(made, build, built=built, execution=execution),
                post=self.post,
                stopping=self.stopping,
            )
            if not built.passed or self.stopping.is_set():
                return not built.passed
        return False


def body_of(made: Made, build: DemoBuild, *, built: local.Built, execution: str) -> dict[str, Any]:
    """The generic webhook body for one build."""
    return {
        "provider": local.name,
        "repository": made.repository,
        "branch": made.branch(build.layer),
        "commitSha": made.commits[build.layer],
        "pipelineUrl": "",
        "job": made.history.job,
        "step": made.history.job,
        "command": built.command,
        "conclusion": "success" if built.passed else "failure",
        "errorType": "",
        "errorLog": built.log,
        "executionId": execution,
        "deliveryId": f"demo-{execution}-{made.commits[build.layer][:12]}",
    }


def deliver(body: dict[str, Any], *, post: Post, stopping: threading.Event) -> None:
    """POST the signed body until it is accepted. Raises HTTPStatusError where it is refused, the
    last error where patience ends.
    """
    content = json.dumps(body).encode()
    signature = "sha256=" + hmac.new(post.secret.encode(), content, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature}

    def again(error: Exception) -> bool:
        refused = (
            isinstance(error, httpx.HTTPStatusError)
            and error.response.status_code < 500
            and error.response.status_code != 429
        )
        return isinstance(error, httpx.HTTPError) and not refused and not stopping.is_set()

    for attempt in stamina.retry_context(
        on=again, attempts=None, timeout=PATIENCE, wait_initial=0.2, wait_max=5.0
    ):
        with attempt:
            httpx.post(
                post.url, content=content, headers=headers, timeout=20, trust_env=False
            ).raise_for_status()


def delivered(root: Path) -> list[str]:
    """The builds whose results the service has accepted."""
    try:
        return list(json.loads((root / "progress.json").read_text())["delivered"])
    except FileNotFoundError:
        return []


def record(root: Path, mark: str) -> None:
    unfinished = root / ".progress.json.new"
    unfinished.write_text(json.dumps({"delivered": [*delivered(root), mark]}))
    unfinished.replace(root / "progress.json")


def marks() -> Iterator[tuple[str, DemoBuild]]:
    for name in repositories.ORDER:
        for number, build in enumerate(repositories.history_of(name).builds, 1):
            yield f"{name}-{number}", build


def begun(root: Path) -> bool:
    return (root / "mirror.port").exists()


def finished(root: Path) -> bool:
    return {mark for mark, _ in marks()} <= set(delivered(root))


def start_mirror(root: Path) -> ThreadingHTTPServer | None:
    """After a restart: the mirror is up again if it was up before."""
    down = {mark for mark, build in marks() if build.mirror == "down"}
    return mirror.start(mirror.chosen_port(root)) if down <= set(delivered(root)) else None
