"""The incident report of an escalated run, with an owner."""

from __future__ import annotations

from cihealing.capabilities.frames import suspects
from cihealing.domain import effects as f
from cihealing.domain.commands import RecordReport
from cihealing.domain.policy import Policy
from cihealing.domain.run import Run
from cihealing.ports import Tools


def write_report(effect: f.WriteReport, *, run: Run, policy: Policy, tools: Tools) -> RecordReport:
    owner = run.owner or tools.trees.owner(run.repository, run.commit, suspects(run, tools), policy=policy.repository(run.repository))
    return RecordReport(report=tools.artifacts.put("{}", kind="report"), owner=owner, diagnosis=None)
