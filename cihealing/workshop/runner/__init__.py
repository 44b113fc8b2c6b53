"""Runs a project's command in the sandbox: which one (`projects`), over what, and what came of it
(`runner`).
"""

from cihealing.workshop.runner.runner import ProjectRunner

__all__ = ["ProjectRunner"]
