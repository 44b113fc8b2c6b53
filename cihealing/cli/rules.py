"""`cihealing rules [--dir DIR] [--json]`: the rules that classify failures, with the samples of
each run as its test.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cihealing.cli.shared.command import Needs, ProductCommand
from cihealing.reading.rulebook import RefusedRule, Rule, Rulebook, problems, rules, rules_from

SETTING = "CI_HEALING_RULES_DIR"


def as_json(rule: Rule, problem: str) -> dict[str, Any]:
    """The contract of `--json`: one object a rule; what is left out has its `id` or none, its
    `file` and its `problem` alone.
    """
    return {
        "id": rule.id,
        "class": rule.failure_class.value,
        "type": rule.type,
        "confidence": rule.confidence,
        "inTest": rule.in_test,
        "root": rule.root,
        "file": rule.file,
        "samples": len(rule.samples),
        "never": len(rule.never),
        "problem": problem or None,
    }


class Command(ProductCommand, needs=Needs.NOTHING):
    help = (
        "List the rules that classify failures and run each rule's samples. Exits with 1 where one"
        " fails or a local rule is refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dir",
            default=os.environ.get(SETTING, ""),
            metavar="DIR",
            help=f"a directory of local rules (default: {SETTING})",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a rule")

    def handle(self, *args: Any, **options: Any) -> None:
        book = (
            rules_from(Path(options["dir"]).expanduser()) if options["dir"] else Rulebook(rules())
        )
        failing = {each.rule: each.reason for each in problems(book.rules)}
        for rule in book.rules:
            self.tell(rule, failing.get(rule.id, ""), as_object=options["json"])
        for refused in book.refused:
            self.tell_refused(refused, as_object=options["json"])
        if not options["json"]:
            self.stdout.write(
                f"{len(book.rules)} rules, {len(failing)} failing, {len(book.refused)} refused"
            )
        if failing or book.refused:
            sys.exit(1)

    def tell(self, rule: Rule, problem: str, *, as_object: bool) -> None:
        if as_object:
            self.stdout.write(json.dumps(as_json(rule, problem)))
            return
        told = f"FAILS: {problem}" if problem else f"{len(rule.samples)} samples"
        self.stdout.write(
            f"{rule.failure_class.value:10} {rule.confidence:4.0%}  {rule.id:26} {told} "
            f" ({rule.file})"
        )

    def tell_refused(self, refused: RefusedRule, *, as_object: bool) -> None:
        row = {"id": refused.rule or None, "file": refused.file, "problem": refused.reason}
        self.stdout.write(json.dumps(row) if as_object else f"REFUSED    {refused}")
