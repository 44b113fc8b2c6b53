"""WSGI entry point: the webhook, the API and the pages in the production size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from cihealing.web import secret_paths

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's, but no path it or the server's own log gets to see holds a webhook's secret."""
    secret_paths.hide_in_environ(environ)
    return django(environ, start_response)
