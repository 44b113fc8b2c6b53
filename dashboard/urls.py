from django.urls import path

from dashboard import views

app_name = "dashboard"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("login", views.Login.as_view(), name="login"),
    path("logout", views.Logout.as_view(), name="logout"),
    path("runs", views.runs, name="runs"),
    path("runs/<uuid:run_id>", views.run, name="run"),
    path("runs/<uuid:run_id>/live", views.live, name="live"),
    path("runs/<uuid:run_id>/report", views.report, name="report"),
    path("runs/<uuid:run_id>/report.md", views.report_markdown, name="report_markdown"),
    path("runs/<uuid:run_id>/log", views.log, name="log"),
    path("runs/<uuid:run_id>/patch/<str:digest>", views.patch, name="patch"),
    path("runs/<uuid:run_id>/<str:action>", views.act, name="act"),
]
