"""One module a test tool; the first that fits a command speaks for it."""

from __future__ import annotations

from collections.abc import Sequence

from cihealing.workshop.runner.tools import cargo, go, jest, jvm, lint, opaque, pytest, unittest
from cihealing.workshop.runner.tools.plan import Plan, Tool

TOOLS: Sequence[Tool] = (pytest, unittest, go, cargo, jest, jvm, lint, opaque)


def tool_for(command: str) -> Tool:
    return next(tool for tool in TOOLS if tool.fits(command) or tool is opaque)


__all__ = ["TOOLS", "Plan", "Tool", "tool_for"]
