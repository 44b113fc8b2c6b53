"""The errors a port may raise. Two are expected everywhere: try later, or never again."""

from __future__ import annotations


class TransientError(Exception):
    """Try again later, with jitter; no attempt is spent. `retry_after` in seconds, where the other
    side named it.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(Exception):
    """Trying again would not help; the message is shown to people and says what to do."""


class PatchRefused(PermanentError):
    """git does not take the patch; the message says where."""


class Cancelled(Exception):
    """The work was called off (lease lost, run aborted) and its processes are dead. Nothing is to
    be recorded.
    """


class Again(Exception):
    """Nothing new yet: look again in `delay` seconds, however often that was done."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"again in {delay:.0f} s")
        self.delay = delay


class BadSignature(Exception):
    """The request is not authentic. The message says which header was missing, malformed, wrong or
    stale; never a secret.
    """


class BadPayload(Exception):
    """Authentic, but not of the shape this provider sends. The message names the field."""


class NoLog(Exception):
    """No log can be had; the message names the exact setting that would bring it."""


class HeadMovedError(Exception):
    """The branch no longer points at the commit the proof is about."""

    def __init__(self, expected: str, found: str | None) -> None:
        super().__init__(f"the branch is at {found or 'nothing'}, the proof is about {expected}")
        self.expected, self.found = expected, found


class ModelFailed(Exception):
    """No answer came. `kind` is stable; `again` says whether trying later or elsewhere is worth it
    (the attempt is not spent).

    Again: `rate_limited` (429; `retry_after` in seconds where it was named), `overloaded` (529,
    503), `server_error` (5xx), `timeout`,
    `unreachable`. Not again: `bad_request` (400, 422), `unauthorized` (401, 403), `spend_cap` (402,
    and 429 that says so), `unknown_model` (404), `crashed` (the subprocess died), `not_configured`
    (no key, no model).
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        again: bool,
        retry_after: float | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind, self.again, self.retry_after, self.seconds = kind, again, retry_after, seconds
