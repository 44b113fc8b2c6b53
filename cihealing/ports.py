"""What the core asks of the world: Protocols, the frozen bundle of them, and the two expected
errors.

A port takes and gives values of the domain. Implementations live in `adapters/`, `fixers/`,
`capabilities/`; only `registry.py` knows their names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from cihealing.domain.policy import Policy, Project, RepositoryPolicy
from cihealing.domain.values import (
    Digest,
    ExecutionRef,
    Failure,
    Objection,
    Observation,
    Owner,
    Result,
)
from cihealing.tree import Tree as Tree


class TransientError(Exception):
    """Try again later, with jitter; no attempt is spent. `retry_after` in seconds, where the other
    side named it.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(Exception):
    """Trying again would not help; the message is shown to people and says what to do."""


class Cancelled(Exception):
    """The work was called off (lease lost, run aborted) and its processes are dead. Nothing is to
    be recorded.
    """


class Again(Exception):
    """Nothing new yet: look again in `delay` seconds, however often that was done."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"again in {delay:.0f} s")
        self.delay = delay


class BadSignature(Exception):
    """The request is not authentic. The message says which header was missing, malformed, wrong or
    stale; never a secret.
    """


class BadPayload(Exception):
    """Authentic, but not of the shape this provider sends. The message names the field."""


@dataclass(frozen=True, kw_only=True)
class RawRequest:
    """One inbound request before anything is parsed. Header names are lower-case; values may hold
    any character.
    """

    headers: Mapping[str, str]
    body: bytes
    path_token: str = ""
    received_at: datetime


class CIAdapter(Protocol):
    """What one CI provider says and takes. Modules implement it; they hold no state.

    `name` is the provider's name in the webhook path; `can_parse(headers)` tells nothing: `parse`
    answers Ignored for what is no result.
    """

    name: str

    def verify(self, request: RawRequest, secrets: Sequence[str]) -> str:
        """The delivery id of an authentic request (the provider's own, else SHA-256 of the body).

        Any of `secrets` may have signed it (rotation). No secret, or an empty one, never verifies.
        Raises BadSignature.
        """

    def parse(self, request: RawRequest, payload: Mapping[str, Any]) -> list[Result]:
        """Results in the order of the payload. Raises BadPayload."""

    def fetch_log(self, failed: Result, *, settings: Mapping[str, str]) -> str:
        """The log of a failed job. Raises NoLog, TransientError (not there yet)."""

    def expand(self, coarse: Result, *, settings: Mapping[str, str]) -> list[Result]:
        """The job results a coarse (workflow, pipeline) result stands for. Raises NoLog,
        TransientError.
        """

    def rerun(self, execution: Mapping[str, str], *, settings: Mapping[str, str]) -> str:
        """Ask CI to run the job again on the same commit; returns a handle of at most 200
        characters.

        `execution` says repository, branch, commit, job, host, jobRunId, attempt, parentId,
        pipelineUrl and how many were `asked` for before; `rerun` tells one rerun from another.
        Asked for the same `rerun` again it may answer the same. Raises TransientError,
        PermanentError.
        """

    def rerun_result(self, handle: str, *, settings: Mapping[str, str]) -> Result | None:
        """The result of a rerun where this adapter can tell; None where it will arrive as a
        webhook.

        Raises TransientError with `retry_after` while the rerun has not ended. Ignored: it was
        cancelled or skipped.
        """


class NoLog(Exception):
    """No log can be had; the message names the exact setting that would bring it."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One process in the sandbox. `output` is bounded; `seconds` is wall clock."""

    exit_code: int | None
    output: str
    seconds: float
    timed_out: bool = False
    truncated: bool = False
    exceeded: str = ""
    """Which of the repository's limits was exceeded, in words; the command was ended for it and
    says nothing about the code.
    """


class Sandbox(Protocol):
    """Runs a shell command over a tree with nothing else to see or to reach."""

    name: str

    def run(
        self,
        command: str,
        *,
        tree: Path,
        workdir: str,
        environment: Mapping[str, str],
        timeout: float,
    ) -> Ran:
        """Run `command` with /bin/sh in `workdir` below `tree`. Raises TransientError where the
        sandbox itself could not start.
        """


class Trees(Protocol):
    """Mirrors and worktrees of the repositories policy names."""

    def at(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, patch: str = ""
    ) -> AbstractContextManager[Tree]:
        """A private worktree of exactly this commit, patched with a unified diff if given; gone
        afterwards.

        Raises PermanentError (no clone URL, unknown commit, patch does not apply), TransientError
        (fetch failed).
        """

    def merge_base(
        self, repository: str, commit: str, branch: str, *, policy: RepositoryPolicy
    ) -> str | None: ...

    def first_parent(
        self, repository: str, commit: str, *, policy: RepositoryPolicy
    ) -> str | None: ...

    def head(self, repository: str, branch: str, *, policy: RepositoryPolicy) -> str | None:
        """The commit a branch of the origin points at now; None where there is no such branch."""

    def owner(
        self, repository: str, commit: str, files: Sequence[str], *, policy: RepositoryPolicy
    ) -> Owner | None:
        """CODEOWNERS of `files`, else their last author, else the commit's author."""

    def read_file(
        self, repository: str, commit: str, path: str, *, policy: RepositoryPolicy
    ) -> str | None: ...

    def show(self, repository: str, commit: str, *, policy: RepositoryPolicy) -> str:
        """What the commit changed against its first parent, as text, bounded; empty for the first
        commit of all.
        """

    def between(self, repository: str, commit: str, other: str, *, policy: RepositoryPolicy) -> str:
        """The unified diff from one commit to another; raises PermanentError where one is
        unknown.
        """

    def diff(self, tree: Tree) -> str:
        """What was changed below `tree.root` since `at` yielded it, as a unified diff; empty where
        nothing was.

        Never run git inside `tree.root` oneself once repository code ran there: its `.git/config`
        may name programs to run.
        """


class Runner(Protocol):
    """Runs a project's command over a tree and says what was seen."""

    def project(
        self,
        repository: str,
        commit: str,
        *,
        base: str,
        job: str,
        command_hint: str,
        policy: RepositoryPolicy,
    ) -> Project | None:
        """The project a job stands for: policy, else `.cihealing.yml` at `base`, else the project
        type; None where none fits.
        """

    def observe(
        self,
        repository: str,
        commit: str,
        *,
        project: Project,
        policy: RepositoryPolicy,
        patch: str = "",
        canary: bool = False,
        variant: str = "",
        tests: Sequence[str] = (),
    ) -> tuple[Observation, str]:
        """One run in the sandbox: the observation (its `log` still empty) and the redacted, bounded
        output.

        `variant` is "", "verbose" or "isolated" (then `tests` are run alone). Raises
        TransientError, PermanentError.
        """


@dataclass(frozen=True, kw_only=True)
class FixContext:
    """What a fixer may look at. `tree` is a worktree it may write into; `sandbox` runs a command
    over it.
    """

    failure: Failure
    repository: str
    commit: str
    project: Project
    tree: Tree
    sandbox: Sandbox
    changed_files: tuple[str, ...] = ()


class Fixer(Protocol):
    """One deterministic way to produce a patch. A module: `name`, `fits`, `fix`."""

    name: str
    title: str

    def fits(self, failure: Failure) -> bool:
        """Cheap, from the failure alone."""

    def fix(self, context: FixContext) -> str | None:
        """What was changed in `context.tree`, told in one sentence; None where there is nothing it
        can do.

        It changes files only below the tree.
        """


class Guard(Protocol):
    def __call__(
        self, patch: str, *, policy: Policy, repository: RepositoryPolicy | None = None
    ) -> list[Objection]: ...


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of a patch at the forge."""

    url: str
    commit: str
    merged: bool


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One question to one model. `timeout` in seconds over the whole call; the answer is JSON of
    the schema `prompting.answer.Answer`.
    """

    provider: str
    """`anthropic`, `openai`, `gemini`, `grok` or `offline`."""
    model: str
    system: str
    prompt: str
    max_output_tokens: int = 8_000
    timeout: float = 180.0


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """What came back and was paid for, of use or not. Tokens as the provider counted them, 0 where
    it did not say.
    """

    outcome: str
    """`answered`, `malformed` (not JSON of the schema), `truncated` (partial) or `refused` (by the
    model or its filter).
    """
    text: str
    """The answer's JSON as sent by the model; of another outcome whatever came."""
    model: str
    """As the provider named it."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    problem: str = ""
    """For the other outcomes: what is wrong with it, for people and for the next attempt."""


class ModelFailed(Exception):
    """No answer came. `kind` is stable; `again` says whether trying later or elsewhere is worth it
    (the attempt is not spent).

    Again: `rate_limited` (429; `retry_after` in seconds where it was named), `overloaded` (529,
    503), `server_error` (5xx), `timeout`,
    `unreachable`. Not again: `bad_request` (400, 422), `unauthorized` (401, 403), `spend_cap` (402,
    and 429 that says so), `unknown_model` (404), `crashed` (the subprocess died), `not_configured`
    (no key, no model).
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        again: bool,
        retry_after: float | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind, self.again, self.retry_after, self.seconds = kind, again, retry_after, seconds


class Model(Protocol):
    """A language model behind a provider: asked in a subprocess that holds its own key and nothing
    else.
    """

    def ask(self, request: ModelRequest, *, settings: Mapping[str, str]) -> ModelReply:
        """Raises ModelFailed, Cancelled."""

    def configured(self, provider: str, *, settings: Mapping[str, str]) -> str:
        """What is missing for this provider (the setting to set), empty where it can be asked."""

    def default_model(self, provider: str, *, settings: Mapping[str, str]) -> str:
        """From `<PROVIDER>_DEFAULT_MODEL`; empty where none is set and none is usual."""

    def price(
        self,
        provider: str,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
    ) -> float | None:
        """USD; None where nobody knows the price (a local model costs what policy says)."""


@dataclass(frozen=True, kw_only=True)
class FileEdit:
    """One file as the patch leaves it; `content` None: deleted. `mode` is git's (100644 or
    100755).
    """

    path: str
    content: bytes | None
    mode: str = "100644"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What is to be brought to the branch `branch`, which must still be at `head`. `patch` and
    `files` say the same.
    """

    run_id: str
    repository: str
    branch: str
    head: str
    patch: str
    files: tuple[FileEdit, ...] = ()
    title: str
    body: str
    """Markdown in which text of others neither mentions, links, closes nor formats."""
    message: str = ""
    """Plain text for the commit, without title and trailers."""
    trailers: tuple[str, ...] = ()
    """`Key: value` lines of the commit message besides the run's own."""
    draft: bool = True
    actor: str = ""
    """The person who approved it."""

    @property
    def source(self) -> str:
        """The branch the change is made on."""
        return f"cihealing/{self.run_id}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change (pull request, merge request) as the forge has it now."""

    url: str
    state: str
    """`open`, `merged` or `closed`."""
    head: str
    """The commit its branch is at."""
    target_head: str = ""
    merged_commit: str = ""
    checks: str = "none"
    """`none`, `pending`, `green` or `red`: what its own CI says of `head`."""
    failing: tuple[str, ...] = ()
    """Names of the red checks."""
    opted_out: bool = False
    """It carries the label `cihealing:off`."""
    by: str = ""
    """Who merged or closed it, where the forge says."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to a forge as it would be sent; `body` without secrets."""

    method: str
    url: str
    body: Mapping[str, Any] = field(default_factory=dict)


class HeadMoved(Exception):
    """The branch no longer points at the commit the proof is about."""

    def __init__(self, expected: str, found: str | None) -> None:
        super().__init__(f"the branch is at {found or 'nothing'}, the proof is about {expected}")
        self.expected, self.found = expected, found


class Forge(Protocol):
    """Where changes are opened and merged. Idempotent by `run_id`: a repeated call finds what the
    first one did.

    A change is named by its URL. Every call raises TransientError (5xx, secondary limits with
    `retry_after`, time-outs) and PermanentError (401, 403, 404, 409, 422 that mean it; the message
    says what to do). `settings` are named as in `Tools.settings`.
    """

    name: str
    opens_changes: bool
    """False where publishing merges at once (a local git repository)."""

    def publish(
        self, proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
    ) -> Published:
        """Open the change (or merge it, where none can be open). Adopts the branch and the change
        that exist. Raises HeadMoved.
        """

    def planned(
        self, proposal: Proposal, *, policy: RepositoryPolicy, settings: Mapping[str, str]
    ) -> list[Call]:
        """The calls `publish` would make, none sent; what only the forge can know stands as
        `<…>`.
        """

    def merge(
        self,
        proposal: Proposal,
        *,
        url: str,
        sha: str,
        policy: RepositoryPolicy,
        settings: Mapping[str, str],
    ) -> Published:
        """Merge the open change, bound to `sha` as its head; never around branch protection. Raises
        HeadMoved where the head is another.
        """

    def look(
        self, url: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
    ) -> Change: ...

    def close(
        self,
        url: str,
        *,
        run_id: str,
        reason: str,
        policy: RepositoryPolicy,
        settings: Mapping[str, str],
    ) -> None:
        """Close the change, say why in our comment, delete our branch. A change that is gone is
        closed.
        """

    def say(
        self,
        *,
        run_id: str,
        repository: str,
        commit: str,
        change: str,
        text: str,
        how: str,
        policy: RepositoryPolicy,
        settings: Mapping[str, str],
    ) -> str:
        """One neutral check run on `commit` (`how` "check") or one comment (`how` "comment") that
        is edited when said again. Its URL.

        `change` is the URL of the change to comment on; empty: the open change of others whose head
        is `commit`, where there is one.
        """

    def opted_out(
        self, repository: str, commit: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
    ) -> bool:
        """Whether the open change this commit is the head of carries the label `cihealing:off`."""

    def may(
        self, login: str, repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
    ) -> bool:
        """Whether this person (a login at the forge) may themself push to the repository. Unknown
        people may not.
        """

    def excess(self, *, settings: Mapping[str, str]) -> list[str]:
        """What the credential may do beyond what is needed, in words for `doctor`; empty where
        nothing or nobody can tell.
        """

    def leave(
        self, repository: str, *, policy: RepositoryPolicy, settings: Mapping[str, str]
    ) -> list[str]:
        """Close our changes, delete our branches and comments, revoke our hooks; what was done, in
        words.
        """


@dataclass(frozen=True, kw_only=True)
class Button:
    """`value` names run, act and the version it is bound to."""

    label: str
    action: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """What people are told of one run. Every text is plain: the adapter escapes it, it can neither
    mention, link nor format.
    """

    run_id: str
    title: str
    fields: tuple[tuple[str, str], ...] = ()
    text: str = ""
    details: str = ""
    """For the thread; may be long."""
    link: str = ""
    """URL of the run's page, the service's own."""
    buttons: tuple[Button, ...] = ()
    tone: str = "neutral"
    """`neutral`, `good`, `bad` or `waiting`."""


class Chat(Protocol):
    """Where people are told. Best effort: what goes wrong here never touches a run."""

    name: str

    def configured(self, *, settings: Mapping[str, str]) -> bool: ...

    def tell(self, message: Message, *, handle: str, settings: Mapping[str, str]) -> str:
        """Post it, or with `handle` change what was posted; a handle for the next time, empty where
        nothing can be changed.

        Asked again without a handle, it looks for what it may have posted before, where the other
        side lets it. Raises TransientError (surely not posted, or harmless to repeat),
        PermanentError.
        """


class Artifacts(Protocol):
    def put(self, content: bytes | str, *, kind: str) -> Digest: ...

    def text(self, digest: Digest) -> str:
        """Raises KeyError where it was purged or never stored."""


class History(Protocol):
    """What happened to a job before, as far as the service was told."""

    def last_green(
        self, repository: str, job: str, branch: str, *, before: datetime
    ) -> Green | None:
        """The newest commit this job was green on, on this branch."""

    def reruns(self, repository: str, commit: str, job: str) -> int:
        """Reruns asked for so far for this job on this commit, over all runs."""

    def similar_fixes(
        self, repository: str, *, error_hash: str, error_type: str, limit: int = 2
    ) -> list[PastFix]:
        """Patches that were merged for failures like this one, in this repository; the same
        fingerprint first, then the newest.
        """

    def refused_patches(self, repository: str, error_hash: str) -> set[Digest]:
        """Patches a person denied for this failure, on whichever commit: never proposed again."""

    def affected(self, run_id: UUID) -> Affected:
        """Who else meets this failure."""

    def parent_of(self, execution: ExecutionRef) -> str:
        """The provider's id of the coarser thing (workflow run, pipeline) a job run is part of;
        empty where it was not told.
        """

    def first_red(self, repository: str, job: str, error_hash: str) -> Red | None:
        """The oldest execution that failed with this fingerprint."""


@dataclass(frozen=True, kw_only=True)
class PastFix:
    summary: str
    patch: str


@dataclass(frozen=True, kw_only=True)
class Affected:
    """`runs` and `branches` of the same repository with the same failure; `cluster`: runs of any
    repository gathered in one cluster;
    `waiting`: runs attached to this one.
    """

    runs: int = 0
    waiting: int = 0
    branches: tuple[str, ...] = ()
    cluster: int = 0


@dataclass(frozen=True, kw_only=True)
class Green:
    commit: str
    url: str
    at: datetime


Red = Green


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Everything a capability may touch. Built by the registry, faked in tests."""

    ci: Mapping[str, CIAdapter]
    runner: Runner
    trees: Trees
    sandbox: Callable[[RepositoryPolicy], Sandbox]
    """The sandbox that may run this repository's code; one that refuses where none may."""
    forges: Mapping[str, Forge]
    fixers: Sequence[Fixer]
    guard: Guard
    artifacts: Artifacts
    history: History
    model: Model | None = None
    """None: diagnoses come from rules alone."""
    chats: Sequence[Chat] = ()
    cancelling: Callable[[threading.Event], AbstractContextManager[None]] = lambda _event: (
        nullcontext()
    )
    """Within it, processes are killed and Cancelled is raised soon after the event is set."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """`CI_HEALING_*` settings adapters may need (tokens, base URLs), by name."""
