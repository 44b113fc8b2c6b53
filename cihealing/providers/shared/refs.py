"""What a build was made of, by the name its sender gives for a branch: at every CI alike, since
changes and merge queues are refs of the forge.

Sources: GitHub docs, 'Managing a merge queue' (`gh-readonly-queue/BASE/pr-NUMBER-SHA`), 'Checking
out pull requests locally' (`refs/pull/NUMBER/{head,merge}`); GitLab docs, 'Merge request pipelines'
(`refs/merge-requests/IID/{head,merge,train}`); CircleCI docs, `CIRCLE_BRANCH` (`pull/NUMBER`).
"""

from __future__ import annotations

import re
from typing import TypeVar

from msgspec import structs

from cihealing.domain.values import JobFacts

Facts = TypeVar("Facts", bound=JobFacts)

_QUEUE = re.compile(
    r"gh-readonly-queue/(?P<base>.{1,200})/pr-(?P<change>[0-9]{1,18})-[0-9a-f]{7,64}"
)
_CHANGE = re.compile(
    r"(?:refs/)?(?P<kind>merge-requests|pull)/(?P<change>[0-9]{1,18})"
    r"(?:/(?P<part>head|merge|train))?"
)
_TAG = re.compile(r"refs/tags/(?P<tag>.+)")


def placed(facts: Facts) -> Facts:
    """The facts with the refs of changes, queues and tags apart from branches."""
    name = facts.branch
    if found := _QUEUE.fullmatch(name):
        return structs.replace(
            facts,
            branch="",
            ref=f"gh-readonly-queue/{found['base']}/pr-{found['change']}",
            base_branch=facts.base_branch or found["base"],
            change=found["change"],
        )
    if found := _CHANGE.fullmatch(name):
        part = "train" if found["part"] == "train" else "head"
        ref = f"refs/{found['kind']}/{found['change']}/{part}"
        return structs.replace(facts, branch="", ref=ref, change=found["change"])
    if found := _TAG.fullmatch(name):
        return tagged(facts, found["tag"])
    return facts


def tagged(facts: Facts, tag: str) -> Facts:
    """The facts of a tag's build, if `tag` names one."""
    return structs.replace(facts, branch="", ref=f"refs/tags/{tag}") if tag else facts
