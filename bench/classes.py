"""How often the failure class that is said is right, and whether its confidence means what it says.

    python bench/classes.py [--data DIR]… [--wrong]

Reads the project's own labelled endings of logs (tests/reading/labelled.yaml) and, for each `--data
DIR`, a directory with
`category_labels.jsonl` (`id`, `category`, `ambiguous`) and the log of each id at `ID/fail.log`,
`logs/ID.log` or `ID.log`. What is marked ambiguous counts for no figure. Accuracy: the class is
right, `unknown` being right only where the label says so. Precision: of those with a class said.
The table is of all readings by their confidence: the share right of a bin should be no lower than
the bin.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cihealing.reading import read

OWN = Path(__file__).resolve().parent.parent / "tests" / "reading" / "labelled.yaml"
EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    label: str
    log: str


@dataclass(frozen=True, slots=True)
class Judged:
    name: str
    label: str
    said: str
    confidence: float
    signs: str

    @property
    def right(self) -> bool:
        return self.said == self.label


def own_cases(path: Path = OWN) -> list[Case]:
    rows = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return [Case(row["name"], row["class"], row["log"]) for row in rows if not row.get("ambiguous")]


def cases_of(directory: Path) -> Iterator[Case]:
    for line in (directory / "category_labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        places = (
            directory / row["id"] / "fail.log",
            directory / "logs" / f"{row['id']}.log",
            directory / f"{row['id']}.log",
        )
        log = next((place for place in places if place.exists()), None)
        if log and not row.get("ambiguous"):
            yield Case(
                row["id"], row["category"], log.read_bytes().decode("utf-8", errors="replace")
            )


def judge(case: Case) -> Judged:
    failure = read(case.log).failure
    if failure is None:
        return Judged(case.name, case.label, "unknown", 0.0, "nothing found")
    signs = ", ".join(f"{sign.rule}: {sign.text[:80]}" for sign in failure.signs[:2])
    return Judged(case.name, case.label, failure.failure_class.value, failure.confidence, signs)


def bins(judged: Sequence[Judged]) -> Iterator[tuple[float, list[Judged]]]:
    """Those with a class said, by the lower edge of their bin of confidence; empty bins are left
    out.
    """
    said = [each for each in judged if each.said != "unknown"]
    for low, high in zip(EDGES, (*EDGES[1:], 1.01), strict=True):
        if held := [each for each in said if low <= each.confidence < high]:
            yield low, held


def report(title: str, judged: Sequence[Judged], *, wrong: bool) -> None:
    said = [each for each in judged if each.said != "unknown"]
    right = sum(each.right for each in judged)
    print(f"{title}: {len(judged)} logs")
    precision = sum(each.right for each in said) / max(1, len(said))
    print(
        f"  accuracy {right / max(1, len(judged)):.3f}  precision when said {precision:.3f}  said"
        f" {len(said)}"
    )
    print("  | confidence | logs | mean said | right |\n  |---|---:|---:|---:|")
    for low, held in bins(judged):
        mean = sum(each.confidence for each in held) / len(held)
        print(
            f"  | from {low:.1f} | {len(held)} | {mean:.2f} |"
            f" {sum(each.right for each in held) / len(held):.2f} |"
        )
    for each in judged:
        if wrong and not each.right:
            print(f"  {each.name}: {each.label}, said {each.said} {each.confidence} ({each.signs})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="a directory of labelled logs (may be repeated)",
    )
    parser.add_argument(
        "--wrong", action="store_true", help="name every log whose class is not right"
    )
    options = parser.parse_args()
    report("own", [judge(case) for case in own_cases()], wrong=options.wrong)
    for directory in options.data:
        report(directory.name, [judge(case) for case in cases_of(directory)], wrong=options.wrong)


if __name__ == "__main__":
    main()
