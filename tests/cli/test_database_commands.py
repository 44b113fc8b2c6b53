"""What people and programs get from the commands over the database."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management.base import CommandError
from django.db import connection

from cihealing import service
from cihealing.cli import rebuild, runs
from cihealing.cli.shared.found import call_command
from cihealing.cli.shared.naming import run_named
from cihealing.domain.values import RunStatus
from cihealing.models import Artifact, IgnoredFingerprint, Run, StoredEvent
from cihealing.read import access, contract, feed, texts
from cihealing.read import runs as listed
from cihealing.store import rebuilding
from tests import forked
from tests.domain.world import ANN
from tests.fakes.service import NOW, OTHER_LOG, Bench, failed, receive

pytestmark = pytest.mark.django_db
BASE = Path(__file__).resolve().parents[2]


def said(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def lines(*command: str) -> list[Any]:
    return [json.loads(line) for line in said(*command).splitlines()]


def exits(*command: str) -> tuple[int, str]:
    """Exit code, and what was said before it."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*command, stdout=out)
    return int(ended.value.code or 0), out.getvalue()


def refused(*command: str) -> CommandError:
    with pytest.raises(CommandError) as error:
        call_command(*command, stdout=StringIO())
    return error.value


def run_on(commit: str, **fields: Any) -> Run:
    result = failed(
        commit=commit * 40, branch=f"b{commit}", execution=failed(ord(commit)).execution, **fields
    )
    receive(result, key=commit, now=NOW + timedelta(seconds=ord(commit)))
    return Run.objects.get(commit=commit * 40)


def escalated() -> Run:
    bench = Bench(fixers=())
    receive(failed(), key="1")
    bench.runner.hash = Run.objects.get().error_hash
    bench.drain()
    return Run.objects.get()


def test_runs_as_json_are_those_of_the_api() -> None:
    run_on("a"), run_on("b", repository="acme/other")
    page = contract.run_page(listed.page(access.SERVICE_VIEWER))
    assert lines("runs", "--json") == page["data"]
    assert {"commitSha", "errorHash", "attemptCount", "createdAt"} <= page["data"][0].keys()


@pytest.mark.parametrize(
    ("options", "commits"),
    [
        ([], "dcba"),
        (["--limit", "3"], "dcb"),
        (["--limit", "0"], "dcba"),
        (["--repository", "acme/other"], "c"),
        (["--status", "aborted,resolved"], ""),
        (["--status", "queued", "--limit", "1"], "d"),
        (["--search", "bb"], "b"),
    ],
)
def test_runs_are_filtered_and_paged(
    options: list[str], commits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 2)
    for commit in "abcd":
        run_on(commit, repository="acme/other" if commit == "c" else "acme/shop")
    assert [row["commitSha"][0] for row in lines("runs", "--json", *options)] == list(commits)


def test_runs_for_people_name_them_and_obey_no_control_character() -> None:
    run = run_on("a")
    Run.objects.filter(id=run.id).update(error_summary="\x1b[2J[red]gone[/red]")
    told = said("runs")
    assert str(run.id)[:8] in told
    assert "acme/shop" in told
    assert "[red]gone[/red]" in told
    assert "\x1b" not in told


LONG = "acme-corporation/a-repository-with-a-long-name"
SUMMARY = "ModuleNotFoundError: No module named 'requests' while tests/api/test_orders.py is read"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, *, columns: int) -> list[str]:
    """The lines of `cihealing runs` on a terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "24")  # without it rich takes what is dumb to have 80 columns
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    call_command("runs", stdout=out)
    return out.getvalue().splitlines()


def of_every_status() -> dict[str, str]:
    """Short id -> status of runs whose other facts are long."""
    for number, status in enumerate(RunStatus):
        run = run_on("abcdef"[number % 6], repository=f"acme/{number}")
        Run.objects.filter(id=run.id).update(
            status=status.value,
            repository=LONG,
            branch="feature/a-branch-with-a-long-name",
            job="build / integration tests (3.11, ubuntu)",
            error_summary=SUMMARY,
            evidence="not_reproduced",
            failure_class="automation",
        )
    return {str(row.id)[:8]: row.status for row in Run.objects.all()}


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 100, 120, 160, 230])
def test_on_a_terminal_of_any_width_id_and_status_are_whole(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_there = of_every_status()
    head, *rows = shown(monkeypatch, columns=columns)
    at = head.index("status")
    assert {row[:8]: row[at:].split()[0] for row in rows} == runs_there
    assert max(map(len, (head, *rows))) <= columns
    if columns >= 80:
        assert {"repository", "failure", "updated"} <= set(head.split())
        assert all("ModuleNotFoundError: No mod" in row for row in rows)
    if columns >= 160:
        assert len(head.split()) == 11


def test_in_a_pipe_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    runs_there = of_every_status()
    monkeypatch.setenv("COLUMNS", "80")
    head, *rows = said("runs").splitlines()
    at = head.index("status")
    assert {row[:8]: row[at:].split()[0] for row in rows} == runs_there
    assert all(LONG in row and row.endswith(SUMMARY) for row in rows)
    assert "…" not in "".join(rows)


@pytest.mark.parametrize(
    "command",
    [
        ["watch", "{}", "--json"],
        ["audit", "verify", "--run", "{}"],
        ["audit", "export", "--run", "{}"],
        ["prompt", "{}"],
        ["publish", "{}", "--dry-run"],
        ["retry", "{}"],
    ],
)
@pytest.mark.parametrize("digits", [8, 36])
def test_every_command_about_a_run_knows_it_by_its_short_id(
    command: list[str], digits: int
) -> None:
    run = escalated()
    service.perform(run.id, "abort", by=ANN, tools=Bench().tools)
    known = answered(*(word.format(str(run.id)[:digits]) for word in command))
    assert known
    assert "no run" not in known
    assert "no run" in answered(*(word.format("0" * 8) for word in command))


def answered(*command: str) -> str:
    try:
        return said(*command)
    except CommandError as error:
        return str(error)


@pytest.mark.parametrize(
    "options", [["--status", "broken"], ["--limit", "-1"], ["--search", "x" * 300]]
)
def test_a_list_that_cannot_be_is_a_wrong_use(options: list[str]) -> None:
    assert refused("runs", *options).returncode == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("11111111-1111-4111-8111-111111111111", True),
        ("11111111", True),
        ("11111111-1111-4", True),
        ("1111111111114", True),
        ("111111", False),
        ("11111", False),
        ("222222", False),
        ("zzzzzzzz", False),
        ("%" * 8, False),
    ],
)
def test_a_run_is_named_by_its_id_or_its_only_beginning(text: str, found: bool) -> None:
    row = run_on("a")
    mine, other = (
        UUID("11111111-1111-4111-8111-111111111111"),
        UUID("11111122-1111-4111-8111-111111111111"),
    )
    Run.objects.filter(id=row.id).update(id=mine)
    Run.objects.filter(id=run_on("b").id).update(id=other)
    if found:
        assert run_named(text) == mine
    else:
        with pytest.raises(CommandError):
            run_named(text)


def test_watching_an_ended_run_tells_all_of_it_and_ends() -> None:
    run = escalated()
    service.perform(run.id, "abort", note="enough", by=ANN, tools=Bench().tools)
    told = lines("watch", str(run.id), "--json")
    assert [fact["version"] for fact in told] == list(range(1, Run.objects.get().version + 1))
    assert "Aborted by ann" in said("watch", str(run.id)[:8]).splitlines()[-1]


def test_watching_an_open_run_goes_on_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    run = escalated()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            service.perform(run.id, "abort", by=ANN, tools=Bench().tools)

    monkeypatch.setattr("time.sleep", sleep)
    told = lines("watch", str(run.id), "--json")
    assert told[-1]["type"] == "run.aborted.v1"
    assert len(told) == Run.objects.get().version
    assert len(slept) == 2


def test_watching_everything_tells_what_is_new_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A test is one transaction that is never committed; PostgreSQL's readers would wait for its
    # end.
    monkeypatch.setattr(feed, "_committed", StoredEvent.objects.all)
    run_on("a")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 1:
            raise KeyboardInterrupt
        run_on("b")

    monkeypatch.setattr("time.sleep", sleep)
    told = lines("watch", "--json")
    assert {fact["runId"] for fact in told} == {str(Run.objects.get(branch="bb").id)}


def test_a_retry_begins_a_new_generation() -> None:
    run = escalated()
    assert run.status == "escalated"
    row = lines("retry", str(run.id)[:8], "--note", "runner was broken", "--json")[0]
    assert (row["id"], row["status"], row["generation"]) == (str(run.id), "queued", 2)
    state = service.get(run.id)
    assert (state.status, state.generation) == (RunStatus.QUEUED, 2)


def test_a_run_that_is_being_healed_is_not_retried() -> None:
    run = run_on("a")
    assert "cannot be retried" in str(refused("retry", str(run.id)))
    assert Run.objects.get().version == run.version


@pytest.mark.parametrize(
    ("shape", "returncode"),
    [
        ("{whole}", 0),
        ("{whole:.12}", 0),
        ("{bare:.12}", 0),
        ("{bare}", 0),
        ("{whole:.11}", 2),
        ("{bare:.11}", 2),
        ("v1:" + "0" * 64, 0),
        ("v1:" + "0" * 20, 1),
        ("v1:" + "0" * 65, 2),
        ("v1:" + "g" * 64, 2),
        ("no fingerprint", 2),
        ("v1:.*aaaaaaaaaaaa", 2),
    ],
)
def test_a_fingerprint_is_given_whole_or_by_the_beginning_of_a_known_one(
    shape: str, returncode: int
) -> None:
    whole = run_on("a").error_hash
    text = shape.format(whole=whole, bare=whole.partition(":")[2])
    if returncode:
        assert refused("heal", "ignore", text).returncode == returncode
        assert not IgnoredFingerprint.objects.exists()
    else:
        expected = whole if "{" in shape else text
        assert lines("heal", "ignore", text, "--json") == [{"errorHash": expected, "ignored": True}]
        assert list(IgnoredFingerprint.objects.values_list("error_hash", flat=True)) == [expected]


def test_a_beginning_of_two_fingerprints_is_refused() -> None:
    for end in "ab":
        service.ignore_fingerprint("v1:" + "0" * 63 + end, reason="", by=ANN)
    assert "several" in str(refused("heal", "hear", "v1:" + "0" * 30))
    assert IgnoredFingerprint.objects.count() == 2


def test_an_ignored_failure_begins_no_run_until_it_is_heard_again() -> None:
    error_hash = run_on("a").error_hash
    said("heal", "ignore", error_hash, "--reason", "known since May")
    assert receive(failed(2, commit="f" * 40), key="2").outcomes[0].ignored
    assert [(row["errorHash"], row["reason"]) for row in lines("heal", "ignored", "--json")] == [
        (error_hash, "known since May")
    ]
    assert "known since May" in said("heal", "ignored")
    said("heal", "hear", error_hash[:20])
    assert said("heal", "ignored").strip() == "no failure is ignored"
    assert receive(failed(3, commit="f" * 40), key="3").outcomes[0].run_id


def test_hearing_what_is_not_ignored_writes_nothing() -> None:
    count = StoredEvent.objects.count()
    assert "was not ignored" in said("heal", "hear", "v1:" + "0" * 64)
    assert StoredEvent.objects.count() == count


def without_triggers() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE cihealing_storedevent DISABLE TRIGGER USER")
        else:
            cursor.execute("DROP TRIGGER cihealing_event_no_update")


def test_an_untouched_record_is_clean() -> None:
    escalated()
    assert lines("audit", "verify", "--json") == [
        {"clean": True, "events": StoredEvent.objects.count(), "faults": [], "damagedArtifacts": []}
    ]
    assert said("audit", "verify").endswith("clean\n")


def test_an_edited_event_is_named_and_only_its_run_is_at_fault() -> None:
    run, other = run_on("a"), run_on("b")
    without_triggers()
    stored = StoredEvent.objects.get(stream=run.id, version=1)
    StoredEvent.objects.filter(id=stored.id).update(
        data=stored.data.replace("acme/shop", "acme/shoq")
    )
    code, told = exits("audit", "verify", "--json")
    fault = {"stream": str(run.id), "version": 1, "problem": "its text is not what was hashed"}
    assert (code, json.loads(told)["faults"]) == (1, [fault])
    code, told = exits("audit", "verify", "--run", str(run.id))
    assert (code, f"stream {run.id} version 1: " in told) == (1, True)
    assert said("audit", "verify", "--run", str(other.id)).endswith("clean\n")


def test_a_damaged_artifact_is_named_in_the_run_that_names_it() -> None:
    run, other = run_on("a"), run_on("b", repository="acme/other", log=OTHER_LOG)
    log = service.get(run.id).failure.log
    Artifact.objects.filter(digest=log).update(content=b"not what was stored")
    code, told = exits("audit", "verify", "--json")
    assert (code, json.loads(told)["damagedArtifacts"], json.loads(told)["clean"]) == (
        1,
        [log],
        False,
    )
    assert exits("audit", "verify", "--run", str(run.id))[0] == 1
    assert said("audit", "verify", "--run", str(other.id)).endswith("clean\n")


def test_an_export_can_be_checked_without_this_program() -> None:
    escalated()
    exported = lines("audit", "export")
    assert len(exported) == StoredEvent.objects.count()
    heads: dict[str, str] = {}
    for row in exported:
        assert row["previous"] == heads.get(row["stream"], "0" * 64)
        text = "\n".join(
            [row["previous"], row["stream"], str(row["version"]), row["tag"], row["data"]]
        )
        assert row["hash"] == hashlib.sha256(text.encode()).hexdigest()
        heads[row["stream"]] = row["hash"]
    assert heads


def test_an_export_of_a_run_is_its_stream() -> None:
    run = run_on("a")
    run_on("b")
    assert {row["stream"] for row in lines("audit", "export", "--run", str(run.id))} == {
        str(run.id)
    }


def test_a_purged_artifact_is_gone_and_the_chain_whole() -> None:
    run = run_on("a")
    log = service.get(run.id).failure.log
    said("audit", "purge", log, "--reason", "holds a name")
    assert texts.artifact_text(log) is None
    assert lines("audit", "verify", "--json")[0]["clean"]
    assert "purged before" in str(refused("audit", "purge", log, "--reason", "again"))
    assert "holds a name" in lines("audit", "export")[-1]["data"]


def test_what_rows_are_rebuilt_from_is_not_purged() -> None:
    policy = service.get(run_on("a").id).policy
    assert "policy" in str(refused("audit", "purge", policy, "--reason", "x"))
    assert texts.artifact_text(policy)


@pytest.mark.parametrize(("digest", "reason"), [("abc", "why"), ("g" * 64, "why"), ("a" * 64, " ")])
def test_a_purge_needs_a_digest_and_a_reason(digest: str, reason: str) -> None:
    assert refused("audit", "purge", digest, "--reason", reason).returncode == 2


def test_a_rebuild_changes_nothing_where_nothing_was_changed() -> None:
    escalated()
    service.ignore_fingerprint("v1:" + "0" * 64, reason="known", by=ANN)
    assert said("rebuild", "--check").startswith("1 deliveries, 1 runs, 1 fingerprints: every row")
    before = {model: rebuild.rows_of(model) for model in rebuild.DERIVED}
    assert lines("rebuild", "--json") == [
        {"streams": {"deliveries": 1, "runs": 1, "fingerprints": 1}}
    ]
    assert {model: rebuild.rows_of(model) for model in rebuild.DERIVED} == before


def test_a_check_names_the_rows_that_differ_and_leaves_them() -> None:
    run = escalated()
    Run.objects.update(status="resolved", owner="nobody")
    IgnoredFingerprint.objects.create(error_hash="v1:x", reason="", actor="", at=run.created_at)
    code, told = exits("rebuild", "--check", "--json")
    assert code == 1
    assert json.loads(told)["differing"] == [
        f"run {run.id}: status, owner",
        "ignoredfingerprint v1:x: no event tells of it",
    ]
    assert Run.objects.get().status == "resolved"
    said("rebuild")
    assert (Run.objects.get().status, IgnoredFingerprint.objects.count()) == ("escalated", 0)


def test_a_check_finds_a_missing_row() -> None:
    run = run_on("a")
    Run.objects.all().delete()
    assert f"run {run.id}: missing" in exits("rebuild", "--check")[1]


def test_every_derived_table_is_compared() -> None:
    """A new read model must be added to the check when `rebuild` begins to write it."""
    deleted = {node.id for node in _deleted_by_rebuild()}
    assert deleted == {model.__name__ for model in rebuild.DERIVED}


def _deleted_by_rebuild() -> list[Any]:
    import ast
    import inspect
    import textwrap

    tree = ast.parse(textwrap.dedent(inspect.getsource(rebuilding.rebuild)))
    loop = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple)
    )
    assert isinstance(loop.iter, ast.Tuple)
    return list(loop.iter.elts)


def test_without_a_database_it_says_so_and_makes_none(tmp_path: Path) -> None:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CI_HEALING_", "DATABASE_URL"))
    }
    told = forked.run("cihealing", "runs", "--data", str(tmp_path / "none"), environment=clean)
    assert told.returncode == 1
    assert "there is no database" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "none").exists()
