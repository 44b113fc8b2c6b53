"""Prints the rooms of the house and who may import whom, as the import contract has it.

python scripts/rooms.py            # what stands in docs/ARCHITECTURE.md between its marks
python scripts/rooms.py --write    # put it there
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "ARCHITECTURE.md"
BEGIN, END = "<!-- rooms: begin -->\n", "<!-- rooms: end -->\n"


def layers() -> list[list[str]]:
    """Outermost first; each layer's rooms, which do not know each other."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(c for c in linter["contracts"] if c["type"] == "layers")
    return [
        [room.strip(" ()").removeprefix("cihealing.") for room in re.split("[|:]", layer)]
        for layer in contract["layers"]
    ]


def drawn() -> str:
    rows = ["    " + "  |  ".join(layer) for layer in layers()]
    return "\n".join(["```text", *rows, "```", ""])


def written(text: str) -> str:
    """The document with what is drawn between its marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + drawn() + END + rest.split(END)[1]


def main() -> None:
    if "--write" in sys.argv[1:]:
        DOCUMENT.write_text(written(DOCUMENT.read_text()))
    else:
        sys.stdout.write(drawn())


if __name__ == "__main__":
    main()
