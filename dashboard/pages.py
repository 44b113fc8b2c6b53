"""How a page is answered: who looks, what they may do, and that nothing on it can hide."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import quote

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django_htmx.middleware import HtmxDetails

from cihealing.read.access import may_act

P = ParamSpec("P")


class HtmxRequest(HttpRequest):
    """As its middleware leaves it."""

    htmx: HtmxDetails


# Characters that are not seen and yet change what is: bidi controls, zero-width ones, tags, C0 and
# C1 controls (not tab and newlines).
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def seen(text: str) -> str:
    """The text with each such character spelled out, so that logs and patches read as they are."""
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A rendered template, made seen as a whole: no template can forget it."""
    with_nonce = {
        "csp_nonce": getattr(request, "csp_nonce", ""),
        **context,
    }  # the name htmx's tag looks for
    return HttpResponse(
        seen(render_to_string(template, with_nonce, request=request)), status=status
    )


def plain(text: str, *, name: str = "", kind: str = "text/plain") -> HttpResponse:
    """Text as text; with `name` as a download. Browsers must not guess another type (nosniff)."""
    response = HttpResponse(text if name else seen(text), content_type=f"{kind}; charset=utf-8")
    response["X-Content-Type-Options"] = "nosniff"
    if name:
        response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response


def by_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks: it puts a part into a page that is there."""
    return bool(cast(HtmxRequest, request).htmx)


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Sends anonymous people to sign in; a page part answers 401 instead, which htmx does not put
    into a page.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if by_htmx(request):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return redirect_to_login(request.get_full_path())

    return checked


def operators_only(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not may_act(request.user):
            raise PermissionDenied("Only operators may do this.")
        return view(request, *args, **kwargs)

    return checked
