"""The local CI's settings."""

from __future__ import annotations

from pathlib import Path

from cihealing.settings import Group, data_directory


class LocalSettings(Group):
    """The demo's CI."""

    local_ci_root: Path | None = None
    """The bare repositories it serves; without it `demo/` in the data directory."""

    @property
    def root(self) -> Path:
        return self.local_ci_root or data_directory() / "demo"


SETTINGS = LocalSettings
