"""Nothing unredacted is stored: canaries in every place a sender can write are in no table and in no artifact afterwards (I9)."""

from __future__ import annotations

import re
import zlib

import pytest
from django.apps import apps
from django.conf import settings as django_settings

from cihealing import service
from cihealing.models import Artifact, Run
from tests.shell.fakes import LOG, Bench, failed, passed, receive

pytestmark = pytest.mark.django_db

OWN = "the-services-own-webhook-secret"
TOKEN = "ghp_" + "Qx7" * 12
AWS = "AKIA" + "Z7QW" * 4
PASSWORD = "hunter2-correct-horse"
CANARIES = (OWN, TOKEN, AWS, PASSWORD)
LEAKY = f"+ export GITHUB_TOKEN={TOKEN}\nAWS_ACCESS_KEY_ID={AWS}\nDB_PASSWORD={PASSWORD}\nsigned with {OWN}\n"


def everything() -> str:
    """All text of all tables, artifacts unpacked."""
    rows = [repr(row) for model in apps.get_app_config("cihealing").get_models() for row in model._default_manager.values()]
    packed = Artifact.objects.exclude(content=None).values_list("content", flat=True)
    return "\n".join([*rows, *(zlib.decompress(bytes(content)).decode("utf-8", "replace") for content in packed)])


@pytest.fixture(autouse=True)
def _own_secret(settings: object) -> None:
    settings.CI_HEALING = {**django_settings.CI_HEALING, "WEBHOOK_SECRETS": {"": OWN}}  # type: ignore[attr-defined]


def test_canaries_in_logs_and_names_are_nowhere_after_a_healing() -> None:
    bench = Bench()
    bench.ci.log = LEAKY + LOG
    receive(failed(log=LEAKY + LOG + LEAKY, step=f"deploy {TOKEN}", command=f"run --password={PASSWORD}"), key="1")
    receive(failed(2, log=None, job="other", pipeline_url=f"https://ann:{PASSWORD}@ci.example.org/1"), key="2")
    receive(passed(3, log=LEAKY), key="3")
    bench.runner.hash = Run.objects.first().error_hash  # type: ignore[union-attr]
    bench.drain()
    stored = everything()
    assert Run.objects.count() == 1
    assert [canary for canary in CANARIES if canary in stored] == []
    assert len(re.findall(r"\[redacted:", stored)) >= 4


def test_a_human_note_with_a_secret_is_masked_too() -> None:
    bench = Bench()
    receive(failed(), key="1")
    by = service.Cause(source="t").actor
    service.perform(Run.objects.get().id, "abort", note=f"leaked {TOKEN}", by=by, tools=bench.tools)
    assert TOKEN not in everything()
