"""Heals small real bugs through the whole service, with any OpenAI-compatible endpoint or with a
scripted model, and checks each proof.

    python bench/repair.py --cases DIR --base-url http://127.0.0.1:11434 --model NAME --out
    report.json python bench/repair.py --cases DIR --script known --out report.json

Every case is a repository of its own that `cihealing try` heals: real sandbox, guard, proof, and a
model in a subprocess. A "proven" is false where the published test, put back as it was, is red on
the patched code. Scripts: `known` gives the published fix, `buggy` the code as it is, `empty`
nothing, `skip` a skipped test, `delete` no test, `exit` code that ends the process with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.repair_cases import IDENTITY, Case, cases  # noqa: E402
from tests.model_server import ModelServer, answer  # noqa: E402

LIMIT = 240
"""Seconds a case may take."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """`false`: called proven, and the published test is red on it. Cost in USD."""

    case: str
    verdict: str
    attempts: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float
    why: str
    false: bool


def script_of(name: str, case: Case) -> Any:
    """One answer that is given again and again."""
    test = case.files[case.test]
    return {
        "known": lambda: answer(edits=[whole(case.source, case.fixed)]),
        "buggy": lambda: answer(edits=[whole(case.source, case.files[case.source])]),
        "empty": lambda: answer(edits=[]),
        "delete": lambda: answer(diff=deletion(case.test, test)),
        "skip": lambda: answer(edits=[whole(case.test, skipped(test, case.test))]),
        "exit": lambda: answer(edits=[whole(case.source, exiting(case))]),
    }[name]()


def whole(path: str, text: str) -> dict[str, str]:
    return {"path": path, "search": "", "replace": text}


def deletion(path: str, text: str) -> str:
    lines = text.splitlines()
    return f"--- a/{path}\n+++ /dev/null\n@@ -1,{len(lines)} +0,0 @@\n" + "".join(
        f"-{line}\n" for line in lines
    )


def skipped(text: str, path: str) -> str:
    if path.endswith(".js"):
        return text.replace('test("', 'test.skip("')
    return f"import pytest as _p\n\npytestmark = _p.mark.skip\n{text}"


def exiting(case: Case) -> str:
    text = case.files[case.source]
    return (
        f"process.exit(0);\n{text}"
        if case.source.endswith(".js")
        else f"import os\n\nos._exit(0)\n{text}"
    )


def heal(case: Case, asked: argparse.Namespace) -> Result:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cihealing-case-") as directory:
        place = Path(directory) / "case"
        place.mkdir()
        case.make(place)
        serving = ModelServer([script_of(asked.script, case)]) if asked.script else nullcontext()
        with serving as server:
            told = tried(case, place, asked, url=server.url if server else asked.base_url)
        false = told["verdict"] == "proven" and not really_green(case, place, told["patch"])
    usage = [call.get("usage") or {} for call in told.get("attempts", [])]
    return Result(
        case=case.name,
        verdict=told["verdict"],
        attempts=told.get("attemptCount", 0),
        false=false,
        input_tokens=sum(u.get("inputTokens", 0) for u in usage),
        output_tokens=sum(u.get("outputTokens", 0) for u in usage),
        cost=sum(u.get("costUsd", 0.0) for u in usage),
        seconds=round(time.monotonic() - started, 2),
        why=reason(told),
    )


def tried(case: Case, place: Path, asked: argparse.Namespace, *, url: str) -> dict[str, Any]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CI_HEALING_")}
    provider = asked.provider
    named = {
        "CI_HEALING_AI_PROVIDER": provider,
        f"{provider.upper()}_BASE_URL": url,
        f"{provider.upper()}_DEFAULT_MODEL": asked.model,
    }
    keyed = {} if f"{provider.upper()}_API_KEY" in kept else {f"{provider.upper()}_API_KEY": "none"}
    command = [
        sys.executable,
        "-m",
        "cihealing",
        "try",
        str(place),
        "--command",
        case.command,
        "--json",
        "--no-apply",
    ]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**kept, **named, **keyed},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"verdict": "timed out", "escalationReason": f"not over in {LIMIT} s"}
    try:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, IndexError):
        return {"verdict": "crashed", "escalationReason": (done.stderr or done.stdout)[-300:]}


def reason(told: dict[str, Any]) -> str:
    last = [a.get("failureReason", "") for a in told.get("attempts", []) if a.get("failureReason")]
    return (
        ""
        if told["verdict"] == "proven"
        else "; ".join([*dict.fromkeys(last), told.get("escalationReason") or ""])[:400]
    )


def really_green(case: Case, place: Path, patch: str) -> bool:
    """The published test, as published, on the patched code."""
    subprocess.run(
        ["git", "-C", str(place), "apply", "-"],
        input=patch,
        text=True,
        check=True,
        env={**os.environ, **IDENTITY},
    )
    for name, text in case.files.items():
        if name != case.source:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
    words = case.command.split()
    command = (
        [sys.executable, *words[1:], "-p", "no:cacheprovider"] if words[0] == "python" else words
    )
    done = subprocess.run(command, cwd=place, capture_output=True, timeout=120, check=False)
    return done.returncode == 0


def told(results: list[Result]) -> dict[str, Any]:
    seconds = sorted(r.seconds for r in results) or [0.0]
    return {
        "cases": len(results),
        "proven": sum(r.verdict == "proven" for r in results),
        "false_proven": sum(r.false for r in results),
        "verdicts": dict(Counter(r.verdict for r in results)),
        "attempts": sum(r.attempts for r in results),
        "input_tokens": sum(r.input_tokens for r in results),
        "output_tokens": sum(r.output_tokens for r in results),
        "cost_usd": round(sum(r.cost for r in results), 4),
        "median_seconds": statistics.median(seconds),
        "p90_seconds": seconds[int(len(seconds) * 0.9)] if len(seconds) > 1 else seconds[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases",
        type=Path,
        required=True,
        action="append",
        help="a .jsonl file or a directory; may be given again",
    )
    parser.add_argument(
        "--base-url", default="", help="of an OpenAI-compatible endpoint (or of Anthropic's)"
    )
    parser.add_argument("--script", choices=["known", "buggy", "empty", "delete", "skip", "exit"])
    parser.add_argument(
        "--provider", default="openai", choices=["openai", "anthropic", "gemini", "grok"]
    )
    parser.add_argument("--model", default="scripted")
    parser.add_argument("--limit", type=int, default=0, help="this many cases, evenly spread")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if bool(asked.base_url) == bool(asked.script):
        parser.error("either --base-url or --script")
    every = [case for place in asked.cases for case in cases(place)]
    chosen = every[:: max(1, len(every) // asked.limit)][: asked.limit] if asked.limit else every
    results = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        for result in pool.map(lambda case: heal(case, asked), chosen):
            results.append(result)
            print(
                f"{result.verdict:12} {result.seconds:6.1f} s  {result.attempts} attempts "
                f" {result.case}  {result.why[:160]}",
                flush=True,
            )
    summary = told(results)
    print(json.dumps(summary, indent=1))
    if asked.out:
        asked.out.write_text(
            json.dumps({"summary": summary, "results": [asdict(r) for r in results]}, indent=1)
        )


if __name__ == "__main__":
    main()
