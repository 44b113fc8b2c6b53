"""One healing of a real repository, from whatever state the data directory is in: run again after a
kill, it goes on.

`python -m tests.faults.heal` with CI_HEALING_DATA_DIR set; FORGE names the forge (`local_git`, or
one whose settings are given). Prints the run as one JSON object; `python -m tests.faults.heal make`
only makes the repository and prints the failing commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

BAD = "import sys\nimport os\n\n\ndef here() -> str:\n    return os.path.join(sys.prefix, 'x')\n"
GOOD = "import os\nimport sys\n\n\ndef here() -> str:\n    return os.path.join(sys.prefix, 'x')\n"
TEST_COMMAND = "python -m pytest -q -p no:cacheprovider"
COMMAND = "ruff check --no-cache ."
POLICY = """
repositories:
  - match: acme/shop
    clone_url: {origin}
    forge: {forge}
    draft: false
    target_branch: main
    trusted: true
    projects: [{{command: "{command}"}}]
"""
CODE = """STEPS = [(10, 5), (50, 10), (100, 20)]


def percent_off(pieces):
    for least, percent in STEPS:
        if pieces >= least:
            return percent
    return 0
"""
TEST = (
    "from discount import percent_off\n\n\ndef test_a_hundred_pieces():\n    assert"
    " percent_off(100) == 20\n"
)
TEST_LOG = """E       assert 5 == 20
E        +  where 5 = percent_off(100)
test_discount.py:5: AssertionError
FAILED test_discount.py::test_a_hundred_pieces - assert 5 == 20
1 failed in 0.01s
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
    break_it(work)
    git(work, "add", "-A")
    git(work, "commit", "-qm", "Other imports")
    git(data, "clone", "-q", "--bare", str(work), str(origin))
    (data / "policy.yml").write_text(
        POLICY.format(
            origin=origin,
            command=TEST_COMMAND if for_a_model() else COMMAND,
            forge=os.environ.get("FORGE", "local_git"),
        )
    )
    return git(origin, "rev-parse", "refs/heads/feature")


def for_a_model() -> bool:
    """The failure is one that only a model can mend."""
    return bool(os.environ.get("OPENAI_BASE_URL"))


def break_it(work: Path) -> None:
    if for_a_model():
        (work / "discount.py").write_text(CODE)
        (work / "test_discount.py").write_text(TEST)
    else:
        (work / "shop.py").write_text(BAD)


def main() -> None:
    data = Path(os.environ["CI_HEALING_DATA_DIR"])
    commit = make_repository(data)
    if sys.argv[1:] == ["make"]:
        sys.stdout.write(commit + "\n")
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    heal(commit)


def heal(commit: str) -> None:
    from cihealing import registry, service
    from cihealing.domain.values import ExecutionRef, Failed
    from cihealing.models import Run
    from cihealing.service import outbox

    outbox.poke = lambda ids: None
    clone_from_disk()
    service.reclaim()
    failed = Failed(
        execution=ExecutionRef(provider="generic", host="", job_run_id="1"),
        repository="acme/shop",
        branch="feature",
        commit=commit,
        job="tests" if for_a_model() else "lint",
        log=TEST_LOG if for_a_model() else LOG,
    )
    service.receive(
        hook="default", provider="generic", delivery_id="1", results=[failed], now=datetime.now(UTC)
    )
    drain()
    run = service.get(Run.objects.get().id)
    opens = registry.tools().forges[os.environ.get("FORGE", "local_git")].changes is not None
    if opens and run.status == "fixed" and not run.change.open and run.review.approved_by is None:
        approve("publish")
    if service.get(run.id).status == "fixed" and service.get(run.id).review.approved_by is None:
        approve("merge")
    drain()
    report()


def approve(act: str) -> None:
    from cihealing import registry, service
    from cihealing.domain.values import Actor
    from cihealing.models import Run

    run = Run.objects.get()
    service.perform(
        run.id,
        "approve",
        act=act,
        version=run.version,
        by=Actor(kind="person", name="ann"),
        tools=registry.tools(),
    )
    drain()


def clone_from_disk() -> None:
    """Whatever forge takes the change, its code is the repository beside us."""
    from functools import partial
    from typing import Any

    from cihealing.workshop import mirrors

    def from_disk(url: str, *, remote: Any, local: bool, **rest: Any) -> Any:
        return remote(url, local=True, **rest)

    mirrors.remote_environment = partial(from_disk, remote=mirrors.remote_environment)


def drain() -> None:
    """Carry out what is due until nothing but timers of the far future is left."""
    import time

    from cihealing import registry, service
    from cihealing.models import Outbox

    quiet = time.monotonic() + 30
    while time.monotonic() < quiet:
        soon = (
            Outbox.objects.filter(state="pending")
            .exclude(name__endswith="_timer")
            .exclude(name="watch_change")
            .order_by("not_before", "created_at")
            .first()
        )
        if soon is None:
            return
        if not service.run_effect(
            soon.id,
            tools=registry.tools(),
            capabilities=registry.CAPABILITIES,
            readers=registry.READERS,
        ):
            time.sleep(0.05)
    raise SystemExit(f"still waiting for {soon}: {soon.last_error if soon else ''}")


def report() -> None:
    from cihealing import service, store
    from cihealing.models import Artifact, Attempt, Delivery, Execution, Run, Spend, StoredEvent
    from cihealing.store import rebuilding

    before = [list(model._default_manager.order_by("pk").values()) for model in (Run, Delivery)]
    rebuilding.rebuild()
    after = [list(model._default_manager.order_by("pk").values()) for model in (Run, Delivery)]
    service.sweep_spending(now=datetime.now(UTC) + timedelta(hours=1))
    run = Run.objects.get()
    tags = list(
        StoredEvent.objects.filter(stream=run.id).order_by("version").values_list("tag", flat=True)
    )
    told = {
        "status": run.status,
        "resolution": run.resolution,
        "reason": run.escalation_reason,
        "tags": tags,
        "faults": [str(f) for f in store.verify()] + list(store.damaged_artifacts()),
        "rebuilt": before == after,
        "deliveries": Delivery.objects.count(),
        "executions": Execution.objects.count(),
        "attempts": Attempt.objects.count(),
        "artifacts": Artifact.objects.count(),
        "spend": sorted(Spend.objects.values_list("settled", flat=True)),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
