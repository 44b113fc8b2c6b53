"""What can be typed after `cihealing`, as the commands' own parsers have it."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cihealing.cli.shared import found

LONGEST = 72
"""Characters of what is said of an option."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """`choices` are the only values there are; where it has none and `valued`, any will do."""

    flags: tuple[str, ...]
    says: str
    valued: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """What may come after the words in `path`: "" at first, then "audit", then "audit verify"."""

    path: str
    options: tuple[Option, ...]
    words: dict[str, str]
    """Commands, acts and fixed arguments, with what is said of them."""
    acts: tuple[str, ...]
    """Those of `words` that lead on to a place of their own."""


def places() -> list[Completion]:
    names = {name: _short(found.summary(name)) for name in found.names()}
    flags = (("--help", "-h"), "the commands there are"), (("--version",), "the version")
    options = tuple(Option(flags=f, says=says, valued=False, choices=()) for f, says in flags)
    acts = (*names, "help")
    first = Completion(path="", options=options, words={**names, "help": "of a command"}, acts=acts)
    helped = Completion(path="help", options=(), words=names, acts=())
    return [first, helped, *(place for name in names for place in _of_command(name))]


def _of_command(name: str) -> Iterator[Completion]:
    return _of_parser(found.load(name).create_parser("cihealing", name), path=name)


def _of_parser(
    parser: argparse.ArgumentParser, *, path: str, inherited: Sequence[Option] = ()
) -> Iterator[Completion]:
    """One for the parser, and one for each act it has. `--data` is understood after an act, too."""
    seen = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    options = [_option(action, parser) for action in seen if action.option_strings]
    words: dict[str, str] = {}
    acts: dict[str, argparse.ArgumentParser] = {}
    for action in seen:
        if isinstance(action, argparse._SubParsersAction):
            acts |= action.choices
            words |= {each.dest: _short(each.help or "") for each in action._choices_actions}
        elif not action.option_strings and action.choices:
            words |= dict.fromkeys(map(str, action.choices), _says(action, parser))
    yield Completion(path=path, options=(*options, *inherited), words=words, acts=tuple(acts))
    data = [option for option in options if "--data" in option.flags]
    for act, own in acts.items():
        yield from _of_parser(own, path=f"{path} {act}", inherited=data)


def _option(action: argparse.Action, parser: argparse.ArgumentParser) -> Option:
    return Option(
        flags=tuple(action.option_strings),
        says=_says(action, parser),
        valued=action.nargs != 0,
        choices=tuple(map(str, action.choices or ())),
    )


def _says(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """Its help, with the defaults in it."""
    return _short((action.help or "") % {**vars(action), "prog": parser.prog})


def _short(text: str) -> str:
    return textwrap.shorten(text, LONGEST, placeholder=" …").rstrip(".")
