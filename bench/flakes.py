"""How 1,000 healings of a planted flake end, by the odds of a red run: `python -m bench.flakes`.
The core alone, no sandbox.
"""

from __future__ import annotations

from collections import Counter

from tests.domain.world import World, flaky

TRIALS = 1000
ODDS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)


def main() -> None:
    print(
        "| odds of red | called proven | resolved as a flake | escalated | runs of the command,"
        " mean |"
    )
    print("|---|---|---|---|---|")
    for odds in ODDS:
        worlds = [
            World(run_command=flaky(odds, seed), patches=[x * 64 for x in "pqr"], rerun="same")
            for seed in range(TRIALS)
        ]
        ends = Counter(
            "proven" if run.proof and run.status == "fixed" else str(run.status)
            for run in (world.heal() for world in worlds)
        )
        runs = sum(world.ran for world in worlds) / TRIALS
        print(
            f"| {odds} | {ends['proven']} | {ends['resolved']} | {ends['escalated']} | {runs:.1f} |"
        )


if __name__ == "__main__":
    main()
