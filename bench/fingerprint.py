"""What masking 4 KB of an excerpt costs beside one pass of the same alternation with a constant:
`python -m bench.fingerprint [--excerpts DIR]`.

Excerpts are what `read` shows of the logs in DIR (else of the tests' own logs and samples), joined
and cut into pieces of 4 KB. Both sides are timed in turn on each piece; the figures are medians
over the repeats.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import yaml

from cihealing.reading import read
from cihealing.reading.fingerprint import hash_of
from cihealing.reading.masks import MASK, normalise

SIZE = 4096
REPEATS = 40
TESTS = Path(__file__).resolve().parents[1] / "tests" / "reading"
PLAIN = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\d{4}-\d\d-\d\d[T"
    r" ][\d:.,]+Z?|0x[0-9a-f]+|\b[0-9a-f]{7,64}\b|\d+\.\d+\.\d+\.\d+(?::\d+)?"
    r"|/(?:[\w.-]+/)+[\w.-]+|\d+(?:\.\d+)?(?:ms|s|MB|KB)|\d+"
)
"""What one would write in a minute: a second yardstick."""


def logs(folder: Path | None) -> Iterator[str]:
    if folder:
        for path in sorted(folder.rglob("*.log")):
            yield path.read_text(encoding="utf-8", errors="replace")
        return
    for path in sorted(TESTS.glob("logs/*.log")):
        yield path.read_text(encoding="utf-8")
    for path in sorted(TESTS.glob("samples/*.yaml")):
        yield from (sample["log"] for sample in yaml.safe_load(path.read_text(encoding="utf-8")))


def pieces(folder: Path | None, *, most: int = 40) -> list[str]:
    """Excerpts in pieces of 4 KB."""
    shown = [failure.excerpt for log in logs(folder) if (failure := read(log).failure)]
    text = "\n".join(line.text for excerpt in shown for line in excerpt)
    return [text[at : at + SIZE] for at in range(0, len(text) - SIZE, SIZE)][:most]


def fingerprinted(text: str) -> str:
    return hash_of([normalise(text)])


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def compared(text: str) -> tuple[float, float, float]:
    """(fingerprint, one pass with a constant, the plain alternation) in microseconds."""
    sides = (
        lambda: fingerprinted(text),
        lambda: MASK.sub("<v>", text),
        lambda: PLAIN.sub("<v>", text),
    )
    times = [[seconds(side) for side in sides] for _ in range(REPEATS)]
    a, b, c = (median(column) * 1e6 for column in zip(*times, strict=True))
    return a, b, c


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--excerpts", type=Path, help="a folder of logs (*.log)")
    rows = [compared(text) for text in pieces(parser.parse_args().excerpts)]
    whole, constant, plain = (median(column) for column in zip(*rows, strict=True))
    ratios = sorted(a / b for a, b, _ in rows)
    print(
        "| pieces of 4 KB | fingerprint | same alternation, constant | ratio | smallest, largest |"
        " plain alternation | ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {len(rows)} | {whole:.0f} µs | {constant:.0f} µs | {median(ratios):.2f} |"
        f" {ratios[0]:.2f}, {ratios[-1]:.2f} | {plain:.0f} µs |"
        f" {median(a / c for a, _, c in rows):.2f} |"
    )


if __name__ == "__main__":
    main()
