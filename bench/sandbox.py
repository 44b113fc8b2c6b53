"""What a sandboxed command costs beside the command: `python bench/sandbox.py [--against CHECKOUT]
[--rounds 60]`.

Each round runs `true` directly, in the sandbox, and (`--against`) in the sandbox of another
checkout, in turn and in one process each, so that a busy machine is busy for all of them. Prints
medians in milliseconds, of the wall clock and of the processor (the service's and the command's),
and what the sandbox adds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASKED = """
import resource, sys, tempfile, time
from pathlib import Path
from cihealing.workshop.sandbox.bubblewrap import Bubblewrap
sandbox = Bubblewrap()
def spent():
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)
with tempfile.TemporaryDirectory() as name:
    for line in sys.stdin:
        started, before = time.perf_counter(), spent()
        ran = sandbox.run("true", tree=Path(name), workdir=".", environment={}, timeout=30)
        assert ran.exit_code == 0, ran.output
        print(time.perf_counter() - started, spent() - before, flush=True)
"""


class Asked:
    """The sandbox of a checkout, in a process of its own."""

    def __init__(self, checkout: Path) -> None:
        command = [sys.executable, "-c", ASKED]
        self.process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self) -> tuple[float, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, processor = map(float, self.process.stdout.readline().split())
        return wall, processor


def direct() -> tuple[float, float]:
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["/bin/sh", "-c", "true"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.perf_counter() - started,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--against", type=Path, help="another checkout, whose sandbox is measured beside this one's"
    )
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    asked = {"direct": direct, "sandbox": Asked(ROOT)}
    if given.against:
        asked["against"] = Asked(given.against.resolve())
    for call in asked.values():
        call()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
    for _ in range(given.rounds):
        for name, call in asked.items():
            times[name].append(call())
    wall, processor = (
        {
            name: round(statistics.median(t[n] for t in found) * 1000, 1)
            for name, found in times.items()
        }
        for n in (0, 1)
    )
    added = round(wall["sandbox"] - wall["direct"], 1)
    print(
        json.dumps(
            {
                "wall_ms": wall,
                "processor_ms": processor,
                "added_wall_ms": added,
                "rounds": given.rounds,
            }
        )
    )


if __name__ == "__main__":
    main()
