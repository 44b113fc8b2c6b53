"""Run in a process of its own over a data directory: brings its database up to date, checks it and
prints what the API answers of every run in it, as one JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command as call_framework  # noqa: E402
from django.test import Client  # noqa: E402

from cihealing.cli.shared.found import call_command  # noqa: E402
from cihealing.models import Run, StoredEvent  # noqa: E402

HOME = "/api/v1/ci-healing/runs"
TOKEN = "an-api-token-of-the-golden-database"


def said(*command: str) -> Any:
    out = StringIO()
    with suppress(SystemExit):  # where something differs: what does is in the JSON
        call_command(*command, "--json", stdout=out)
    return json.loads(out.getvalue())


def pages(api: Client) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        answer = api.get(HOME, {"pageSize": 20, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.content
        yield answer.json()
        cursor = answer.json()["nextCursor"]
        if not cursor:
            return


def answered(api: Client, path: str) -> Any:
    """The JSON of an answer, or its status where it is none."""
    answer = api.get(path)
    if answer.status_code != 200:
        return answer.status_code
    return answer.json() if "json" in answer["Content-Type"] else answer.content.decode()


def main() -> None:
    call_framework("migrate", verbosity=0)
    settings.CI_HEALING = {**settings.CI_HEALING, "API_TOKEN": TOKEN}
    settings.ALLOWED_HOSTS = ["testserver"]
    api = Client(headers={"Authorization": f"Bearer {TOKEN}"})
    found = {
        "tags": sorted(set(StoredEvent.objects.values_list("tag", flat=True))),
        "rebuild": said("rebuild", "--check"),
        "audit": said("audit", "verify"),
        "list": [run for page in pages(api) for run in page["data"]],
        "runs": {
            str(run): {
                "detail": answered(api, f"{HOME}/{run}"),
                "report": answered(api, f"{HOME}/{run}/report"),
                "patch": answered(api, f"{HOME}/{run}/patch"),
            }
            for run in Run.objects.order_by("id").values_list("id", flat=True)
        },
    }
    print(json.dumps(found))


main()
