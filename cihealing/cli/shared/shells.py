"""Scripts for bash, zsh and fish that complete what is typed after `cihealing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from cihealing.cli.shared.completing import Completion, Option

Places = Sequence[Completion]

BASH = """\
# bash completion of cihealing; made by `cihealing completion bash`.
_cihealing() {{
    local typed=${{COMP_WORDS[COMP_CWORD]}} at= before= offered= word
    COMPREPLY=()
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$at $word" in
{ways}
        esac
        [ "$word" = "=" ] || before=$word
    done
    [ "$typed" = "=" ] && typed= && before=${{COMP_WORDS[COMP_CWORD-1]}}
    case "$at|$before" in
{values}
    esac
    case "$at|${{typed:0:1}}" in
{options}
    esac
    [ -n "$offered" ] || case "$at" in
{words}
    esac
    COMPREPLY=($(compgen -W "$offered" -- "$typed"))
}}
complete -o default -F _cihealing cihealing
"""

OFFER = """COMPREPLY=($(compgen -W '{}' -- "$typed"))"""

ZSH = """\
#compdef cihealing
# zsh completion of cihealing; made by `cihealing completion zsh`.
_cihealing() {{
    local at= before= word typed=$words[CURRENT]
    local -a offered
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$at $word" in
{ways}
        esac
        before=$word
    done
    case "$at|$before" in
{values}
    esac
    case "$at|${{typed[1]}}" in
{options}
    esac
    (( $#offered )) || case "$at" in
{words}
    esac
    if (( $#offered )); then _describe cihealing offered; else _files; fi
}}
# In a file of fpath this is the function's body itself, at its first call.
if [[ $funcstack[1] == _cihealing ]]; then _cihealing; else compdef _cihealing cihealing; fi
"""

FISH = """\
# fish completion of cihealing; made by `cihealing completion fish`.
function __cihealing_at
    set -l at ""
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
{ways}
        end
    end
    test "$at" = "$argv[1]"
end
complete -c cihealing -n "__cihealing_at ''" -f
{lines}
"""


def bash(places: Places) -> str:
    """Options where a dash was typed, else the fixed words, else files."""
    return BASH.format(
        ways=_lines(f'"{a} {word}") at="{to}" ;;' for a, word, to in ways(places)),
        values=_lines(
            f'"{at}|{flag}") {_values(o, offer=OFFER)} ;;' for at, flag, o in valued(places)
        ),
        options=_lines(f'"{p.path}|-") offered="{_flags(p)}" ;;' for p in places if p.options),
        words=_lines(f'"{p.path}") offered="{" ".join(p.words)}" ;;' for p in places if p.words),
    )


def zsh(places: Places) -> str:
    """As in bash, with what each means beside it."""
    return ZSH.format(
        ways=_lines(f"'{a} {word}') at='{to}' ;;" for a, word, to in ways(places)),
        values=_lines(
            f"'{at}|{flag}') {_values(o, offer='compadd -- {}', files='_files; ')} ;;"
            for at, flag, o in valued(places)
        ),
        options=_lines(
            f"'{p.path}|-') offered=({_described(_says(p))}) ;;" for p in places if p.options
        ),
        words=_lines(f"'{p.path}') offered=({_described(p.words)}) ;;" for p in places if p.words),
    )


def fish(places: Places) -> str:
    lines = chain.from_iterable(_fish_lines(place) for place in places)
    turns = (f"case '{a} {word}'\n                set at '{to}'" for a, word, to in ways(places))
    return FISH.format(ways=_lines(turns, indent=12), lines="\n".join(lines))


SHELLS: Mapping[str, Callable[[Places], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def ways(places: Places) -> Iterator[tuple[str, str, str]]:
    """(place, word, place it leads to)."""
    for place in places:
        for act in place.acts:
            yield place.path, act, f"{place.path} {act}".strip()


def valued(places: Places) -> Iterator[tuple[str, str, Option]]:
    """(place, flag, option) of every option that takes a value."""
    for place in places:
        for option in place.options:
            for flag in option.flags if option.valued else ():
                yield place.path, flag, option


def _values(option: Option, *, offer: str, files: str = "") -> str:
    """Its choices; any file where there are none."""
    if not option.choices:
        return f"{files}return"
    return f"{offer.replace('{}', ' '.join(option.choices))}; return"


def _flags(place: Completion) -> str:
    return " ".join(flag for option in place.options for flag in option.flags)


def _says(place: Completion) -> dict[str, str]:
    return {flag: option.says for option in place.options for flag in option.flags}


def _described(words: Mapping[str, str]) -> str:
    """For zsh's `_describe`."""
    colon = {word.replace(":", r"\:"): says for word, says in words.items()}
    return " ".join("'" + f"{w}:{says}".replace("'", "'\\''") + "'" for w, says in colon.items())


def _fish_lines(place: Completion) -> Iterator[str]:
    head = f"complete -c cihealing -n {_fish_quoted(f'__cihealing_at {_fish_quoted(place.path)}')}"
    for word, says in place.words.items():
        yield f"{head} -f -a {word} -d {_fish_quoted(says)}"
    for option in place.options:
        flags = " ".join(
            f"-{'l' if f.startswith('--') else 's'} {f.lstrip('-')}" for f in option.flags
        )
        value = f" -x -a '{' '.join(option.choices)}'" if option.choices else " -r"
        yield f"{head} {flags}{value if option.valued else ''} -d {_fish_quoted(option.says)}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lines(lines: Iterator[str], *, indent: int = 8) -> str:
    return "\n".join(" " * indent + line for line in lines)
