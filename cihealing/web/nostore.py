"""Nothing that the service says of its runs is kept by a browser or a proxy: every answer is
`no-store`, but static files.

They are answered before this middleware is reached. A page may say something stricter itself, a
path of the API may not say less.
"""

from __future__ import annotations

from django.http.response import HttpResponseBase

from cihealing.web.middleware import around


def marked(answer: HttpResponseBase) -> HttpResponseBase:
    said = answer.headers.get("Cache-Control", "")
    if "no-store" not in said:
        # A stream says `no-transform` besides: a proxy that packs it would hold frames back.
        answer.headers["Cache-Control"] = (
            "no-store, no-transform" if "no-transform" in said else "no-store"
        )
    return answer


middleware = around(after=marked)
