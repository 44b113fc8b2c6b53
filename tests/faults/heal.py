"""One healing of a real repository, from whatever state the data directory is in: run again after a kill, it goes on.

`python -m tests.faults.heal` with CI_HEALING_DATA_DIR set. Prints the run as one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

BAD = "import sys\nimport os\n\n\ndef here() -> str:\n    return os.path.join(sys.prefix, 'x')\n"
GOOD = "import os\nimport sys\n\n\ndef here() -> str:\n    return os.path.join(sys.prefix, 'x')\n"
COMMAND = "ruff check --no-cache ."
POLICY = """
repositories:
  - match: acme/shop
    clone_url: {origin}
    forge: local_git
    target_branch: main
    trusted: true
    projects: [{{command: "{command}"}}]
"""
LOG = """I001 [*] Import block is un-sorted or un-formatted
 --> shop.py:1:1
  |
1 | / import sys
2 | | import os
  | |_________^
  |
help: Organize imports

Found 1 error.
[*] 1 fixable with the `--fix` option.
"""


def git(where: Path, *args: str) -> str:
    who = {
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "ann@example.org",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "ann@example.org",
    }
    done = subprocess.run(
        ["git", "-C", str(where), *args],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"},
    )
    return done.stdout.strip()


def make_repository(data: Path) -> str:
    """A bare origin whose branch `feature` has one lint failure; returns its head."""
    origin, work = data / "origin.git", data / "work"
    if origin.exists():
        return git(origin, "rev-parse", "refs/heads/feature")
    work.mkdir(parents=True)
    git(work, "init", "-q", "-b", "main")
    (work / "pyproject.toml").write_text('[tool.ruff.lint]\nselect = ["I", "F"]\n')
    (work / "shop.py").write_text(GOOD)
    git(work, "add", ".")
    git(work, "commit", "-qm", "A shop")
    git(work, "checkout", "-qb", "feature")
    (work / "shop.py").write_text(BAD)
    git(work, "commit", "-qam", "Other imports")
    git(data, "clone", "-q", "--bare", str(work), str(origin))
    (data / "policy.yml").write_text(POLICY.format(origin=origin, command=COMMAND))
    return git(origin, "rev-parse", "refs/heads/feature")


def main() -> None:
    data = Path(os.environ["CI_HEALING_DATA_DIR"])
    commit = make_repository(data)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    heal(commit)


def heal(commit: str) -> None:
    from cihealing import registry, service
    from cihealing.domain.values import Actor, ExecutionRef, Failed
    from cihealing.models import Run
    from cihealing.service import outbox

    outbox.poke = lambda ids: None
    service.reclaim()
    failed = Failed(
        execution=ExecutionRef(provider="generic", host="", job_run_id="1"),
        repository="acme/shop",
        branch="feature",
        commit=commit,
        job="lint",
        log=LOG,
    )
    service.receive(hook="default", provider="generic", delivery_id="1", results=[failed], now=datetime.now(UTC))
    drain()
    run = Run.objects.get()
    state = service.get(run.id)
    if state.status == "fixed" and state.approved_by is None:
        ann = Actor(kind="person", name="ann")
        service.perform(run.id, "approve", act="merge", version=run.version, by=ann, tools=registry.tools())
    drain()
    report()


def drain() -> None:
    """Carry out what is due until nothing but timers of the far future is left."""
    import time

    from cihealing import registry, service
    from cihealing.models import Outbox

    quiet = time.monotonic() + 30
    while time.monotonic() < quiet:
        soon = Outbox.objects.filter(state="pending").exclude(name__endswith="_timer").order_by("not_before", "created_at").first()
        if soon is None:
            return
        if not service.run_effect(soon.id, tools=registry.tools(), capabilities=registry.CAPABILITIES, readers=registry.READERS):
            time.sleep(0.05)
    raise SystemExit(f"still waiting for {soon}: {soon.last_error if soon else ''}")


def report() -> None:
    from cihealing import projections, store
    from cihealing.models import Artifact, Attempt, Delivery, Execution, Run, StoredEvent

    before = [list(model._default_manager.order_by("pk").values()) for model in (Run, Delivery)]
    projections.rebuild()
    after = [list(model._default_manager.order_by("pk").values()) for model in (Run, Delivery)]
    run = Run.objects.get()
    tags = list(StoredEvent.objects.filter(stream=run.id).order_by("version").values_list("tag", flat=True))
    told = {
        "status": run.status, "resolution": run.resolution, "reason": run.escalation_reason, "tags": tags,
        "faults": [str(f) for f in store.verify()] + list(store.damaged_artifacts()), "rebuilt": before == after,
        "deliveries": Delivery.objects.count(), "executions": Execution.objects.count(), "attempts": Attempt.objects.count(),
        "artifacts": Artifact.objects.count(),
    }  # fmt: skip
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
