"""The policy file: read, validated, laid under what the environment says, and read again when it
changes.

A bad file never loosens anything: the last good policy stays in force and `current()` tells what is
wrong. Where there is no last good one (the file was already bad at start), nothing is done at all
until it is mended: deliveries are kept, effects wait.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from pydantic import ValidationError

from cihealing import hooks, secrecy
from cihealing.domain.policy import Policy

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024
MAX_PROBLEMS = 5
Stamp = tuple[int, int, int] | None


class BadPolicy(Exception):
    """The file does not hold a policy; the message names the file, the place in it and what is
    wrong there.
    """


def load(path: Path, *, overrides: Mapping[str, Any] | None = None) -> Policy:
    """The policy in `path`, overlaid by `overrides`; no file: the defaults. Raises BadPolicy."""
    content = read(path)
    try:
        return overlaid(Policy.model_validate(content), overrides=overrides or {})
    except ValidationError as error:
        raise BadPolicy(f"{path}: {'; '.join(render_problems(error))}") from None


def read(path: Path) -> dict[str, Any]:
    """The mapping the file holds, unchecked; an absent or empty file is an empty mapping. Raises
    BadPolicy.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadPolicy(f"{path}: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise BadPolicy(f"{path}: larger than {MAX_BYTES} bytes")
    return mapping(raw, path=path)


def mapping(raw: bytes, *, path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadPolicy(f"{path}: not YAML: {' '.join(str(error).split())[:300]}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadPolicy(f"{path}: must be a mapping of names, like `version: 1`")
    return content


def render_problems(error: ValidationError) -> list[str]:
    """At most five problems in words, without the values: a value in the wrong place may be a
    secret.
    """
    items = error.errors(include_input=False, include_url=False)
    words = [
        f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}"
        for item in items[:MAX_PROBLEMS]
    ]
    return words + ([f"and {len(items) - MAX_PROBLEMS} more"] if len(items) > MAX_PROBLEMS else [])


def overlaid(policy: Policy, *, overrides: Mapping[str, Any]) -> Policy:
    """What the environment says goes before the file, but either alone may pull the kill switch."""
    content = {
        **policy.model_dump(),
        **overrides,
        "enabled": policy.enabled and overrides.get("enabled", True),
    }
    return Policy.model_validate(content)


class PolicyFile:
    """One file under watch. Thread-safe; a call costs one `stat` while the file stands still."""

    def __init__(self, path: Path, *, overrides: Mapping[str, Any]) -> None:
        self.path = path
        self.overrides = dict(overrides)
        self._lock = threading.Lock()
        self._seen: Stamp | str = "never"
        self._good: Policy | None = None
        self._problem: str | None = None

    def current(self) -> tuple[Policy, str | None]:
        """The policy in force, and what is wrong with the file where something is."""
        with self._lock:
            stamp = stamp_of(self.path)
            if stamp != self._seen:
                self._reload()
                self._seen = stamp
            return self._good or overlaid(
                Policy(enabled=False), overrides=self.overrides
            ), self._problem

    def _reload(self) -> None:
        try:
            self._good, self._problem = load(self.path, overrides=self.overrides), None
            learn(self._good)
        except BadPolicy as error:
            kept = (
                "the last good policy stays in force"
                if self._good
                else "nothing is done until it is mended; deliveries are kept"
            )
            self._problem = f"{error} ({kept})"
            logger.error("policy: %s", self._problem)


def learn(policy: Policy) -> None:
    """What the policy names or holds is masked from here on: secrets of hooks, credentials in clone
    URLs.
    """
    secrecy.learn_from(policy)
    for hook in policy.hooks:
        hooks.narrow(hook, environment=os.environ)


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is written or replaced; None where it cannot be seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


_files: dict[tuple[Path, str], PolicyFile] = {}
_files_lock = threading.Lock()


def current() -> tuple[Policy, str | None]:
    """The policy in force for this process, and what is wrong with its file where something is."""
    held = settings.CI_HEALING
    path, overrides = held["POLICY_FILE"], held["POLICY_OVERRIDES"]
    key = (Path(path), repr(sorted(overrides.items())))
    with _files_lock:
        file = _files.get(key)
        if file is None:
            file = _files[key] = PolicyFile(key[0], overrides=overrides)
    return file.current()
