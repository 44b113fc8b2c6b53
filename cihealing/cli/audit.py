"""`cihealing audit verify | export | purge`: is the record what was written, the record itself, and
forgetting content on purpose.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import QuerySet

from cihealing import secrecy, store
from cihealing.cli.shared.command import MISUSED, Needs, ProductCommand
from cihealing.cli.shared.naming import person, run_named
from cihealing.models import Artifact, StoredEvent
from cihealing.wording.plain import plain

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
NAMED = re.compile(r'"([0-9a-f]{64})"')
KEPT = ("policy",)
"""Kinds that rows are rebuilt from."""


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Check the event store (verify), write it out (export), or forget the content of an"
        " artifact (purge)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="{verify,export,purge}")
        verify = acts.add_parser(
            "verify",
            help=(
                "name every fault of the hash chains and every damaged artifact; exit 1 where there"
                " is one"
            ),
        )
        verify.add_argument("--json", action="store_true", help="one JSON object")
        export = acts.add_parser(
            "export",
            help=(
                "one JSON object a stored event, in order; hash is SHA-256 over previous, stream,"
                " version, tag and data, parted by \\n"
            ),
        )
        for act in (verify, export):
            act.add_argument(
                "--run", default="", help="only the stream of this run (id, or how it begins)"
            )
        purge = acts.add_parser(
            "purge", help="empty an artifact for good; that it was purged is kept as an event"
        )
        purge.add_argument("digest", help="SHA-256 of the content, 64 hex digits")
        purge.add_argument("--reason", required=True, help="why; kept for ever")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        if act == "purge":
            return self.purge(options["digest"], reason=options["reason"])
        stream = run_named(options["run"]) if options["run"] else None
        return (
            self.export(stream) if act == "export" else self.verify(stream, as_json=options["json"])
        )

    def verify(self, stream: UUID | None, *, as_json: bool) -> None:
        faults, damaged = list(faults_of(stream)), list(damaged_of(stream))
        if as_json:
            self.stdout.write(
                json.dumps(render_audit(faults, damaged, events=events_of(stream).count()))
            )
        else:
            self.show(faults, damaged, events=events_of(stream).count())
        if faults or damaged:
            sys.exit(1)

    def show(self, faults: Sequence[store.Fault], damaged: Sequence[str], *, events: int) -> None:
        for fault in faults:
            self.stdout.write(f"stream {fault.stream} version {fault.version}: {fault.problem}")
        for digest in damaged:
            self.stdout.write(f"artifact {digest}: its content is not what was stored")
        total = len(faults) + len(damaged)
        self.stdout.write(
            f"{events} events checked: "
            + (f"{total} {'fault' if total == 1 else 'faults'}" if total else "clean")
        )

    def export(self, stream: UUID | None) -> None:
        for row in events_of(stream).order_by("id").iterator(chunk_size=1000):
            self.stdout.write(json.dumps(exported(row)))

    def purge(self, digest: str, *, reason: str) -> None:
        if not DIGEST.match(digest):
            raise CommandError(
                f"{digest[:80]!r} is no digest: that is 64 hex digits", returncode=MISUSED
            )
        if not reason.strip():
            raise CommandError("--reason must say why: it is all that is left", returncode=MISUSED)
        if Artifact.objects.filter(digest=digest, kind__in=KEPT).exists():
            raise CommandError(
                f"{digest} is a policy that runs pin: rows are rebuilt from it, so it is never"
                " purged"
            )
        with transaction.atomic():
            purged = store.purge(
                digest, reason=secrecy.masked(reason), actor=person(), now=datetime.now(UTC)
            )
        if not purged:
            raise CommandError(f"there is no artifact {digest}, or it was purged before")
        self.stdout.write(f"{digest} is purged")


def events_of(stream: UUID | None) -> QuerySet[StoredEvent]:
    rows = StoredEvent.objects.all()
    return rows.filter(stream=stream) if stream else rows


def faults_of(stream: UUID | None) -> Iterator[store.Fault]:
    try:
        yield from store.verify(stream)
    except store.UnknownEvent as error:
        raise CommandError(
            f"a newer release wrote part of this: check it with that one ({error})"
        ) from None


def damaged_of(stream: UUID | None) -> Iterator[str]:
    """Of all artifacts, or of those the stream names."""
    if stream is None:
        yield from store.damaged_artifacts()
        return
    named = {
        digest
        for data in events_of(stream).values_list("data", flat=True)
        for digest in NAMED.findall(data)
    }
    for digest in sorted(named):
        try:
            store.artifact_bytes(digest)
        except (ValueError, zlib.error):
            yield digest


def render_audit(
    faults: Sequence[store.Fault], damaged: Sequence[str], *, events: int
) -> dict[str, Any]:
    return {
        "clean": not faults and not damaged,
        "events": events,
        "faults": [
            {"stream": str(f.stream), "version": f.version, "problem": f.problem} for f in faults
        ],
        "damagedArtifacts": list(damaged),
    }


def exported(row: StoredEvent) -> dict[str, Any]:
    """`data` is the exact text that was hashed, so that a reader can check the chain without this
    program.

    Where it holds what became a secret after it was written, that is masked and `masked` is true:
    such a line's hash cannot be checked.
    """
    data = secrecy.masked_in(row.data)
    return {
        "stream": str(row.stream),
        "version": row.version,
        "tag": row.tag,
        "at": plain(row.at),
        "runId": str(row.run_id) if row.run_id else None,
        "data": data,
        **({"masked": True} if data != row.data else {}),
        "previous": row.previous,
        "hash": row.hash,
    }
