"""Failures everybody has seen, in the order they are looked for."""

from __future__ import annotations

from cihealing.diagnosis.known import checks, code, environment, machines

PATTERNS = (*code.PATTERNS, *machines.PATTERNS, *environment.PATTERNS, *checks.PATTERNS)
