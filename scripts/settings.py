"""Writes down every setting there is, from the groups that declare them.

python scripts/settings.py            # .env.example, as it is to be
python scripts/settings.py --write    # put it there, and the tables into README.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cihealing import providers
from cihealing.settings import PREFIX, Group, groups, variables

ROOT = Path(__file__).resolve().parents[1]
README, EXAMPLE = ROOT / "README.md", ROOT / ".env.example"
MARKED = re.compile(r"<!-- settings: (?P<names>[a-z_ *]+) -->\n.*?<!-- settings end -->\n", re.S)
MEBIBYTE = 1024**2
HEAD = """\
# Every setting with its default, as an environment file (Docker's `--env-file`, systemd's
# EnvironmentFile). A secret may also be given as CI_HEALING_<NAME>_FILE, a path. Written by
# `python scripts/settings.py --write`.
#CI_HEALING_DATA_DIR=
"""


def every() -> dict[str, type[Group]]:
    """The groups by name: the service's own, then those of providers that have settings."""
    own = {name: kind for name, kind in providers.settings().items() if kind is not Group}
    return {**groups(), **own}


def variable(name: str, field: FieldInfo) -> str:
    """The usual one of those that set it."""
    usual = variables(name, field)[0]
    return PREFIX + name.upper() if usual == name else usual


def default(field: FieldInfo) -> str:
    """As it would be given; empty where there is none, or where it is of the machine."""
    value = field.default
    if field.default_factory is not None or value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def example() -> str:
    """`.env.example`."""
    return "\n".join([HEAD, *("\n".join(_lines(kind)) for kind in every().values())])


def _lines(kind: type[Group]) -> Iterator[str]:
    yield f"## {title(kind)}"
    for name, field in kind.declared().items():
        yield f"# {meaning(field)}"
        yield f"#{variable(name, field)}={default(field)}"
    yield ""


def title(kind: type[Group]) -> str:
    return (kind.__doc__ or "").strip(" .\n")


def table(names: list[str]) -> str:
    """The rows of these groups."""
    rows = [
        f"| `{variable(name, field)}` | {shown(field)} | {meaning(field)} |"
        for group in names
        for name, field in every()[group].declared().items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows, ""])


def shown(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, int) and value and value % MEBIBYTE == 0:
        return f"{value // MEBIBYTE} MB"
    return f"`{text}`" if (text := default(field)) else ""


def written(text: str) -> str:
    """README with the tables between its marks; `*` stands for the groups that no other mark
    names.
    """
    named = {name for marks in MARKED.finditer(text) for name in marks["names"].split()}
    rest = [name for name in every() if name not in named]

    def filled(found: re.Match[str]) -> str:
        names = [n for name in found["names"].split() for n in (rest if name == "*" else [name])]
        mark = f"<!-- settings: {found['names']} -->"
        return f"{mark}\n{table(names)}<!-- settings end -->\n"

    return MARKED.sub(filled, text)


def main() -> None:
    if "--write" in sys.argv[1:]:
        README.write_text(written(README.read_text()))
        EXAMPLE.write_text(example())
    else:
        sys.stdout.write(example())


if __name__ == "__main__":
    main()
