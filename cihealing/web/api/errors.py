"""What went wrong, as RFC 9457 problem details; installed as the exception handler of every API
view.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions as drf

from cihealing import service
from cihealing.domain.run import Refused, Stale
from cihealing.ports import HeadMovedError, PermanentError, TransientError
from cihealing.read.cursors import BadPage, BadQuery
from cihealing.store import StreamMoved
from cihealing.web.api.authentication import REALM
from cihealing.web.problems import problem

TITLES: dict[type[drf.APIException], tuple[str, str]] = {
    drf.ParseError: ("malformed-body", "The body is not JSON"),
    drf.NotAuthenticated: ("not-authenticated", "Log in, or send the API token"),
    drf.AuthenticationFailed: ("not-authenticated", "The credentials are wrong"),
    drf.PermissionDenied: ("forbidden", "That is not allowed"),
    drf.NotFound: ("not-found", "There is no such thing"),
    drf.MethodNotAllowed: ("method-not-allowed", "This method is not taken here"),
    drf.UnsupportedMediaType: ("unsupported-media-type", "Send application/json"),
    drf.Throttled: ("too-many-requests", "Too many requests"),
}


class BodyTooLarge(drf.APIException):
    status_code = 413
    default_detail = "An action's body may have at most 64 KiB."


def handle(error: Exception, context: dict[str, Any] | None = None) -> HttpResponse | None:
    """The problem for an expected error; None for anything else, which is a fault of ours and must
    be seen as one.
    """
    match error:
        case Http404() | service.NoSuchRun():
            return problem(
                "not-found",
                status=404,
                title="There is no such thing",
                detail="No such id, or not yours to see.",
            )
        case PermissionDenied():
            return problem("forbidden", status=403, title="That is not allowed", detail=str(error))
        case BadPage() | BadQuery():
            kind = "bad-page" if isinstance(error, BadPage) else "bad-query"
            return problem(kind, status=400, title="That cannot be asked", detail=str(error))
        case Refused() | HeadMovedError() | StreamMoved() | PermanentError() | TransientError():
            return _conflict(error)
        case drf.ValidationError():
            return problem(
                "invalid",
                status=400,
                title="The body says something that cannot be",
                errors=_plain(error.detail),
            )
        case drf.APIException():
            return _of_framework(error)
        case _:
            return None


def _conflict(error: Exception) -> HttpResponse:
    match error:
        case service.NotAllowed():
            title = "The forge does not let you do that"
            return problem(error.type, status=403, title=title, detail=str(error))
        case Stale(version=version):
            title = "The run has moved on"
            return problem(error.type, status=409, title=title, detail=str(error), version=version)
        case Refused():
            title = "The run does not allow that now"
            return problem(error.type, status=409, title=title, detail=str(error))
        case HeadMovedError():
            again = f"{error}; the patch is proven afresh on the new head"
            return problem(
                "head-moved",
                status=409,
                title="The branch has moved on",
                detail=again,
                expected=error.expected,
                found=error.found,
            )
        case StreamMoved():
            detail = "The run kept changing: look again."
            return problem("lost-race", status=409, title="Others were faster", detail=detail)
        case PermanentError():
            return problem("cannot", status=409, title="That cannot be done", detail=str(error))
        case _:
            title = "Something it needs does not answer"
            return problem("try-again", status=503, title=title, detail=str(error))


def _of_framework(error: drf.APIException) -> HttpResponse:
    kind, title = TITLES.get(
        type(error),
        ("body-too-large" if error.status_code == 413 else "error", "That did not work"),
    )
    answer = problem(kind, status=error.status_code, title=title, detail=str(error.detail))
    if error.status_code == 401:
        answer["WWW-Authenticate"] = REALM
    wait = getattr(error, "wait", None)
    if wait is not None:
        answer["Retry-After"] = str(max(1, round(wait)))
    return answer


def _plain(detail: Any) -> Any:
    """Field -> messages; what the framework nests deeper stays nested."""
    if isinstance(detail, dict):
        return {str(key): _plain(value) for key, value in detail.items()}
    return [_plain(item) for item in detail] if isinstance(detail, list) else str(detail)
