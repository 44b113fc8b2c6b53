"""The validated policy: what may happen, per repository glob. Parsed at the edge, trusted inside;
pure.

The YAML file:

    version: 1
    enabled: true
    max_attempts: 3
    ai:
      repositories: ["acme/*"]       # left out: all named below, once a key is set; []: none
      provider: [anthropic, openai]  # asked in this order
      ladder: [small, small, large]  # model of attempt 1, 2, 3
    chat:
      tell: [escalated, review, decided]
    repositories:
      - match: "acme/*"              # first match wins; a glob over owner/name
        mode: propose                # off | diagnose | propose | open
        forge: local_git             # a provider that is a forge
        clone_url: /srv/git/shop.git
        target_branch: main
        trusted: false               # allows the plain runner
        projects:
          - path: "."                # workdir, below the repository's root
            jobs: ["*"]              # globs over CI job names
            command: "python -m pytest -q"
            setup: ""
            environment: {}
            junit: ""
            timeout: 600
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cihealing.domain.values import Digest, Mode

LOCAL_GIT = "local_git"
"""The forge that is a plain repository on this machine."""
"""Forges without open changes: what is approved there is merged at once."""

Name = Annotated[str, Field(min_length=1, max_length=300)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Project(Strict):
    """A part of a repository: its jobs, and how its command is run. `timeout` in seconds."""

    path: str = "."
    jobs: tuple[str, ...] = ("*",)
    command: str = ""
    setup: str = ""
    junit: str = ""
    environment: dict[str, str] = Field(default_factory=dict)
    timeout: Annotated[int, Field(ge=1, le=7200)] = 600
    isolated: str = ""
    """Command with `{test}` for one test alone; empty: the project type's usual one."""
    verbose: str = ""
    """Command that says more; empty: the project type's usual one."""

    @field_validator("path")
    @classmethod
    def inside(cls, path: str) -> str:
        if path.startswith(("/", "~")) or ".." in path.split("/"):
            raise ValueError("path must stay inside the repository")
        return path


class Limits(Strict):
    """What one command of a repository may take in all: what is beyond ends it, and is told as
    such.
    """

    processes: Annotated[int, Field(ge=16, le=32_768)] = 512
    """With their threads."""
    memory_mb: Annotated[int, Field(ge=32)] = 2048
    growth_mb: Annotated[int, Field(ge=1)] = 1024
    """Written to the tree and the results."""
    files: Annotated[int, Field(ge=100)] = 200_000
    """Files written there."""
    tmp_mb: Annotated[int, Field(ge=1)] = 1024
    shm_mb: Annotated[int, Field(ge=1)] = 512
    """Of /tmp and /dev/shm; both lie in memory and count there too."""
    output_mb: Annotated[int, Field(ge=1, le=1024)] = 10


class RepositoryPolicy(Strict):
    match: Name
    mode: Mode = Mode.PROPOSE
    forge: str = LOCAL_GIT
    clone_url: str = ""
    target_branch: str = ""
    trusted: bool = False
    draft: bool = True
    """Changes are opened as drafts."""
    say: Literal["nothing", "check", "comment"] = "nothing"
    """How a diagnosis is told at the forge: one neutral check run or one comment that is edited."""
    protected_paths: tuple[str, ...] = ()
    """Besides the policy's own: a repository's entry only ever tightens."""
    soft_is_hard: bool = False
    """Objections that would need a person end the attempt here."""
    people: dict[str, str] = Field(default_factory=dict)
    """User name here -> login at the forge, where they differ: whose own permission counts for
    approve.
    """
    projects: tuple[Project, ...] = ()
    limits: Limits = Limits()

    @property
    def local(self) -> bool:
        """Whether its forge is a plain repository: no change can be open there, so that publishing
        merges at once.
        """
        return self.forge == LOCAL_GIT


class HookPolicy(Strict):
    """A narrower inbound secret: whom it speaks for, and the setting (environment variable) that
    holds it.
    """

    name: Name
    provider: Name
    secret_setting: Name
    repositories: tuple[str, ...] = ("*",)


class AIPolicy(Strict):
    """Whom a model may be asked for, which one, and what that may cost. Money in USD, `timeout` in
    seconds over one call.
    """

    repositories: tuple[str, ...] | None = None
    """Globs; None: the repositories that policy maps."""
    provider: tuple[str, ...] = ()
    """Asked in this order; empty: `CI_HEALING_AI_PROVIDER`."""
    region: str = ""
    """Where data may go, as the provider names it; told to people and kept on every call."""
    model: str = ""
    """For every attempt; empty: `<PROVIDER>_DEFAULT_MODEL`."""
    ladder: tuple[str, ...] = ()
    """Model of attempt 1, 2, … (the last for all later ones): cheap first, strong last. For the
    first provider.
    """
    run_usd: Annotated[float, Field(ge=0)] = 1.0
    repository_usd: Annotated[float, Field(ge=0)] = 10.0
    """A day."""
    daily_usd: Annotated[float, Field(ge=0)] = 20.0
    attempts_per_day: Annotated[int, Field(ge=0)] = 6
    """Calls for one failure (repository, branch, errorHash)."""
    context_tokens: Annotated[int, Field(ge=1_000, le=500_000)] = 24_000
    max_output_tokens: Annotated[int, Field(ge=256, le=128_000)] = 8_000
    timeout: Annotated[float, Field(gt=0, le=600)] = 180.0
    unknown_price_usd_per_million: Annotated[float, Field(ge=0)] = 0.0
    """What a million tokens of a model without a known price count as (a model of one's own: 0)."""

    @field_validator("provider", mode="before")
    @classmethod
    def one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ChatPolicy(Strict):
    """`escalated` (an owner is needed), `review` (a proven fix waits), `decided` (by a person),
    `resolved`, `aborted`, `opened`.
    """

    tell: tuple[Literal["escalated", "review", "decided", "resolved", "aborted", "opened"], ...] = (
        "escalated",
        "review",
        "decided",
    )
    channel: str = ""
    """For the bot token; empty: `CI_HEALING_SLACK_CHANNEL`."""
    people: dict[str, str] = Field(default_factory=dict)
    """Slack user id -> user name here. Who is not linked is refused."""


class ProofRepeats(Strict):
    """How often the command is run: red before, green with the patch, red after; `steady` red of
    `steady` is deterministic.
    """

    red: Annotated[int, Field(ge=1, le=10)] = 2
    green: Annotated[int, Field(ge=1, le=10)] = 3
    red_after: Annotated[int, Field(ge=1, le=10)] = 1
    steady: Annotated[int, Field(ge=1, le=20)] = 5


class Policy(Strict):
    """Durations in seconds."""

    version: Literal[1] = 1
    enabled: bool = True
    safe_mode: bool = True
    auto_rerun: bool = True
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    max_auto_reruns: Annotated[int, Field(ge=0, le=10)] = 2
    rerun_backoff: Annotated[float, Field(ge=0)] = 10.0
    rerun_timeout: Annotated[float, Field(gt=0)] = 3600.0
    max_total_duration: Annotated[float, Field(gt=0)] = 7200.0
    command_timeout: Annotated[int, Field(ge=1, le=7200)] = 600
    review_days: Annotated[float, Field(gt=0)] = 14.0
    proof_repeats: ProofRepeats = ProofRepeats()
    protected_paths: tuple[str, ...] = (
        ".github/**",
        ".gitlab-ci.yml",
        ".circleci/**",
        ".buildkite/**",
        "Jenkinsfile",
        ".cihealing.yml",
        "**/CODEOWNERS",
    )
    max_patch_files: Annotated[int, Field(ge=1)] = 5
    max_patch_lines: Annotated[int, Field(ge=1)] = 200
    cluster_hours: Annotated[float, Field(gt=0)] = 24.0
    """How long one failure of the infrastructure gathers the runs that meet it."""
    watch_every: Annotated[float, Field(gt=0)] = 60.0
    """Between looks at an open change, where no delivery tells."""
    ai: AIPolicy = AIPolicy()
    chat: ChatPolicy = ChatPolicy()
    hooks: tuple[HookPolicy, ...] = ()
    repositories: tuple[RepositoryPolicy, ...] = ()

    @property
    def digest(self) -> Digest:
        return hashlib.sha256(self.canonical()).hexdigest()

    def canonical(self) -> bytes:
        """The exact bytes that are stored as the artifact a run pins: credentials in clone URLs are
        the file's alone.
        """
        bare = tuple(
            r.model_copy(update={"clone_url": without_credentials(r.clone_url)})
            for r in self.repositories
        )
        return self.model_copy(update={"repositories": bare}).model_dump_json().encode()

    def repository(self, name: str) -> RepositoryPolicy:
        """The first entry whose glob matches; an unknown repository gets the defaults and no clone
        URL.
        """
        return next(
            (r for r in self.repositories if fnmatchcase(name, r.match)),
            RepositoryPolicy(match=name),
        )

    def allows_ai(self, repository: str) -> bool:
        """Whether text of this repository may be shown to a model."""
        globs = self.ai.repositories
        if globs is None:
            return (
                any(fnmatchcase(repository, r.match) for r in self.repositories)
                and self.repository(repository).mode is not Mode.OFF
            )
        return any(fnmatchcase(repository, glob) for glob in globs)

    def tighter(self, current: Policy) -> Policy:
        """This (pinned) policy with the tighter of both for the kill switch, budgets and protected
        paths.
        """
        return self.model_copy(
            update={
                "enabled": self.enabled and current.enabled,
                "safe_mode": self.safe_mode or current.safe_mode,
                "auto_rerun": self.auto_rerun and current.auto_rerun,
                "max_attempts": min(self.max_attempts, current.max_attempts),
                "max_auto_reruns": min(self.max_auto_reruns, current.max_auto_reruns),
                "max_total_duration": min(self.max_total_duration, current.max_total_duration),
                "protected_paths": tuple(
                    dict.fromkeys(self.protected_paths + current.protected_paths)
                ),
                "max_patch_files": min(self.max_patch_files, current.max_patch_files),
                "max_patch_lines": min(self.max_patch_lines, current.max_patch_lines),
                "ai": _tighter_ai(self.ai, current.ai),
                "repositories": tuple(
                    _reachable(pinned, current.repositories) for pinned in self.repositories
                ),
            }
        )


def without_credentials(url: str) -> str:
    """The URL without `user:password@`, or without a user that may be a token; who signs in by ssh
    is part of the address.
    """
    parts = urlsplit(url)
    info, given, host = parts.netloc.rpartition("@")
    secret = given and (":" in info or parts.scheme in ("http", "https"))
    return urlunsplit(parts._replace(netloc=host)) if secret else url


def _reachable(pinned: RepositoryPolicy, now: tuple[RepositoryPolicy, ...]) -> RepositoryPolicy:
    """The pinned entry with the credentials that the policy in force has for the same clone URL."""
    same = (
        r.clone_url
        for r in now
        if r.clone_url != pinned.clone_url and without_credentials(r.clone_url) == pinned.clone_url
    )
    return (
        pinned.model_copy(update={"clone_url": next(same, pinned.clone_url)})
        if pinned.clone_url
        else pinned
    )


def _tighter_ai(pinned: AIPolicy, current: AIPolicy) -> AIPolicy:
    """The lower budgets, and the repositories allowed now: a permission that was taken back is gone
    for open runs too.
    """
    lower = {
        name: min(getattr(pinned, name), getattr(current, name))
        for name in ("run_usd", "repository_usd", "daily_usd", "attempts_per_day")
    }
    return pinned.model_copy(update={**lower, "repositories": current.repositories})
