"""Which programs a command finds: the paths, besides /usr, that are shown to it read-only.

`CI_HEALING_TOOLCHAIN` (paths, colon-separated) names them, e.g. `/opt/ci-tools:/opt/node22`. By
default they are a virtual environment with nothing but the test tools in `<the service's
environment>/toolchain`, where someone made one; else the service's own environment, so that
`python`, `pytest` and `ruff` are there. The interpreter these stand on comes with them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cihealing.ports import PermanentError

SETTING = "CI_HEALING_TOOLCHAIN"
OWN = Path(sys.prefix)
DEDICATED = OWN / "toolchain"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def toolchain(named: Sequence[Path]) -> tuple[Path, ...]:
    """Those, or the default. Raises PermanentError for a path that would show the worker's home or
    the whole machine.
    """
    return tuple(allowed(p) for p in named) if named else default_toolchain()


def default_toolchain() -> tuple[Path, ...]:
    """The test tools first, then the interpreter they stand on."""
    prefixes = [DEDICATED if (DEDICATED / "bin/python").exists() else OWN, Path(sys.base_prefix)]
    real = [Path(os.path.realpath(p)) for p in prefixes]
    return tuple(dict.fromkeys(p for p in [*prefixes, *real] if outside_usr(p) and not too_wide(p)))


def outside_usr(path: Path) -> bool:
    return not path.is_relative_to("/usr")


def too_wide(path: Path) -> bool:
    """True where showing `path` shows the root, the worker's home, or what holds them."""
    return path == Path("/") or Path.home().is_relative_to(path)


def allowed(path: Path) -> Path:
    if not path.is_absolute() or too_wide(path) or too_wide(Path(os.path.realpath(path))):
        raise PermanentError(
            f"{SETTING}: {path} cannot be shown to repository code; name the tool's own absolute"
            " directory"
        )
    return path


def search_path(paths: Sequence[Path]) -> str:
    """`PATH` for a command: the toolchain's `bin` directories, then the system's."""
    return ":".join([*(str(p / "bin") for p in paths if (p / "bin").is_dir()), SYSTEM_PATH])


def variables(paths: Sequence[Path]) -> dict[str, str]:
    """What a command's environment has by default. A project's own `environment` goes before it."""
    common = {"PATH": search_path(paths), "LANG": "C.UTF-8", "USER": "build"}
    # The service's own pytest plugins are no part of the project under test, and loading them takes
    # seconds.
    return common | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if OWN in paths else common
