"""What `mutmut run` left behind: how many mutants each file had, how many the tests killed, and
what the survivors changed.

git clone . /tmp/mutants && cd /tmp/mutants && mutmut run && python -m bench.mutants
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SURVIVED, NO_TESTS = 0, 33


def outcomes(root: Path) -> dict[str, dict[str, int | None]]:
    """File of the project -> mutant -> exit code of its tests; None where it was not tried."""
    found = {}
    for meta in sorted(root.rglob("*.meta")):
        codes = json.loads(meta.read_text())["exit_code_by_key"]
        if codes:
            found[str(meta.relative_to(root))[: -len(".meta")]] = codes
    return found


def table(found: dict[str, dict[str, int | None]]) -> Iterator[str]:
    yield (
        "| file | mutants | killed | survived | without a test | not tried"
        " |\n|---|---|---|---|---|---|"
    )
    for file, codes in found.items():
        said = Counter(
            (
                "survived"
                if c == SURVIVED
                else "untested"
                if c == NO_TESTS
                else "untried"
                if c is None
                else "killed"
            )
            for c in codes.values()
        )
        share = f"{said['killed']} ({said['killed'] / max(1, len(codes) - said['untried']):.1%})"
        yield (
            f"| `{file}` | {len(codes)} | {share} | {said['survived']} | {said['untested']} |"
            f" {said['untried']} |"
        )


def survivors(root: Path, found: dict[str, dict[str, int | None]]) -> Iterator[str]:
    for file, codes in found.items():
        left = [name.rpartition(".")[2] for name, code in codes.items() if code == SURVIVED]
        if left:
            bodies = {
                n.name: ast.unparse(n).split("\n")[1:]
                for n in ast.walk(ast.parse((root / file).read_text()))
                if isinstance(n, ast.FunctionDef)
            }
            yield f"\n### `{file}`\n"
            yield (
                "```diff\n"
                + "\n".join(line for name in left for line in change(name, bodies))
                + "\n```"
            )


def change(name: str, bodies: dict[str, list[str]]) -> Iterator[str]:
    original = re.sub(r"__mutmut_\d+$", "__mutmut_orig", name)
    lines = difflib.unified_diff(bodies.get(original, []), bodies.get(name, []), lineterm="", n=0)
    yield from (
        f"{line[0]} {line[1:].strip()}"
        for line in lines
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mutants", type=Path, default=Path("mutants"), help="the directory mutmut made"
    )
    parser.add_argument("--only", default="", help="files whose path holds this")
    asked = parser.parse_args()
    found = {file: codes for file, codes in outcomes(asked.mutants).items() if asked.only in file}
    print("\n".join([*table(found), *survivors(asked.mutants, found)]))


if __name__ == "__main__":
    main()
