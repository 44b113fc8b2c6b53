"""What a large body costs the service, and everybody else meanwhile: `python -m bench.bodies
[--runs N] [--megabytes N]`.

A started service gets signed bodies that carry their log, one alone and four at once, while
`/healthz` is asked every 50 ms. Medians over the runs; seconds until the answer, until the log was
read, and of `/healthz` (median and worst).
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
HOME = "/api/v1/ci-healing/"
HEALTH = 0.05
"""Seconds between two looks at `/healthz`."""
PATIENCE = 600.0
FAILURE = """\
=================================== FAILURES ===================================
__________________________________ test_total __________________________________

    def test_total() -> None:
>       assert total([1, 2]) == {wanted}
E       assert 3 == {wanted}
E        +  where 3 = total([1, 2])

tests/test_totals.py:6: AssertionError
=========================== short test summary info ============================
FAILED tests/test_totals.py::test_total - assert 3 == {wanted}
========================= 1 failed, 211 passed in 2.71s =========================
##[error]Process completed with exit code 1.
"""


def log_of(size: int, *, seed: int) -> str:
    """A build's log of `size` characters that ends in a failure: what package managers, compilers
    and test runners print.
    """
    dice = random.Random(seed)
    lines, length = list[str](), 0
    while length < size:
        n, hexes = dice.randrange(10**6), f"{dice.getrandbits(160):040x}"
        line = f"2026-11-25T10:{n % 60:02}:{n % 59:02}.{n:07}Z " + dice.choice(
            (
                f"Downloading package-{n}-1.{n % 9}.0-py3-none-any.whl ({n % 900} kB)",
                f"tests/unit/test_part_{n % 400}.py::test_case[{n}] PASSED [{n % 100:3}%]",
                (
                    f"[INFO] Compiling module {n % 70}:"
                    f" src/main/java/org/acme/part{n % 300}/Service.java"
                ),
                f" * branch            {hexes} -> FETCH_HEAD",
                (
                    f"npm warn deprecated thing-{n % 500}@{n % 9}.2.1: this version is no longer"
                    " supported"
                ),
                f"DEBUG request id={hexes[:16]} path=/orders/{n} status=200 took={n % 999} ms",
            )
        )
        lines.append(line)
        length += len(line) + 1
    return "\n".join(lines) + "\n" + FAILURE.replace("{wanted}", str(seed))


class Service:
    def __init__(self, url: str, data: Path) -> None:
        self.host = urlsplit(url).netloc
        self.data = data

    def secret(self, name: str) -> str:
        return (self.data / name).read_text().strip()

    def asked(
        self, method: str, path: str, *, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], float]:
        """(status, JSON, seconds)."""
        started = time.perf_counter()
        connection = HTTPConnection(self.host, timeout=PATIENCE)
        connection.request(
            method,
            path,
            body=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        return answer.status, told, time.perf_counter() - started

    def signed(self, seed: int, size: int) -> tuple[bytes, str]:
        fields = {
            "provider": "generic",
            "repository": f"acme/bench-{seed}",
            "branch": "main",
            "commitSha": f"{seed:040x}",
            "job": "test",
        }
        body = json.dumps(
            {
                **fields,
                "pipelineUrl": "",
                "errorType": "",
                "errorLog": log_of(size, seed=seed),
                "deliveryId": f"b-{seed}",
            }
        ).encode()
        return (
            body,
            "sha256="
            + hmac.new(self.secret("webhook_secret").encode(), body, hashlib.sha256).hexdigest(),
        )

    def post(self, signed: tuple[bytes, str]) -> tuple[dict[str, Any], float]:
        status, told, seconds = self.asked(
            "POST",
            f"{HOME}webhook",
            body=signed[0],
            X_Hub_Signature_256=signed[1],
            Content_Type="application/json",
        )
        assert status == 202, told
        return told, seconds

    def wait(self, told: dict[str, Any]) -> None:
        """Until the delivery was read; what was read in the request is."""
        end = time.monotonic() + PATIENCE
        while "deliveryId" in told and time.monotonic() < end:
            token = f"Bearer {self.secret('api_token')}"
            if (
                self.asked("GET", f"{HOME}deliveries/{told['deliveryId']}", Authorization=token)[1][
                    "status"
                ]
                != "reading"
            ):
                return
            time.sleep(0.2)
        assert "runId" in told, "it was never read"


@contextmanager
def started() -> Iterator[Service]:
    """`cihealing up --no-demo` on a free port, with a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="cihealing-bench-") as folder:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        command = [
            sys.executable,
            "-m",
            "cihealing",
            "up",
            "--no-demo",
            "--port",
            "0",
            "--data",
            folder,
        ]
        process = subprocess.Popen(
            command, cwd=ROOT, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout is not None
            urls = (
                found[1]
                for line in process.stdout
                if (found := re.search(r"is up: (http://\S+)", line))
            )
            yield Service(next(urls), Path(folder))
        finally:
            process.kill()
            process.wait()


class Health:
    """Asks `/healthz` beside everything else; `seconds` are its answers' times."""

    def __init__(self, service: Service) -> None:
        self.service, self.seconds, self.over = service, list[float](), threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self) -> None:
        while not self.over.wait(HEALTH):
            self.seconds.append(self.service.asked("GET", "/healthz")[2])

    def __enter__(self) -> Health:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def measured(service: Service, *, at_once: int, first: int, size: int) -> dict[str, float]:
    bodies = [service.signed(first + number, size) for number in range(at_once)]
    with Health(service) as health, ThreadPoolExecutor(at_once) as pool:
        begun = time.perf_counter()
        answers = list(pool.map(service.post, bodies))
        asked = len(health.seconds)
        for told, _ in answers:
            service.wait(told)
        read = time.perf_counter() - begun
    until_answered = health.seconds[: max(asked, 1)]
    return {
        "answer, slowest": max(seconds for _, seconds in answers),
        "all read": read,
        "/healthz until answered, median": statistics.median(until_answered),
        "/healthz until answered, worst": max(until_answered),
        "/healthz until read, median": statistics.median(health.seconds),
        "/healthz until read, worst": max(health.seconds),
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--megabytes", type=float, default=19.0)
    told = asked.parse_args()
    with started() as service:
        service.post(service.signed(9_999, 50_000))  # what is built once is built
        for at_once in (1, 4):
            rows = [
                measured(
                    service,
                    at_once=at_once,
                    first=at_once * 1_000 + run * 10,
                    size=int(told.megabytes * 1e6),
                )
                for run in range(told.runs)
            ]
            print(f"{at_once} of {told.megabytes:g} MB at once, medians of {told.runs}:")
            for name in rows[0]:
                print(f"  {name:34} {statistics.median(row[name] for row in rows):8.3f} s")


if __name__ == "__main__":
    main()
