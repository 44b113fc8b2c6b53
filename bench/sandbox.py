"""What a sandboxed command costs beside the command: `python bench/sandbox.py [--against CHECKOUT] [--rounds 60]`.

Each round runs `true` directly, in the sandbox, and (`--against`) in the sandbox of another checkout, in turn and in one process each, so
that a busy machine is busy for all of them. Prints medians in milliseconds and what the sandbox adds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASKED = """
import json, sys, tempfile, time
from pathlib import Path
from cihealing.adapters.sandbox.bubblewrap import Bubblewrap
sandbox = Bubblewrap()
with tempfile.TemporaryDirectory() as name:
    for line in sys.stdin:
        started = time.perf_counter()
        ran = sandbox.run("true", tree=Path(name), workdir=".", environment={}, timeout=30)
        assert ran.exit_code == 0, ran.output
        print(time.perf_counter() - started, flush=True)
"""


class Asked:
    """The sandbox of a checkout, in a process of its own."""

    def __init__(self, checkout: Path) -> None:
        command = [sys.executable, "-c", ASKED]
        self.process = subprocess.Popen(command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def direct() -> float:
    started = time.perf_counter()
    subprocess.run(["/bin/sh", "-c", "true"], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout, whose sandbox is measured beside this one's")
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    asked = {"direct": direct, "sandbox": Asked(ROOT)}
    if given.against:
        asked["against"] = Asked(given.against.resolve())
    for call in asked.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(given.rounds):
        for name, call in asked.items():
            times[name].append(call() * 1000)
    medians = {name: round(statistics.median(found), 1) for name, found in times.items()}
    print(json.dumps({"medians_ms": medians, "added_ms": round(medians["sandbox"] - medians["direct"], 1), "rounds": given.rounds}))


if __name__ == "__main__":
    main()
