"""The one place that starts git: with nothing of this machine's configuration and nothing a
repository could use to run a program.

It works on mirrors, indexes and copies of the service's own, and on the repositories of whoever
calls (`try`, the demo, local_git): never in a tree that untrusted code has touched. No hooks,
filters, LFS, submodules, prompts; only `https` and `ssh` (`file` where the caller says so); every
call has a time-out and dies with the worker.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from cihealing.ports import PermanentError, TransientError
from cihealing.secrecy import masked
from cihealing.workshop import process

COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
MAX_ANSWER_MB = 128
MAX_MEMORY = 2 * 1024**3
"""Bytes of one git."""
LOCAL_TIMEOUT, REMOTE_TIMEOUT = 120.0, 600.0

OPTIONS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.untrackedCache=false",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "submodule.recurse=false",
    "-c",
    "fetch.recurseSubmodules=false",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "core.pager=cat",
    "-c",
    "core.quotePath=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "credential.helper=",
    "-c",
    "core.symlinks=true",
    "-c",
    "init.defaultBranch=main",
    "-c",
    "core.protectHFS=true",
    "-c",
    "core.protectNTFS=true",
    "-c",
    "http.lowSpeedLimit=1000",
    "-c",
    "http.lowSpeedTime=60",
    "-c",
    "fetch.fsckObjects=false",
    "-c",
    "core.autocrlf=false",
    "-c",
    "advice.detachedHead=false",
    "-c",
    "safe.bareRepository=all",
    "-c",
    "core.askPass=",
    "-c",
    "core.editor=false",
    "-c",
    "init.templateDir=",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "tag.gpgSign=false",
    "-c",
    "log.showSignature=false",
)

PASSED_ON = (
    "SSH_AUTH_SOCK",
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
)
"""What a company network needs to be reached; nothing else of the worker's environment gets to
git.
"""

ASKPASS = """\
#!/bin/sh
# Answers for the one host of the clone URL: a redirect elsewhere gets no credential.
case "$1" in
  *"//$CI_HEALING_ASKPASS_HOST'"*|*"@$CI_HEALING_ASKPASS_HOST'"*) ;;
  *) exit 1 ;;
esac
case "$1" in
  Username*) printf '%s\\n' "$CI_HEALING_ASKPASS_USER" ;;
  *) printf '%s\\n' "$CI_HEALING_ASKPASS_TOKEN" ;;
esac
"""

REFUSED = re.compile(
    r"authentication failed|could not read username|could not read password|repository not"
    r" found|does not appear to be a git"
    r"|permission denied|access denied|returned error: 40[134]|does not exist|dubious ownership|not"
    r" allowed|unable to find remote helper",
    re.IGNORECASE,
)


NOWHERE = Path("/nonexistent")


SECONDS = {"check-ignore": 5, "hash-object": 5, "checkout-index": 60, "apply": 20}
"""Of processor time, for what meets patterns and attributes of a commit: those can be written so
that a match takes for ever.
"""


class GitFailed(Exception):
    """git said no; `text` is its (bounded) message without credentials."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.text, self.code = text, code


@dataclass(frozen=True, kw_only=True)
class Git:
    """`home` holds the askpass script and the only configuration file git reads besides a
    repository's own; by default there is none.

    `anybodys`: repositories of other users of this machine are opened too, as a mounted volume
    often is.
    """

    home: Path = NOWHERE
    anybodys: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *args: str,
        variables: Mapping[str, str] | None = None,
        data: str = "",
        content: bytes = b"",
        timeout: float = LOCAL_TIMEOUT,
        entries: int | None = None,
    ) -> str:
        """Standard output as text; `data` or `content` is standard input. An answer of more than
        `entries`, each with a NUL at its end, is not waited for. Raises GitFailed, TransientError
        on time-out, Cancelled.
        """
        values = {**base_environment(self.home), **self.environment, **(variables or {})}
        given = content or data.encode("utf-8", "surrogateescape")
        trust = ("-c", "safe.directory=*") if self.anybodys else ()
        return _call(
            ["git", *OPTIONS, *trust, *args],
            verb(args),
            environment=values,
            data=given,
            timeout=timeout,
            entries=entries,
        )

    def quiet(self, *args: str, variables: Mapping[str, str] | None = None) -> str | None:
        """The stripped answer, or None where git says no."""
        try:
            return self(*args, variables=variables).strip() or None
        except GitFailed:
            return None


def base_environment(home: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "https:ssh",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20",
    }


def version() -> str | None:
    """What `git --version` says; None where there is no git."""
    try:
        return Git()("--version").strip()
    except (OSError, GitFailed):
        return None


def prepare_home(home: Path) -> None:
    """Write what git needs. `safe.directory`: an origin on this machine often belongs to another
    user (a mounted volume), and a git that is started by git is told nothing on its command line.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(home / "gitconfig", "[safe]\n\tdirectory = *\n", mode=0o600)
    _write(home / "askpass", ASKPASS, mode=0o700)


def _write(path: Path, content: str, *, mode: int) -> None:
    if path.is_file() and path.read_text() == content:
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    Path(name).chmod(mode)
    Path(name).replace(path)


def remote_environment(
    url: str, *, local: bool, home: Path, token: str, user: str
) -> dict[str, str]:
    """How `url` may be reached: the protocols, and for https the credential."""
    if local:
        return {"GIT_ALLOW_PROTOCOL": "https:ssh:file"}
    parts = urlsplit(url)
    if parts.scheme != "https" or not token:
        return {}
    host = parts.netloc.rpartition("@")[2]
    return {
        "GIT_ASKPASS": str(home / "askpass"),
        "CI_HEALING_ASKPASS_HOST": host,
        "CI_HEALING_ASKPASS_USER": user,
        "CI_HEALING_ASKPASS_TOKEN": token,
    }


def is_commit(text: str) -> bool:
    return COMMIT.match(text) is not None


def remote_error(error: GitFailed, *, what: str) -> TransientError | PermanentError:
    """A refusal is for a person; everything else may pass."""
    if REFUSED.search(error.text):
        return PermanentError(
            f"{what}: {error.text}; check the repository's `clone_url` and CI_HEALING_GIT_TOKEN"
        )
    return TransientError(f"{what}: {error.text}")


def _call(
    argv: Sequence[str],
    what: str,
    *,
    environment: Mapping[str, str],
    data: bytes,
    timeout: float,
    entries: int | None,
) -> str:
    process.check_cancelled()
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as trouble,
    ):
        given.write(data)
        given.seek(0)
        remote = timeout > LOCAL_TIMEOUT
        child = subprocess.Popen(
            _watched(argv) if remote else process.tied(argv),
            env=dict(environment),
            stdin=given,
            stdout=answer,
            stderr=trouble,
            start_new_session=True,
            cwd="/",
        )
        bounded(child, seconds=SECONDS.get(what))
        stop = process.stop_reaper if remote else process.kill_group
        most = too_much(answer, entries=entries)
        ended = process.supervise(child, timeout=timeout, stop=lambda: stop(child), exceeded=most)
        answer.seek(0)
        trouble.seek(0)
        said, complaint = answer.read(), trouble.read(4000)
    if ended.timed_out:
        raise TransientError(f"git {what} did not end within {timeout:.0f} s")
    _require_good(ended, what, complaint)
    return said.decode("utf-8", "surrogateescape")


def _watched(argv: Sequence[str]) -> list[str]:
    return process.reaped(argv, limits={"RLIMIT_CORE": 1, "RLIMIT_DATA": MAX_MEMORY})


def _require_good(ended: process.Ended, what: str, complaint: bytes) -> None:
    if ended.exceeded:
        raise GitFailed(f"git {what} said {ended.exceeded}", code=-1)
    if ended.exit_code:
        text = masked(complaint.decode("utf-8", "replace")).strip()[:1000]
        raise GitFailed(text, code=ended.exit_code)


def too_much(answer: BinaryIO, *, entries: int | None) -> process.Exceeded:
    flood = process.flood(answer, limit_mb=MAX_ANSWER_MB)
    if entries is None:
        return flood
    crowd = process.crowd(answer, most=entries)
    return lambda: crowd() or flood()


def bounded(child: subprocess.Popen[bytes], *, seconds: int | None) -> None:
    """What git reads of a hostile repository may unfold without end. A reaper takes next to
    nothing, its limits are for what it starts.
    """
    with contextlib.suppress(OSError):
        resource.prlimit(child.pid, resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
        # One that could not be tied to its worker ends by this.
        most = seconds or round(REMOTE_TIMEOUT)
        resource.prlimit(child.pid, resource.RLIMIT_CPU, (most, most))


def verb(args: Sequence[str]) -> str:
    places = ("-C", "--git-dir")
    words = (a for n, a in enumerate(args) if n == 0 or args[n - 1] not in places)
    return next((a for a in words if not a.startswith("-")), "")
