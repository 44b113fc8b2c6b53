"""Paths of the API that lie outside its home: health, metrics, schema and docs."""

from django.urls import path

from cihealing.web.api import health, metrics, schema

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/v1/schema", schema.SchemaView.as_view(), name="api-schema"),
    path("api/v1/docs", schema.docs, name="api-docs"),
]
