"""How often a password or a token may be tried: by address, by name and both together, on what
django-axes counts.

| what is counted, over a quarter of an hour | wrong tries |
|---|---|
| a name from an address | 8 |
| an address, whatever the names | 30 |
| a name, whatever the addresses | 60 |
| a browser that this name signed in with before | 8, and it meets no other limit |
| bearer tokens from an address | 30 |

Whoever has reached a limit is told to wait; what is tried meanwhile is not looked at and does not
lengthen the wait. So others behind one's own address, or somebody who tries one's name from
everywhere, can keep out only browsers that were never signed in with it. IPv6 addresses count by
their /64. The counts lie in the database: every process of the service sees the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.core import signing
from django.db.models import F, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import get_random_string

from cihealing.web.proxies import neighbourhood

TOGETHER, BY_ADDRESS, BY_NAME, KNOWN_BROWSER, TOKENS = 8, 30, 60, 8, 30
WAIT: timedelta = settings.AXES_COOLOFF_TIME
"""Over which wrong tries are counted, and at the longest the time until one may try again."""
BROWSER = "cihealing_browser"
"""Cookie of a browser somebody has signed in with: which name, and a number of its own."""
BROWSER_AGE = timedelta(days=180)
BROWSER_MARK, TOKEN_MARK = "known browser ", "bearer token"
"""What is kept as user agent of such tries."""


def address(request: HttpRequest) -> str | None:
    return neighbourhood(str(request.META.get("REMOTE_ADDR") or ""))


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts as this module says. What axes itself writes down and when it forgets it stays its
    own.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """How many limits are reached."""
        name = str((credentials or {}).get("username") or "")
        return sum(_count(found) >= limit for found, limit in _limits(request, name))

    def user_login_failed(
        self, sender: object, credentials: dict[str, Any], request: Any = None, **more: Any
    ) -> None:
        if request is not None and (
            number := _known_browser(request, str(credentials.get("username") or ""))
        ):
            request.axes_user_agent = BROWSER_MARK + number
        super().user_login_failed(sender, credentials, request, **more)


def _limits(request: HttpRequest, name: str) -> list[tuple[QuerySet[AccessAttempt], int]]:
    tried = _recent().exclude(user_agent=TOKEN_MARK)
    if number := _known_browser(request, name):
        return [(tried.filter(username=name, user_agent=BROWSER_MARK + number), KNOWN_BROWSER)]
    strange = tried.exclude(user_agent__startswith=BROWSER_MARK)
    here = strange.filter(ip_address=address(request))
    return [
        (here.filter(username=name), TOGETHER),
        (here, BY_ADDRESS),
        (strange.filter(username=name), BY_NAME),
    ]


def _recent() -> QuerySet[AccessAttempt]:
    found: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(
        attempt_time__gte=timezone.now() - WAIT
    )
    return found


def _count(found: QuerySet[AccessAttempt]) -> int:
    return found.aggregate(n=Sum("failures_since_start"))["n"] or 0


def _known_browser(request: HttpRequest, name: str) -> str:
    """The number of a browser that `name` signed in with before; empty for any other."""
    given = request.COOKIES.get(BROWSER, "")
    try:
        told = signing.loads(given, salt=BROWSER, max_age=BROWSER_AGE)
    except signing.BadSignature:
        return ""
    return str(told["number"]) if name and told.get("name") == name else ""


def remember_browser(request: HttpRequest, response: HttpResponse) -> None:
    """Of who has just signed in: their next wrong tries here are theirs alone."""
    name = request.user.get_username()
    number = _known_browser(request, name) or get_random_string(22)
    response.set_cookie(
        BROWSER,
        signing.dumps({"name": name, "number": number}, salt=BROWSER),
        max_age=BROWSER_AGE,
        path=settings.LOGIN_URL,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def locked_out(
    request: HttpRequest, original: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    answer = render(request, "locked.html", status=429)
    answer["Retry-After"] = str(int(WAIT.total_seconds()))
    return answer


def tokens_refused(request: HttpRequest) -> bool:
    """Whether too many wrong tokens came from there."""
    return _count(_tokens(request).filter(attempt_time__gte=timezone.now() - WAIT)) >= TOKENS


def count_wrong_token(request: HttpRequest) -> None:
    now, mine = timezone.now(), _tokens(request)
    mine.filter(attempt_time__lt=now - WAIT).delete()
    empty = {
        "get_data": "",
        "post_data": "",
        "http_accept": "",
        "path_info": "",
        "failures_since_start": 0,
    }
    AccessAttempt.objects.get_or_create(
        username="", ip_address=address(request), user_agent=TOKEN_MARK, defaults=empty
    )
    mine.update(failures_since_start=F("failures_since_start") + 1, attempt_time=now)


def _tokens(request: HttpRequest) -> QuerySet[AccessAttempt]:
    found: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(
        username="", ip_address=address(request), user_agent=TOKEN_MARK
    )
    return found
