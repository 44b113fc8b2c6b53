"""Speak the verdict over an attempt's runs and keep the record it stands on."""

from __future__ import annotations

import msgspec

from cihealing.domain import effects as f
from cihealing.domain.commands import RecordProof
from cihealing.domain.policy import Policy
from cihealing.domain.proof import faults, is_flake, proof_runs
from cihealing.domain.run import RunState, Seen
from cihealing.domain.values import Observation, Purpose, Usage
from cihealing.effects.shared.handler import EffectHandler
from cihealing.effects.shared.observing import whole
from cihealing.ports import Tools


def judge_proof(
    effect: f.JudgeProof, *, run: RunState, policy: Policy, tools: Tools
) -> RecordProof | None:
    attempt = run.proving
    if attempt is None or attempt.number != effect.attempt:
        return None
    seen = [_whole(s, tools) for s in proof_runs(attempt)]
    others = [whole(o, tools) for o in compared(run)]
    found = faults(run, seen, others=others, policy=policy)
    record = {
        "run": run.id,
        "attempt": attempt.number,
        "head": attempt.head,
        "patch": attempt.patch,
        "faults": found,
        "runs": seen,
    }
    return RecordProof(
        number=attempt.number,
        proof=tools.artifacts.put(msgspec.json.encode(record), kind="proof"),
        faults=tuple(found),
        flake=is_flake(run),
        usage=Usage(seconds=sum(s.seen.seconds for s in attempt.observations)),
    )


HANDLER = EffectHandler(f.JudgeProof, judge_proof)


def compared(run: RunState) -> list[Observation]:
    """Runs the patched tree must collect no fewer tests than: the failing tree's, and those of its
    base.
    """
    base = [
        s.seen
        for s in run.local.observations
        if s.purpose is Purpose.BASE and run.head == run.failure.commit
    ]
    return [*run.at_head(Purpose.REPRODUCE, Purpose.STEADY), *base]


def _whole(seen: Seen, tools: Tools) -> Seen:
    return msgspec.structs.replace(seen, seen=whole(seen.seen, tools))
