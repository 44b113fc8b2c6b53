"""Numbers for Prometheus. They count the runs of every repository, so not everybody may read
them.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from cihealing.read import access, figures, rows
from cihealing.web import callers, tries
from cihealing.web.api import streams
from cihealing.web.api.authentication import REALM, bearer, same, setting
from cihealing.web.problems import problem

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The Prometheus text format, for who holds the metrics or API token or calls from an allowed
    address.
    """
    if bearer(request) is not None and tries.tokens_refused(request):
        return _too_many()
    if not _allowed(request):
        answer = problem(
            "not-authenticated",
            status=401,
            title="Metrics need a token",
            detail="Send CI_HEALING_METRICS_TOKEN as bearer token.",
        )
        answer["WWW-Authenticate"] = REALM
        return answer
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE)


def _too_many() -> HttpResponse:
    detail = "Too many wrong tokens came from this address."
    answer = problem("too-many-requests", status=429, title="Too many requests", detail=detail)
    answer["Retry-After"] = str(int(tries.WAIT.total_seconds()))
    return answer


def _allowed(request: HttpRequest) -> bool:
    given = bearer(request)
    if given is None:
        return _from_allowed_address(request)
    allowed = any(same(given, setting(name)) for name in ("METRICS_TOKEN", "API_TOKEN"))
    if not allowed:
        tries.count_wrong_token(request)
    return allowed


def _from_allowed_address(request: HttpRequest) -> bool:
    """Behind a proxy that is not trusted everybody would come from its address: what it forwards is
    from elsewhere.
    """
    allowed = getattr(settings, "CI_HEALING", {}).get("METRICS_ALLOW") or ()
    return callers.UNBELIEVED not in request.META and request.META.get("REMOTE_ADDR") in allowed


class Numbers:
    """What the database says at the moment it is asked."""

    def collect(self) -> Iterator[Metric]:
        yield from _of_runs(figures.summary(access.SERVICE_VIEWER))
        yield from _of_work(figures.backlog())
        yield GaugeMetricFamily(
            "cihealing_stream_clients",
            "Clients of this process's event streams.",
            value=len(streams.hub.listeners),
        )


def _of_runs(summary: rows.Summary) -> Iterator[Metric]:
    for name, label, counts in (
        ("cihealing_runs", "status", summary.by_status),
        ("cihealing_runs_by_class", "failure_class", summary.by_class),
        ("cihealing_runs_resolved", "resolution", summary.by_resolution),
    ):
        family = GaugeMetricFamily(
            name, f"Runs by {label}, attached ones left out.", labels=[label]
        )
        for value, count in counts.items():
            family.add_metric([value], count)
        yield family
    yield from _of_money(summary.spend)
    yield GaugeMetricFamily(
        "cihealing_runs_proven", "Runs with a proven patch.", value=summary.proven
    )
    yield GaugeMetricFamily(
        "cihealing_attempts", "Attempts of the current generations.", value=summary.attempts
    )
    if summary.median_seconds_to_fixed is not None:
        yield GaugeMetricFamily(
            "cihealing_seconds_to_fixed_median",
            "From a run's start to its proof.",
            value=summary.median_seconds_to_fixed,
        )


def _of_money(spend: rows.SpendFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "cihealing_model_usd_today",
        "Money for models today (UTC), reserved money included.",
        value=spend.today,
    )
    yield CounterMetricFamily(
        "cihealing_model_usd", "Money for models, reserved money included.", value=spend.total
    )
    yield CounterMetricFamily(
        "cihealing_model_calls", "Calls to models that came about.", value=spend.calls
    )
    family = GaugeMetricFamily(
        "cihealing_model_usd_by_repository",
        "Money for models, the 50 dearest.",
        labels=["repository"],
    )
    for repository, usd in spend.by_repository.items():
        family.add_metric([repository], usd)
    yield family
    if spend.per_accepted_fix is not None:
        yield GaugeMetricFamily(
            "cihealing_model_usd_per_accepted_fix",
            "All money over merged fixes.",
            value=spend.per_accepted_fix,
        )


def _of_work(backlog: rows.Backlog) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "cihealing_effects_pending", "Effects that wait, timers included.", value=backlog.pending
    )
    yield GaugeMetricFamily(
        "cihealing_effects_due", "Effects that could run now.", value=backlog.due
    )
    yield GaugeMetricFamily(
        "cihealing_effects_oldest_due_seconds",
        "Age of the oldest due effect.",
        value=backlog.oldest_due_seconds,
    )
    yield CounterMetricFamily(
        "cihealing_effects_gave_up", "Effects that failed for good.", value=backlog.gave_up
    )
    yield GaugeMetricFamily(
        "cihealing_deliveries_reading",
        "Deliveries whose log is being fetched.",
        value=backlog.reading,
    )
    yield CounterMetricFamily(
        "cihealing_deliveries", "Authentic deliveries.", value=backlog.deliveries
    )


REGISTRY = CollectorRegistry(auto_describe=False)
REGISTRY.register(Numbers())
ProcessCollector(registry=REGISTRY)
