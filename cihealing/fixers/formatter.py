"""Lets black, isort or yapf reformat what it refused, where the repository configures it or its
command calls it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cihealing.domain.values import Failure
from cihealing.fixers.shared import files, tools
from cihealing.ports import FixContext, Fixer


@dataclass(frozen=True, kw_only=True)
class Formatter:
    """One tool that rewrites files; all of them take `--` before the files."""

    says: re.Pattern[str]
    """That it would write a file otherwise."""
    write: tuple[str, ...]
    ask: tuple[str, ...]
    options: tools.ToolOptions
    sections: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """By file name, what shows there that the repository uses the tool."""
    well: tuple[int, ...] = (0,)
    """Exit codes of a run that wrote what it had to."""


def section(name: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*\[{re.escape(name)}\]", re.MULTILINE)


def hook(name: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*-?\s*id:\s*[\"']?{name}[\"']?\s*$", re.MULTILINE)


HOOKS = ".pre-commit-config.yaml"
FORMATTERS: Mapping[str, Formatter] = {
    # black, "Command line options"
    "black": Formatter(
        says=re.compile(r"^would reformat \S|\bfiles? would be reformatted(?:, |\.)"),
        write=("--quiet",),
        ask=("--check", "--quiet"),
        options=tools.ToolOptions(
            valued=frozenset(
                {
                    "--config",
                    "--exclude",
                    "--extend-exclude",
                    "--force-exclude",
                    "--include",
                    "--line-length",
                    "--target-version",
                    "-l",
                    "-t",
                }
            ),
            dropped=frozenset({"--required-version", "--workers", "-W", "--stdin-filename"}),
            switches=frozenset(
                {
                    "--preview",
                    "--pyi",
                    "--skip-magic-trailing-comma",
                    "--skip-string-normalization",
                    "--unstable",
                    "-C",
                    "-S",
                }
            ),
        ),
        sections={"pyproject.toml": section("tool.black"), HOOKS: hook("black")},
    ),
    # isort, "Configuration options" (command line flags)
    "isort": Formatter(
        says=re.compile(r"^ERROR: \S{1,400} Imports are incorrectly sorted"),
        write=("--quiet",),
        ask=("--check-only", "--quiet"),
        options=tools.ToolOptions(
            valued=frozenset(
                {
                    "--extend-skip",
                    "--extend-skip-glob",
                    "--known-first-party",
                    "--known-third-party",
                    "--line-length",
                    "--multi-line",
                    "--profile",
                    "--project",
                    "--settings-path",
                    "--settings-file",
                    "--skip",
                    "--skip-glob",
                    "--sp",
                    "--src",
                    "--thirdparty",
                    "-l",
                    "-m",
                    "-o",
                    "-p",
                    "-s",
                    "-w",
                }
            ),
            switches=frozenset(
                {
                    "--combine-as",
                    "--filter-files",
                    "--float-to-top",
                    "--force-single-line-imports",
                    "--force-sort-within-sections",
                    "--tc",
                    "--trailing-comma",
                    "--use-parentheses",
                }
            ),
        ),
        sections={
            "pyproject.toml": section("tool.isort"),
            ".isort.cfg": section("settings"),
            "setup.cfg": re.compile(r"^\[(?:tool:)?isort\]", re.MULTILINE),
            "tox.ini": section("isort"),
            HOOKS: hook("isort"),
        },
    ),
    # yapf, README "Usage"; with --in-place versions differ in whether a change is 0 or 1
    "yapf": Formatter(
        says=re.compile(r"^\+\+\+ \S{1,400}\t\(reformatted\)"),
        write=("--in-place",),
        ask=("--diff",),
        options=tools.ToolOptions(
            valued=frozenset({"--exclude", "--style", "-e"}),
            switches=frozenset({"--no-local-style", "--recursive", "-r"}),
        ),
        sections={
            "pyproject.toml": section("tool.yapf"),
            ".style.yapf": section("style"),
            "setup.cfg": section("yapf"),
            HOOKS: hook("yapf"),
        },
        well=(0, 1),
    ),
}
RUFF_SAYS = re.compile(r"^Would reformat: ")


def fits(failure: Failure) -> bool:
    return any(tool_said(tool, failure) for tool in FORMATTERS)


def tool_said(tool: str, failure: Failure) -> bool:
    says, texts = FORMATTERS[tool].says, list(tools.texts_of(failure))
    return any(says.search(t) for t in texts) and not any(RUFF_SAYS.search(t) for t in texts)


def fix(context: FixContext) -> str | None:
    wanted = [
        t for t in FORMATTERS if tool_said(t, context.failure) and is_the_repositorys(t, context)
    ]
    before = tools.snapshot(context)
    ran = [tool for tool in wanted if reformat(tool, context)]
    return tools.render_fix(f"Ran `{' and '.join(ran)}`", tools.changed_since(context, before))


def reformat(tool: str, context: FixContext) -> bool:
    """Whether it was run; not where no file is named and the command says none. Raises
    CouldNotRun.
    """
    how = FORMATTERS[tool]
    call = next(iter(tools.calls(context.project.command, tool)), None)
    options, paths = tools.split_call(call.args, how.options) if call else ((), ())
    ran = tools.corrected(
        context,
        tools.Correction(
            start=call.start if call else (tool,),
            write=how.write,
            ask=how.ask,
            options=options,
            paths=paths,
        ),
    )
    if ran is not None:
        tools.require_ran(tool, ran, well=how.well)
    return ran is not None


def is_the_repositorys(tool: str, context: FixContext) -> bool:
    if tools.calls(context.project.command, tool):
        return True
    return any(
        pattern.search(files.read(context.tree, place + name) or "")
        for place in places(context)
        for name, pattern in FORMATTERS[tool].sections.items()
    )


def places(context: FixContext) -> Iterator[str]:
    """Where configuration may lie: the project's directory, and the root."""
    path = context.project.path.rstrip("/")
    yield from dict.fromkeys(("" if path == "." else f"{path}/", ""))


FIXER = Fixer(
    name="formatter",
    title="Reformat with the repository's own formatter",
    order=20,
    fits=fits,
    fix=fix,
)
