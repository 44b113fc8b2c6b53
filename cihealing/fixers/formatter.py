"""Lets black (or isort) reformat what it refused, where the repository configures it or its command
calls it.
"""

from __future__ import annotations

import re

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, tools
from cihealing.ports import FixContext, Fixer

SAYS = {
    "black": re.compile(r"^would reformat \S|\bfiles? would be reformatted(?:, |\.)"),
    "isort": re.compile(r"^ERROR: \S{1,400} Imports are incorrectly sorted"),
}
RUFF_SAYS = re.compile(r"^Would reformat: ")
CONFIGURED = {tool: re.compile(rf"^\s*\[tool\.{tool}\]", re.MULTILINE) for tool in SAYS}


def fits(failure: Failure) -> bool:
    return any(tool_said(tool, failure) for tool in SAYS)


def tool_said(tool: str, failure: Failure) -> bool:
    texts = list(tools.texts_of(failure))
    return any(SAYS[tool].search(t) for t in texts) and not any(RUFF_SAYS.search(t) for t in texts)


def fix(context: FixContext) -> str | None:
    named = tools.named_files(context)
    wanted = [t for t in SAYS if tool_said(t, context.failure) and is_the_repositorys(t, context)]
    if not named or not wanted:
        return None
    before = tools.snapshot(context)
    for tool in wanted:
        call = next(iter(tools.calls(context.project.command, tool)), None)
        tools.run(context, [*(call.start if call else (tool,)), "--quiet", "--", *named])
    return tools.render_fix(f"Ran `{' and '.join(wanted)}`", tools.changed_since(context, before))


def is_the_repositorys(tool: str, context: FixContext) -> bool:
    if tools.calls(context.project.command, tool):
        return True
    folders = dict.fromkeys(
        ("" if context.project.path == "." else context.project.path.rstrip("/") + "/", "")
    )
    return any(
        CONFIGURED[tool].search(files.read(context.tree, f + "pyproject.toml") or "")
        for f in folders
    )


FIXER = Fixer(
    name="formatter",
    title="Reformat with the repository's own formatter",
    order=20,
    fits=fits,
    fix=fix,
)
