"""Why a command is not carried out."""

from __future__ import annotations


class Refused(Exception):
    """The command does not fit the state; `type` is stable for the API, the message is for
    people.
    """

    type = "refused"


class Stale(Refused):
    """The command named another version than the run is at: what was seen is no longer so."""

    type = "stale-version"

    def __init__(self, version: int) -> None:
        super().__init__(f"the run is at version {version} now: look again, then decide")
        self.version = version
