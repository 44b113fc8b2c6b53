"""Every mapping from a name to what carries it out, and the bundle of tools. A new provider, fixer
or capability is one line here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import cast

from django.conf import settings

from cihealing import guard
from cihealing.effects.ask_model import ask_model
from cihealing.effects.ask_rerun import ask_rerun
from cihealing.effects.check_human_fix import check_human_fix
from cihealing.effects.classify import classify
from cihealing.effects.close_change import close_change
from cihealing.effects.collect_rerun import collect_rerun
from cihealing.effects.expand_result import expand_result
from cihealing.effects.explain import explain
from cihealing.effects.find_blame import find_blame
from cihealing.effects.find_project import find_project
from cihealing.effects.judge_proof import judge_proof
from cihealing.effects.publish import publish
from cihealing.effects.read_failure import read_failure
from cihealing.effects.release_followers import release_followers
from cihealing.effects.run_command import run_command
from cihealing.effects.say import say
from cihealing.effects.tell import tell, tell_budget
from cihealing.effects.try_fixers import try_fixers
from cihealing.effects.watch_change import watch_change
from cihealing.effects.write_report import write_report
from cihealing.fixers import formatter, missing_import, ruff
from cihealing.ports import Chat, CIAdapter, Fixer, Forge, PermanentError, Tools, TransientError
from cihealing.providers.buildkite import hook as buildkite
from cihealing.providers.circleci import hook as circleci
from cihealing.providers.generic import hook as generic
from cihealing.providers.github import forge as github_forge
from cihealing.providers.github import hook as github
from cihealing.providers.gitlab import forge as gitlab_forge
from cihealing.providers.gitlab import hook as gitlab
from cihealing.providers.jenkins import hook as jenkins
from cihealing.providers.local_git import forge as local_git
from cihealing.providers.local_git import hook as local
from cihealing.providers.shared.models import SubprocessModel
from cihealing.providers.slack import chat as slack
from cihealing.scratch import sweep
from cihealing.service.running import Capability, Reader
from cihealing.store.job_history import JobHistory, StoredArtifacts
from cihealing.workshop import process
from cihealing.workshop.runner import ProjectRunner
from cihealing.workshop.sandbox import cgroup, choose, leftovers, trouble
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
from cihealing.workshop.sandbox.walls import ACCEPTABLE
from cihealing.workshop.trees import GitTrees

log = logging.getLogger(__name__)

CI: Mapping[str, CIAdapter] = {
    "generic": cast(CIAdapter, generic),
    "github": cast(CIAdapter, github),
    "gitlab": cast(CIAdapter, gitlab),
    "jenkins": cast(CIAdapter, jenkins),
    "circleci": cast(CIAdapter, circleci),
    "buildkite": cast(CIAdapter, buildkite),
    "local": cast(CIAdapter, local),
}
FORGES: Mapping[str, Forge] = {
    "local_git": cast(Forge, local_git),
    "github": cast(Forge, github_forge),
    "gitlab": cast(Forge, gitlab_forge),
}
CHATS: Sequence[Chat] = (cast(Chat, slack),)
FIXERS: Sequence[Fixer] = (cast(Fixer, ruff), cast(Fixer, formatter), cast(Fixer, missing_import))
"""Asked in this order."""
CAPABILITIES: Mapping[str, Capability] = {
    "classify": cast(Capability, classify),
    "find_project": cast(Capability, find_project),
    "run_command": cast(Capability, run_command),
    "find_blame": cast(Capability, find_blame),
    "ask_rerun": cast(Capability, ask_rerun),
    "collect_rerun": cast(Capability, collect_rerun),
    "try_fixers": cast(Capability, try_fixers),
    "judge_proof": cast(Capability, judge_proof),
    "ask_model": cast(Capability, ask_model),
    "explain": cast(Capability, explain),
    "watch_change": cast(Capability, watch_change),
    "close_change": cast(Capability, close_change),
    "check_human_fix": cast(Capability, check_human_fix),
    "say": cast(Capability, say),
    "tell": cast(Capability, tell),
    "tell_budget": cast(Capability, tell_budget),
    "write_report": cast(Capability, write_report),
    "publish": cast(Capability, publish),
    "release_followers": cast(Capability, release_followers),
}
READERS: Mapping[str, Reader] = {"read_failure": read_failure, "expand_result": expand_result}


@cache
def tools() -> Tools:
    """The tools of this process."""
    named = adapter_settings()
    trees = GitTrees(Path(settings.CI_HEALING["DATA_DIR"]) / "mirrors", settings=named)
    return Tools(
        ci=CI,
        runner=ProjectRunner(trees, settings=named),
        trees=trees,
        sandbox=lambda policy: choose(named, policy=policy),
        forges=FORGES,
        fixers=FIXERS,
        guard=guard.check,
        artifacts=StoredArtifacts(),
        history=JobHistory(),
        model=SubprocessModel(),
        chats=CHATS,
        cancelling=process.cancelling,
        settings=named,
    )


def adapter_settings() -> dict[str, str]:
    """The service's settings by the names adapters and people know them by; lists with commas,
    booleans as `true` and `false`.
    """
    return {
        f"CI_HEALING_{name}": text
        for name, value in settings.CI_HEALING.items()
        if (text := _as_text(value)) is not None
    }


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return str(value) if isinstance(value, str | int | float | Path) else None


def sandbox_trouble() -> str | None:
    """Why code of untrusted repositories is not run on this machine; None where it is. What is
    installed may be forbidden: it is tried.
    """
    return trouble(adapter_settings())


def sandbox_trouble_here() -> str | None:
    """The same for pages: None also where other processes than this one run the code (production),
    whose machines may be others.
    """
    return (
        sandbox_trouble()
        if settings.CI_HEALING["ENV"] == "embedded" and settings.CI_HEALING["SANDBOX"] != "plain"
        else None
    )


def sandbox_given_up() -> list[str]:
    """What it means that walls are missing which the operator accepted to be without."""
    return [f"{ACCEPTABLE[name]} ({why})" for name, why in Bubblewrap().lacking().items()]


def sandbox_counts() -> str:
    return (
        "the kernel (cgroup v2)" if cgroup.delegated() else "watching (no cgroup v2 was delegated)"
    )


def end_leftovers() -> int:
    """End what sandboxes of a killed service left behind: processes, control groups, trees. To be
    called at start.
    """
    return leftovers.end_leftovers() + cgroup.end_leftovers() + sweep()


def warn_of_excess() -> None:
    """Say once, at start, what a credential may do beyond what is needed. What cannot be asked is
    for `cihealing doctor --online`.
    """
    named = adapter_settings()
    for forge in FORGES.values():
        try:
            found = forge.excess(settings=named)
        except (PermanentError, TransientError) as problem:
            log.info("credentials were not looked at: %s", problem)
            continue
        for told in found:
            log.warning("%s", told)
