"""`cihealing heal ignore | hear | ignored`: known failures that begin no run."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cihealing import service
from cihealing.cli.shared import terminal
from cihealing.cli.shared.command import MISUSED, Needs, ProductCommand
from cihealing.cli.shared.naming import person
from cihealing.models import IgnoredFingerprint, Run
from cihealing.read import memory
from cihealing.read.access import SERVICE_VIEWER
from cihealing.wording.plain import plain

WHOLE = re.compile(r"v[0-9]{1,3}:[0-9a-f]{64}\Z")
BEGINNING = re.compile(r"(?:v[0-9]{1,3}:)?[0-9a-f]{1,64}\Z")
SHORTEST = 12
"""Characters of a known fingerprint that may stand for it."""
MAX_REASON = 500


class Command(ProductCommand, needs=Needs.DATABASE):
    help = (
        "Silence a known failure (ignore), listen to it again (hear), or list what is silenced"
        " (ignored)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="{ignore,hear,ignored}")
        ignore = acts.add_parser("ignore", help="this failure begins no run any more")
        ignore.add_argument("--reason", default="", help="why, for the others")
        hear = acts.add_parser("hear", help="this failure begins runs again")
        ignored = acts.add_parser("ignored", help="list what is silenced")
        for act in (ignore, hear):
            act.add_argument(
                "fingerprint",
                help=f"v1:…, or the first {SHORTEST} characters or more of a known one",
            )
        for act in (ignore, hear, ignored):
            act.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        if act == "ignored":
            return self.show(as_json=options["json"], no_color=options["no_color"])
        chosen = fingerprint_of(options["fingerprint"])
        if act == "ignore":
            service.ignore_fingerprint(chosen, reason=options["reason"][:MAX_REASON], by=person())
            told = "is ignored: it begins no run any more"
        elif IgnoredFingerprint.objects.filter(error_hash=chosen).exists():
            service.hear_fingerprint(chosen, by=person())
            told = "is heard again: it begins runs"
        else:
            told = "was not ignored: nothing was changed"
        return self.stdout.write(
            json.dumps({"errorHash": chosen, "ignored": act == "ignore"})
            if options["json"]
            else f"{chosen} {told}"
        )

    def show(self, *, as_json: bool, no_color: bool) -> None:
        from rich.table import Table

        rows = memory.ignored_fingerprints(SERVICE_VIEWER)
        if as_json:
            for row in rows:
                self.stdout.write(json.dumps(plain(row)))
            return None
        if not rows:
            return self.stdout.write("no failure is ignored")
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
        for name in ("fingerprint", "since", "by", "reason"):
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(
                row.error_hash,
                terminal.clock(row.at),
                terminal.plain(row.actor),
                terminal.plain(row.reason),
            )
        return terminal.console(self.stdout, no_color=no_color).print(table)


def fingerprint_of(text: str) -> str:
    """The fingerprint meant by `text`. Raises CommandError."""
    given = text.strip().lower()
    if WHOLE.match(given):
        return given
    if not BEGINNING.match(given) or len(given) < SHORTEST:
        shape = f"v1: and 64 hex digits, or the first {SHORTEST} characters or more of a known one"
        raise CommandError(
            f"{text[:80]!r} is no fingerprint: that is {shape} (`cihealing runs --json` has it as"
            " errorHash)",
            returncode=MISUSED,
        )
    return only(known(given), beginning=given)


def known(beginning: str) -> list[str]:
    """Fingerprints of runs and silenced failures that begin so, with or without their version."""
    found = set[str]()
    for rows in (Run.objects.all(), IgnoredFingerprint.objects.all()):
        hashes = rows.order_by().values_list("error_hash", flat=True).distinct()
        if ":" in beginning:
            found.update(hashes.filter(error_hash__startswith=beginning)[:3])
        else:
            found.update(hashes.filter(error_hash__regex=rf"^v[0-9]+:{beginning}")[:3])
    return sorted(found)


def only(found: list[str], *, beginning: str) -> str:
    if not found:
        raise CommandError(f"no known failure's fingerprint begins with {beginning}: give it whole")
    if len(found) > 1:
        raise CommandError(
            f"several fingerprints begin with {beginning}:"
            f" {', '.join(h[:24] + '…' for h in found)}; give more of it"
        )
    return found[0]
