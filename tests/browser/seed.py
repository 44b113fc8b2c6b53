"""Run in the app's environment, beside it: makes rows in its database and prints what the tests
need to know of them.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402

from cihealing.domain import events as e  # noqa: E402
from tests import factories as make  # noqa: E402

EVIL = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e"
    + "w" * 3000
)


def people() -> None:
    User.objects.create_superuser("olga", password="a-long-password")


def runs() -> dict[str, str]:
    now = datetime.now(UTC) - timedelta(hours=1)
    patch = make.stored(f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n")
    evil: list[e.RunEvent] = [
        *make.classified(),
        e.AttemptStarted(number=1, diagnoser=EVIL, patch=patch, proposed_fix=EVIL),
        e.RunEscalated(reason=EVIL),
    ]
    made = {
        "running": make.make_run(
            make.classified(), begun=now, error_hash="v1:1", summary="goes on"
        ),
        "proven": make.make_run(make.proven(), begun=now, error_hash="v1:2", summary="is proven"),
        "hostile": make.make_run(
            evil,
            begun=now,
            error_hash="v1:3",
            summary=EVIL[:400],
            branch=EVIL[:300],
            job=EVIL[:300],
            repository="evil/" + "r" * 290,
        ),
        "ended": make.make_run(
            [e.RunResolved(how="green_later")], begun=now, error_hash="v1:4", summary="is over"
        ),
    }
    return {name: str(run_id) for name, run_id in made.items()}


def main() -> None:
    match sys.argv[1:]:
        case ["make"]:
            people()
            print(json.dumps(runs()))
        case ["note", run_id, text]:
            make.go_on(UUID(run_id), [e.StepSkipped(step="note", reason=text)])
        case ["end", run_id]:
            make.go_on(UUID(run_id), [e.RunResolved(how="green_later")])


main()
