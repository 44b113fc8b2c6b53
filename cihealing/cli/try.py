"""`cihealing try PATH`: heal a repository one already has, in a copy. No webhook, no page; nothing
is written into PATH unless applied.
"""

# ruff: noqa: N999 - the command's name; Django imports it by string
from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from cihealing import registry, trial
from cihealing.cli.shared import terminal
from cihealing.cli.shared.command import MISUSED, Needs, ProductCommand
from cihealing.cli.shared.start import OWN_DIRECTORY
from cihealing.read import contract
from cihealing.read.rows import RunDetail, SeenRow

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from rich.table import Table

EXCERPT = 40
"""Lines of the log that are shown; its page in the service has all of it."""
DIFF = 20_000
"""Characters of a diff that are shown."""


class Command(ProductCommand, needs=Needs.OWN_DATA):
    help = (
        "Run a command over a copy of a repository and, where it fails, heal it there: blame,"
        " diagnosis, proof and diff. Exit 0: green, or a proven fix or flake; 1: not healed; 2:"
        " used wrongly."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path",
            metavar="PATH",
            help="a repository, or a directory in one; what is not committed is tried too",
        )
        parser.add_argument(
            "--command",
            dest="ci_command",
            metavar="CMD",
            default="",
            help="default: .cihealing.yml, else the usual",
        )
        parser.add_argument(
            "--setup",
            metavar="CMD",
            default="",
            help="what is run before it, each time, without network",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object: the fields of the runs API, verdict, commands and patch",
        )
        parser.add_argument(
            "--report",
            metavar="FILE",
            help="write the incident report of what was not healed there, as Markdown",
        )
        apply = parser.add_mutually_exclusive_group()
        apply.add_argument(
            "--apply",
            action="store_true",
            default=None,
            help="apply a proven patch to the working tree without asking",
        )
        apply.add_argument(
            "--no-apply", action="store_false", dest="apply", help="do not ask, do not apply"
        )

    def handle(self, *args: Any, path: str, **options: Any) -> None:
        if not Path(settings.CI_HEALING["DATA_DIR"]).name.startswith(OWN_DIRECTORY):
            raise CommandError(
                "`cihealing try` is a command of its own: started in another way it would use the"
                " service's database"
            )
        shown = Shown(
            terminal.console(self.stdout, no_color=options["no_color"]), silent=options["json"]
        )
        try:
            repository = trial.find(Path(path))
            outcome = self.tried(repository, options, shown=shown)
        except trial.CannotTry as error:
            raise CommandError(str(error), returncode=MISUSED) from None
        finally:
            shown.over()
        self.report(outcome, options["report"])
        applied = self.end(repository, outcome, options, shown=shown)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(outcome, applied=applied)))
        if not outcome.well:
            sys.exit(1)

    def tried(
        self, repository: trial.Repository, options: dict[str, Any], *, shown: Shown
    ) -> trial.TrialOutcome:
        shown.doing("copying")
        copy = trial.Copying(
            repository=repository, into=Path(settings.CI_HEALING["DATA_DIR"]) / "copy"
        )()
        call_command("migrate", "cihealing", verbosity=0, interactive=False)
        one = trial.Trial(repository=repository, copy=copy, tools=registry.tools(), teller=shown)
        shown.begun(copy, sandbox=one.tools.sandbox(one.policy()).name)
        return one(trial.TrialOrder(command=options["ci_command"], setup=options["setup"]))

    def report(self, outcome: trial.TrialOutcome, place: str | None) -> None:
        """Raises CommandError where it cannot be written."""
        if not place or outcome.run is None or not outcome.run.report_markdown:
            return
        try:
            Path(place).write_text(outcome.run.report_markdown, encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"the report cannot be written to {place}: {error.strerror}"
            ) from None

    def end(
        self,
        repository: trial.Repository,
        outcome: trial.TrialOutcome,
        options: dict[str, Any],
        *,
        shown: Shown,
    ) -> bool:
        """Show what came of it; whether the patch was applied. Raises CommandError where it does
        not fit.
        """
        if not options["json"]:
            shown.outcome(outcome)
        if not outcome.patch or not self.wanted(repository, options):
            return False
        try:
            trial.apply(repository, outcome.exact_patch)
        except trial.CannotApply as error:
            raise CommandError(str(error)) from None
        shown.line(f"applied to {repository.root}; nothing is committed", style="bold green")
        return True

    def wanted(self, repository: trial.Repository, options: dict[str, Any]) -> bool:
        if options["apply"] is not None or options["json"] or repository.bare:
            return bool(options["apply"])
        if sys.stdin.isatty() and self.stdout.isatty():
            return input("Apply the proven patch to the working tree? [y/N] ").strip().lower() in (
                "y",
                "yes",
            )
        self.stdout.write(
            "not applied: --apply applies it; --json has it as `patch`, for `git apply`"
        )
        return False


def as_json(outcome: trial.TrialOutcome, *, applied: bool) -> dict[str, Any]:
    detail = contract.run_detail(outcome.run) if outcome.run else {}
    commands = [command(one) for one in outcome.ran]
    report = outcome.run.report_markdown if outcome.run else ""
    return {
        **detail,
        "verdict": outcome.verdict,
        "commands": commands,
        "patch": outcome.patch,
        "applied": applied,
        "report": report,
    }


def command(one: trial.TrialRun) -> dict[str, Any]:
    return {
        "job": one.job,
        "command": one.project.command,
        "path": one.project.path,
        "colour": one.seen.colour.value,
        "exitCode": one.seen.exit_code,
        "seconds": one.seen.seconds,
        "missing": one.seen.missing,
    }


class Shown:
    """The trial for people: a line for each thing that happened, then what came of it."""

    def __init__(self, console: Console, *, silent: bool) -> None:
        self.console, self.silent = console, silent
        self.status: Status | None = None

    def line(self, text: str = "", *, style: str = "") -> None:
        if not self.silent:
            self.console.print(terminal.plain(text, style=style), soft_wrap=True)

    def doing(self, what: str) -> None:
        if self.silent or not self.console.is_terminal:
            return
        if self.status is None:
            self.status = self.console.status("")
            self.status.start()
        self.status.update(terminal.plain(f"{what} …", style="dim"))

    def progress(self, stage: str, what: str) -> None:
        self.line(f"{stage:<12} {what}")

    def over(self) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None

    def begun(self, copy: trial.Copy, *, sandbox: str) -> None:
        more = (
            f" and {len(copy.changed)} uncommitted {'file' if len(copy.changed) == 1 else 'files'}"
            if copy.changed
            else ""
        )
        self.progress(
            "Copy",
            f"{copy.branch} at {copy.commit[:10]}{more}"
            + (f", for {copy.base}" if copy.base != copy.branch else ""),
        )
        for path in copy.left_out:
            self.progress(
                "Copy",
                f"left out: {path} is not committed and larger than {trial.MAX_FILE // 1024**2} MB",
            )
        if sandbox == "plain":
            self.progress(
                "Sandbox",
                "bubblewrap does not work here: commands run with the plain runner, not shut off"
                " from this machine",
            )

    def outcome(self, outcome: trial.TrialOutcome) -> None:
        self.line()
        if outcome.run is None:
            return self.unhealed(outcome)
        run = outcome.run
        self.verdict(outcome.verdict, run)
        self.diagnosis(run)
        self.excerpt(run)
        self.observations(run)
        return self.diff(run, outcome.patch)

    def unhealed(self, outcome: trial.TrialOutcome) -> None:
        if outcome.verdict == "green":
            commands = ", ".join(f"`{one.project.command}`" for one in outcome.ran)
            return self.line(f"{commands} passes: nothing to heal", style="bold green")
        for one in outcome.ran:
            if one.seen.colour != "green":
                why = one.seen.missing or f"it did not end within {one.project.timeout} s"
                self.line(f"`{one.project.command}` could not be run: {why}", style="bold yellow")
        return None

    def verdict(self, verdict: str, run: RunDetail) -> None:
        attempt = run.attempts[-1] if run.attempts else None
        words = {
            "proven": ("A proven patch", attempt.proposed_fix if attempt else "", "bold green"),
            "flake": (
                "A proven flake, no patch needed",
                run.state.blame.reason.removeprefix("flake: "),
                "bold green",
            ),
            "escalated": (
                f"Not healed, for {run.owner or 'a person'}",
                run.escalation_reason,
                "bold red",
            ),
        }
        told, why, style = words.get(
            verdict,
            (f"Not healed: {verdict}", run.resolution or run.state.end.abort_reason, "bold red"),
        )
        self.line(f"{told}: {why}" if why else told, style=style)
        for reason in attempt.needs_person if attempt and verdict == "proven" else ():
            self.line(f"look at it: {reason}", style="yellow")

    def diagnosis(self, run: RunDetail) -> None:
        self.fact("failure", run.error_summary or run.error_type)
        self.fact("class", f"{run.failure_class} ({run.confidence:.0%})")
        for sign in run.signs:
            self.fact("", f"{sign.rule}, line {sign.line}: {sign.text}")
        why = run.state.blame.reason.removeprefix(f"{run.blame}: ")
        self.fact("blame", f"{run.blame or 'unknown'}: {why}" if why else run.blame or "unknown")
        self.fact("owner", f"{run.owner} ({run.owner_source})" if run.owner_source else run.owner)
        if run.state.diagnosis.believed:
            self.fact("cause", run.state.diagnosis.believed.root_cause)
            self.facts(
                "perhaps",
                [
                    h.text
                    for h in run.state.diagnosis.believed.hypotheses
                    if h.text != run.state.diagnosis.believed.root_cause
                ],
            )
            self.fact("may help", run.state.diagnosis.believed.proposed_fix)
            self.facts("look at", run.state.diagnosis.believed.look_at)
        self.facts("test", run.state.failure.failed_tests[:20])
        self.facts(
            "note", [note for note in run.state.plan.notes if note != run.state.blame.reason]
        )

    def facts(self, name: str, texts: Sequence[str]) -> None:
        for text in texts:
            self.fact(name, text)

    def fact(self, name: str, text: str) -> None:
        if text:
            self.line(f"  {name:<8} {text}", style="" if name else "dim")

    def excerpt(self, run: RunDetail) -> None:
        if not run.excerpt:
            return
        at = next((i for i, each in enumerate(run.excerpt) if each.root), 0)
        start = max(0, min(at - EXCERPT // 3, len(run.excerpt) - EXCERPT))
        self.line()
        for each in run.excerpt[start : start + EXCERPT]:
            self.line(
                f"{'→' if each.root else ' '} {each.line:>6} │ {each.text}",
                style="bold" if each.root else "",
            )

    def observations(self, run: RunDetail) -> None:
        proof = run.attempts[-1].observations if run.attempts else ()
        before = [item for item in run.observations if item not in proof]
        for title, items in (("what was run", before), ("proof", proof)):
            if items:
                self.line()
                self.console.print(observed(title, items))

    def diff(self, run: RunDetail, patch: str) -> None:
        if not patch:
            return
        from rich.syntax import Syntax

        self.line()
        if run.state.change.target and run.state.change.target != run.branch:
            self.line(f"for {run.state.change.target}, at {run.state.head[:10]}", style="dim")
        self.console.print(
            Syntax(
                terminal.printable(patch[:DIFF]).rstrip(),
                "diff",
                theme="ansi_dark",
                background_color="default",
            )
        )
        if len(patch) > DIFF:
            self.line(f"and {len(patch) - DIFF} more characters (--json has them)", style="dim")


def observed(title: str, items: Sequence[SeenRow]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 2))
    for name in (title, "exit", "colour", "tests", "seconds", "command"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for item in items:
        seen = item.seen
        code = "time-out" if seen.exit_code is None else str(seen.exit_code)
        tests = f"{seen.passed} passed, {seen.failed} failed" if seen.counts_tests else "-"
        purpose = item.purpose.replace("_", " ") + (" (patched)" if item.patched else "")
        table.add_row(
            purpose,
            code,
            terminal.coloured(seen.colour),
            tests,
            f"{seen.seconds:.1f}",
            terminal.plain(seen.command),
        )
    return table
