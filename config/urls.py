"""Who answers which path."""

from django.urls import include, path

from cihealing.web.chat_in import slack
from cihealing.web.ingest import webhook
from cihealing.web.secret_paths import MASK

HOME = "api/v1/ci-healing/"

urlpatterns = [
    path("api/v1/ci-healing/chat/slack", slack),
    path(f"{HOME}webhook", webhook, {"provider": "generic"}),
    path(f"{HOME}webhook/jenkins/{MASK}", webhook, {"provider": "jenkins"}),
    path(f"{HOME}webhook/<str:provider>", webhook),
    path(HOME, include("cihealing.web.api.urls")),
    path("", include("cihealing.web.api.urls_root")),
    path("", include("dashboard.urls")),
]

handler500 = "config.failures.server_error"
