"""The commands there are: one a file of `cihealing/cli`, seen by being there.

Asking for names, needs and summaries imports none of them: settings may not be read before it is
known which data directory they are read from.
"""

from __future__ import annotations

import ast
import pkgutil
import shutil
import textwrap
from importlib import import_module, util
from pathlib import Path
from typing import Any

from django.core import management

from cihealing import cli
from cihealing.cli.shared.command import Needs, ProductCommand

WIDEST = 100
"""Columns of the list of commands, however wide the terminal."""


class NoCommand(Exception):
    """A file among the commands is none; the message says what it lacks."""


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(cli.__path__) if not module.ispkg)


def load(name: str) -> ProductCommand:
    """A command by its name. Raises NoCommand."""
    found = getattr(import_module(f"{cli.__name__}.{name}"), "Command", None)
    if not (isinstance(found, type) and issubclass(found, ProductCommand)):
        raise NoCommand(f"{name} has no class `Command(ProductCommand, needs=…)`")
    return found()


def needs(name: str) -> Needs:
    """As declared in the command's file. Raises NoCommand."""
    for node in _source(name).body:
        if isinstance(node, ast.ClassDef) and node.name == "Command":
            for keyword in node.keywords:
                if keyword.arg == "needs" and isinstance(keyword.value, ast.Attribute):
                    return Needs[keyword.value.attr]
    raise NoCommand(f"{name} does not declare what it needs: `Command(ProductCommand, needs=…)`")


def summary(name: str) -> str:
    """What its file says of it first, without how it is called."""
    first = (ast.get_docstring(_source(name)) or "").partition("\n\n")[0]
    return " ".join(first.split()).partition("`: ")[2]


def _source(name: str) -> ast.Module:
    spec = util.find_spec(f"{cli.__name__}.{name}")
    if spec is None or spec.origin is None:
        raise NoCommand(f"there is no command {name}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def listing() -> str:
    """All of them for people, as wide as their terminal."""
    width = max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))
    room = max(map(len, names())) + 4
    lines = [
        textwrap.fill(
            summary(name),
            width,
            initial_indent=f"  {name}".ljust(room),
            subsequent_indent=" " * room,
        )
        for name in names()
    ]
    more = "Django's own, like `migrate`, are there too: `cihealing help --commands` names all."
    return "\n".join(["cihealing COMMAND [--help]", "", *lines, "", textwrap.fill(more, width)])


def call_command(name: str, *arguments: Any, **options: Any) -> Any:
    """Django's `call_command`, which also finds the product's commands by name."""
    return management.call_command(load(name) if name in names() else name, *arguments, **options)
