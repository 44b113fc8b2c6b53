"""How fast logs are searched and read, and in how much memory: `python -m bench.reading --logs DIR
[--gigabyte]`.

Paired runs over the logs of a directory, medians: the scanner with each engine, `rg -c` with the
same literals, one combined `re`.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cihealing.reading import read, read_chunks
from cihealing.reading.read import scanner
from cihealing.reading.scan import Scanner

RUNS = 7
RE_PART = 300_000
"""Bytes that the combined `re` is timed on: it takes a second for them."""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def scan(data: bytes) -> None:
    needles = [needle for needle in scanner().needles if "\n" not in needle]
    fast, plain = Scanner(needles, fast=True), Scanner(needles, fast=False)
    combined = re.compile(b"|".join(map(re.escape, fast.words)))
    with tempfile.TemporaryDirectory() as folder:
        log, patterns = Path(folder, "log"), Path(folder, "patterns")
        log.write_bytes(data)
        patterns.write_text("\n".join(needles) + "\n", encoding="utf-8")
        grep = [shutil.which("rg") or "grep", "-c", "-F", "-f", str(patterns), str(log)]
        part = data[:RE_PART]
        rows: list[tuple[float, float, float, float]] = []
        fast.hits(part)
        for _ in range(RUNS):
            rows.append(
                (
                    len(data) / seconds(lambda: fast.hits(data)),
                    len(data)
                    / seconds(lambda: subprocess.run(grep, capture_output=True, check=True)),
                    len(part) / seconds(lambda: plain.hits(part)),
                    len(part) / seconds(lambda: sum(1 for _ in combined.finditer(part))),
                )
            )
    names = ("hyperscan", "rg -c", "re (Trie)", "one combined re")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        print(
            f"{name:18} {statistics.median(values) / 1e6:9.2f} MB/s (of {RUNS}:"
            f" {min(values) / 1e6:.2f} to {max(values) / 1e6:.2f})"
        )
    to_rg, to_re = (
        statistics.median(r[0] / r[1] for r in rows),
        statistics.median(r[0] / r[3] for r in rows),
    )
    print(f"{len(needles)} literals; hyperscan to rg {to_rg:.2f}, to one re {to_re:.0f}")


def whole(texts: list[str]) -> None:
    size = sum(map(len, texts)) / 1e6
    print(f"read, whole logs   {size / seconds(lambda: [read(text) for text in texts]):9.2f} MB/s")


def gigabyte(parts: list[bytes]) -> None:
    """Peak memory of the process, the interpreter and its libraries included."""

    def pieces() -> Iterator[bytes]:
        made, choose = 0, random.Random(1)
        while made < 1_000_000_000:
            part = choose.choice(parts)
            made += len(part)
            yield part

    took = seconds(lambda: read_chunks(pieces()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"1 GB in {took:.0f} s ({1000 / took:.0f} MB/s), peak memory {peak:.0f} MB")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--logs", type=Path, required=True)
    options.add_argument("--gigabyte", action="store_true", help="only the memory of a log of 1 GB")
    chosen = options.parse_args()
    contents = [path.read_bytes() for path in sorted(chosen.logs.rglob("*.log"))]
    if chosen.gigabyte:
        return gigabyte([content[:500_000] for content in contents])
    scan(b"\n".join(contents))
    whole([content.decode("utf-8", "replace") for content in contents])
    return None


if __name__ == "__main__":
    main()
