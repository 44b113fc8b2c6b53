"""A run: its state, nested by what it is about."""

from cihealing.domain.run.document import flat, flat_hints, from_json, to_json
from cihealing.domain.run.parts import (
    RunBlame,
    RunChange,
    RunCluster,
    RunDiagnosis,
    RunEnd,
    RunFailure,
    RunLocal,
    RunModels,
    RunPatches,
    RunPlan,
    RunProject,
    RunReview,
)
from cihealing.domain.run.refusals import Refused, Stale
from cihealing.domain.run.sameness import leaf, same_test, sameness
from cihealing.domain.run.state import RunState, change, noted
from cihealing.domain.run.tries import AttemptState, Candidate, PastCall, Rerun, Seen

__all__ = [
    "AttemptState",
    "Candidate",
    "PastCall",
    "Refused",
    "Rerun",
    "RunBlame",
    "RunChange",
    "RunCluster",
    "RunDiagnosis",
    "RunEnd",
    "RunFailure",
    "RunLocal",
    "RunModels",
    "RunPatches",
    "RunPlan",
    "RunProject",
    "RunReview",
    "RunState",
    "Seen",
    "Stale",
    "change",
    "flat",
    "flat_hints",
    "from_json",
    "leaf",
    "noted",
    "same_test",
    "sameness",
    "to_json",
]
