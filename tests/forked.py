"""Programs of the project as processes of their own, forked from one that has imported the
libraries already: each is a process like any other, but starts in a fraction of the time.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Nothing here reads settings or the environment when it is imported.
LIBRARIES = (
    "celery.app.base",
    "cihealing.diagnosis.prompting.context",
    "cihealing.diagnosis.prompting.injection",
    "cihealing.domain.decide",
    "cihealing.fixers.missing_import",
    "cihealing.guard",
    "cihealing.http.client",
    "cihealing.providers.github",
    "cihealing.providers.gitlab",
    "cihealing.reading",
    "cihealing.workshop.runner",
    "cryptography.x509",
    "django.core.management",
    "django.db.models",
    "django.middleware.csrf",
    "github",
    "gitlab",
    "httpx",
    "pydantic_settings",
    "rich.console",
    "slack_sdk.web",
    "structlog",
    "yaml",
)
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(list(LIBRARIES))


def run(
    module: str, *arguments: str, environment: Mapping[str, str], timeout: float = 180
) -> subprocess.CompletedProcess[str]:
    """As `python -m module arguments…` in the project's directory, with this environment alone and
    without input. Raises TimeoutExpired after `timeout` seconds.
    """
    with tempfile.TemporaryDirectory() as place:
        said = [Path(place) / name for name in ("out", "err")]
        process = _FORKING.Process(
            target=_become, args=(module, arguments, dict(environment), *map(str, said))
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(module, timeout)
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in said)
    return subprocess.CompletedProcess([module, *arguments], process.exitcode, out, err)


def _become(
    module: str, arguments: tuple[str, ...], environment: dict[str, str], out: str, err: str
) -> None:
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it was asked for already, with another environment
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
