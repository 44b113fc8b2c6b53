"""Heals real lint and format failures of public repositories with the fixers alone.

    python bench/lca.py --cases DIR --repositories DIR --environments DIR --out report.json

`--cases` holds `cases.jsonl` (id, kind, check); of each case `--repositories` has the checkout of
its failing commit and `--environments` the virtual environment its `setup` makes, each under the
case's id. A case without one is counted apart. A "proven" is false where the check is red on the
patched checkout in that same environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("lint", "format")
LIMIT = 600
"""Seconds a case may take."""


@dataclass(frozen=True, kw_only=True)
class LcaResult:
    case: str
    kind: str
    verdict: str
    false: bool
    seconds: float
    why: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cases", "repositories", "environments", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    order = parser.parse_args()
    results = [result for case in chosen(order) if (result := told(healed(case, order)))]
    counts = Counter(r.verdict for r in results)
    print(dict(counts), "false:", sum(r.false for r in results))
    order.out.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")


def chosen(order: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for line in (order.cases / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["kind"] in KINDS and (not order.only or case["id"] in order.only):
            yield case


def told(result: LcaResult) -> LcaResult:
    print(result.case, result.verdict, "FALSE" if result.false else "", result.why, flush=True)
    return result


def healed(case: dict[str, Any], order: argparse.Namespace) -> LcaResult:
    repository, environment = order.repositories / case["id"], order.environments / case["id"]
    began = time.monotonic()
    if not (environment / "bin" / "python").exists() or not repository.is_dir():
        return result_of(case, {"verdict": "not prepared"}, false=False, began=began)
    answer = tried(case, repository, environment)
    patch = answer.get("patch") or ""
    false = answer["verdict"] == "proven" and not holds(case, patch, repository, environment)
    return result_of(case, answer, false=false, began=began)


def result_of(
    case: dict[str, Any], answer: dict[str, Any], *, false: bool, began: float
) -> LcaResult:
    return LcaResult(
        case=case["id"],
        kind=case["kind"],
        verdict=answer["verdict"],
        false=false,
        seconds=round(time.monotonic() - began, 1),
        why=answer.get("why") or answer.get("escalationReason") or "",
    )


def tried(case: dict[str, Any], repository: Path, environment: Path) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "manage.py", "try", str(repository), "--json", "--command", case["check"]],
        cwd=ROOT,
        env={**os.environ, "CI_HEALING_TOOLCHAIN": str(environment.resolve())},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(ran.stdout)
    except ValueError:
        return {"verdict": "error", "why": (ran.stderr or ran.stdout).strip()[-300:]}
    return answer


def holds(case: dict[str, Any], patch: str, repository: Path, environment: Path) -> bool:
    """The check, outside of the service, over the patched checkout."""
    with tempfile.TemporaryDirectory(prefix="lca") as place:
        tree = Path(place, "tree")
        subprocess.run(["git", "clone", "--quiet", str(repository), str(tree)], check=True)
        subprocess.run(["git", "apply", "-"], cwd=tree, input=patch, text=True, check=True)
        path = f"{environment.resolve()}/bin:/usr/bin:/bin"
        return not subprocess.run(
            case["check"],
            shell=True,
            cwd=tree,
            env={"PATH": path},
            capture_output=True,
            check=False,
        ).returncode


if __name__ == "__main__":
    main()
