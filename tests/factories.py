"""Runs as events make them: every row in these tests is projected from a stored history, as in the
service.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from cihealing import store
from cihealing.domain import events as e
from cihealing.domain.evolve import fold
from cihealing.domain.values import (
    SERVICE,
    Actor,
    Colour,
    Diagnosis,
    ExecutionRef,
    Failed,
    Failure,
    FailureClass,
    Frame,
    Hypothesis,
    Line,
    Observation,
    Owner,
    Purpose,
    Sign,
    run_id_of,
)
from cihealing.store import projections
from cihealing.wording.incident import Incident, IncidentStep, Reach, Tried, to_dict

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
COMMIT = "c0ffee" + "0" * 34
ANN = Actor(kind="person", name="ann")
DIFF = (
    "--- a/shop/cart.py\n+++ b/shop/cart.py\n@@ -1 +1,2 @@\n+import math\n total = math.ceil(9.5)\n"
)
SIGN = Sign(rule="python.name_error", line=41, text="NameError: name 'math' is not defined")


def failure(error_hash: str) -> Failure:
    return Failure(
        error_hash=error_hash,
        strong=True,
        error_type="NameError",
        summary="name 'math' is not defined",
        failure_class=FailureClass.PRODUCT,
        confidence=0.9,
        signs=(SIGN,),
        root_line=41,
        excerpt=(
            Line(line=40, text="E  total = math.ceil(9.5)"),
            Line(line=41, text="NameError: name 'math' is not defined"),
        ),
        failed_tests=("tests/test_cart.py::test_total",),
        frames=(Frame(file="shop/cart.py", line=1),),
        secrets_masked=2,
    )


def queued(**changed: Any) -> e.RunQueued:
    error_hash = changed.pop("error_hash", "v1:" + "ab" * 32)
    fields: dict[str, Any] = {
        "provider": "generic",
        "repository": "acme/shop",
        "branch": "main",
        "commit": COMMIT,
        "job": "test",
        "pipeline_url": "https://ci.example/1",
        "execution": ExecutionRef(provider="generic", host="ci.example", job_run_id="1"),
        "finished_at": NOW,
        "error_hash": error_hash,
        "strong": True,
        "error_type": "NameError",
        "summary": "name 'math' is not defined",
        "failed_tests": ("tests/test_cart.py::test_total",),
        "failure": stored(msgspec.json.encode(failure(error_hash))),
        "log": stored("line one\nline two\n"),
        "policy": stored("{}"),
    }
    return e.RunQueued(**{**fields, **changed})


def stored(content: bytes | str) -> str:
    return store.put(content, kind="test", now=NOW)


def observation(colour: Colour, **changed: Any) -> Observation:
    fields: dict[str, Any] = {
        "exit_code": {Colour.GREEN: 0, Colour.RED: 1}.get(colour),
        "command": "python -m pytest -q",
        "commit": COMMIT,
        "tree": "7" * 40,
        "environment": "bubblewrap/python3.11",
        "seconds": 1.25,
        "log_tail": f"it was {colour}",
    }
    return Observation(colour=colour, **{**fields, **changed})


def classified() -> list[e.RunEvent]:
    return [
        e.RunStarted(),
        e.FailureClassified(
            failure_class=FailureClass.PRODUCT,
            confidence=0.9,
            signs=(SIGN,),
            steps=("fix:missing_import",),
        ),
        e.ProjectFound(command="python -m pytest -q", source="project type"),
        e.CommandRan(purpose=Purpose.REPRODUCE, seen=observation(Colour.RED)),
        e.FailureReproduced(how="same failed test"),
    ]


def proven() -> list[e.RunEvent]:
    """From the start to a proven patch of attempt 1; takes 9 steps after `queued`."""
    patch, proof = stored(DIFF), stored('{"verdict": "proven"}')
    return [
        *classified(),
        e.PatchFound(fixer="missing_import", told="added `import math`", patch=patch),
        e.CommandRan(purpose=Purpose.SCREEN, seen=observation(Colour.GREEN), patch=patch),
        e.AttemptStarted(
            number=1, diagnoser="missing_import", patch=patch, proposed_fix="added `import math`"
        ),
        e.CommandRan(purpose=Purpose.RED_BEFORE, seen=observation(Colour.RED), attempt=1),
        e.CommandRan(purpose=Purpose.GREEN, seen=observation(Colour.GREEN), attempt=1, patch=patch),
        e.PatchProven(number=1, patch=patch, proof=proof, head=COMMIT, target="main"),
    ]


def escalated() -> list[e.RunEvent]:
    hypothesis = Hypothesis(
        text="`math` is used and never imported",
        signs=(SIGN.__class__(rule="excerpt", line=40, text="E  total"),),
    )
    diagnosis = Diagnosis(
        root_cause="a missing import",
        failure_class=FailureClass.PRODUCT,
        confidence=0.6,
        hypotheses=(hypothesis,),
    )
    owner = Owner(name="@acme/shop", source="codeowners")
    incident = Incident(
        run_id=UUID(int=1),
        repository="acme/shop",
        branch="main",
        commit=COMMIT,
        job="unit",
        escalation_reason="no fixer could help",
        owner=owner,
        hypotheses=diagnosis.hypotheses,
        root_cause=diagnosis.root_cause,
        excerpt=(Line(line=40, text="E  total"),),
        root_line=40,
        reach=Reach(runs=3, branches=("main", "feature/b"), waiting=2),
        next_steps=("Ask @acme/shop.",),
        next_command="python -m pytest -q",
        attempts=(
            Tried(
                number=0,
                steps=(
                    IncidentStep(purpose=Purpose.REPRODUCE, observation=observation(Colour.RED)),
                ),
            ),
        ),
    )
    told = {**to_dict(incident), "markdown": "# test failed on main\n"}
    report = stored(msgspec.json.encode(told))
    return [
        *classified(),
        e.RunEscalated(reason="no fixer could help", owner=owner),
        e.ReportWritten(report=report, owner=owner, diagnosis=diagnosis),
    ]


def envelopes(
    run_id: UUID,
    facts: Sequence[e.RunEvent],
    *,
    begun: datetime,
    job_id: str = "",
    actor: Actor = SERVICE,
) -> list[e.Envelope]:
    """The facts, a minute apart."""
    return [
        e.Envelope(
            event=fact,
            at=begun + timedelta(minutes=n),
            actor=actor,
            source="test",
            job_id=job_id,
            run_id=run_id,
        )
        for n, fact in enumerate(facts)
    ]


def make_run(
    facts: Sequence[e.RunEvent] = (), *, begun: datetime = NOW, job_id: str = "", **changed: Any
) -> UUID:
    """A run with this history after its `RunQueued`; `changed` are fields of the latter."""
    first = queued(**changed)
    run_id = run_id_of(first.repository, first.commit, first.error_hash)
    history = envelopes(run_id, [first, *facts], begun=begun, job_id=job_id)
    store.append(run_id, history, expected_version=0)
    projections.project_run(fold(run_id, history), max_attempts=3)
    return run_id


def go_on(run_id: UUID, facts: Sequence[e.RunEvent], *, actor: Actor = SERVICE) -> None:
    """More facts for a run, a minute apart after the last one."""
    before = store.load(run_id)
    history = [
        *before,
        *envelopes(run_id, facts, begun=before[-1].at + timedelta(minutes=1), actor=actor),
    ]
    store.append(run_id, history[len(before) :], expected_version=len(before))
    projections.project_run(fold(run_id, history), max_attempts=3)


def make_delivery(
    delivery_id: UUID, *, judged: Sequence[e.ResultJudged], repository: str = "acme/shop"
) -> None:
    """A delivery with one failed result, and what became of it."""
    ref = ExecutionRef(provider="generic", host="ci.example", job_run_id=delivery_id.hex)
    failed = Failed(
        execution=ref,
        repository=repository,
        branch="main",
        commit=COMMIT,
        job="test",
        finished_at=NOW,
    )
    received = e.DeliveryReceived(
        hook="default", key=delivery_id.hex, provider="generic", results=(failed,), logs=("",)
    )
    facts = [received, *judged]
    history = [e.Envelope(event=fact, at=NOW, actor=SERVICE, source="webhook") for fact in facts]
    store.append(delivery_id, history, expected_version=0)
    projections.project_delivery(delivery_id, history)
