"""The HTTP contract under /api/v1/ci-healing: translate, one query or one service call, translate
back.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cihealing import registry, service
from cihealing.domain.review import ACTIONS
from cihealing.read import contract, deliveries, detail, feed, figures, memory, runs, texts
from cihealing.read.access import Viewer, may_act, viewer_of
from cihealing.web.api import errors, parsing, shapes, streams
from cihealing.web.api.authentication import actor_of
from cihealing.web.api.serializers import ActionSerializer
from cihealing.web.problems import problem
from cihealing.wording.plain import plain, recased

PROBLEM = ("application/problem+json",)
REFUSALS = {(code, *PROBLEM): shapes.PROBLEM for code in ("401", "404")}
BAD = {("400", *PROBLEM): shapes.PROBLEM, ("401", *PROBLEM): shapes.PROBLEM}
EVENT_STREAM: dict[Any, Any] = {
    (200, "text/event-stream"): OpenApiTypes.STR,
    ("503", *PROBLEM): shapes.PROBLEM,
}
ID = OpenApiParameter("id", UUID, "path")
RESUME = OpenApiParameter(
    "Last-Event-ID", str, OpenApiParameter.HEADER, description="Where to resume."
)


class ApiView(APIView):
    """What all paths share: one form of answer, problems for errors, a viewer."""

    content_negotiation_class = parsing.OneRenderer
    parser_classes = [parsing.BoundedJson]
    renderer_classes = [JSONRenderer]

    def get_exception_handler(self) -> Any:
        return errors.handle

    @property
    def viewer(self) -> Viewer:
        return viewer_of(self.request.user)


def found(value: Any) -> Any:
    """Raises Http404 where there is nothing."""
    if value is None:
        raise Http404
    return value


class DeliveryView(ApiView):
    @extend_schema(
        operation_id="delivery",
        responses={200: shapes.DELIVERY, **REFUSALS},
        parameters=[OpenApiParameter("id", UUID, "path")],
    )
    def get(self, request: Request, id: str) -> Response:
        """What became of a delivery."""
        return Response(
            contract.delivery(found(deliveries.delivery(self.viewer, parsing.run_id(id))))
        )


class RunsView(ApiView):
    @extend_schema(
        operation_id="runs",
        responses={200: shapes.RUN_PAGE, **BAD},
        parameters=[
            OpenApiParameter("page", int, description="From 1; page*pageSize is at most 10,000."),
            OpenApiParameter("pageSize", int, description="25 unless told."),
            OpenApiParameter("status", str, description="One status, or several by commas."),
            OpenApiParameter("repository", str),
            OpenApiParameter("q", str, description="Looked for in names, hashes and summaries."),
            OpenApiParameter("cursor", str, description="`nextCursor` of the page before."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Runs, newest first; those attached to another run are left out."""
        asked = {
            name: request.query_params.get(name, "")
            for name in ("status", "repository", "q", "cursor")
        }
        page, page_size = (
            parsing.number(request, "page", default=1),
            parsing.number(request, "pageSize", default=25),
        )
        return Response(
            contract.run_page(runs.page(self.viewer, page=page, page_size=page_size, **asked))
        )


class RunView(ApiView):
    @extend_schema(
        operation_id="run", responses={200: shapes.RUN_DETAIL, **REFUSALS}, parameters=[ID]
    )
    def get(self, request: Request, id: str) -> Response:
        """Everything about one run."""
        return Response(contract.run_detail(found(detail.run(self.viewer, parsing.run_id(id)))))


class PatchView(ApiView):
    @extend_schema(
        operation_id="patch",
        responses={(200, "text/x-diff"): OpenApiTypes.STR, **REFUSALS},
        parameters=[ID],
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        """The proven patch, else that of the latest attempt, as a unified diff."""
        text = found(texts.patch_text(self.viewer, parsing.run_id(id)) or None)
        return HttpResponse(text, content_type="text/x-diff; charset=utf-8")


class ReportView(ApiView):
    @extend_schema(
        operation_id="report",
        responses={
            (200, "application/json"): OpenApiTypes.ANY,
            (200, "text/markdown"): OpenApiTypes.STR,
            **REFUSALS,
        },
        parameters=[ID, OpenApiParameter("format", str, enum=["json", "md"])],
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:
        """The incident report, as JSON or as Markdown."""
        data, markdown = found(texts.report(self.viewer, parsing.run_id(id)))
        if wants_markdown(request):
            return HttpResponse(markdown, content_type="text/markdown; charset=utf-8")
        return Response(recased(data))


def wants_markdown(request: Request) -> bool:
    asked = request.query_params.get("format")
    return asked == "md" if asked else "text/markdown" in request.META.get("HTTP_ACCEPT", "")


class MemoryView(ApiView):
    @extend_schema(
        operation_id="memory", responses={200: shapes.MEMORY, **REFUSALS}, parameters=[ID]
    )
    def get(self, request: Request, id: str) -> Response:
        """What is known of the run's fingerprint: how other runs with it ended, and whether a
        person silenced it.
        """
        return Response(contract.memory(found(memory.of(self.viewer, parsing.run_id(id)))))


class ActionView(ApiView):
    @extend_schema(
        operation_id="act",
        request=ActionSerializer,
        responses={
            200: shapes.RUN_DETAIL,
            **{
                (code, *PROBLEM): shapes.PROBLEM
                for code in ("400", "401", "403", "404", "409", "413", "415")
            },
        },
        parameters=[ID, OpenApiParameter("action", str, "path", enum=ACTIONS)],
    )
    def post(self, request: Request, id: str, action: str) -> Response:
        """Approve, deny, abort or retry a run, or record that a person fixed it. 409 where the run
        has moved on or does not allow it.
        """
        if not may_act(request.user):
            raise PermissionDenied("Only operators may do this.")
        asked = ActionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run_id = parsing.run_id(id)
        found(runs.row(self.viewer, run_id))
        service.perform(
            run_id, action, **asked.validated_data, by=actor_of(request), tools=registry.tools()
        )
        return Response(contract.run_detail(found(detail.run(self.viewer, run_id))))


class SummaryView(ApiView):
    @extend_schema(
        operation_id="summary", responses={200: shapes.SUMMARY, ("401", *PROBLEM): shapes.PROBLEM}
    )
    def get(self, request: Request) -> Response:
        """Counts over the runs, attached ones left out."""
        return Response(plain(figures.summary(self.viewer)))


class RepositoriesView(ApiView):
    @extend_schema(
        operation_id="repositories",
        responses={200: shapes.REPOSITORIES, ("401", *PROBLEM): shapes.PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """Counts by repository, the latest run's first."""
        return Response({"data": plain(figures.repositories(self.viewer))})


class RunEventsView(ApiView):
    @extend_schema(
        operation_id="runEvents",
        responses={**EVENT_STREAM, **BAD, **REFUSALS},
        parameters=[
            ID,
            RESUME,
            OpenApiParameter("after", int, description="A version; its later facts are sent."),
        ],
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:
        """The facts of a run as they happen; event ids are the run's versions."""
        run_id = parsing.run_id(id)
        after = parsing.version(parsing.last_event_id(request, parameter="after"))
        found(runs.row(self.viewer, run_id))
        return streamed(request, streams.RunFeed(self.viewer, run_id, after=after))


class StreamView(ApiView):
    @extend_schema(
        operation_id="stream",
        responses={**EVENT_STREAM, **BAD},
        parameters=[
            RESUME,
            OpenApiParameter("after", str, description="An event id; what came later is sent."),
        ],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """One line about each fact of every run, as it happens."""
        after = parsing.last_event_id(request, parameter="after")
        if after:
            feed.position(after)
        return streamed(request, streams.AllFeed(self.viewer, after=after))


def streamed(request: Request, feed: streams.Feed) -> HttpResponseBase:
    try:
        return streams.response(feed, asynchronous=isinstance(request._request, ASGIRequest))
    except streams.TooManyListeners:
        answer = problem(
            "too-many-listeners",
            status=503,
            title="Too many clients listen",
            detail="Try again in a minute.",
        )
        answer["Retry-After"] = "60"
        return answer


@csrf_exempt
def nothing_here(request: HttpRequest, path: str = "") -> HttpResponse:
    return problem(
        "not-found",
        status=404,
        title="There is no such path",
        detail="GET /api/v1/docs lists what there is.",
    )
