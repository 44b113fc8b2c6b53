"""Lets codespell correct the words it named, where it knows one correction alone.

Source: codespell's README, "Usage" (-w writes, words with several corrections are left).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, tools
from cihealing.ports import FixContext, Fixer

SAID = re.compile(r"(?P<file>[^\s:]{1,300}):\d{1,9}: \S{1,80} ==> \S")
OPTIONS = tools.ToolOptions(
    valued=frozenset(
        {
            "--builtin",
            "--config",
            "--dictionary",
            "--exclude-file",
            "--ignore-regex",
            "--ignore-words",
            "--ignore-words-list",
            "--regex",
            "--skip",
            "--toml",
            "--uri-ignore-words-list",
            "-D",
            "-I",
            "-L",
            "-S",
            "-r",
            "-x",
        }
    ),
    dropped=frozenset(
        {"--context", "--interactive", "--quiet-level", "-A", "-B", "-C", "-i", "-q"}
    ),
    switches=frozenset({"--check-hidden", "--ignore-sic", "-H"}),
)
WORDS_LEFT = 65


def fits(failure: Failure) -> bool:
    return any(SAID.match(text) for text in tools.texts_of(failure))


def fix(context: FixContext) -> str | None:
    named = list(dict.fromkeys(named_files(context)))[: tools.MAX_NAMED]
    if not named:
        return None
    before = {path: files.read(context.tree, path) for path in named}
    call = next(iter(tools.calls(context.project.command, "codespell")), None)
    options, _ = tools.split_call(call.args, OPTIONS) if call else ((), ())
    start = call.start if call else ("codespell",)
    below = [p for path in named if (p := tools.below_project(path, context.project.path))]
    ran = tools.run(context, [*start, "-w", *options, "--", *below])
    tools.require_ran("codespell", ran, well=(0, WORDS_LEFT))
    changed = [path for path in named if files.read(context.tree, path) != before[path]]
    return tools.render_fix("Ran `codespell -w`", changed)


def named_files(context: FixContext) -> Iterator[str]:
    for text in tools.texts_of(context.failure):
        if (said := SAID.match(text)) is not None:
            path = files.named_in_tree(context.tree, said["file"], workdir=context.project.path)
            if path is not None:
                yield path


FIXER = Fixer(
    name="codespell", title="Correct the words codespell named", order=25, fits=fits, fix=fix
)
