"""Paths below /api/v1/ci-healing/."""

from django.urls import path, re_path

from cihealing.domain.review import ACTIONS
from cihealing.web.api import views

urlpatterns = [
    path("deliveries/<str:id>", views.DeliveryView.as_view(), name="api-delivery"),
    path("runs", views.RunsView.as_view(), name="api-runs"),
    path("runs/<str:id>", views.RunView.as_view(), name="api-run"),
    path("runs/<str:id>/patch", views.PatchView.as_view(), name="api-patch"),
    path("runs/<str:id>/report", views.ReportView.as_view(), name="api-report"),
    path("runs/<str:id>/memory", views.MemoryView.as_view(), name="api-memory"),
    path("runs/<str:id>/events", views.RunEventsView.as_view(), name="api-run-events"),
    re_path(
        rf"^runs/(?P<id>[^/]+)/actions/(?P<action>{'|'.join(ACTIONS)})$",
        views.ActionView.as_view(),
        name="api-action",
    ),
    path("metrics/summary", views.SummaryView.as_view(), name="api-summary"),
    path("metrics/repositories", views.RepositoriesView.as_view(), name="api-repositories"),
    path("stream", views.StreamView.as_view(), name="api-stream"),
    path("<path:path>", views.nothing_here),
]
